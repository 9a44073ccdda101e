"""LangSmith's alerts: its fields appended to a template of people's own."""

import json
from datetime import timedelta

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request

ERRORS = json.loads(samples("langsmith")["errors.json"].body)


def parse(body):
    return adapters()["langsmith"].parse(Request(json.dumps(body).encode()), {}).events


def test_an_alert_with_the_template_on_the_page():
    (event,) = parse(ERRORS)
    assert event.fingerprint == ERRORS["alert_rule_id"]
    assert event.title == "Error rate over 5 % in support-production: error_count is 17 (threshold 5)"
    assert (event.status, event.system_hint, event.severity_hint) == ("firing", "support-assistant", 3)
    assert event.episode == "2026-03-02T02:05:00+00:00"
    assert event.labels["triggered_metric_value"] == "17"


def test_its_rule_again_is_the_same_signal_in_another_episode():
    (one,), (two,) = parse(ERRORS), parse({**ERRORS, "timestamp": "2026-03-02T02:10:00Z"})
    assert one.fingerprint == two.fingerprint
    assert one.episode != two.episode


def test_silence_ends_it_for_langsmith_never_says_so():
    assert adapters()["langsmith"].auto_close == timedelta(hours=1)


def test_figures_as_text_and_a_bare_rule_will_do():
    (event,) = parse({**ERRORS, "triggered_metric_value": "0.25", "triggered_threshold": None})
    assert event.title.endswith("error_count is 0.25")
    (bare,) = parse({"alert_rule_id": "r"})
    assert (bare.title, bare.system_hint, bare.episode) == ("An alert without a name", "", "")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "alert_rule_id"),
        ({"alert_rule_id": []}, "alert_rule_id"),
        ([], ""),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.field == field
