"""A real Andon on loopback for every peer to talk to, and the peers that several tests share."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import peers
from tests.support.processes import RunningAndon, running_andon
from tests.support.prometheus import free_port

SYSTEM = """
from andon.people.models import Organisation, Person
from andon.registry.models import System
Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank"})
Person.objects.create_user(email="omar@example.org", name="Omar", role="lead")
System.objects.create(slug="credit-scorer", name="Credit scorer", stage="production", criticality="high")
"""

ON_LOOPBACK = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_CACHE_TTL": "1",  # seconds for which the server remembers that nobody listened
}  # fmt: skip


@pytest.fixture
def andon(tmp_path) -> Iterator[RunningAndon]:
    """A server with one system in its register, on SQLite and without an engine: what is taken is what is looked at."""
    with running_andon(tmp_path, engine=False) as running:
        running.python(SYSTEM)
        yield running


@pytest.fixture(scope="session")
def registry(tmp_path_factory) -> Iterator[str]:
    """MLflow's server: it takes half a minute to start, so one serves them all."""
    folder: Path = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [
        str(peers.python("mlflow").with_name("mlflow")), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.sqlite3'}", "--default-artifact-root", str(folder / "artifacts"),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=peers.environment() | ON_LOOPBACK, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), 150, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def until(true: Callable[[], object], seconds: float, log: Path | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(
                f"It did not come to that within {seconds} s. {log.read_text()[-3000:] if log else ''}"
            )
        time.sleep(0.2)


@pytest.fixture
def amazon(tmp_path: Path) -> Iterator[str]:
    """moto's server."""
    port = free_port()
    program = [str(peers.python("moto").with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path / "moto.log").open("wb") as log:
        process = subprocess.Popen(program, env=peers.environment(), stdout=log, stderr=log)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/moto-api/"), 60, tmp_path / "moto.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
