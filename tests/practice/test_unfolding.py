"""An incident is told what matters of its alarms, once, and then stays quiet until something else does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.unfolding import Known, Told, news, remembered, scale_of

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(*hours):
    return tuple(START + hour * HOUR for hour in hours)


known = st.builds(
    Known,
    onset=st.none() | st.tuples(*[st.integers(0, 50)] * 3).map(lambda hours: at(*sorted(hours))),
    affected=st.none() | st.integers(0, 200_000),
    drivers=st.lists(st.sampled_from("abcde"), unique=True, max_size=5).map(tuple),
    recovered=st.booleans(),
    given_up=st.booleans(),
)


@given(known)
def test_the_first_time_everything_is_said_and_then_nothing_until_something_changes(one):
    assert news(None, one, window=HOUR)[0] is Told.RAISED
    assert (Told.RECOVERED in news(None, one, window=HOUR)) == one.recovered
    assert (Told.GIVEN_UP in news(None, one, window=HOUR)) == (one.given_up and not one.recovered)
    assert news(one, one, window=HOUR) == ()


@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=40))
def test_a_count_that_only_grows_is_news_at_most_as_often_as_it_can_double_or_change_its_level(steps):
    told, said = Known(affected=0), 0
    total = 0
    for step in steps:
        total += step
        now = Known(affected=total)
        new = news(told, now, window=HOUR)
        said += bool(new)
        told = remembered(told, now, new)
    assert said <= len(steps)
    assert said <= 4 + total.bit_length()
    assert scale_of(told.affected) == scale_of(total)
    assert total < max(2 * told.affected, told.affected + 10)


@given(st.lists(known, min_size=2, max_size=8))
def test_once_something_is_said_it_is_not_said_again(states):
    told = None
    for now in states:
        said = news(told, now, window=HOUR)
        told = remembered(told, now, said)
        assert news(told, now, window=HOUR) == ()


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (Known(), Known(onset=at(1, 2, 3)), (Told.MOVED,)),
        (Known(onset=at(1, 2, 3)), Known(), ()),
        (Known(onset=at(1, 2, 3)), Known(onset=at(1, 2.5, 3.5)), ()),
        (Known(onset=at(1, 2, 3)), Known(onset=at(1, 2, 4)), (Told.MOVED,)),
        (Known(onset=at(1, 2, 41)), Known(onset=at(5, 11, 49)), ()),
        (Known(onset=at(1, 2, 41)), Known(onset=at(1, 12, 41)), (Told.MOVED,)),
        (Known(affected=400), Known(affected=799), ()),
        (Known(affected=400), Known(affected=800), (Told.GREW,)),
        (Known(affected=600), Known(affected=1000), (Told.GREW,)),
        (Known(affected=0), Known(affected=1), (Told.GREW,)),
        (Known(affected=12), Known(affected=3), (Told.GREW,)),
        (Known(), Known(affected=3), (Told.GREW,)),
        (Known(drivers=("a", "b")), Known(drivers=("b", "a")), ()),
        (Known(drivers=("a", "b", "c", "d")), Known(drivers=("c", "b", "a", "e")), ()),
        (Known(drivers=("a",)), Known(drivers=("b",)), (Told.DRIVERS,)),
        (Known(), Known(recovered=True), (Told.RECOVERED,)),
        (Known(recovered=True), Known(recovered=True), ()),
    ],
)
def test_what_is_news(before, now, said):
    assert news(before, now, window=HOUR) == said


def test_scale_from_counts():
    counts = [None, 0, 1, 9, 10, 999, 1_000, 99_999, 100_000]
    assert [scale_of(count) for count in counts] == [None, 0, 1, 1, 2, 2, 3, 3, 4]
