"""Several engines as real processes on one database: one is killed, one sleeps until it is told, one is of another version."""

import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack

import httpx
import pytest

from andon.engine.locks import RULES
from tests.integration.test_kill import fire, keys, leases_end, organisation, states, until
from tests.support.listener import listening
from tests.support.processes import ENGINE, RunningAndon, running_andon
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]

SLEEPS = "from andon.engine import runner; runner.POLL = 3600.0; runner.main()"
NEWER = """
import django
django.setup()
from andon.engine import locks
locks.RULES["routing"] += 1
from andon.engine import runner
runner.main()
"""
NEWER_SERVER = """
import sys
import django
django.setup()
from andon.engine import locks
locks.RULES["routing"] += 1
from andon.cli import serving
serving.serve(host="127.0.0.1", port=int(sys.argv[1]), workers=1)
"""
VERIFIED = """
from andon.incidents.timeline import verify_all
result = [[incident.number, len(problems)] for incident, problems in verify_all()]
"""


def start(andon: RunningAndon, name: str, code: str) -> "subprocess.Popen[bytes]":
    return andon._start(name, "-c", code)


def test_an_engine_that_is_stopped_for_a_while_goes_on_and_ends_when_it_is_told(tmp_path, database_url):
    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        sender = organisation(andon, pager, systems=1)
        engine = andon.engine
        assert engine is not None
        for _ in range(3):  # longer than it waits between two looks at itself, and begun at any point of such a wait
            engine.send_signal(signal.SIGSTOP)
            time.sleep(1.7)
            engine.send_signal(signal.SIGCONT)
            time.sleep(0.7)
        assert engine.poll() is None, andon.log("engine")
        fire(sender, 0)
        until(lambda: states(andon) == ["sent"], andon)
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(20) == 0
        assert "The engine has stopped" in andon.log("engine")


def test_three_engines_under_load_and_one_of_them_killed_page_every_incident(tmp_path, postgres_url):
    systems = 60
    with listening() as pager, running_andon(tmp_path, postgres_url) as andon, ExitStack() as stack:
        others = [andon._start(f"engine-{number}", *ENGINE) for number in (2, 3)]
        for other in others:
            stack.callback(other.wait, 20)
            stack.callback(other.terminate)
        until(lambda: andon.sql("SELECT count(*) FROM engine_enginebeat") == [(3,)], andon)
        sender = organisation(andon, pager, systems=systems)
        senders = [
            threading.Thread(target=lambda part=part: [fire(sender, n) for n in range(part, systems, 4)])
            for part in range(4)
        ]
        for thread in senders:
            thread.start()
        until(lambda: len(keys(pager)) > systems // 4, andon)
        others[0].kill()
        for thread in senders:
            thread.join()
        leases_end(andon)
        until(lambda: states(andon) == ["sent"] * systems, andon)
        assert others[1].poll() is None
        heard = Counter(keys(pager))
        assert set(heard) == {key for (key,) in andon.sql("SELECT key FROM paging_page")}
        assert len(heard) == systems
        # Only what the dead engine had on the wire may have come twice, and then under the same key.
        assert max(heard.values()) <= 2
        assert andon.sql("SELECT count(*), min(number), max(number) FROM incidents_incident") == [(systems, 1, systems)]
        assert andon.python(VERIFIED) == [[number, 0] for number in range(1, systems + 1)]


def test_an_engine_of_its_own_process_is_woken_by_the_database(tmp_path, postgres_url):
    with listening() as pager, running_andon(tmp_path, postgres_url, engine=False) as andon:
        sender = organisation(andon, pager, systems=3)
        andon.engine = start(andon, "engine", SLEEPS)
        until(lambda: andon.sql("SELECT 1 FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')"), andon)
        time.sleep(1)  # it has looked once, and sleeps for an hour
        fire(sender, 0)
        until(lambda: len(keys(pager)) == 1, andon)
        # A line that breaks is made anew, and what was said meanwhile is looked for.
        andon.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')")
        fire(sender, 1)
        until(lambda: len(keys(pager)) == 2, andon)
        until(lambda: andon.sql("SELECT 1 FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')"), andon)
        fire(sender, 2)
        until(lambda: len(keys(pager)) == 3, andon)


def test_an_engine_of_its_own_process_is_woken_on_sqlite_as_well(tmp_path):
    with listening() as pager, running_andon(tmp_path, engine=False) as andon:
        sender = organisation(andon, pager, systems=1)
        andon.engine = start(andon, "engine", SLEEPS)
        until(lambda: andon.sql("SELECT 1 FROM engine_enginebeat"), andon)
        time.sleep(1)  # it has looked once, and sleeps for an hour
        fire(sender, 0)
        until(lambda: len(keys(pager)) == 1, andon)


def test_an_older_engine_leaves_to_the_newer_what_it_does_not_know(tmp_path, database_url):
    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        sender = organisation(andon, pager, systems=2)
        version = "SELECT version FROM engine_modulelock WHERE module = 'routing'"
        until(lambda: andon.sql(version) == [(RULES["routing"],)], andon)
        newer = start(andon, "newer", NEWER)
        try:
            until(lambda: andon.sql(version) == [(RULES["routing"] + 1,)], andon)
            fire(sender, 0)
            until(lambda: len(keys(pager)) == 1, andon)
            until(lambda: "taken this module over" in andon.log("engine"), andon)
            until(lambda: "older version" in says(andon)["says"], andon)
            assert says(andon)["healthy"]
            refused = httpx.post(f"{andon.base_url}/api/v1/incidents", json={}, timeout=20)
            assert (refused.status_code, refused.json()["code"]) == (503, "outdated")  # the server is as old
        finally:
            newer.terminate()
            newer.wait(20)
        fire(sender, 1)
        until(lambda: not says(andon)["healthy"], andon)
        assert "Nobody does this part of the engine: routing" in says(andon)["says"]
        assert len(keys(pager)) == 1
        assert andon.sql("SELECT count(*) FROM intake_signal WHERE route_at IS NOT NULL") == [(1,)]


def test_a_newer_server_takes_over_and_an_older_engine_leaves_the_rest_alone(tmp_path, database_url):
    with running_andon(tmp_path, database_url, server=False) as andon:
        server = andon._start("newer-server", "-c", NEWER_SERVER, str(free_port()))
        try:
            until(lambda: "taken this module over" in andon.log("engine"), andon)
            assert "runs an older version" not in andon.log("newer-server")
        finally:
            server.terminate()
            server.wait(20)
        held = "SELECT version, taken_by FROM engine_modulelock WHERE module = 'routing'"
        ((version, by),) = andon.sql(held)
        assert version == RULES["routing"] + 1
        assert by.startswith("andon serve on ")


def says(andon: RunningAndon) -> dict[str, object]:
    return httpx.get(f"{andon.base_url}/readyz", timeout=20).json()["engine"]
