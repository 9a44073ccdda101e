"""Figures read as people write them, scales hold what they are made for, and thinning loses no peak."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.kit.charts import scales
from andon.kit.charts.scales import Unit, figure, linear, logarithmic, short, thin, times

BERLIN = ZoneInfo("Europe/Berlin")
numbers = st.floats(-1e9, 1e9, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "unit", "words", "in_short"),
    [
        (0.0834, Unit.SHARE, "8.34%", "8.34%"),
        (0.05, Unit.SHARE, "5%", "5%"),
        (1.0, Unit.SHARE, "100%", "100%"),
        (0.00217, Unit.SHARE, "0.217%", "0.217%"),
        (1e-9, Unit.SHARE, "<0.0001%", "<0.0001%"),
        (0.0, Unit.SHARE, "0%", "0%"),
        (-0.021, Unit.POINTS, "−2.1 points", "−2.1"),
        (0.517, Unit.NUMBER, "0.517", "0.517"),
        (-1234.4, Unit.NUMBER, "−1,234", "−1.23k"),
        (1204.0, Unit.COUNT, "1,204", "1.2k"),
        (3.0, Unit.EVIDENCE, "3.0", "3.0"),
        (10_000.0, Unit.EVIDENCE, "10,000", "10k"),
        (3.4e6, Unit.EVIDENCE, "3.4 million", "3.4M"),
        (1e300, Unit.EVIDENCE, "over 1,000 trillion", ">999T"),
        (math.inf, Unit.EVIDENCE, "∞", "∞"),
    ],
)
def test_figures_in_words(value, unit, words, in_short):
    assert figure(value, unit) == words
    assert short(value, unit) == in_short


@given(st.floats(1e-4, 1e9), st.sampled_from([Unit.SHARE, Unit.NUMBER]))
def test_a_figure_is_within_half_a_percent_of_what_it_says(value, unit):
    said = float(figure(value, unit).rstrip("%").replace(",", ""))
    assert said == pytest.approx(value * (100 if unit is Unit.SHARE else 1), rel=0.0051)


@given(st.lists(numbers, max_size=50))
def test_a_linear_scale_holds_every_value_between_lines_of_the_grid(values):
    scale, grid = linear(values, 100.0)
    assert 2 <= len(grid) <= 6
    hair = 1e-8 * (scale.high - scale.low)
    assert all(scale.low - hair <= value <= scale.high + hair for value in values)
    assert grid[0] == pytest.approx(scale.low)
    assert grid[-1] == pytest.approx(scale.high)
    assert all(0.0 <= scale.place(value) <= 100.0 for value in [*values, -1e12, 1e12])


@given(st.floats(1e-6, 1e300))
def test_evidence_is_placed_by_its_logarithm(high):
    scale, grid = logarithmic(high, 100.0)
    assert grid[0] == 1.0
    assert len(grid) <= 4
    assert all(value <= max(high, 10.0) * 1.01 for value in grid)
    assert scale.place(0.0) == 0.0
    assert scale.place(math.sqrt(scale.high)) == pytest.approx(50.0)


@given(
    st.lists(st.one_of(st.none(), numbers), min_size=1, max_size=600),
    st.integers(8, 120),
    st.lists(st.integers(0, 599), max_size=3),
)
def test_thinning_keeps_ends_extremes_and_what_is_asked_for(values, most, wanted):
    keep = {place for place in wanted if place < len(values)}
    kept = thin([values], most, keep)
    assert kept == sorted(set(kept))
    assert {0, len(values) - 1} | keep <= set(kept)
    assert len(kept) <= max(len(keep) + most + 2, min(len(values), most))
    known = [value for value in values if value is not None]
    drawn = [values[place] for place in kept if values[place] is not None]
    if known:
        assert (min(drawn), max(drawn)) == (min(known), max(known))


def test_a_silence_longer_than_a_stretch_still_breaks_the_line():
    values = [1.0] * 500 + [None] * 100 + [1.0] * 500
    assert any(values[place] is None for place in thin([values], 60))


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001  hypothesis wants them naive
    st.floats(1, 5_000_000),
    st.sampled_from([UTC, BERLIN]),
)
def test_times_stand_in_order_within_the_picture_and_are_few(start, minutes, zone):
    start = start.replace(tzinfo=UTC)
    end = start + timedelta(minutes=minutes)
    found = times(start, end, zone)
    assert len(found) <= 5
    assert all(start <= tick.at <= end for tick in found)
    assert all(one.at < other.at for one, other in pairwise(found))


def test_times_are_round_on_the_clock_of_the_viewer():
    start = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
    assert [tick.words for tick in times(start, start + timedelta(hours=10), BERLIN)] == [
        "21:00", "29 Mar", "03:00", "06:00"
    ]  # fmt: skip
    assert [tick.words for tick in times(start, start + timedelta(days=40), BERLIN)] == [
        "6 Apr", "20 Apr", "4 May"
    ]  # fmt: skip
    assert [tick.words for tick in times(start, start + timedelta(days=300), BERLIN)][:2] == ["May 2026", "Jul"]


def test_a_scale_of_one_value_has_it_in_the_middle():
    scale, _ = scales.linear([0.05], 100.0)
    assert 20 < scale.place(0.05) < 80
