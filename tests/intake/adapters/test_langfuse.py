"""Langfuse: monitors and prompts, in the shape of its own schema."""

import hashlib
import hmac
import json

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request, Unsigned
from andon.kit import clock
from andon.practice.words import ChangeKind

SECRET = "lf_secret"
ALERT = json.loads(samples("langfuse")["alert.json"].body)


def parse(body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return adapters()["langfuse"].parse(Request(raw), {})


def alert(**changes):
    return {**ALERT, "payload": {**ALERT["payload"], **changes}}


def signed(body, *, at=None, secret=SECRET):
    stamp = str(int(clock.now().timestamp()) if at is None else at)
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return Request(body, {"x-langfuse-signature": f"t={stamp},v1={mac}"})


def test_an_alert_and_its_recovery_are_one_monitor_in_two_episodes():
    (fired,) = parse(samples("langfuse")["alert.json"].body).events
    (ended,) = parse(samples("langfuse")["recovered.json"].body).events
    assert (fired.status, fired.severity_hint, fired.system_hint) == ("firing", 3, "support-assistant")
    assert fired.title == "Groundedness of answers is below 0.7"
    assert fired.url.endswith("/monitors/mon_groundedness")
    assert fired.fingerprint == ended.fingerprint == "mon_groundedness"
    assert ended.status == "resolved"
    assert fired.episode < ended.episode


@pytest.mark.parametrize(("level", "severity"), [("alert", 3), ("warning", 4), ("no-data", 4)])
def test_levels(level, severity):
    (event,) = parse(alert(severity=level)).events
    assert (event.status, event.severity_hint) == ("firing", severity)


def test_a_monitor_that_has_not_measured_says_nothing():
    assert parse(alert(severity="unknown")).events == []


def test_a_moved_prompt_is_a_change_and_its_id_tells_a_double():
    said = parse(samples("langfuse")["prompt.json"].body)
    (change,) = said.changes
    assert said.events == []
    assert (change.kind, change.key, change.system_hint) == (ChangeKind.DEPLOYED, "evt_81aa03c4", "support-assistant")
    assert change.title == "Prompt support-answer, version 14, was updated, labelled production"


def test_a_signature_that_fits_is_taken():
    body = json.dumps(ALERT).encode()
    adapters()["langfuse"].verify(signed(body), SECRET)


@pytest.mark.parametrize("wrong", [{"secret": "another"}, {"at": 0}, {"at": 10**11}])
def test_another_secret_or_time_is_refused(wrong):
    with pytest.raises(Unsigned):
        adapters()["langfuse"].verify(signed(b"{}", **wrong), SECRET)


def test_a_changed_body_and_a_changed_time_are_refused():
    good = signed(b"{}")
    with pytest.raises(Unsigned):
        adapters()["langfuse"].verify(Request(b"{ }", good.headers), SECRET)
    later = {"x-langfuse-signature": good.headers["x-langfuse-signature"].replace("t=", "t=1")}
    with pytest.raises(Unsigned):
        adapters()["langfuse"].verify(Request(b"{}", later), SECRET)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "type"),
        ({"type": "trace"}, "type"),
        ({"type": "monitor-alert", "id": "e"}, "payload"),
        (alert(severity="bad"), "payload.severity"),
        (alert(monitorId=""), "payload.monitorId"),
        (
            {"type": "prompt-version", "id": "e", "action": "created", "prompt": {"id": "p", "name": "n"}},
            "prompt.version",
        ),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.field == field
