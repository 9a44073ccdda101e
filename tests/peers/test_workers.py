"""The kill switch in servers and workers that fork: gunicorn that loads the application first, Celery's prefork."""

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support import peers
from tests.support.guarding import Desk, wait_for
from tests.support.processes import RunningAndon, running_andon
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("workers", "gunicorn and Celery")]

GUARDED = """
import os, time, andon
from andon.sdk.guard import GuardWSGI, switch as switches
switches.LAST_WORDS = 30.0  # on a slow machine, too, Andon hears that a worker ends
switch = andon.guard("credit-scorer", version="v7")
"""

APPLICATION = """
def answer(environ, start_response):
    time.sleep(0.3)  # so that of several at once each of the workers takes some
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]

app = GuardWSGI(answer, switch, exempt={"/who"})
"""

TASKS = """
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

box = os.environ["BOX"]
app = Celery("scoring", broker="filesystem://", backend=f"file://{box}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{box}/queue", "data_folder_out": f"{box}/queue", "control_folder": f"{box}/control",
}
app.conf.broker_connection_retry_on_startup = True

@worker_process_init.connect
def ask(**_):
    switch.mode()

@worker_process_shutdown.connect
def good_bye(**_):
    switch.close()

@app.task
def score():
    return [os.getpid(), str(switch.mode())]
"""


@contextmanager
def program(
    andon: RunningAndon, desk: Desk, folder: Path, code: str, *command: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server or worker whose module `guarded` is this code; it is ended in good order."""
    (folder / "guarded.py").write_text(GUARDED + code)
    for name in ("queue", "control", "results"):
        (folder / name).mkdir()
    environment = peers.environment() | {
        "ANDON_BASE_URL": andon.base_url, "ANDON_GUARD_TOKEN": desk.token, "ANDON_GUARD_DIR": str(folder / "guard"),
        "BOX": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    environment["PYTHONPATH"] += f":{folder}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(peers.python("workers")), "-W", "ignore", "-m", *command], env=environment, cwd=folder, stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_each_worker_of_a_server_that_loads_the_application_first_is_a_replica(tmp_path):
    port = free_port()
    command = ("gunicorn", "--preload", "--workers", "3", "--bind", f"127.0.0.1:{port}", "guarded:app")
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk:
        folder = tmp_path / "service"
        folder.mkdir()

        # One that is made for each question takes so long that questions come one by one.
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        def ask(path="/"):
            """With a line of its own, so that any of the workers may take it; None while none does."""
            try:
                return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=20, verify=plain)
            except httpx.TransportError:
                return None

        def said_after_asking():
            """A worker is a replica from its first request on."""
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(ask, ["/who"] * 6))
            return desk.says()

        def asked_until(text):
            wait_for(lambda: said_after_asking() == text, what=lambda: f"{text!r}: it says {desk.says()!r}")

        with program(andon, desk, folder, APPLICATION, *command) as server:
            asked_until("3 of 3 replicas in service")
            wait_for(lambda: ask().status_code == 200)  # `on` from a copy is stale until Andon is heard
            desk.set("off")
            desk.until_says("3 of 3 replicas contained")
            refused = ask()
            assert (refused.status_code, refused.headers["andon-mode"], refused.headers["andon-revision"]) == (
                503, "off", "2",
            )  # fmt: skip
            killed = int(ask("/who").text)
            os.kill(killed, signal.SIGKILL)
            asked_until("4 of 4 replicas contained")  # the one in its place, too; of the killed one nobody knows yet
            server.terminate()
            assert server.wait(60) == 0
        desk.until_says("1 of 1 replica contained")  # the others have said that they end
        assert f":{killed}:" in desk.show()["replicas"][0]["instance"]


def test_each_process_of_celerys_pool_is_a_replica(tmp_path):
    command = ("celery", "-A", "guarded", "worker", "--pool", "prefork", "--concurrency", "2", "--loglevel", "WARNING")
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk:
        folder = tmp_path / "service"
        folder.mkdir()
        with program(andon, desk, folder, TASKS, *command) as worker:
            desk.until_says("2 of 2 replicas in service")
            desk.set("review")
            desk.until_says("2 of 2 replicas contained")
            pid, mode = peers.run("workers", SEND, folder=str(folder))
            assert (pid != worker.pid, mode) == (True, "review")
            worker.terminate()
            worker.wait(60)
        desk.until_says("no replica has said anything")


SEND = """
import os, sys
os.environ["BOX"] = folder
os.environ.pop("ANDON_BASE_URL", None)
sys.path.insert(0, folder)
import guarded
result = guarded.score.delay().get(timeout=60)
"""
