"""What every lever's adapter does, whatever its other side answers: the round trip, refusals, silence and nonsense."""

import contextlib
import copy
import itertools
import json
import time as machine_time

import pytest

from andon.containment import probes, rest
from andon.containment.lever import LeverFault, Plan, complaints
from tests.containment.adapters import clouds, sides

KEY = "PULL-1"
NONSENSE = [
    b"<html>a page of some proxy</html>", b"", b"null", b"[]", b"{}", b'{"a": {"b": [1, null]}}', b"[" * 100_000,
    b"\xff\xfe",
]  # fmt: skip
TOO_LARGE = b'{"a": "' + b"a" * (4 * 1024 * 1024) + b'"}'
WRONG = [None, [], {}, "x", -1, 10**400, True, "9" * 5000, [None], {"a": None}, 1.5, "7"]
"""What stands where something else belongs: wrong types, numbers beyond any, texts that are nearly numbers."""


@pytest.fixture(params=[*sides.ALL, *clouds.ALL], ids=lambda kind: kind.__name__)
def side(request, tmp_path):
    with sides.running(request.param) as one:
        yield one


def pulled(side):
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    return prior, plan, side.adapter.act(side.settings, plan, KEY)


def test_a_pull_is_seen_and_its_undo_leaves_the_other_side_as_it_was(side):
    before, adapter, settings = side.snapshot(), side.adapter, side.settings
    prior, plan, done = pulled(side)
    assert side.snapshot() != before
    assert done.text.endswith(".")
    assert plan.says.endswith(".")
    seen = adapter.probe(settings, plan)
    assert seen.holds is True, seen.text

    adapter.undo(settings, prior, KEY)
    assert side.snapshot() == before
    assert adapter.state(settings) == prior
    assert adapter.probe(settings, plan).holds is not True
    assert adapter.probe(settings, Plan(prior, "")).holds is not False


def test_what_holds_already_is_said_and_does_no_harm(side):
    _, plan, _ = pulled(side)
    after = side.snapshot()
    again = side.adapter.plan(side.settings, side.adapter.state(side.settings))
    assert again.says.startswith("Nothing would change")
    side.adapter.act(side.settings, again, KEY)
    assert side.snapshot() == after
    assert side.adapter.probe(side.settings, plan).holds is True


def test_what_the_control_plane_says_is_not_what_is_served(side):
    side.lags = True
    _, plan, _ = pulled(side)
    assert side.adapter.probe(side.settings, plan).holds is False


def test_a_refusal_is_sure_and_a_breakdown_is_not(side):
    before = side.snapshot()
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    changes = (
        lambda: side.adapter.act(side.settings, plan, KEY),
        lambda: side.adapter.undo(side.settings, prior, KEY),
    )
    refusals = (400, 401, 403, 404, 409, 307, 308)
    for status in (*refusals, 302, 303, 500, 503):
        side.refuse = status
        for change in changes:
            with pytest.raises(LeverFault) as caught:
                change()
            assert caught.value.sure is (status in refusals)
            assert str(status) in caught.value.text
    assert side.snapshot() == before
    assert not went_elsewhere(side)


def went_elsewhere(side):
    return [heard for heard in side.listener.heard if heard.path == "/elsewhere"]


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_reading_that_is_sent_elsewhere_is_not_followed_and_shows_nothing(side, status):
    _, plan, _ = pulled(side)
    side.moved = status
    with pytest.raises(LeverFault) as caught:
        side.adapter.state(side.settings)
    assert caught.value.sure is True
    assert side.adapter.probe(side.settings, plan).holds is not True
    assert not went_elsewhere(side)


def test_a_side_that_is_not_there_was_surely_not_told(side):
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    told_nothing(side, side.dead(), prior, plan)


def test_a_side_with_which_no_tls_stands_was_surely_not_told(side):
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    before = side.snapshot()
    told_nothing(side, side.over_tls(), prior, plan)
    assert side.snapshot() == before


