"""The documented JSON."""

import json
from importlib import resources

import pytest

from andon.intake.adapters import adapters
from andon.intake.events import Malformed, Request

SAMPLES = resources.files("andon.intake.adapters") / "generic" / "samples"


def parse(body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return adapters()["generic"].parse(Request(raw), {}).events


def test_everything_a_sender_can_say():
    (event,) = parse((SAMPLES / "firing.json").read_bytes())
    assert (event.fingerprint, event.status, event.severity_hint) == ("drift-credit-scorer", "firing", 2)
    assert (event.system_hint, event.type_hint) == ("credit-scorer", "fairness_violation")
    assert event.episode == "2026-03-02T02:05:00+00:00"
    assert event.labels == {"region": "eu", "window_days": "7", "detector": "nightly job"}


def test_a_list_with_a_title_alone_and_an_end():
    fired, ended = parse((SAMPLES / "list.json").read_bytes())
    assert (fired.status, fired.episode, fired.severity_hint) == ("firing", "", 3)
    assert (ended.status, ended.title, ended.fingerprint) == ("resolved", "drift-credit-scorer", "drift-credit-scorer")


def test_title_and_system_make_the_key_when_none_is_given():
    one, again, elsewhere = (
        parse({"title": title, "system": system})[0].fingerprint
        for title, system in (("Queue full", "a"), (" Queue  full ", "a"), ("Queue full", "b"))
    )
    assert one == again != elsewhere


def test_fingerprint_is_another_word_for_id_and_a_number_will_do():
    assert parse({"fingerprint": "x"})[0].fingerprint == "x"
    assert parse({"id": 42})[0].fingerprint == "42"


def test_fields_nobody_knows_stay_as_labels():
    (event,) = parse({"title": "t", "score": 0.25, "tags": ["a"], "who": "cron", "none": None})
    assert event.labels == {"score": "0.25", "tags": '["a"]', "who": "cron", "none": "null"}


def test_two_long_keys_that_differ_at_the_end_stay_apart():
    one, other = (parse({"id": "k" * 300 + end})[0].fingerprint for end in "ab")
    assert one != other
    assert max(len(one), len(other)) <= 255


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ([{"description": "no name"}, 7], "[0].title"),
        ({"title": "t", "severity": "critical"}, "severity"),
        ([{"title": "t", "status": "open"}], "[0].status"),
        ({"title": "t", "type": "drift"}, "type"),
        ({"title": "t", "labels": {"a": []}}, "labels[...]"),
        ({"title": "t", "starts_at": "soon", "status": "open"}, "status"),
        ({"title": 7}, "title"),
        (["t"], "[0]"),
        (b'"t"', ""),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.field == field


def test_of_a_list_what_can_be_read_is_taken():
    body = json.dumps([{"title": "one"}, {"title": "t", "severity": "critical"}, 7, {"title": "two"}]).encode()
    said = adapters()["generic"].parse(Request(body), {})
    assert [event.title for event in said.events] == ["one", "two"]
    assert said.left_out == 2
    assert said.why.startswith("2 objects were not taken. [1].severity: Invalid enum value 'critical'")


def test_a_field_that_is_null_is_one_that_is_not_there():
    (event,) = parse({"title": "t", **dict.fromkeys(("id", "fingerprint", "status", "severity", "starts_at"))})
    assert event == parse({"title": "t"})[0]


@pytest.mark.parametrize("at", ["soon", "", 28112026.5, []])
def test_for_a_time_that_is_none_no_signal_is_lost(at):
    (event,) = parse({"title": "t", "starts_at": at})
    assert (event.starts_at, event.episode, event.labels) == (None, "", {})
