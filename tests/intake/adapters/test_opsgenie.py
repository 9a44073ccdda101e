"""What Opsgenie's Alert API takes."""

import json
from uuid import UUID

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.adapters.opsgenie.adapter import id_of
from andon.intake.events import Malformed, Request

OPSGENIE = adapters()["opsgenie"]


def said(body, path="v2/alerts", **query):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OPSGENIE.parse(Request(raw, query=query, path=path, delivery=UUID(int=7)), {})


def test_an_alert_fires_with_all_it_says():
    heard = OPSGENIE.parse(samples("opsgenie")["create.json"], {})
    (event,), (note,) = heard.events, heard.notes
    assert (event.status, event.fingerprint, event.episode) == ("firing", "approval-errors", "")
    assert (event.severity_hint, event.system_hint) == (2, "credit-scorer")
    assert event.labels["tags"] == "credit, error rate"
    assert event.labels["entity"] == "credit-scorer"
    assert (note.fingerprint, note.text, note.by) == ("approval-errors", "Began with the 03:00 batch.", "Batch monitor")


@pytest.mark.parametrize("level", range(1, 6))
def test_priorities_are_severities(level):
    assert said({"message": "m", "priority": f"P{level}"}).events[0].severity_hint == level


@pytest.mark.parametrize(("priority", "severity", "kept"), [("p2", 2, None), (" P4 ", 4, None), ("high", None, "high")])
def test_a_priority_that_a_template_makes_of_some_label_loses_no_alert(priority, severity, kept):
    (event,) = said({"message": "m", "priority": priority}).events
    assert (event.severity_hint, event.labels.get("priority")) == (severity, kept)


def test_without_a_priority_it_hints_at_no_severity_and_without_an_alias_at_no_other_alert():
    (event,) = said({"message": "m"}).events
    assert (event.severity_hint, event.fingerprint) == (None, str(UUID(int=7)))


@pytest.mark.parametrize("alias", ["errors", "a/b/c", "ümläut", "with space", "x" * 400])
def test_it_is_closed_by_its_alias_and_by_the_id_that_was_said(alias):
    (fired,) = said({"message": "m", "alias": alias}).events
    (by_alias,) = said(b"", f"v2/alerts/{alias}/close", identifierType="alias").events
    (by_id,) = said({}, f"v2/alerts/{id_of(alias)}/close").events
    assert by_alias.fingerprint == by_id.fingerprint == fired.fingerprint
    assert by_alias.status == by_id.status == "resolved"


def test_what_somebody_does_there_is_a_note_here():
    acknowledged = said({"user": "Lena", "note": "I look"}, "v2/alerts/a/acknowledge", identifierType="alias")
    assert acknowledged.events == []
    assert [(note.text, note.by) for note in acknowledged.notes] == [
        ("Acknowledged at the sender.", "Lena"), ("I look", "Lena")
    ]  # fmt: skip
    (noted,) = said({"note": "Half of it"}, "v2/alerts/a/notes", identifierType="alias").notes
    assert (noted.fingerprint, noted.text) == ("a", "Half of it")


@pytest.mark.parametrize(
    ("body", "path", "query", "words"),
    [
        ({}, "v2/alerts", {}, "message"),
        ({"message": " "}, "v2/alerts", {}, "happened"),
        ({"message": "m", "alias": "a" * 513}, "v2/alerts", {}, "512"),
        ({}, "v2/alerts/17/close", {"identifierType": "tiny"}, "tiny"),
        ({}, "v2/alerts/!/close", {}, "alias"),
        ({}, "v2/alerts/a", {"identifierType": "alias"}, "no 'v2/alerts/a'"),
        ({}, "v2/alerts/a/snooze", {"identifierType": "alias"}, "snooze"),
        ({}, "v2/alerts/a/notes", {"identifierType": "alias"}, "words"),
    ],
)
def test_what_is_not_taken_is_refused_in_words(body, path, query, words):
    with pytest.raises(Malformed, match=words):
        said(body, path, **query)
