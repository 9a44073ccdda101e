"""A real Ray Serve: an application gets its earlier configuration, which is seen in what it answers, and back again."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, cleaned
from tests.peers.conftest import answers, until
from tests.support import peers
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), peers.needs("ray", "Ray Serve")]

MODEL = """
import os
from ray import serve

@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class Scorer:
    def __init__(self, version):
        self.version = version

    async def __call__(self, request):
        return {"version": self.version, "key": os.environ.get("API_KEY")}

def app(args):
    return Scorer.bind(args["version"])
"""


def config(version: str) -> dict:
    return {
        "name": "credit", "route_prefix": "/credit", "import_path": "andon_served:app", "args": {"version": version},
        "runtime_env": {"env_vars": {"API_KEY": "a secret"}},
    }  # fmt: skip


@pytest.fixture
def ray() -> Iterator[tuple[str, str]]:
    """A head node with its dashboard; where that is, and where Serve answers."""
    # Ray's sockets lie in its folder, and a socket's path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as short:
        folder = Path(short)
        (folder / "andon_served.py").write_text(MODEL)
        dashboard, port = free_port(), free_port()
        environment = peers.environment() | {
            "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(folder),
        }  # fmt: skip
        program = [
            str(peers.python("ray").with_name("ray")), "start", "--head", "--block", "--disable-usage-stats",
            "--num-cpus=1", "--object-store-memory=80000000", f"--port={free_port()}", "--dashboard-host=127.0.0.1",
            f"--dashboard-port={dashboard}", f"--temp-dir={folder / 't'}",
        ]  # fmt: skip
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                program, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            url = f"http://127.0.0.1:{dashboard}"
            until(lambda: answers(f"{url}/api/serve/applications/"), 120, folder / "log")
            whole = {"http_options": {"host": "127.0.0.1", "port": port}, "applications": [config("7"), other()]}
            httpx.put(f"{url}/api/serve/applications/", json=whole, timeout=60).raise_for_status()
            serving = f"http://127.0.0.1:{port}/credit"
            until(lambda: answers(serving), 120, folder / "log")
            yield url, serving
        finally:
            end(process, folder)


def other() -> dict:
    return config("1") | {"name": "another", "route_prefix": "/another"}


def end(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """End the node and all that it started: whatever has its folder in its command or its environment."""
    process.kill()
    process.wait(20)
    mark = str(folder).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if mark in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


def test_an_application_goes_back_to_its_earlier_configuration_and_forward_again(ray):
    url, serving = ray
    given = cleaned(adapters.find("rayserve").fields, {
        "server": url, "application": "credit", "config": json.dumps(config("6")), "serving": serving, "shown": "6",
    })  # fmt: skip
    adapter = adapters.find("rayserve")
    prior = adapter.state(given)
    assert prior["shown"] == "7"
    assert "a secret" not in str(prior)
    plan = adapter.plan(given, prior)
    assert plan.says == "credit gets another args, and serves 6."
    assert adapter.probe(given, plan).holds is False

    adapter.act(given, plan, "PULL-1")
    until(lambda: adapter.probe(given, plan).holds is True, 120)
    assert httpx.get(serving, timeout=10).json() == {"version": "6", "key": "a secret"}
    assert httpx.get(serving.replace("/credit", "/another"), timeout=10).json()["version"] == "1", "it runs on"

    adapter.undo(given, prior, "PULL-2")
    until(lambda: adapter.probe(given, Plan(prior, "")).holds is True, 120)
    assert httpx.get(serving, timeout=10).json() == {"version": "7", "key": "a secret"}

    broken = cleaned(adapter.fields, given | {"config": '{"import_path": 7}'})
    with pytest.raises(LeverFault) as caught:
        adapter.act(broken, plan, "PULL-3")
    assert "Ray Serve answered" in caught.value.text
    assert httpx.get(serving, timeout=10).json()["version"] == "7"
