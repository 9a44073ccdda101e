"""Bars are to scale, stand side by side, and say what they show in words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.kit.charts.bars import HEIGHT, Count, bars

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
pairs = st.integers(0, 10**6).flatmap(lambda all_: st.tuples(st.just(all_), st.integers(0, all_)))


def counted(*numbers):
    return [
        Count(START + place * HOUR, *(n if isinstance(n, tuple) else (n,))) for place, n in enumerate(numbers)
    ]  # fmt: skip


def drawn(*numbers):
    return bars(counted(*numbers), every=HOUR, noun="requests")


def test_what_it_says():
    view = drawn(0, (1200, 30), 5)
    assert view.sentence == "1,205 requests, most of them (1,200) from 01:00. 30 were not understood, or only in part."
    assert [bar.words for bar in view.bars] == [
        "00:00: 0 requests", "01:00: 1,200 requests, 30 of them not understood, or only in part", "02:00: 5 requests"
    ]  # fmt: skip
    assert (view.begins, view.ends, view.most) == ("00:00", "03:00", "1,200")
    assert drawn(0, 0).sentence == "No requests."


def test_what_was_counted_up_to_a_bound_is_said_to_be_at_least_that():
    view = bars([Count(START, 10_000, capped=True)], every=HOUR, noun="requests")
    assert view.sentence == "At least 10,000 requests, most of them (10,000+) from 00:00."


def test_without_counts_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="nothing"):
        drawn()


@given(st.lists(pairs, min_size=1, max_size=48))
def test_heights_are_to_scale_and_bars_do_not_touch(numbers):
    view = drawn(*numbers)
    most = max(all_ for all_, _ in numbers)
    for bar, (all_, bad) in zip(view.bars, numbers, strict=True):
        assert bar.height == pytest.approx(max(2, all_ / most * HEIGHT) if all_ else 0, abs=0.01)
        assert bar.y + bar.height == pytest.approx(HEIGHT, abs=0.02)
        assert 0 <= bar.bad_height <= bar.height + 0.01
        assert (bar.bad_height > 0) == (bad > 0)
    for left, right in zip(view.bars, view.bars[1:], strict=False):
        assert left.x + left.width < right.x
    assert view.bars[-1].x + view.bars[-1].width <= 100
