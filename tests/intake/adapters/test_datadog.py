"""Datadog's monitors, by the template that the integration's page shows."""

import json
import re

import pytest

from andon.intake.adapters import adapters, help_text, samples
from andon.intake.adapters.datadog.adapter import Alert
from andon.intake.events import Malformed, Request

TRIGGERED = json.loads(samples("datadog")["triggered.json"].body)


def parse(**changes):
    return adapters()["datadog"].parse(Request(json.dumps({**TRIGGERED, **changes}).encode()), {}).events[0]


def test_the_template_on_the_page_has_every_field_and_no_other():
    text = help_text("datadog", address="https://andon.example.org/intake/datadog/dd", token="t")
    template = json.loads(re.search(r"```json\n(\{\n.*?\n\})\n```", text, re.DOTALL)[1])
    assert set(template) == set(Alert.__struct_fields__)
    assert all(variable.startswith("$") for variable in template.values())


def test_a_monitor_and_its_recovery():
    fired, ended = parse(), parse(transition="Recovered")
    assert (fired.status, fired.severity_hint, fired.system_hint) == ("firing", 2, "credit-scorer")
    assert fired.type_hint == "fairness_violation"
    assert fired.description == "Approval rate fell under 0.31 for 15 minutes.\n\n@webhook-andon"
    assert fired.labels["env"] == "production"
    assert fired.labels["monitor"] == "221164084", "the alert's own words win over a bare tag"
    assert fired.starts_at.isoformat() == "2026-03-02T02:05:00+00:00"
    assert (fired.fingerprint, fired.episode) == (ended.fingerprint, ended.episode)
    assert ended.status == "resolved"


@pytest.mark.parametrize(
    ("transition", "priority", "severity"),
    [
        ("Triggered", "", 3), ("Re-Triggered", "$ALERT_PRIORITY", 3), ("Renotify", "P1", 1), ("Warn", "", 4),
        ("Re-Warn", "P5", 5), ("No Data", "", 4), ("Re-No Data", "", 4),
    ],
)  # fmt: skip
def test_transitions_and_priorities(transition, priority, severity):
    event = parse(transition=transition, priority=priority)
    assert (event.status, event.severity_hint) == ("firing", severity)


def test_a_variable_that_was_not_filled_in_says_nothing():
    event = parse(title="$EVENT_TITLE", tags="$TAGS", url="$LINK", at="$DATE", scope="$ALERT_SCOPE")
    assert (event.title, event.system_hint, event.url, event.starts_at) == ("Monitor 221164084", "", "", None)
    assert "scope" not in event.labels


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cycle_key": ""}, "cycle_key"),
        ({"cycle_key": "$ALERT_CYCLE_KEY"}, "cycle_key"),
        ({"transition": "Boom"}, "transition"),
        ({"transition": "$ALERT_TRANSITION"}, "transition"),
        ({"cycle_key": []}, "cycle_key"),
    ],
)
def test_what_is_wrong_is_named(changes, field):
    with pytest.raises(Malformed) as refused:
        parse(**changes)
    assert refused.value.field == field
