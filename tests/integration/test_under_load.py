"""kill -9 under sustained load, again and again: of servers, engines, both together, and of PostgreSQL itself.

Senders behave as Alertmanager does: they try again on 5xx and on a broken connection, and give up on anything else.
Whatever dies, nothing that was answered with 2xx is lost, nothing is refused for good, every incident is paged, and a
page that goes out again has the key that it had.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.integration.test_kill import keys, leases_end, organisation, states, until
from tests.support.listener import listening
from tests.support.postgres import fresh_database, own_postgres
from tests.support.processes import RunningAndon, Sender, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(420)]

SYSTEMS = 20
CLIENTS = 4


class Load:
    """Senders that post alert after alert, each until it is taken.

    Args:
        sender: Whose alerts they are.
        anew: Whether each post is a connection of its own, so that all workers of a server are met.

    Attributes:
        taken: Keys of the alerts that were answered with 200.
        systems: Whose alerts those were.
        answers: What was answered at all.
        posts: One for each post, answered or not.
        cut_off: One for each post whose connection stood when its server died.
        given_up: Keys of alerts that were refused for good.
    """

    def __init__(self, sender: Sender, *, anew: bool = False) -> None:
        self._sender = sender
        self._limits = httpx.Limits(max_keepalive_connections=0 if anew else None)
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(CLIENTS)]
        self.taken: set[str] = set()
        self.systems: set[str] = set()
        self.answers: set[int] = set()
        self.posts: list[int] = []
        self.cut_off: list[str] = []
        self.given_up: list[str] = []

    def _send(self, client_number: int) -> None:
        number = 0
        with httpx.Client(timeout=30, limits=self._limits) as client:
            while not self._done.is_set():
                number += 1
                key = f"{client_number}-{number}"
                system = f"system-{(number * CLIENTS + client_number) % SYSTEMS}"
                self._deliver({"id": key, "title": f"Alert {key}", "system": system, "severity": "S2"}, client)

    def _deliver(self, alert: dict[str, str], client: httpx.Client) -> None:
        """As Alertmanager: again on 5xx and on no answer, ever more slowly; anything else ends it."""
        wait = 0.05
        while True:
            try:
                status = self._sender.post(alert, client=client).status_code
            except httpx.TransportError as error:
                status = 0
                if not isinstance(error, httpx.ConnectError | httpx.TimeoutException):
                    self.cut_off.append(alert["id"])
            self.posts.append(status)
            if status:
                self.answers.add(status)
            if status == 200:
                self.taken.add(alert["id"])
                self.systems.add(alert["system"])
                return
            if 0 < status < 500:
                self.given_up.append(alert["id"])
                return
            time.sleep(wait)
            wait = min(wait * 2, 1.0)

    def more(self, count: int, andon: RunningAndon, seconds: float = 90.0) -> None:
        """Wait until so many more alerts were taken."""
        wanted = len(self.taken) + count
        until(lambda: len(self.taken) >= wanted, andon, seconds)

    def from_all(self, andon: RunningAndon) -> None:
        """Wait until more were taken, and one of every system: a client that had to wait may be far behind others."""
        self.more(20, andon)
        until(lambda: len(self.systems) == SYSTEMS, andon, 90)

    @contextmanager
    def on(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join(120)


def nothing_is_lost(load: Load, andon: RunningAndon) -> None:
    assert not load.given_up
    assert load.answers <= {200, 503}
    rows = [fingerprint for (fingerprint,) in andon.sql("SELECT fingerprint FROM intake_signal")]
    assert load.taken <= set(rows)
    assert len(rows) == len(set(rows))
    ((counted,),) = andon.sql("SELECT sum(count) FROM intake_signal")
    assert len(load.taken) <= counted <= len(load.posts)


def everybody_is_paged(andon: RunningAndon, heard: Callable[[], list[str]]) -> None:
    until(lambda: andon.sql("SELECT count(*) FROM intake_signal WHERE route_at IS NOT NULL") == [(0,)], andon, 90)
    assert andon.sql("SELECT count(*), count(DISTINCT group_key) FROM incidents_incident") == [(SYSTEMS, SYSTEMS)]
    paged = "SELECT count(DISTINCT incident_id) FROM paging_page WHERE state = 'sent'"
    until(lambda: andon.sql(paged) == [(SYSTEMS,)] and set(states(andon)) == {"sent"}, andon, 90)
    queued = {key for (key,) in andon.sql("SELECT key FROM paging_page")}
    assert set(heard()) == queued  # whatever went out twice had a key that was there


def test_killed_again_and_again_under_load(tmp_path, database_url):
    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        load = Load(organisation(andon, pager, systems=SYSTEMS))
        with load.on():
            load.more(20, andon)
            andon.kill_server()
            andon.start_server()
            load.more(20, andon)
            andon.kill_engine()
            load.more(20, andon)
            andon.start_engine()
            andon.kill_server()
            andon.kill_engine()
            andon.start_engine()
            andon.start_server()
            load.from_all(andon)
        nothing_is_lost(load, andon)
        andon.kill_engine()
        leases_end(andon)
        andon.start_engine()
        everybody_is_paged(andon, lambda: keys(pager))


def test_postgresql_crashes_under_load_and_andon_goes_on_without_a_restart(tmp_path):
    with own_postgres() as postgres:
        if postgres is None:
            pytest.skip("NOT TESTED ON POSTGRESQL: Debian's package postgresql is not installed")
        with (
            fresh_database(postgres.url) as url,
            listening() as pager,
            running_andon(tmp_path, url) as andon,
        ):
            load = Load(organisation(andon, pager, systems=SYSTEMS))
            with load.on():
                for _ in range(2):
                    load.more(20, andon)
                    postgres.crash()
                    time.sleep(1)  # senders and engine meet a database that is away
                    postgres.start()
                load.from_all(andon)
            nothing_is_lost(load, andon)
            until(lambda: "sending" not in states(andon), andon, 120)  # leases of outcomes that could not be written
            everybody_is_paged(andon, lambda: keys(pager))


@contextmanager
def nothing_can_be_written(andon: RunningAndon) -> Iterator[None]:
    """Somebody else holds the database against every writer."""
    if andon.database_url.startswith("sqlite"):
        with sqlite3.connect(andon.database_url.removeprefix("sqlite:///"), timeout=20) as holder:
            holder.execute("BEGIN IMMEDIATE")
            yield
        return
    with psycopg.connect(andon.database_url) as holder:
        holder.execute("LOCK TABLE intake_signal IN ACCESS EXCLUSIVE MODE")
        yield


def test_overload_is_answered_503_and_nothing_else_and_loses_nothing(tmp_path, database_url):
    with running_andon(tmp_path, database_url, engine=False) as andon:
        load = Load(andon.integration("generic"))
        with load.on():
            load.more(20, andon)
            with nothing_can_be_written(andon):
                until(lambda: 503 in load.answers, andon)
            load.more(20, andon)
        assert load.answers == {200, 503}
        nothing_is_lost(load, andon)
