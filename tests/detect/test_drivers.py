import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from andon.detect.drivers import parts, rank, rank_across

SEGMENTS = st.sampled_from("abcdefgh")
DIRECTIONS = st.sampled_from(["up", "down"])


@st.composite
def rates(draw):
    found = {}
    for segment in draw(st.sets(SEGMENTS, min_size=1)):
        n = draw(st.integers(0, 20_000))
        found[segment] = (n, draw(st.integers(0, n)))
    return found


def whole(tallies):
    return sum(n for n, _ in tallies.values()), sum(total for _, total in tallies.values())


@settings(deadline=None)
@given(rates(), rates(), DIRECTIONS)
def test_the_parts_sum_to_the_whole_change(before, since, direction):
    (n0, x0), (n1, x1) = whole(before), whole(since)
    found = parts(before, since, direction=direction)
    if not n0 or not n1:
        assert found == []
        return
    sign = 1 if direction == "up" else -1
    assert sum(one.excess for one in found) == pytest.approx(sign * (x1 - n1 * x0 / n0), abs=1e-6 * n1)
    assert all(one.excess == pytest.approx(one.rate_part + one.mix_part) for one in found)
    assert {one.segment for one in found} == set(before) | set(since)
    assert all(one.lower <= one.excess for one in found)


@settings(deadline=None)
@given(rates(), rates(), st.randoms())
def test_the_order_of_segments_does_not_matter(before, since, random):
    mixed = list(since.items())
    random.shuffle(mixed)
    by_segment = {one.segment: one for one in parts(before, since)}
    for one in parts(before, dict(mixed)):
        other = by_segment[one.segment]
        assert (one.excess, one.lower) == pytest.approx((other.excess, other.lower), rel=1e-9, abs=1e-6)


@settings(deadline=None)
@given(rates(), rates(), DIRECTIONS)
def test_down_is_up_of_the_complement(before, since, direction):
    other = "down" if direction == "up" else "up"

    def turned(tallies):
        return {segment: (n, n - total) for segment, (n, total) in tallies.items()}

    here = parts(before, since, direction=direction)
    there = parts(turned(before), turned(since), direction=other)
    for one, two in zip(here, there, strict=True):
        assert (one.excess, one.lower) == pytest.approx((two.excess, two.lower), rel=1e-6, abs=1e-6)


def test_the_segment_whose_rate_rose_is_named_and_no_other():
    before = {"under 25": (5_000, 250), "25 to 60": (40_000, 2_000), "over 60": (5_000, 250)}
    since = {"under 25": (1_000, 100), "25 to 60": (8_000, 401), "over 60": (1_000, 50)}
    (found,) = rank(before, since)
    assert found.segment == "under 25"
    assert found.rate_part == pytest.approx(50)
    assert found.mix_part == pytest.approx(0, abs=1e-9)
    assert 15 < found.lower < 50


def test_a_segment_that_only_grew_is_named_for_its_share():
    before = {"branch": (9_000, 180), "online": (1_000, 200)}
    since = {"branch": (3_000, 60), "online": (2_000, 400)}
    (found,) = rank(before, since)
    assert found.segment == "online"
    assert found.rate_part == pytest.approx(0)
    assert found.mix_part == pytest.approx(1_500 * (0.2 - 0.038))


def test_a_segment_never_seen_before_is_compared_with_everything_before():
    (found,) = rank({"old": (10_000, 500)}, {"old": (5_000, 250), "new": (1_000, 200)})
    assert (found.segment, found.excess, found.mix_part) == ("new", pytest.approx(150), 0)


def test_an_unaffected_segment_leaves_the_rate_parts_alone():
    before, since = {"a": (5_000, 250), "b": (5_000, 250)}, {"a": (1_000, 100), "b": (1_000, 50)}
    alone = {one.segment: one.rate_part for one in parts(before, since)}
    more = parts(before | {"c": (5_000, 250)}, since | {"c": (1_000, 50)})
    assert {one.segment: one.rate_part for one in more} == pytest.approx(alone | {"c": 0})
    assert [one.segment for one in rank(before | {"c": (5_000, 250)}, since | {"c": (1_000, 50)})] == ["a"]


@pytest.mark.parametrize("p", [0.002, 0.05, 0.5, 0.98])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_nothing_is_named_where_nothing_changed(p, direction):
    rng = np.random.default_rng(11)
    named = 0
    for _ in range(400):
        shares = rng.dirichlet(np.full(12, 0.6))
        n0, n1 = rng.multinomial(20_000, shares), rng.multinomial(3_000, shares)
        own = np.clip(p * rng.uniform(0.5, 1.5, 12), 0, 0.99)  # segments differ, but none changes
        before = {s: (n, rng.binomial(n, q)) for s, (n, q) in enumerate(zip(n0, own, strict=True))}
        since = {s: (n, rng.binomial(n, q)) for s, (n, q) in enumerate(zip(n1, own, strict=True))}
        named += bool(rank(before, since, direction=direction))
    assert named / 400 <= 0.05


