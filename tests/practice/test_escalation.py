from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.escalation import (
    MAXIMUM_WAIT,
    MINIMUM_WAIT,
    START,
    Chain,
    ChainStep,
    Progress,
    StepReason,
    next_step,
)

NOW = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def chain_of(*targets, repeats=0, wait=FIVE):
    return Chain(tuple(ChainStep(n, wait, (t,) if t else ()) for n, t in enumerate(targets, 1)), repeats=repeats)


def walk(chain, fallback, steps, progress=START, now=NOW):
    """Fast-forward: the page that goes out each time the next one is due, while nobody acknowledges."""
    said = []
    for _ in range(steps):
        decision = next_step(chain, fallback, progress, now)
        said.append((decision.targets[0] if decision.targets else None, decision.reason))
        progress, now = decision.progress, decision.next_at
    return said


def test_a_chain_that_nobody_answers_repeats_and_then_pages_the_fallback_for_ever():
    said = walk(chain_of("first", "second", repeats=1), chain_of("chief", "deputy"), 8)
    assert [who for who, _ in said] == [
        "first",
        "second",
        "first",
        "second",
        "chief",
        "deputy",
        "chief",
        "deputy",
    ]
    assert [why for _, why in said] == [
        StepReason.FIRST,
        StepReason.NEXT_STEP,
        StepReason.REPEAT,
        StepReason.NEXT_STEP,
        *[StepReason.FALLBACK] * 4,
    ]


def test_without_a_fallback_the_chain_itself_goes_round_for_ever():
    said = walk(chain_of("only"), None, 50)
    assert {who for who, _ in said} == {"only"}
    assert said[1][1] is StepReason.NO_FALLBACK


def test_without_a_chain_the_fallback_is_paged_at_once():
    assert walk(chain_of(), chain_of("chief"), 2) == [("chief", StepReason.FALLBACK)] * 2


@pytest.mark.parametrize("fallback", [None, Chain(()), chain_of(None)])
@pytest.mark.parametrize("chain", [Chain(()), chain_of(None, None, repeats=3)])
def test_with_nobody_at_all_it_says_so_and_asks_again(chain, fallback):
    decision = next_step(chain, fallback, START, NOW)
    assert decision.nobody
    assert decision.reason is StepReason.NOBODY
    assert NOW < decision.next_at <= NOW + timedelta(minutes=10)
    assert next_step(chain_of("new"), None, decision.progress, decision.next_at).targets == ("new",)


def test_steps_that_reach_nobody_are_passed_over_without_waiting():
    assert [who for who, _ in walk(chain_of(None, "second", None), chain_of(None, "chief"), 3)] == [
        "second",
        "chief",
        "chief",
    ]


def test_each_step_waits_its_own_time():
    chain = Chain((ChainStep(1, timedelta(minutes=2), ("a",)), ChainStep(2, timedelta(minutes=9), ("b",))))
    first = next_step(chain, None, START, NOW)
    assert first.next_at - NOW == timedelta(minutes=2)
    assert next_step(chain, None, first.progress, NOW).next_at - NOW == timedelta(minutes=9)


@pytest.mark.parametrize(
    ("wait", "held"),
    [
        (timedelta(0), MINIMUM_WAIT),
        (timedelta(-3), MINIMUM_WAIT),
        (timedelta.max, MAXIMUM_WAIT),
        (FIVE, FIVE),
    ],
)
def test_waits_are_held_between_a_minute_and_a_day(wait, held):
    assert next_step(chain_of("a", wait=wait), None, START, NOW).next_at - NOW == held


def test_a_fallback_that_is_gone_hands_back_to_the_chain():
    said = walk(chain_of("a", "b"), None, 3, progress=Progress(1, 4, on_fallback=True))
    assert [who for who, _ in said] == ["a", "b", "a"]


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        next_step(chain_of("a"), None, START, NOW.replace(tzinfo=None))


steps = st.builds(
    ChainStep,
    position=st.integers(0, 9),
    wait=st.timedeltas(),
    targets=st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
)
chains = st.builds(Chain, steps=st.lists(steps, max_size=4).map(tuple), repeats=st.integers(-2, 5))
progresses = st.builds(Progress, step_index=st.integers(-3, 9), round=st.integers(-1, 9), on_fallback=st.booleans())


@given(
    chains,
    st.none() | chains,
    progresses,
    st.integers(0, 10**10).map(lambda seconds: datetime.fromtimestamp(seconds, tz=UTC)),
)
def test_there_is_always_a_next_time_from_anywhere(chain, fallback, progress, now):
    decision = next_step(chain, fallback, progress, now)
    assert now + MINIMUM_WAIT <= decision.next_at <= now + MAXIMUM_WAIT
    anybody = chain.reaches_anybody or (fallback is not None and fallback.reaches_anybody)
    assert decision.nobody == (not anybody)
    assert bool(decision.targets) == anybody
    if anybody:
        assert decision.step.targets == decision.targets
        paged = decision.paged_at
        assert decision.progress == replace(paged, step_index=paged.step_index + 1)
        assert (paged.round, paged.step_index) >= (progress.round, progress.step_index)


@given(chains, st.lists(st.none() | chains, min_size=1, max_size=12))
def test_places_only_grow_even_if_the_fallback_comes_and_goes(chain, fallbacks):
    progress, places = START, []
    for fallback in fallbacks * 3:
        decision = next_step(chain, fallback, progress, NOW)
        if not decision.nobody:
            places.append((decision.paged_at.round, decision.paged_at.step_index))
        progress = decision.progress
    assert places == sorted(set(places))


@given(chains, st.none() | chains)
def test_nobody_is_left_out_and_no_place_is_paged_twice(chain, fallback):
    progress, now, places, reached = START, NOW, [], set()
    rounds = max(chain.repeats, 0) + 2
    for _ in range(rounds * (len(chain.steps) + 1) + (len(fallback.steps) if fallback else 0) + 1):
        decision = next_step(chain, fallback, progress, now)
        reached |= set(decision.targets)
        if not decision.nobody:
            places.append(decision.paged_at)
        progress = decision.progress
    everyone = {t for c in (chain, fallback or Chain(())) for s in c.steps for t in s.targets}
    assert reached == everyone
    assert len(places) == len(set(places))


@given(chains, chains)
def test_the_fallback_is_reached_after_the_promised_rounds_and_never_left(chain, fallback):
    if not (chain.reaches_anybody and fallback.reaches_anybody):
        return
    useful = sum(1 for step in chain.steps if step.targets)
    before = useful * (max(chain.repeats, 0) + 1)
    progress, fallen = START, []
    for _ in range(before + 5):
        decision = next_step(chain, fallback, progress, NOW)
        fallen.append(decision.paged_at.on_fallback)
        progress = decision.progress
    assert fallen == [False] * before + [True] * 5
