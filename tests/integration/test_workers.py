"""One server of several processes: one that dies is replaced and loses nothing, and none outlives the one that started it."""

import os
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support.processes import running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

WORKERS = 2


def workers_of(pid):
    """The serving processes below the one that looks after them (it has a helper of Python's own as well)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def until(what, within=60.0):
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def answers(sender, key):
    try:
        return sender.post({"id": key, "title": "Alert"}).status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_that_is_killed_is_replaced_and_what_it_confirmed_is_there(tmp_path, database_url):
    with running_andon(tmp_path, database_url, engine=False, workers=WORKERS) as andon:
        sender = andon.integration("generic")
        confirmed: set[str] = set()
        done = threading.Event()

        def send(client_number):
            number = 0
            while not done.is_set():
                number += 1
                key = f"{client_number}-{number}"
                if answers(sender, key):  # each over a connection of its own, so that both processes are met
                    confirmed.add(key)

        until(lambda: len(workers_of(andon.server.pid)) == WORKERS)
        before = workers_of(andon.server.pid)
        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: len(confirmed) > 100)
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(workers_of(andon.server.pid)) - {before[0]}) == WORKERS)
        enough = len(confirmed) + 100
        until(lambda: len(confirmed) > enough)
        done.set()
        for thread in threads:
            thread.join()
        kept = {fingerprint for (fingerprint,) in andon.sql("SELECT fingerprint FROM intake_signal")}
        assert confirmed <= kept


def test_workers_end_with_the_one_that_started_them(tmp_path):
    with running_andon(tmp_path, engine=False, workers=WORKERS) as andon:
        sender = andon.integration("generic")
        until(lambda: len(workers_of(andon.server.pid)) == WORKERS)
        orphans = workers_of(andon.server.pid)
        andon.kill_server()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans), within=30)
        andon.start_server()
        until(lambda: answers(sender, "afterwards"))
