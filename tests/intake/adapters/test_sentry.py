"""Sentry's hooks: issues, issue alerts, metric alerts."""

import hashlib
import hmac
import json

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request, Unsigned

FAULT, SOLVED, METRIC = (
    json.loads(samples("sentry")[f"{name}.json"].body) for name in ("issue-alert", "issue-resolved", "metric-alert")
)


def parse(body, resource="", stamp="1772417100"):
    headers = {"sentry-hook-timestamp": stamp} | ({"sentry-hook-resource": resource} if resource else {})
    return adapters()["sentry"].parse(Request(json.dumps(body).encode(), headers), {}).events


def test_an_issue_alert_fires_and_the_issue_ends_it():
    (fired,) = adapters()["sentry"].parse(samples("sentry")["issue-alert.json"], {}).events
    (ended,) = adapters()["sentry"].parse(samples("sentry")["issue-resolved.json"], {}).events
    assert (fired.status, fired.severity_hint, fired.system_hint) == ("firing", 3, "credit-scorer")
    assert fired.title == "TimeoutError: feature store did not answer"
    assert fired.url.startswith("https://sentry.example.org/")
    assert (fired.fingerprint, ended.fingerprint) == ("issue:1117540176",) * 2
    assert ended.status == "resolved"
    assert fired.episode == "2026-03-02T02:05:00+00:00" < ended.episode


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("created", "firing"),
        ("unresolved", "firing"),
        ("resolved", "resolved"),
        ("archived", "resolved"),
        ("ignored", "resolved"),
    ],
)
def test_an_issues_life(action, status):
    (event,) = parse({**SOLVED, "action": action}, "issue")
    assert event.status == status


def test_an_assigned_issue_a_comment_and_a_new_kind_of_hook_say_nothing_and_are_taken():
    assert parse({**SOLVED, "action": "assigned"}, "issue") == []
    assert parse({"action": "created", "data": {"comment": "hm"}}, "comment") == []
    assert parse({"action": "created", "data": {}}, "installation") == []


def test_a_metric_alert_in_its_three_states():
    (critical,), (warning,), (resolved,) = (
        parse({**METRIC, "action": action}, "metric_alert") for action in ("critical", "warning", "resolved")
    )
    assert (critical.severity_hint, warning.severity_hint) == (2, 4)
    assert (critical.status, resolved.status) == ("firing", "resolved")
    assert critical.fingerprint == resolved.fingerprint == "metric:21"
    assert critical.episode == resolved.episode == "2026-03-02T02:00:00.123456+00:00"


def test_without_its_header_the_data_tell_what_it_is():
    assert [parse(body)[0].fingerprint for body in (FAULT, SOLVED, METRIC)] == ["issue:1117540176"] * 2 + ["metric:21"]


def test_tags_overrule_the_level():
    tagged = {
        **FAULT["data"]["event"],
        "tags": [["andon_severity", "S1"], ["andon_type", "safety"], ["odd"], [None, None]],
    }
    (event,) = parse({**FAULT, "data": {"event": tagged}}, "event_alert")
    assert (event.severity_hint, event.type_hint, event.system_hint) == (1, "safety", "")


def test_the_signature_over_the_body():
    body = json.dumps(FAULT).encode()
    mac = hmac.new(b"client secret", body, hashlib.sha256).hexdigest()
    adapters()["sentry"].verify(Request(body, {"sentry-hook-signature": mac}), "client secret")
    with pytest.raises(Unsigned):
        adapters()["sentry"].verify(Request(body + b" ", {"sentry-hook-signature": mac}), "client secret")


@pytest.mark.parametrize(
    ("body", "resource", "field"),
    [
        ({}, "issue", "action"),
        ({"action": "created"}, "issue", "data"),
        ({"action": "created", "data": {}}, "issue", "data.issue"),
        ({"action": "created", "data": {}}, "", "data"),
        ({"action": "created", "data": {"issue": {"title": "E"}}}, "", "data.issue.id"),
        ({"action": "triggered", "data": {"event": {}}}, "", "data.event.issue_id"),
        ({"action": "critical", "data": {"metric_alert": {"alert_rule": {}}}}, "", "data.metric_alert.alert_rule.id"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body, resource, field):
    with pytest.raises(Malformed) as refused:
        parse(body, resource)
    assert refused.value.field == field


@pytest.mark.parametrize("stamp", ["9" * 30, "soon"])
def test_for_a_time_that_is_none_nothing_is_lost(stamp):
    (event,) = parse(SOLVED, "issue", stamp=stamp)
    assert (event.status, event.episode) == ("resolved", "")
