"""Grafana's webhook: Alertmanager's form with links, and two forms of its signature."""

import hashlib
import hmac
from datetime import timedelta

import msgspec
import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Request, Unsigned
from andon.kit import clock

SECRET = "what Grafana signs with"
GRAFANA = adapters()["grafana"]


def signed(body: bytes, *, at: str | None = None, secret: str = SECRET) -> Request:
    message = body if at is None else at.encode() + b":" + body
    headers = {"x-grafana-alerting-signature": hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}
    return Request(body, headers | ({"x-grafana-alerting-timestamp": at} if at is not None else {}))


def test_an_alert_leads_to_its_panel_and_keeps_values_and_rule():
    (event,) = GRAFANA.parse(samples("grafana")["firing.json"], {}).events
    assert (event.status, event.title, event.severity_hint) == ("firing", "20 % of credit decisions fail", 2)
    assert event.system_hint == "credit-scorer"
    assert event.url == "https://grafana.example.org/d/credit?orgId=1&viewPanel=4"
    assert event.labels["values"] == "B=0.2, C=1"
    assert event.labels["rule"] == "ce1q0rm4k2nlsd"
    assert event.labels["silence"].startswith("https://grafana.example.org/alerting/silence/")


def test_its_end_is_the_same_episode_and_has_no_values():
    (fired,), (ended,) = (GRAFANA.parse(samples("grafana")[f"{n}.json"], {}).events for n in ("firing", "resolved"))
    assert ended.status == "resolved"
    assert (ended.fingerprint, ended.episode) == (fired.fingerprint, fired.episode)
    assert "values" not in ended.labels


def test_a_value_that_is_null_is_left_out():
    body = b'{"alerts": [{"status": "firing", "labels": {}, "values": {"A": null, "B": 3}}]}'
    (event,) = GRAFANA.parse(Request(body), {}).events
    assert event.labels["values"] == "B=3"


def test_both_forms_of_the_signature_are_taken(time):
    GRAFANA.verify(signed(b"{}"), SECRET)
    GRAFANA.verify(signed(b"{}", at=str(int(clock.now().timestamp()))), SECRET)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_request_that_is_too_old_or_from_the_future_is_refused(time, minutes):
    at = clock.now() + timedelta(minutes=minutes)
    with pytest.raises(Unsigned, match="clocks"):
        GRAFANA.verify(signed(b"{}", at=str(int(at.timestamp()))), SECRET)


def test_what_was_changed_on_the_way_is_refused(time):
    now = str(int(clock.now().timestamp()))
    good = signed(b"{}", at=now)
    changed = Request(b'{"alerts": []}', good.headers)
    later = Request(good.body, {**good.headers, "x-grafana-alerting-timestamp": str(int(now) + 1)})
    without_time = Request(good.body, {k: v for k, v in good.headers.items() if "timestamp" not in k})
    for request in (changed, later, without_time, signed(b"{}", secret="another"), Request(b"{}")):
        with pytest.raises(Unsigned):
            GRAFANA.verify(request, SECRET)


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "1" * 40, "\u0663"])
def test_a_time_that_is_none_is_refused_even_if_it_is_signed(stamp):
    with pytest.raises(Unsigned):
        GRAFANA.verify(signed(b"{}", at=stamp), SECRET)


def test_of_several_alerts_what_can_be_read_is_taken_and_what_grafana_left_out_is_said():
    body = msgspec.json.decode(samples("grafana")["firing.json"].body)
    odd = {**body["alerts"][0], "status": "pending"}
    vague = {**body["alerts"][0], "startsAt": "28/11/2026", "values": "B=1", "panelURL": None}
    body |= {"alerts": [odd, *body["alerts"], vague], "truncatedAlerts": 5}
    said = GRAFANA.parse(Request(msgspec.json.encode(body)), {})
    one, other = said.events
    assert one == GRAFANA.parse(samples("grafana")["firing.json"], {}).events[0]
    assert (other.fingerprint, other.starts_at, "values" in other.labels) == (one.fingerprint, None, False)
    assert said.left_out == 6
    assert said.why.startswith("1 alert was not taken. alerts[0].status: Invalid enum value 'pending'")
    assert "5 alerts were left out by the sender itself" in said.why
    assert "Max Alerts" in said.why
