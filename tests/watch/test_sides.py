"""Which side of a gap moved, by each side's own share beside its own reference."""

import json
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.practice.words import Direction, Measure
from andon.watch import gaps, sides
from andon.watch.questions import Question, Window
from tests.watch.conftest import MONDAY

DAY = timedelta(days=1)
ASKED = Question(
    measure=Measure.GAP, direction=Direction.BOTH, budget=500, tolerance=0.0, minimum=100, length=DAY, columns=("sex",)
)


def a_window(day, counts):
    """Decisions of a day by group: how many, and how many with the event."""
    cells = {json.dumps([name]): [[float(n)], [float(k)], [0.0]] for name, (n, k) in counts.items()}
    n, k = (sum(one[at] for one in counts.values()) for at in (0, 1))
    return Window(MONDAY + day * DAY, n, k, k, segments=cells)


def told(before, since, led):
    """What is said of groups with these shares, of so many decisions each: (n, share)."""
    held = [{name: (n, round(n * share)) for name, (n, share) in counts.items()} for counts in (before, since)]
    learnt: dict = {}
    gaps.Gaps().take(ASKED, learnt, a_window(0, held[0]))
    detector = {"baseline": gaps.Gaps().settle(ASKED, learnt), "about": {"test": "sex", "group": f"sex = {led}"}}
    return sides.told(ASKED, detector, [a_window(1, held[1])])


def groups(**shares):
    return {name: (4_000, share) for name, share in shares.items()}


@pytest.mark.parametrize("led", ["F", "M"])
@pytest.mark.parametrize(
    ("since", "moved"),
    [
        ({"F": 0.45, "M": 0.6}, "sex = F"),
        ({"F": 0.6, "M": 0.75}, "sex = M"),
        ({"F": 0.53, "M": 0.78}, "sex = M"),  # both went, one of them much further
        ({"F": 0.52, "M": 0.68}, ""),  # both, as far
        ({"F": 0.7, "M": 0.7}, ""),  # both together: what a season does
        ({"F": 0.6, "M": 0.6}, ""),  # neither
    ],
)
def test_whoever_moved_is_named_whichever_group_led(led, since, moved):
    one, other = told(groups(F=0.6, M=0.6), groups(**since), led)
    assert (one.group if one.moved else "") == moved
    assert not other.moved
    assert {one.group, other.group} == {"sex = F", "sex = M"}
    assert moved or one.group == f"sex = {led}"
    for side in (one, other):
        name = side.group[-1]
        assert (side.before, side.since) == pytest.approx((0.6, since[name]), abs=1e-3)
        assert side.low <= since[name] - 0.6 <= side.high
        assert (side.n, side.n_before) == (4_000, 4_000)


def test_of_several_groups_the_large_one_that_moved_is_named_though_a_small_one_led():
    before = {"A": (6_000, 0.3), "B": (1_000, 0.3), "C": (1_000, 0.3)}
    one, other = told(before, before | {"A": (6_000, 0.4)}, "B")
    assert (one.group, one.moved, other.group) == ("sex = A", True, "all others")
    one, other = told(before, before | {"C": (1_000, 0.45)}, "C")
    assert (one.group, one.moved, other.group) == ("sex = C", True, "all others")


def test_another_mix_of_others_names_nobody():
    """All others together fell because there are more of those who were low before; nobody's own share moved."""
    before = {"A": (4_000, 0.5), "B": (3_000, 0.6), "C": (1_000, 0.3)}
    one, _ = told(before, before | {"C": (6_000, 0.3)}, "A")
    assert (one.group, one.moved) == ("sex = A", False)


def test_a_group_of_which_nothing_came_is_no_side():
    before = groups(A=0.3, B=0.3, C=0.3)
    assert told(before, {"A": (4_000, 0.3)}, "A") == []
    assert told(before, {"B": (4_000, 0.3), "C": (4_000, 0.3)}, "A") == []
    one, _ = told(before, {"A": (4_000, 0.5), "B": (4_000, 0.3)}, "B")
    assert (one.group, one.moved) == ("sex = A", True)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(["F", "M"]), st.sampled_from(["F", "M"]))
def test_by_chance_alone_nobody_is_named_wrongly(seed, led, moves):
    """Counts as chance makes them: the one that moved is named, or nobody is; the other one never."""
    rng = np.random.default_rng(seed)
    before = {name: (2_000, rng.binomial(2_000, 0.3) / 2_000) for name in "FM"}
    since = {name: (500, rng.binomial(500, 0.42 if name == moves else 0.3) / 500) for name in "FM"}
    one, _ = told(before, since, led)
    assert not one.moved or one.group == f"sex = {moves}"
