"""A flag behind OpenFeature's remote protocol: ways to set it, ways back, and evaluations that are none."""

import json
import sys

import pytest
import yaml

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, cleaned, complaints
from tests.containment.adapters import sides

ADAPTER = adapters.find("openfeature")


@pytest.fixture
def side():
    with sides.running(sides.OpenFeature) as one:
        yield one


def test_the_value_stands_in_the_body_wherever_it_is_asked_for(side):
    ADAPTER.act(side.settings, Plan({"value": {"mode": ["safe"]}}, ""), "PULL-1")
    assert side.snapshot() == {"value": {"mode": ["safe"]}}


def test_exactly_one_way_sets_it(side):
    for wrong in ({"command": "contain"}, {"change_url": ""}):
        given = cleaned(ADAPTER.fields, side.given() | wrong)
        assert complaints(ADAPTER, given) == [
            "Give the address of the change, or a command: exactly one of them sets the flag."
        ]


def test_without_a_way_back_nothing_is_asked(side):
    given = {**side.settings, "change_body": '{"flag": {"enabled": false}, "by": ["andon"]}'}
    with pytest.raises(LeverFault, match="knows no way back") as caught:
        ADAPTER.undo(given, {"value": True}, "PULL-2")
    assert caught.value.sure is True
    ADAPTER.act(given, Plan({"value": False}, ""), "PULL-1")
    back = {**given, "undo_body": '{"flag": {"enabled": true}, "by": ["andon"]}'}
    ADAPTER.undo(back, {"value": True}, "PULL-2")
    assert side.snapshot() == {"value": True}


def test_callers_that_go_by_their_own_default_are_no_value(side):
    """An evaluation without a value (open-feature/protocol, ADR 0006)."""
    side.held.pop("value")
    side.served.pop("value")
    prior = ADAPTER.state(side.settings)
    assert prior == {}
    assert ADAPTER.plan(side.settings, prior).says == "Flag credit scorer goes from each caller’s own default to false."
    assert ADAPTER.probe(side.settings, Plan({"value": False}, "")).text == (
        "By OpenFeature’s protocol the flag is each caller’s own default, not false."
    )
    assert ADAPTER.probe(side.settings, Plan(prior, "")).holds is True
    with pytest.raises(LeverFault, match="not known: callers went by their own default") as caught:
        ADAPTER.undo(side.settings, prior, "PULL-2")
    assert caught.value.sure is True


@pytest.mark.parametrize(
    ("status", "answer", "says"),
    [
        (404, {"key": "credit scorer", "errorCode": "FLAG_NOT_FOUND"}, "cannot evaluate credit scorer: FLAG_NOT_FOUND"),
        (400, {"key": "credit scorer", "errorCode": "TARGETING_KEY_MISSING"}, "TARGETING_KEY_MISSING"),
        (401, None, "answered 401"), (429, None, "answered 429"), (500, {"errorDetails": "x"}, "answered 500"),
        (200, {"key": "another", "value": False}, "without this flag’s evaluation"),
        (200, {"key": "credit scorer", "value": False, "reason": "ERROR"}, "without this flag’s evaluation"),
    ],
)  # fmt: skip
def test_what_is_no_evaluation_shows_nothing(side, status, answer, says):
    side.reply = lambda _heard: (status, answer)
    with pytest.raises(LeverFault, match=says) as caught:
        ADAPTER.state(side.settings)
    assert caught.value.sure is True
    seen = ADAPTER.probe(side.settings, Plan({"value": False}, ""))
    assert (seen.holds, says in seen.text) == (None, True)


def test_true_is_not_one_and_text_is_not_a_truth(side):
    side.held["value"] = side.served["value"] = 0
    assert ADAPTER.probe(side.settings, Plan({"value": False}, "")).holds is False
    side.held["value"] = side.served["value"] = "false"
    assert ADAPTER.probe(side.settings, Plan({"value": False}, "")).holds is False


def test_by_a_command_as_for_a_server_that_reads_a_file(side, tmp_path, settings):
    """The command gets the value on its standard input, both ways."""
    flags = tmp_path / "flags.json"
    program = "import json, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(json.dumps(json.load(sys.stdin)))"
    words = [sys.executable, "-c", program, str(flags)]
    settings.LEVERS_FILE = tmp_path / "levers.yaml"
    settings.LEVERS_FILE.write_text(yaml.safe_dump({"commands": {"contain": {"run": words, "undo": words},
                                                                 "no-way-back": {"run": words}}}))  # fmt: skip
    plain = {
        name: value for name, value in side.given().items() if not name.startswith(("change_", "serving", "shows"))
    }
    given = cleaned(ADAPTER.fields, plain | {"command": "contain"})
    assert complaints(ADAPTER, given) == []
    prior = ADAPTER.state(given)
    ADAPTER.act(given, ADAPTER.plan(given, prior), "PULL-1")
    side.served = json.loads(flags.read_text())
    assert ADAPTER.probe(given, Plan({"value": False}, "")).holds is True
    ADAPTER.undo(given, prior, "PULL-2")
    assert json.loads(flags.read_text()) == {"value": True}
    with pytest.raises(LeverFault, match="has no undo") as caught:
        ADAPTER.undo({**given, "command": "no-way-back"}, prior, "PULL-3")
    assert caught.value.sure is True
