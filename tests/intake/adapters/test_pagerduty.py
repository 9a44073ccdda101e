"""What PagerDuty's Events API v2 takes."""

import json
from uuid import UUID

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request

PAGERDUTY = adapters()["pagerduty"]
DELIVERY = UUID(int=7)


def said(body, path="v2/enqueue"):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return PAGERDUTY.parse(Request(raw, path=path, delivery=DELIVERY), {})


def trigger(**payload):
    return {"event_action": "trigger", "dedup_key": "k", "payload": {"summary": "Errors", **payload}}


def test_a_trigger_fires_with_all_it_says():
    (event,) = PAGERDUTY.parse(samples("pagerduty")["1-trigger.json"], {}).events
    assert (event.status, event.fingerprint, event.episode) == ("firing", "approval-errors", "")
    assert (event.title, event.severity_hint, event.system_hint) == (
        "20 % of credit decisions fail", 2, "credit-scorer"
    )  # fmt: skip
    assert event.url == "https://monitor.example.org/checks/17/runs"
    assert event.starts_at.isoformat() == "2026-03-02T03:05:10+00:00"
    assert event.labels["decisions"] == '{"failed":180,"all":900}'
    assert event.labels["class"] == "error rate"
    assert event.labels["image"].endswith("17.png")
    assert event.labels["client"] == "Batch monitor"


def test_a_resolve_ends_what_the_key_names():
    (event,) = PAGERDUTY.parse(samples("pagerduty")["3-resolve.json"], {}).events
    assert (event.status, event.fingerprint) == ("resolved", "approval-errors")


def test_an_acknowledgement_is_a_note_and_no_event():
    heard = PAGERDUTY.parse(samples("pagerduty")["2-acknowledge.json"], {})
    (note,) = heard.notes
    assert (note.fingerprint, note.by, heard.events) == ("approval-errors", "Batch monitor", [])


def test_without_a_key_one_is_made_and_answered():
    heard = said({"event_action": "trigger", "payload": {"summary": "Errors"}})
    status, answer = PAGERDUTY.answer(heard, DELIVERY)
    assert (status, answer["status"]) == (202, "success")
    assert answer["dedup_key"] == heard.events[0].fingerprint == str(DELIVERY)


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", 2), ("error", 3), ("warning", 4), ("info", 5), ("Critical", 2), ("fatal", None), (None, None)],
)
def test_severities(severity, level):
    assert said(trigger(severity=severity)).events[0].severity_hint == level


@pytest.mark.parametrize("at", ["yesterday", 17, "", None, {"a": 1}])
def test_for_a_time_that_is_none_no_page_is_lost(at):
    assert said(trigger(timestamp=at)).events[0].starts_at is None


@pytest.mark.parametrize("details", ["text", ["a", "b"], 7, None, {}, {"a": None}])
def test_details_may_be_anything(details):
    assert said(trigger(custom_details=details)).events[0].title == "Errors"


def test_a_summary_longer_than_a_title_is_kept_whole():
    event = said(trigger(summary="x" * 1_024)).events[0]
    assert (len(event.title), event.description) == (300, "x" * 1_024)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "event_action"),
        ({"event_action": "trigger", "dedup_key": "k"}, "payload.summary"),
        ({"event_action": "trigger", "payload": {"summary": " "}}, "payload.summary"),
        ({"event_action": "resolve"}, "dedup_key"),
        ({"event_action": "acknowledge", "dedup_key": " "}, "dedup_key"),
        ({**trigger(), "dedup_key": "k" * 256}, "dedup_key"),
        ({**trigger(), "event_action": "snooze"}, "event_action"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Malformed) as refused:
        said(body)
    assert refused.value.field == field


def test_a_change_event_is_a_change_and_its_double_has_the_same_key():
    body = {"payload": {"summary": "v7 deployed", "timestamp": "2026-03-02T03:00:00Z",
                        "custom_details": {"andon_system": "credit-scorer", "andon_change": "deployed"}},
            "links": [{"href": "https://ci.example.org/17"}]}  # fmt: skip
    (one,), (double,) = (said(body, "v2/change/enqueue").changes for _ in range(2))
    assert (one.title, one.kind, one.system_hint) == ("v7 deployed", "deployed", "credit-scorer")
    assert one.url == "https://ci.example.org/17"
    assert one.key == double.key != ""
    assert PAGERDUTY.answer(said(body, "v2/change/enqueue"), DELIVERY)[0] == 202
    del body["payload"]["timestamp"]
    assert said(body, "v2/change/enqueue").changes[0].key == "", "two deploys a day apart may read the same"


def test_other_addresses_are_refused_in_words():
    with pytest.raises(Malformed, match="v2/enqueue"):
        said(trigger(), "v1/events")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"routing_key": 7}', b"\xff"])
def test_a_body_without_a_key_has_no_token(body):
    assert PAGERDUTY.token_in(body) == ""


def test_a_link_that_leads_nowhere_and_a_number_for_a_key_lose_no_page():
    body = {**trigger(), "dedup_key": 7, "links": [{"href": None}, 5, {"href": "https://a.example.org"}], "images": "x"}
    (event,) = said(body).events
    assert (event.fingerprint, event.url) == ("7", "https://a.example.org")
    assert said({"event_action": "resolve", "dedup_key": 7}).events[0].fingerprint == "7"
