"""What every lever's adapter does, whatever its other side answers: the round trip, refusals, silence and nonsense."""

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
    for status, sure in ((400, True), (401, True), (403, True), (404, True), (409, True), (500, False), (503, False)):
        side.refuse = status
        for change in changes:
            with pytest.raises(LeverFault) as caught:
                change()
            assert caught.value.sure is sure
            assert str(status) in caught.value.text
    assert side.snapshot() == before


def test_a_side_that_is_not_there_was_surely_not_told(side):
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    gone = side.dead()
    for call in (
        lambda: side.adapter.state(gone),
        lambda: side.adapter.act(gone, plan, KEY),
        lambda: side.adapter.undo(gone, prior, KEY),
    ):
        with pytest.raises(LeverFault) as caught:
            call()
        assert caught.value.sure is True
    assert side.adapter.probe(gone, plan).holds is None


def test_a_side_that_does_not_answer_is_given_up_and_nobody_knows(side, monkeypatch):
    prior = side.adapter.state(side.settings)
    plan = side.adapter.plan(side.settings, prior)
    monkeypatch.setattr(rest, "DEADLINE", 0.3)
    monkeypatch.setattr(probes, "DEADLINE", 0.3)
    side.slow = True
    began = machine_time.monotonic()
    with pytest.raises(LeverFault) as caught:
        side.adapter.state(side.settings)
    assert caught.value.sure is True
    with pytest.raises(LeverFault):
        side.adapter.act(side.settings, plan, KEY)
    assert side.adapter.probe(side.settings, plan).holds is None
    assert machine_time.monotonic() - began < side.slowest
    side.slow = False


def test_nonsense_is_no_state_and_shows_nothing(side):
    _, plan, _ = pulled(side)
    for garbage in NONSENSE:
        side.garbage = garbage
        with pytest.raises(LeverFault) as caught:
            side.adapter.state(side.settings)
        assert caught.value.sure is True
        assert side.adapter.probe(side.settings, plan).holds is None, garbage


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
