"""kill -9 of the real server under load: what was answered with 2xx is in the database, on both databases."""

import threading
import time
from pathlib import Path

import httpx
import pytest
from cryptography.fernet import Fernet

from tests.support.processes import running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]

CLIENTS = 8
MOST_ROUNDS = 8
# `andon serve` starts one process for each core. Several on PostgreSQL: `test_workers`, and the two replicas below.
as_many = pytest.mark.parametrize(
    ("database_url", "workers"), [("sqlite", 1), ("sqlite", 2), ("postgresql", 1)], indirect=["database_url"]
)


@as_many
def test_every_2xx_is_in_the_database_after_kill_9(tmp_path, database_url, workers):
    with running_andon(tmp_path, database_url, engine=False, workers=workers) as andon:
        sender = andon.integration("generic")
        confirmed: set[str] = set()
        done = threading.Event()

        def send(client_number: int) -> None:
            number = 0
            anew = httpx.Limits(max_keepalive_connections=0)  # so that all workers are met
            with httpx.Client(timeout=10, limits=anew) as client:
                while not done.is_set():
                    number += 1
                    key = f"{client_number}-{number}"
                    try:
                        answer = sender.post({"id": key, "title": f"Alert {key}"}, client=client)
                    except httpx.TransportError:
                        return  # cut off: not confirmed, and a real sender would send it again
                    if answer.status_code == 200:
                        confirmed.add(key)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while len(confirmed) < 300 and time.monotonic() < deadline:
            time.sleep(0.01)
        andon.kill_group()
        done.set()
        for thread in threads:
            thread.join()

        assert len(confirmed) >= 300, andon.log("server")
        kept = {fingerprint for (fingerprint,) in andon.sql("SELECT fingerprint FROM intake_signal")}
        assert confirmed <= kept
        andon.start_server()
        assert sender.post({"id": "afterwards", "title": "After the restart"}).status_code == 200


@as_many
def test_twenty_five_keys_eight_times_at_once_make_twenty_five_signals(tmp_path, database_url, workers):
    with running_andon(tmp_path, database_url, engine=False, workers=workers) as andon:
        sender = andon.integration("generic")
        answers: list[int] = []
        met: dict[str, set[int]] = {}  # by key: the processes that took it
        rounds = 0
        # Which worker takes a connection is the kernel's choice: new keys, until one was raced for by all of them.
        while rounds < MOST_ROUNDS and not any(len(those) == workers for those in met.values()):
            rounds += 1
            _send_at_once([f"key-{rounds}-{key}" for key in range(25)], sender, andon, answers, met)

        assert set(andon.serving()) == set().union(*met.values()), f"a worker served nobody in {len(answers)} requests"
        assert any(len(those) == workers for those in met.values()), "no key came to all workers at once"
        assert answers == [200] * 200 * rounds
        kept = andon.sql(
            "SELECT count(*), sum(count), min(count), max(count) FROM intake_signal WHERE status = 'firing'"
        )
        assert kept == [(25 * rounds, 200 * rounds, 8, 8)]
        assert andon.sql("SELECT count(*) FROM intake_delivery") == [(200 * rounds,)]


def _send_at_once(keys, sender, andon, answers, met) -> None:
    """Each key eight times at once, by connections of their own; notes the answers, and who served them."""
    barrier = threading.Barrier(8)

    def send() -> None:
        def look(answer: httpx.Response) -> None:
            taken_by.append(andon.server_of(answer))

        taken_by: list[int] = []
        anew = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(timeout=20, limits=anew, event_hooks={"response": [look]}) as client:
            for key in keys:
                barrier.wait(30)  # each key eight times at once, not only the first
                answer = sender.post({"id": key, "title": "Same alert"}, client=client)
                answers.append(answer.status_code)
                met.setdefault(key, set()).add(taken_by[-1])

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_replicas_on_one_postgresql_still_make_one_signal_a_key(tmp_path, postgres_url):
    keys = {"ANDON_FIELD_KEYS": Fernet.generate_key().decode()}  # each folder would make its own
    with (
        running_andon(tmp_path / "one", postgres_url, engine=False, settings=keys) as one,
        running_andon(tmp_path / "two", postgres_url, engine=False, settings=keys) as two,
    ):
        sender = one.integration("generic")
        other = type(sender)(sender.url.replace(one.base_url, two.base_url), sender.token, sender.slug)
        answers: list[int] = []

        def send(where) -> None:
            with httpx.Client(timeout=20) as client:
                sent = (where.post({"id": f"key-{key}", "title": "Same"}, client=client) for key in range(50))
                answers.extend(answer.status_code for answer in sent)

        threads = [threading.Thread(target=send, args=(where,)) for where in (sender, other) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert answers == [200] * 400
        assert one.sql("SELECT count(*), sum(count) FROM intake_signal") == [(50, 400)]


def test_a_database_that_goes_away_is_503_and_comes_back_without_a_restart(tmp_path, database_url):
    with running_andon(tmp_path, database_url, engine=False) as andon:
        sender = andon.integration("generic")
        assert sender.post({"title": "Before"}).status_code == 200
        with _away(andon):
            answer = sender.post({"title": "Meanwhile"})
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            assert answer.headers["Content-Type"] == "application/problem+json"
        deadline = time.monotonic() + 20
        while (answer := sender.post({"title": "Afterwards"})).status_code == 503:
            assert time.monotonic() < deadline, andon.log("server")
            time.sleep(0.2)
        assert answer.status_code == 200
        titles = {title for (title,) in andon.sql("SELECT title FROM intake_signal")}
        assert {"Before", "Afterwards"} <= titles


class _away:  # noqa: N801  reads as a statement
    """The database cannot be reached inside this block: its file is moved away, or its server refuses connections."""

    def __init__(self, andon) -> None:
        self.andon = andon
        self.file = andon.database_url.removeprefix("sqlite:///")
        self.sqlite = andon.database_url.startswith("sqlite")

    def __enter__(self) -> None:
        if self.sqlite:
            Path(self.file).rename(f"{self.file}.away")
        else:
            self._postgres(allow=False)

    def __exit__(self, *_: object) -> None:
        if self.sqlite:
            Path(f"{self.file}.away").rename(self.file)
        else:
            self._postgres(allow=True)

    def _postgres(self, *, allow: bool) -> None:
        import psycopg

        server, _, name = self.andon.database_url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allow}')
            if not allow:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
