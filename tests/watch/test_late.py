"""Rows and labels that come after their window was judged: put right for a stated while, counted, and told."""

from datetime import timedelta

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from andon.people.policy import Actor
from andon.practice.words import FairnessMetric
from andon.watch import actions, late
from andon.watch.actions.running import WINDOWS_AT_ONCE
from andon.watch.models import Watch, WindowState
from andon.watch.suggestions import suggest
from tests.watch.conftest import MONDAY

DAY = timedelta(days=1)
DAYS = 60


@given(
    st.integers(1, 3 * 24 * 60), st.integers(0, 400 * 24 * 60), st.integers(0, 5_000), st.integers(1, 600),
    st.integers(0, 3_000),
)  # fmt: skip
def test_what_comes_within_the_stated_time_is_read_again(window, delay, first, ahead, after):
    """Whenever a row of the first window comes, one of the readings after that reaches back to it: window by window."""
    watch = Watch(window_minutes=window, label_delay_minutes=delay, log_id="0" * 32)
    bound = late.looked_for(watch) // watch.length
    came = first + after % (bound + 1)  # the newest window that was read when the row came
    step = bound // 3
    reached = []
    for now in range(came + 1, came + 1 + step):
        begins = MONDAY + now * watch.length
        again = late.again(watch, watch.window_of(begins), watch.window_of(begins) + watch.length)
        reached.append(now - again)
        assert again <= WINDOWS_AT_ONCE
    assert min(reached) <= first
    assert bound >= 21
    assert bound * watch.length >= min(delay * timedelta(minutes=1), 360 * watch.length)


def labelled(known, *, until=DAYS):
    """Rows of a log, twenty a day: whether each was approved and whether it should have been, if `known(day, n)` by now."""
    return [
        {
            "at": (MONDAY + day * DAY + n * DAY / 20).isoformat(),
            "approved": n % 2,
            "repaid": int((n % 2) ^ (n == 3)) if known(day, n) else None,
            "known_at": (MONDAY + (day + n % 9) * DAY + n * DAY / 20).isoformat(),
            "region": ("north", "south")[n % 2],
        }
        for day in range(until)
        for n in range(20)
    ]


@pytest.fixture
def judged(written, connected, watched, time):
    """A watch of accuracy that has judged what there is; of each day but the last ten, every fifth label is not there yet."""
    time.set(MONDAY + DAYS * DAY + timedelta(hours=3))
    written(labelled(lambda day, n: day < 50 or n % 5))
    log = connected(output_column="approved", label_column="repaid", label_time_column="known_at")
    return actions.run_watch(watched(log, "accuracy", budget=1000, by_arrival=False))


def read_on(watch, written, time, days, known):
    """Days pass, one by one."""
    for day in range(DAYS + 1, DAYS + 1 + days):
        written(labelled(known, until=day))
        time.set(MONDAY + day * DAY + timedelta(hours=3))
        watch = actions.run_watch(watch)
    return watch


@pytest.mark.django_db
def test_labels_that_come_late_are_counted_and_told_and_no_verdict_is_changed(judged, written, time, cast, signed_in):
    page = signed_in(cast.vera).get(reverse("watch", args=[judged.number])).content.decode()
    assert "None since" in page
    assert "Rows are looked for until 21 days after their window was judged, and no longer." in page
    state = WindowState.objects.get(watch=judged, segment="", window_start=MONDAY + 51 * DAY)
    assert (state.n, state.invalid, state.was) == (16, 4, [])
    evidence = judged.detector["evidence"]
    watch = read_on(judged, written, time, 8, lambda day, n: day < 58 or n % 5)  # what was missing came
    state.refresh_from_db()
    assert (state.n, state.invalid, len(state.was)) == (20, 0, 1)
    found = late.came_late(watch)
    assert found.late >= 4
    assert found.rows > found.late
    page = signed_in(cast.vera).get(reverse("watch", args=[watch.number])).content.decode()
    assert "came after their window was judged: figures and pictures count them, no verdict did" in page
    (note,) = [one for one in watch.notes if "came after their window was judged" in one]
    assert note.startswith("The log “decisions.csv”: ")
    assert "Let the watch wait longer for labels." in note
    assert watch.detector["evidence"] != evidence
    assert not watch.alarms.exists()


@pytest.mark.django_db
def test_what_comes_later_than_that_is_not_looked_for(judged, written, time):
    watch = read_on(judged, written, time, 1, lambda _day, _n: True)
    before = WindowState.objects.get(watch=watch, segment="", window_start=MONDAY + 10 * DAY)
    assert (before.n, before.was) == (20, [])
    written(
        [row for row in labelled(lambda _day, _n: True, until=DAYS + 3) if row["at"] > (MONDAY + 11 * DAY).isoformat()]
    )
    time.set(MONDAY + (DAYS + 3) * DAY + timedelta(hours=3))
    actions.run_watch(watch)
    before.refresh_from_db()
    assert (before.n, before.was) == (20, [])


@pytest.mark.django_db
def test_while_it_learns_it_learns_what_came_late(written, connected, watched, time):
    time.set(MONDAY + 20 * DAY + timedelta(hours=3))
    written(labelled(lambda day, n: day < 10 or n % 5, until=20))
    log = connected(output_column="approved", label_column="repaid")
    watch = actions.run_watch(watched(log, "accuracy"))
    assert (watch.detector["phase"], watch.detector["n"]) == ("learning", 10 * 20 + 3 * 16)
    written(labelled(lambda _day, _n: True, until=21))
    time.set(MONDAY + 21 * DAY + timedelta(hours=3))
    watch = actions.run_watch(watch)
    assert watch.detector["n"] == 14 * 20


@pytest.mark.django_db
def test_a_proposed_watch_waits_as_long_as_most_labels_took(judged, cast):
    offers = {offer.key: offer for offer in suggest(judged.log, by=Actor.of(cast.omar)).offers}
    wrong = next(offer for offer in offers.values() if offer.facts.kind == "accuracy")
    assert wrong.facts.label_delay_minutes == 9 * 24 * 60  # the slowest label takes between eight and nine days
    assert "Labels count as they come, 95% of them within 9 days." in wrong.tests
    assert wrong.facts.reference_from == MONDAY + 10 * DAY  # what was labelled quickly is no fair sample
    assert next(one for one in offers.values() if one.facts.kind == "volume").facts.label_delay_minutes is None


@pytest.mark.django_db
@pytest.mark.parametrize(("metric", "days"), [("tpr", 7), ("selection_rate", 0)])
def test_a_gap_that_needs_labels_waits_for_them(judged, watched, metric, days):
    watch = watched(judged.log, "fairness_gap", metric=FairnessMetric(metric), segments=["region"])
    assert watch.label_delay == days * DAY