def told_nothing(side, gone, prior, plan):
    for call in (
        lambda: side.adapter.state(gone),
        lambda: side.adapter.act(gone, plan, KEY),
        lambda: side.adapter.undo(gone, prior, KEY),
    ):
        with pytest.raises(LeverFault) as caught:
            call()
        assert caught.value.sure is True
    assert side.adapter.probe(gone, plan).holds is None


@pytest.mark.parametrize("how", ["slow", "drips"])
def test_a_side_that_does_not_answer_is_given_up_and_nobody_knows(side, monkeypatch, how):
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    monkeypatch.setattr(rest, "DEADLINE", 0.3)
    monkeypatch.setattr(probes, "DEADLINE", 0.3)
    setattr(side, how, True)
    began = machine_time.monotonic()
    with pytest.raises(LeverFault) as caught:
        side.adapter.state(side.settings)
    assert caught.value.sure is True
    with pytest.raises(LeverFault):
        side.adapter.act(side.settings, plan, KEY)
    assert side.adapter.probe(side.settings, plan).holds is None
    assert machine_time.monotonic() - began < side.slowest
    setattr(side, how, False)


def test_nonsense_is_no_state_and_shows_nothing(side):
    _, plan, _ = pulled(side)
    for garbage in (*NONSENSE, TOO_LARGE):
        side.garbage = garbage
        with pytest.raises(LeverFault) as caught:
            side.adapter.state(side.settings)
        assert caught.value.sure is True
        assert side.adapter.probe(side.settings, plan).holds is None, garbage[:80]


def test_a_wrong_value_anywhere_in_an_answer_is_a_fault_of_that_side_and_breaks_nothing(side):
    """One value after the other is put in the place of what it answers; all of `WRONG` at each place was tried once."""
    prior, plan, _ = pulled(side)
    for number, (place, wrong) in enumerate(zip(places(side, plan), itertools.cycle(WRONG), strict=False)):
        side.twist = put(place, wrong)
        assert read(side) is not False, place
        json.dumps(dict(side.adapter.probe(side.settings, plan).facts))
        if number % 4 == 0:
            with contextlib.suppress(LeverFault):
                side.adapter.act(side.settings, plan, KEY)
            with contextlib.suppress(LeverFault):
                side.adapter.undo(side.settings, prior, KEY)
            side.twist = None
            side.adapter.act(side.settings, plan, KEY)


def read(side):
    """What it says that holds, and what would be set; of a fault, whether it is sure."""
    try:
        state = side.adapter.state(side.settings)
        return json.dumps([state, side.adapter.plan(side.settings, state).expected])
    except LeverFault as fault:
        return fault.sure


def places(side, plan):
    """Every place in every JSON that it answers readings with."""
    bodies = []

    def keep(body):
        bodies.append(body)
        return body

    side.twist = keep
    side.adapter.state(side.settings)
    side.adapter.probe(side.settings, plan)
    return sorted({place for body in bodies for place in inside(body)}, key=str)


def inside(body, place=()):
    parts = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, part in parts:
        yield (*place, name)
        yield from inside(part, (*place, name))


def put(place, value):
    """Puts the value there in every answer that has such a place."""

    def twist(body):
        body = copy.deepcopy(body)
        here = body
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for name in place[:-1]:
                here = here[name]
            here[place[-1]] = value
        return body

    return twist


def test_no_secret_is_shown_in_what_is_recorded(side):
    prior, plan, done = pulled(side)
    secrets = {side.settings[one.name] for one in side.adapter.fields if one.secret and one.name in side.settings}
    shown = repr((prior, plan, done, side.adapter.probe(side.settings, plan)))
    assert not [secret for secret in secrets if secret in shown]


def test_a_setting_that_must_be_there_is_asked_for_by_its_label(side):
    for one in side.adapter.fields:
        if one.required:
            without = {name: value for name, value in side.settings.items() if name != one.name}
            assert f"{one.label} is missing." in complaints(side.adapter, without)
