"""Alertmanager's webhook, from bodies that a real Prometheus 2.42 and Alertmanager 0.25 sent."""

import json
from datetime import UTC, datetime
from importlib import resources

import pytest

from andon.intake import forgiving
from andon.intake.adapters import adapters
from andon.intake.adapters.alertmanager import adapter
from andon.intake.events import Malformed, Request
from andon.intake.models import Delivery

SAMPLES = resources.files("andon.intake.adapters") / "alertmanager" / "samples"


def heard(body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return adapters()["alertmanager"].parse(Request(raw), {})


def parse(body):
    return heard(body).events


def alert(**changes):
    return {"alerts": [{"status": "firing", "labels": {"alertname": "A"}, **changes}]}


def test_a_recorded_alert_that_fires():
    (event,) = parse((SAMPLES / "firing.json").read_bytes())
    assert event.status == "firing"
    assert event.fingerprint == "a468366430b146e4"
    assert event.starts_at == datetime(2026, 11, 23, 18, 11, 37, 611000, tzinfo=UTC)
    assert event.episode == "2026-11-23T18:11:37.611000+00:00"
    assert event.title == "20% of credit decisions fail"
    assert event.description == "More than 5 % of decisions of credit-scorer ended in an error."
    assert event.url.startswith("http://prometheus.example.org:48311/graph?")
    assert (event.system_hint, event.type_hint, event.severity_hint) == ("credit-scorer", "performance_degradation", 2)
    assert event.labels["alertname"] == "ApprovalErrorsHigh"
    assert event.labels["runbook_url"] == "https://runbooks.example.org/credit-scorer/errors"


def test_its_recorded_end_is_the_same_fingerprint_and_episode():
    (fired,), (ended,) = (parse((SAMPLES / f"{name}.json").read_bytes()) for name in ("firing", "resolved"))
    assert ended.status == "resolved"
    assert (ended.fingerprint, ended.episode) == (fired.fingerprint, fired.episode)


@pytest.mark.parametrize(
    ("label", "severity"),
    [("critical", 2), ("error", 3), ("Warning", 4), ("info", 5), ("S1", 1), ("s5", 5), ("none", None), ("", None)],
)
def test_severity_labels(label, severity):
    assert parse(alert(labels={"severity": label}))[0].severity_hint == severity


def test_the_system_label_counts_unless_the_more_precise_one_is_there():
    assert parse(alert(labels={"system": "a"}))[0].system_hint == "a"
    assert parse(alert(labels={"system": "a", "andon_system": "b"}))[0].system_hint == "b"


def test_a_type_nobody_knows_is_no_hint_but_stays_a_label():
    (event,) = parse(alert(labels={"andon_type": "fairness"}))
    assert (event.type_hint, event.labels) == ("", {"andon_type": "fairness"})


def test_without_a_fingerprint_the_labels_tell_alerts_apart_whatever_their_order():
    one, same = (parse(alert(labels=labels))[0] for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}))
    (other,) = parse(alert(labels={"a": "1", "b": "3"}))
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"])
def test_a_start_that_no_clock_shows_is_no_start_and_no_episode(at):
    (event,) = parse(alert(startsAt=at))
    assert (event.episode, event.starts_at) == ("", None)


def test_nanoseconds_and_zones_give_one_episode():
    (utc,) = parse(alert(startsAt="2026-03-02T03:00:00.123456Z"))
    (cet,) = parse(alert(startsAt="2026-03-02T04:00:00.123456000+01:00"))
    assert utc.episode == cet.episode


def test_a_link_that_is_no_web_address_is_left_out():
    assert parse(alert(generatorURL="javascript:alert(1)"))[0].url == ""


def test_texts_are_cut_to_what_the_tables_hold():
    (event,) = parse(
        alert(labels={"a" * 500: "b" * 5_000, "andon_system": "s" * 300},
              annotations={"summary": "t" * 999, "description": "d" * 99_999})
    )  # fmt: skip
    assert (len(event.title), len(event.description), len(event.system_hint)) == (300, 8_000, 120)
    assert max(len(name) for name in event.labels) == 100
    assert max(len(value) for value in event.labels.values()) == 1_000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "alerts"),
        ({"alerts": {}}, "alerts"),
        ({"alerts": [{"labels": {}}]}, "alerts[0].status"),
        ({"alerts": [{"status": "firing"}]}, "alerts[0].labels"),
        (alert(status="open"), "alerts[0].status"),
        (alert(labels=[]), "alerts[0].labels"),
        ({"alerts": [{}, 7]}, "alerts[0].status"),
        ({"alerts": [{}], "truncatedAlerts": 2}, "alerts[0].status"),
        (b"[]", ""),
        (b"{", ""),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.field == field
    assert refused.value.what


@pytest.mark.parametrize("length", [10, 800_000], ids=["short", "long"])
def test_what_is_sent_again_says_what_it_said_and_a_changed_word_is_heard(length):
    body = alert(annotations={"description": "x", "more": "x" * length}, startsAt="2026-11-23T18:11:37Z")
    first, *again = (parse(body) for _ in range(3))
    assert again == [first, first]
    body["alerts"][0]["annotations"]["description"] += "!"
    assert parse(body)[0].description == "x!"


