"""Counts on their way: once each, whatever the network does, and never a trouble to the service."""

import json
import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from andon.sdk import counting, timing
from andon.sdk.counting import Counter
from tests.support.listener import listening

NOW = datetime(2026, 3, 2, 3, 12, 30, tzinfo=UTC)


class Machine:
    """The time of the machine, which moves when the test says so or the counter waits."""

    def __init__(self):
        self.seconds = 0.0
        self.waited = []

    def pause(self, seconds):
        self.waited.append(seconds)
        self.seconds += seconds


@pytest.fixture
def andon():
    with listening() as listener:
        yield listener


@pytest.fixture
def machine(monkeypatch):
    one = Machine()
    monkeypatch.setattr(timing, "pause", one.pause)
    monkeypatch.setattr(timing, "monotonic", lambda: one.seconds)
    monkeypatch.setattr(timing, "now", lambda: NOW + timedelta(seconds=one.seconds))
    return one


def counter_for(listener, **more):
    return Counter(url=f"{listener.url}/", token="andon_pat_t", background=False, **more)


def told(listener):
    """What Andon counts: each key once."""
    batches = {}
    for heard in listener.heard:
        body = json.loads(heard.body)
        batches.setdefault((body["instance"], body["sequence"]), (heard.path, body))
    return list(batches.values())


def observations(listener):
    return sum(point["n"] for _, body in told(listener) for point in body["points"])


def test_what_is_counted_arrives_as_sums_by_window_and_segment(andon, machine):
    counter = counter_for(andon)
    for failed in (True, False, False):
        counter.count("credit-scorer", error=failed, segment={"region": "EU"})
    counter.count("credit-scorer", error=True)
    machine.seconds = 31  # the next minute
    counter.count("credit-scorer", error=False, latency=0.25)
    assert counter.flush()
    bodies = {body["metric"]: (path, body) for path, body in told(andon)}
    path, errors = bodies["error"]
    assert path == "/api/v1/systems/credit-scorer/points"
    assert andon.heard[0].headers["authorization"] == "Bearer andon_pat_t"
    assert [(p["at"], p["segment"], p["n"], p["total"]) for p in errors["points"]] == [
        ("2026-03-02T03:12:00+00:00", {}, 1, 1.0),
        ("2026-03-02T03:12:00+00:00", {"region": "EU"}, 3, 1.0),
        ("2026-03-02T03:13:00+00:00", {}, 1, 0.0),
    ]
    (latency,) = bodies["latency"][1]["points"]
    assert (latency["n"], latency["total"], latency["squares"]) == (1, 0.25, 0.0625)


def test_a_batch_whose_answer_was_lost_is_sent_again_under_the_same_key(andon, machine):
    counter = counter_for(andon)
    counter.count("credit-scorer", error=True)
    answers = iter([503, 503, 200])
    andon.answer = lambda handler: andon.say(handler, next(answers))
    assert counter.flush(60)
    assert len(andon.heard) == 3
    assert len({heard.body for heard in andon.heard}) == 1
    assert len(machine.waited) == 2
    assert observations(andon) == 1
    counter.count("credit-scorer", error=True)
    andon.always(200)
    assert counter.flush()
    assert [body["sequence"] for _, body in told(andon)] == [1, 2]


def test_when_andon_is_away_everything_waits_and_goes_in_order(andon, machine, caplog):
    counter = counter_for(andon)
    andon.always(503)
    with caplog.at_level(logging.WARNING, "andon.sdk"):
        for _ in range(5):
            counter.count("credit-scorer", error=True)
            machine.seconds += 60
            assert not counter.flush(1)
    assert "Andon cannot be reached (503" in caplog.text
    assert caplog.text.count("cannot be reached") == 1  # not a line a minute
    andon.heard.clear()
    andon.always(200)
    assert counter.flush()
    assert [body["sequence"] for _, body in told(andon)] == [1, 2, 3, 4, 5]
    assert observations(andon) == 5


