"""Reports on their way: tried again where that helps, and never a trouble to the pipeline."""

import json
import logging
import subprocess
import sys
import types
from datetime import UTC, datetime

import pytest

from andon.sdk import NotRecognised, NotTaken, airflow, dagster, report, sending, timing
from tests.sdk.test_reading import evidently_test, snapshot
from tests.support.listener import listening

FAILS = snapshot(evidently_test(), evidently_test(test="gt", status="SUCCESS"))


@pytest.fixture
def andon():
    with listening() as listener:
        yield listener


@pytest.fixture
def waits(monkeypatch):
    """What was waited; no test waits for it."""
    waited = []
    clock = [0.0]

    def pause(seconds):
        waited.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(timing, "pause", pause)
    monkeypatch.setattr(timing, "monotonic", lambda: clock[0])
    return waited


def where(listener, **more):
    return {"system": "credit-scorer", "url": f"{listener.url}/intake/generic/x", "token": "andon_in_t", **more}


def bodies(listener):
    return [json.loads(heard.body) for heard in listener.heard]


def test_a_report_is_one_request_with_the_token_and_every_check(andon):
    done = report(FAILS, **where(andon), at=datetime(2026, 3, 2, tzinfo=UTC), link="https://ci.example.org/7")
    assert (done.delivered, done.signals, done.failing, done.error) == (True, 2, 1, "")
    (heard,) = andon.heard
    assert (heard.path, heard.headers["authorization"]) == ("/intake/generic/x", "Bearer andon_in_t")
    failed, passed = json.loads(heard.body)
    assert failed["id"] == "credit-scorer/evidently/m1/lt"
    assert (failed["status"], passed["status"]) == ("firing", "ok")
    assert failed["starts_at"] == "2026-03-02T00:00:00+00:00"
    assert failed["url"] == "https://ci.example.org/7"


def test_an_unavailable_andon_is_asked_again_with_the_same_body_and_growing_pauses(andon, waits):
    answers = iter([503, 503, 502, 200])
    andon.answer = lambda handler: andon.say(handler, next(answers))
    assert report(FAILS, **where(andon)).delivered
    assert len({heard.body for heard in andon.heard}) == 1
    assert len(andon.heard) == 4
    assert all(0.25 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(waits))


def test_the_pause_that_andon_asks_for_is_kept(andon, waits):
    answers = iter([503, 200])
    andon.answer = lambda handler: andon.say(handler, next(answers), Retry_After="7")
    assert report(FAILS, **where(andon)).delivered
    assert waits == [7.0]


def test_patience_ends(andon, waits):
    andon.always(503)
    done = report(FAILS, **where(andon), patience=20)
    assert not done.delivered
    assert "503" in done.error
    assert sum(waits) <= 20


def test_nobody_listens(waits):
    with listening() as gone:
        address = where(gone)
    done = report(FAILS, **address, patience=5)
    assert not done.delivered
    assert "ConnectError" in done.error
    assert waits


def test_what_andon_refuses_is_not_sent_again_and_is_said_without_the_token(andon, waits, caplog):
    body = json.dumps({"detail": "Invalid enum value.", "field": "severity"}).encode()
    andon.answer = lambda handler: andon.say(handler, 400, body)
    with caplog.at_level(logging.WARNING, "andon.sdk"):
        done = report(FAILS, **where(andon))
    assert done.error == "Andon refuses this (400: Invalid enum value. (field severity))"
    assert len(andon.heard) == 1
    assert waits == []
    assert done.error in caplog.text
    assert "andon_in_t" not in caplog.text


@pytest.mark.parametrize(
    "change",
    [{"source": {}}, {"source": "/nowhere/at/all.json"}, {"severity": "high"}, {"url": "nonsense"}, {"url": 7}],
)
def test_nothing_raises_into_the_pipeline_unless_asked(andon, waits, change):
    arguments = {"source": FAILS, **where(andon), **change}
    source = arguments.pop("source")
    done = report(source, **arguments)
    assert not done.delivered
    assert done.error
    with pytest.raises((NotTaken, NotRecognised, OSError, ValueError, TypeError)):
        report(source, **arguments, raising=True)


def test_many_signals_go_in_requests_that_andon_can_take(andon):
    many = snapshot(*(evidently_test(f"m{number}") for number in range(sending.AT_ONCE + 1)))
    assert report(many, **where(andon)).signals == sending.AT_ONCE + 1
    assert [len(body) for body in bodies(andon)] == [sending.AT_ONCE, 1]


def test_nothing_to_say_sends_nothing(andon):
    assert report(snapshot(), **where(andon)).delivered
    assert andon.heard == []


def task(**more):
    return types.SimpleNamespace(
        dag_id="nightly",
        task_id="score",
        try_number=2,
        log_url="https://airflow.example.org/log",
        end_date=None,
        **more,
    )


def test_airflow_fails_and_succeeds_as_one_task(andon):
    context = {"task_instance": task(), "run_id": "manual__1", "exception": ValueError("no rows")}
    assert airflow.on_failure(**where(andon), severity="S2")(context).failing == 1
    assert airflow.on_success(**where(andon))(context).failing == 0
    (failed,), (passed,) = bodies(andon)
    assert failed["title"] == "Airflow task nightly.score failed"
    assert failed["description"] == "ValueError: no rows"
    assert (failed["severity"], failed["url"]) == ("S2", "https://airflow.example.org/log")
    assert failed["labels"] == {"tool": "airflow", "dag": "nightly", "task": "score", "run": "manual__1", "try": 2}
    assert (passed["id"], passed["status"], passed["description"]) == (failed["id"], "ok", "")


@pytest.mark.parametrize(
    "context", [{}, {"dag": types.SimpleNamespace(dag_id="nightly"), "reason": "timed_out"}, {"exception": "text"}]
)
def test_airflows_context_may_hold_little(andon, context):
    assert airflow.on_failure(**where(andon))(context).delivered


def test_a_callback_never_fails_its_task(waits):
    with listening() as gone:
        address = where(gone, patience=1)
    assert airflow.on_failure(**address)(None).error.startswith("AttributeError")
    assert not airflow.on_failure(**address)({}).delivered


def test_dagster_fails_and_succeeds_as_one_job(andon):
    run = types.SimpleNamespace(job_name="train", run_id="r1")
    context = types.SimpleNamespace(dagster_run=run, failure_event=types.SimpleNamespace(message="Step load failed"))
    assert dagster.on_failure(**where(andon))(context) is None
    dagster.on_success(**where(andon))(context)
    (failed,), (passed,) = bodies(andon)
    assert (failed["id"], failed["title"], failed["description"]) == (
        "credit-scorer/dagster/train",
        "Dagster job train failed",
        "Step load failed",
    )
    assert (passed["id"], passed["status"]) == (failed["id"], "ok")


def test_it_stands_alone():
    """With every other package of Andon's made unimportable, and Django, too."""
    code = (
        "import sys\n"
        "for name in ('django', 'msgspec', 'structlog', 'yaml', 'pydantic', 'andon.kit', 'andon.practice'): sys.modules[name] = None\n"
        "import andon.sdk, andon.sdk.airflow, andon.sdk.dagster\n"
        "print(sorted(name for name in sys.modules if name.startswith('andon.') and not name.startswith('andon.sdk') and sys.modules[name]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_redirect_is_not_followed_with_the_token(andon):
    andon.always(302, Location="http://127.0.0.1:9/elsewhere")
    assert report(FAILS, **where(andon)).error.startswith("Andon refuses this (302")