def test_the_bound_is_near_the_exact_one_where_there_is_an_exact_one():
    # One segment beside a far larger earlier record: what is left is one binomial against a known rate.
    before, since = {"a": (10**9, 5 * 10**7)}, {"a": (2_000, 160)}
    exact = stats.binomtest(160, 2_000, 0.05, alternative="greater").proportion_ci(0.95).low
    (one,) = parts(before, since)
    assert one.lower == pytest.approx(2_000 * (exact - 0.05), rel=0.01)


def test_more_segments_ask_for_more():
    few = parts({"a": (5_000, 250)}, {"a": (1_000, 100)})[0]
    many = parts({"a": (5_000, 250)}, {"a": (1_000, 100)}, tests=1_000)[0]
    assert many.lower < few.lower


def test_means_are_ranked_by_their_own_spread():
    before = {"a": (1_000, 10_000.0, 110_000.0), "b": (1_000, 10_000.0, 110_000.0)}
    since = {"a": (100, 1_300.0, 17_900.0), "b": (100, 1_000.0, 11_000.0)}
    (found,) = rank(before, since, measure="mean")
    assert found.segment == "a"
    assert found.rate_part == pytest.approx(300)
    with pytest.raises(ValueError, match="Segment a: a mean needs n, the sum and the sum of squares"):
        parts({"a": (1, 1)}, {"a": (1, 1)}, measure="mean")


def test_counts_are_compared_with_their_own_windows():
    before = {"eu": (100, 400), "us": (100, 400)}
    since = {"eu": (10, 90), "us": (10, 41)}
    (found,) = rank(before, since, measure="count")
    assert (found.segment, found.excess, found.mix_part) == ("eu", pytest.approx(50), 0)
    (gone,) = rank(before, {"eu": (10, 2), "us": (10, 41)}, measure="count", direction="down")
    assert (gone.segment, gone.excess) == ("eu", pytest.approx(38))


@pytest.mark.parametrize("tally", [(10, 11), (-1, 0), (10, float("nan"))])
def test_counts_that_cannot_be_are_refused_by_name(tally):
    with pytest.raises(ValueError, match="Segment north"):
        parts({"north": (10, 1)}, {"north": tally})


def test_windows_in_which_a_segment_had_nothing_are_windows_all_the_same():
    before, since = {"eu": (100, 400), "us": (20, 20)}, {"eu": (50, 200), "us": (10, 10)}
    assert [one.excess for one in parts(before, since, measure="count")] == pytest.approx([0, 0])


def crossed(rng, rates, n=4_000):
    """Cells of sex by age by region, n decisions each on average."""
    cells = [(sex, age, region) for sex in "FM" for age in ("young", "old") for region in ("north", "south", "west")]
    sizes = rng.poisson(n, len(cells))
    return {cell: (size, rng.binomial(size, rates(*cell))) for cell, size in zip(cells, sizes, strict=True)}


@pytest.mark.parametrize(
    ("worse", "named"),
    [
        (lambda sex, age, region: sex == "F", [{("sex", "F")}]),
        (lambda sex, age, region: sex == "F" and age == "young", [{("sex", "F"), ("age", "young")}]),
        (lambda sex, age, region: (sex, age, region) == ("F", "old", "west"), [{("sex", "F"), ("age", "old"), ("region", "west")}]),
        (lambda sex, age, region: region == "north" or (sex == "M" and age == "old" and region == "south"),
         [{("region", "north")}, {("sex", "M"), ("age", "old"), ("region", "south")}]),
        (lambda sex, age, region: False, []),
    ],
)  # fmt: skip
def test_a_group_is_named_as_wide_as_the_change_reaches(worse, named):
    rng = np.random.default_rng(21)
    before = crossed(rng, lambda *_: 0.05, n=20_000)
    since = crossed(rng, lambda *cell: 0.09 if worse(*cell) else 0.05)
    found = rank_across(before, since, ["sex", "age", "region"])
    assert [set(one.segment) for one in found] == named
    assert all(0 < one.lower < one.excess for one in found)


def test_intersections_name_nothing_where_nothing_changed():
    rng = np.random.default_rng(22)
    named = 0
    for _ in range(60):
        own = dict(zip(crossed(rng, lambda *_: 0.5), rng.uniform(0.02, 0.4, 12), strict=True))
        before, since = (crossed(rng, lambda *cell, own=own: own[cell], n=n) for n in (2_000, 300))
        named += bool(rank_across(before, since, ["sex", "age", "region"]))
    assert named <= 5


def test_one_column_is_ranked_as_its_segments():
    before, since = {("a",): (5_000, 250), ("b",): (5_000, 250)}, {("a",): (1_000, 100), ("b",): (1_000, 50)}
    (across,) = rank_across(before, since, ["column"])
    (plain,) = rank(before, since)
    assert across.segment == (("column", "a"),)
    assert (across.excess, across.lower) == pytest.approx((plain.excess, plain.lower))


def test_counts_are_ranked_across_columns_too():
    before = {("eu", "a"): (100, 400), ("eu", "b"): (100, 400), ("us", "a"): (100, 400), ("us", "b"): (60, 60)}
    since = {("eu", "a"): (10, 90), ("eu", "b"): (10, 85), ("us", "a"): (10, 41), ("us", "b"): (5, 6)}
    (found,) = rank_across(before, since, ["region", "model"], measure="count")
    assert (found.segment, found.excess) == ((("region", "eu"),), pytest.approx(95))