def test_away_for_too_long_the_oldest_go_and_the_log_says_how_many(andon, machine, caplog):
    counter = counter_for(andon, most_waiting=3)
    andon.always(503)
    with caplog.at_level(logging.WARNING, "andon.sdk"):
        for minute in range(6):
            for _ in range(minute + 1):
                counter.count("credit-scorer", error=False)
            machine.seconds += 60
            counter.flush(0.5)
    lost = [record.args[0] for record in caplog.records if "are lost" in record.msg]
    assert sum(lost) == 1 + 2 + 3
    andon.heard.clear()
    andon.always(200)
    assert counter.flush()
    assert observations(andon) == 4 + 5 + 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_andon_refuses_is_lost_with_a_line_and_holds_up_nothing(andon, machine, caplog, status):
    counter = counter_for(andon)
    words = json.dumps({"detail": "No watch of Credit scorer counts “eror”."}).encode()
    refuse = {"eror": status}
    andon.answer = lambda handler: andon.say(
        handler, refuse.get(json.loads(handler.request_heard.body)["metric"], 200), words
    )
    counter.count("credit-scorer", eror=True, error=True)
    with caplog.at_level(logging.WARNING, "andon.sdk"):
        assert not counter.flush()
    assert counter.flush()  # nothing is left to send
    assert f"Andon refuses this ({status}: No watch of Credit scorer counts “eror”.)" in caplog.text
    assert "1 observations of eror of credit-scorer are lost" in caplog.text
    assert "andon_pat_t" not in caplog.text
    assert len(andon.heard) == 2


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("credit-scorer", {"error": float("nan")}),
        ("credit-scorer", {"error": float("inf")}),
        ("credit-scorer", {"error": "yes"}),
        ("credit-scorer", {"error": None}),
        ("credit-scorer", {}),
        ("", {"error": True}),
        ("x" * 61, {"error": True}),
        ("credit-scorer", {"x" * 61: True}),
        (None, {"error": True}),
        ("credit-scorer", {"error": True, "at": "yesterday"}),
    ],
)
def test_what_cannot_be_counted_is_said_and_never_raised(andon, machine, caplog, system, said):
    counter = counter_for(andon)
    with caplog.at_level(logging.WARNING, "andon.sdk"):
        counter.count(system, **said)
        assert counter.flush()
    assert "This was not counted" in caplog.text
    assert andon.heard == []


def test_an_address_that_cannot_be_called_is_said_and_never_raised(machine, caplog):
    counter = Counter(url="nonsense", token="t", background=False)
    counter.count("credit-scorer", error=True)
    with caplog.at_level(logging.WARNING, "andon.sdk"):
        assert not counter.flush()
    assert "cannot be called" in caplog.text


def test_many_threads_count_and_send_at_once_and_nothing_is_lost_or_doubled(andon):
    counter = counter_for(andon)

    def work():
        for number in range(500):
            counter.count("credit-scorer", error=number % 2 == 0, segment=str(number % 3))
            if number % 100 == 0:
                counter.flush(20)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.flush(20)
    assert observations(andon) == 2000
    keys = [(body["instance"], body["sequence"]) for _, body in told(andon)]
    assert len(keys) == len(set(keys)) == len(andon.heard)


def test_after_close_nothing_is_counted_and_the_log_says_so(andon, machine, caplog):
    counter = counter_for(andon)
    counter.count("credit-scorer", error=True)
    counter.close()
    assert observations(andon) == 1
    with caplog.at_level(logging.WARNING, "andon.sdk"):
        counter.count("credit-scorer", error=True)
    assert "was closed" in caplog.text


def test_the_background_sends_by_itself_what_is_over(andon):
    counter = Counter(url=andon.url, token="t", seconds=1)
    arrived = threading.Event()

    def answer(handler):
        andon.say(handler, 200)
        arrived.set()

    andon.answer = answer
    counter.count("credit-scorer", error=True)
    assert arrived.wait(10)
    counter.close()
    assert observations(andon) == 1


def run(code, andon=None):
    if andon is not None:
        code = f"from andon.sdk import connect\nconnect(url={andon.url!r}, token='t')\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
    )


def test_a_process_that_ends_sends_what_is_left_and_django_is_not_needed(andon):
    code = """
import sys
from andon.sdk import count
for number in range(10):
    count("credit-scorer", error=number == 3)
assert "django" not in sys.modules
"""
    done = run(code, andon)
    assert done.returncode == 0, done.stderr
    assert observations(andon) == 10


def test_a_process_that_forks_counts_what_each_saw_once(andon):
    code = """
import os
from andon.sdk import count, flush
count("credit-scorer", error=True)
child = os.fork()
count("credit-scorer", error=False)
if child == 0:
    assert flush(20)
    os._exit(0)
os.waitpid(child, 0)
"""
    done = run(code, andon)
    assert done.returncode == 0, done.stderr
    assert observations(andon) == 3
    assert len({body["instance"] for _, body in told(andon)}) == 2


def test_without_an_address_a_service_runs_on_and_is_told_once():
    done = run("from andon.sdk import count\nfor _ in range(3): count('credit-scorer', error=True)")
    assert done.returncode == 0
    assert done.stderr.count("Nothing is counted") == 1


def test_connecting_again_sends_what_was_counted_for_the_place_before(andon, monkeypatch):
    monkeypatch.setattr(counting, "_mine", None)
    counting.connect(url=andon.url, token="t")
    counting.count("credit-scorer", error=True)
    with listening() as other:
        counting.connect(url=other.url, token="t")
        counting.count("credit-scorer", error=True)
        assert counting.flush(10)
        counting._mine.close()
        assert (observations(andon), observations(other)) == (1, 1)
