"""CloudEvents 1.0: structured, batched and binary."""

import json

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request
from andon.practice.grouping import Known, dedup

CLOUDEVENTS = adapters()["cloudevents"]


def said(raw, content_type="application/cloudevents+json", **headers):
    body = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
    return CLOUDEVENTS.parse(Request(body, {"content-type": content_type, **headers}), {})


def cloud_event(**attributes):
    return {"specversion": "1.0", "id": "1", "source": "/m", "type": "x.detected", "subject": "s", **attributes}


def test_a_structured_event_fires_with_its_data():
    (event,) = CLOUDEVENTS.parse(samples("cloudevents")["1-structured.json"], {}).events
    assert (event.status, event.title) == ("firing", "Approval rate of women fell by 9 points")
    assert (event.system_hint, event.type_hint, event.severity_hint) == ("credit-scorer", "fairness_violation", 2)
    assert event.labels["severityreason"] == "selection rate ratio 0.82"
    assert event.labels["window_days"] == "7"
    assert event.starts_at.isoformat() == "2026-03-02T03:05:10+00:00"


def test_a_batch_ends_what_fired_and_says_what_changed():
    heard = CLOUDEVENTS.parse(samples("cloudevents")["2-batch.json"], {})
    (fired,) = CLOUDEVENTS.parse(samples("cloudevents")["1-structured.json"], {}).events
    (ended,), (change,) = heard.events, heard.changes
    assert (ended.status, ended.fingerprint) == ("resolved", fired.fingerprint)
    assert (change.title, change.kind, change.system_hint) == (
        "credit-scorer v7 deployed to production", "deployed", "credit-scorer"
    )  # fmt: skip


def test_a_binary_event_has_its_attributes_in_headers():
    (event,) = CLOUDEVENTS.parse(samples("cloudevents")["3-binary.json"], {}).events
    assert event.fingerprint == "/monitors/queue\nscoring queue"
    assert (event.title, event.severity_hint) == ("Scoring queue is not draining", 3)


def test_a_binary_event_may_have_no_data_or_data_that_is_no_json():
    headers = {f"ce-{name}": value for name, value in cloud_event().items()}
    assert said(b"", "", **headers).events[0].title == "s: x.detected"
    assert said(b"\x89PNG", "image/png", **headers).events[0].title == "s: x.detected"


def test_the_same_event_twice_is_one_and_a_late_double_of_an_end_ends_nothing_newer():
    first, again = (said(cloud_event()).events[0] for _ in range(2))
    assert (first.fingerprint, first.episode) == (again.fingerprint, again.episode)
    end = said(cloud_event(id="2", type="x.resolved")).events[0]
    newer = Known("firing", said(cloud_event(id="3")).events[0].episode)
    assert dedup(newer, Known("resolved", end.episode), end, ended_episodes={end.episode}).reason == "already_ended"


@pytest.mark.parametrize("kind", ["a.b.resolved", "x-ok", "x/closed", "x:recovered", "CLEARED"])
def test_types_that_end(kind):
    assert said(cloud_event(type=kind)).events[0].status == "resolved"


def test_the_data_may_say_outright_that_it_ended():
    assert said(cloud_event(data={"status": "resolved"})).events[0].status == "resolved"
    assert said(cloud_event(type="x.closed", data={"status": "firing"})).events[0].status == "firing"
    (well,) = said(cloud_event(data={"status": "ok"})).events
    assert (well.status, well.passing) == ("resolved", True)


def test_a_change_needs_no_subject():
    raw = cloud_event(type="model.promoted", subject=None)
    (change,) = said(raw).changes
    assert (change.title, change.kind, change.key) == ("/m: model.promoted", "alias_moved", "/m\n1")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (cloud_event(subject=""), "subject"),
        ({k: v for k, v in cloud_event().items() if k != "subject"}, "subject"),
        (cloud_event(id=" "), "id"),
        (cloud_event(source=""), "source"),
        (cloud_event(specversion="0.3"), "specversion"),
        ({k: v for k, v in cloud_event().items() if k != "type"}, "type"),
        (cloud_event(data={"severity": "high"}), "data.severity"),
        ([cloud_event(type=[]), cloud_event(subject="")], "[0].type"),
        ([7], "[0]"),
    ],
)
def test_what_is_wrong_is_named(raw, field):
    with pytest.raises(Malformed) as refused:
        said(raw)
    assert refused.value.field == field


def test_of_a_batch_what_can_be_read_is_taken():
    change = cloud_event(id="3", type="model.promoted")
    heard = said([cloud_event(), cloud_event(subject=""), 7, change, cloud_event(id="4", data={"severity": "high"})])
    assert (len(heard.events), len(heard.changes), heard.left_out) == (1, 1, 3)
    assert heard.why == "3 events were not taken. [1].subject: Say what the event is about, by which it is known again."


def test_for_a_time_that_is_none_no_event_is_lost():
    (event,) = said(cloud_event(time="soon", data={"starts_at": "then"})).events
    assert (event.status, event.starts_at) == ("firing", None)


@pytest.mark.parametrize(("status", "heard"), [("ok", ("resolved", True)), (None, ("resolved", False))])
def test_the_data_may_say_ok_or_nothing_of_its_state(status, heard):
    (event,) = said(cloud_event(type="x.resolved", data={"status": status})).events
    assert (event.status, event.passing) == heard
