"""Google Cloud Monitoring's webhook, version 1.2."""

import json

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request

OPEN = json.loads(samples("gcp")["open.json"].body)


def parse(body):
    return adapters()["gcp"].parse(Request(json.dumps(body).encode()), {}).events


def incident(**changes):
    return {**OPEN, "incident": {**OPEN["incident"], **changes}}


def test_it_opens_and_closes_under_one_id_in_one_episode():
    (opened,), (closed,) = (parse(json.loads(samples("gcp")[f"{name}.json"].body)) for name in ("open", "closed"))
    assert (opened.status, closed.status) == ("firing", "resolved")
    assert (opened.fingerprint, opened.episode) == (closed.fingerprint, closed.episode)
    assert (opened.fingerprint, opened.episode) == ("0.mtdi83m6w8ao", "2026-03-02T02:05:00+00:00")
    assert (opened.title, opened.system_hint, opened.severity_hint) == ("Drift of the credit model", "credit-scorer", 3)
    assert opened.url.startswith("https://console.cloud.google.com/")
    assert "Look at the newest training window first." in opened.description
    assert opened.labels["location"] == "europe-west4"


@pytest.mark.parametrize(
    ("level", "severity"), [("Critical", 2), ("ERROR", 3), ("warning", 4), ("No severity", None), (None, None)]
)
def test_a_policys_severity_counts_unless_a_label_says_otherwise(level, severity):
    (event,) = parse(incident(severity=level, policy_user_labels=None))
    assert event.severity_hint == severity


def test_an_acknowledgement_over_there_says_nothing_here():
    assert parse(incident(state="acknowledged")) == []


def test_a_channel_being_tried_out_is_understood():
    (event,) = parse(
        {
            "version": "test",
            "incident": {
                "incident_id": "12345",
                "state": "open",
                "documentation": "Test",
                "resource": {},
                "metric": {},
            },
        }
    )
    assert (event.fingerprint, event.title, event.description) == ("12345", "(no title)", "Test")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "incident"),
        ({"incident": {"state": "open"}}, "incident.incident_id"),
        (incident(state="burning"), "incident.state"),
        (incident(incident_id=""), "incident.incident_id"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.field == field