@pytest.mark.parametrize(
    ("second", "where"),
    [
        (b'{"status": "paused", "labels": {}}', "alerts[1].status"),
        (b'{"labels": {}}', "alerts[1].status"),
        (b'{"status": "firing", "labels": []}', "alerts[1].labels"),
        (b"7", "alerts[1]"),
    ],
)
def test_one_alert_of_several_that_cannot_be_read_is_named_and_the_others_are_taken(second, where):
    said = heard(
        b'{"alerts": [{"status": "firing", "labels": {"a": "1"}}, %b, {"status": "resolved", "labels": {"a": "2"}}]}'
        % second
    )
    assert [(event.status, event.labels) for event in said.events] == [("firing", {"a": "1"}), ("resolved", {"a": "2"})]
    assert said.left_out == 1
    assert said.why.startswith(f"1 alert was not taken. {where}: ")


def test_what_is_nested_without_end_is_no_json_that_anybody_can_read():
    with pytest.raises(Malformed, match="nested too deeply"):
        parse(b'{"alerts": [{"status": "firing", "labels": {}, "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}")


@pytest.mark.parametrize(
    ("odd", "taken"),
    [
        ({"startsAt": "yesterday"}, {"episode": "", "starts_at": None}),
        ({"startsAt": 7}, {"episode": "", "starts_at": None}),
        ({"startsAt": None}, {"episode": "", "starts_at": None}),
        ({"labels": {"alertname": "A", "code": 500, "none": None}}, {"labels": {"alertname": "A", "code": "500"}}),
        ({"annotations": None}, {"title": "A", "description": ""}),
        ({"annotations": {"summary": "It fails", "n": [1]}}, {"title": "It fails"}),
        ({"generatorURL": None}, {"url": ""}),
        ({"fingerprint": 7}, {"fingerprint": "7"}),
    ],
)
def test_for_a_detail_that_cannot_be_meant_no_page_is_lost(odd, taken):
    said = heard(alert(**odd))
    (event,) = said.events
    assert (event.status, said.left_out, said.why) == ("firing", 0, "")
    assert {name: getattr(event, name) for name in taken} == taken


def test_the_first_of_several_that_cannot_be_read_is_quoted_bounded():
    said = heard({"alerts": [{"status": "x" * 5_000, "labels": {}}, *alert()["alerts"], {}]})
    assert said.why.startswith("2 alerts were not taken. alerts[0].status: Invalid enum value 'xxx")
    assert (said.left_out, len(said.why) < 400) == (2, True)


def test_a_body_full_of_what_is_no_alert_is_refused_before_it_holds_up_everybody_else(monkeypatch):
    monkeypatch.setattr(forgiving, "UNREAD", 2)
    assert heard({"alerts": [7, *alert()["alerts"], {}]}).left_out == 2
    with pytest.raises(Malformed, match=r"More than 2 alerts of this body cannot be read\. The first: ") as refused:
        heard({"alerts": [*alert()["alerts"], 7, {}, {}]})
    assert refused.value.field == "alerts[1]"


@pytest.mark.parametrize(("left", "words"), [(1, "1 alert was left out"), (12, "12 alerts were left out")])
def test_what_alertmanager_left_out_itself_is_said_with_what_to_do(left, words):
    said = heard({**alert(), "truncatedAlerts": left})
    assert (len(said.events), said.left_out) == (1, left)
    assert said.why.startswith(f"{words} by the sender itself")
    assert "which of them fire and which have ended is not known" in said.why
    assert "max_alerts" in said.why
    assert "group_by" in said.why


def test_both_reasons_are_told():
    said = heard({"alerts": [*alert()["alerts"], {}], "truncatedAlerts": 3})
    assert said.left_out == 4
    assert said.why.startswith("1 alert was not taken. alerts[1].status: ")
    assert " 3 alerts were left out by the sender itself" in said.why


def test_both_reasons_fit_what_a_delivery_keeps_of_them_however_long_a_word_is():
    odd = {"status": "x" * 5_000, "labels": {}}
    said = heard({"alerts": [*alert()["alerts"], *[odd] * 999], "truncatedAlerts": 99_999})
    assert said.why.endswith("or split the groups of its route by group_by.")
    assert len(said.why) <= Delivery._meta.get_field("error").max_length


@pytest.mark.parametrize("left", [0, -1, None, "many", True, [], 1.5, 2**70])
def test_a_count_of_nothing_left_out_is_none(left):
    said = heard({**alert(), "truncatedAlerts": left})
    assert (len(said.events), said.left_out, said.why) == (1, 0, "")


def test_what_was_left_out_of_a_body_is_said_each_time_that_it_comes():
    body = {"alerts": [*alert()["alerts"], {}], "truncatedAlerts": 3}
    first, *again = (heard(body) for _ in range(4))
    assert first.left_out == 4
    assert again == [first] * 3


def test_what_is_remembered_of_bodies_is_bounded(monkeypatch):
    monkeypatch.setattr(adapter, "REMEMBERED_BYTES", 64 * 3_000)
    monkeypatch.setattr(adapter, "MARKS", 20)
    memory = adapter._Memory()
    bodies = [json.dumps(alert(fingerprint=f"{number:04}")).encode() for number in range(500)]
    for body in bodies:
        for _ in range(3):
            assert memory.read(body).events[0].fingerprint in body.decode()
    assert 0 < sum(2_000 + len(body) for body in memory._known) <= 64 * 3_000
    assert len(memory._met) <= 20
