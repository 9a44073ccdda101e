"""What is odd about a log is said in words that name log, column and window; nothing is judged by it."""

from datetime import timedelta

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from andon.watch import actions
from andon.watch.actions import writing
from andon.watch.oddities import Held, Source, oddities
from tests.watch.conftest import MONDAY, decisions

HOUR = timedelta(hours=1)
SOURCE = Source(log="loans", what="failed", length=HOUR, columns=("region",))
STEADY = [(40, 0, 0, 40)] * 28


def held(figures, since=0):
    return [Held(MONDAY + (since + number) * HOUR, *one) for number, one in enumerate(figures)]


def said(newest, *, usual=STEADY, source=SOURCE, before=None, since=None):
    return oddities(source, held(usual), held(newest, 100), before or {}, since or {})


@pytest.mark.parametrize(
    ("newest", "words"),
    [
        ([(40, 0, 0, 40)] * 4, None),
        ([(40, 1, 0, 40)] * 4, None),  # 4 of 160 may be chance
        (
            [(40, 0, 0, 0), (40, 40, 0, 0), (2, 2, 0, 0)],
            "none of 42 rows in the windows from 2026-02-06 05:00 to 2026-02-06 07:00 UTC has a value of “failed”",
        ),
        ([(40, 10, 0, 0)] * 4, "40 of 160 rows in the windows from 2026-02-06 04:00 to 2026-02-06 08:00 UTC have no"),
        (
            [(40, 0, 20, 0)] * 4,
            "80 of 240 rows in the windows from 2026-02-06 04:00 to 2026-02-06 08:00 UTC came again",
        ),
        (
            [(40, 0, 0, 0), (12, 0, 0, 40), (40, 0, 0, 0)],
            "12 rows in the window 2026-02-06 05:00 UTC, where it held 40",
        ),
        (
            [(40, 0, 0, 0), (0, 0, 0, 40), (0, 0, 0, 0)],
            "goes backwards: it held 40 rows in the window 2026-02-06 05:00",
        ),
        ([(40, 0, 0, 0), (0, 0, 0, 0)], "has no rows in the window 2026-02-06 05:00 UTC"),
    ],
)
def test_what_is_odd_is_named_with_its_windows(newest, words):
    found = said(newest)
    assert all("“loans”" in one for one in found)
    if words is None:
        assert found == []
    else:
        assert words in found[0]


def test_nights_without_rows_are_no_silence():
    nights = ([(40, 0, 0, 0)] * 10 + [(0, 0, 0, 0)] * 4) * 2
    assert said([(40, 0, 0, 0)] + [(0, 0, 0, 0)] * 4, usual=nights) == []
    assert "has no rows" in said([(40, 0, 0, 0)] + [(0, 0, 0, 0)] * 5, usual=nights)[0]


def test_labels_that_never_come_are_named_with_their_column_and_how_long_they_were_waited_for():
    labelled = Source(log="loans", what="output <> label", length=HOUR, label="label", delay=timedelta(days=7))
    (found,) = said([(40, 40, 0, 0)], source=labelled)
    assert "Labels in the column “label” may not have come, though they were waited for 7 days." in found


def test_rows_that_a_metric_of_fairness_does_not_count_are_no_fault_unless_they_are_more_than_usual():
    gap = Source(log="loans", what="approved", length=HOUR, counted="true positive rate", label="paid", delay=HOUR)
    usual = [(40, 20, 0, 0)] * 28
    assert said([(3, 3, 0, 0)] + [(40, 20, 0, 0)] * 3, usual=usual, source=gap) == []
    (found,) = said([(40, 40, 0, 0)] * 4, usual=usual, source=gap)
    assert "160 of 160 rows" in found
    assert "50.0% in the reference" in found
    assert "column “paid”" in found


def test_a_group_that_comes_no_more_is_named_unless_that_may_be_chance():
    before = {'["north"]': 1000, '["south"]': 1000, '["isle"]': 1}
    (found,) = said(STEADY[:4], before=before, since={'["north"]': 160})
    assert "no decisions of group region = south among 160; about 80 were to be expected" in found
    assert said(STEADY[:4], before=before, since={'["north"]': 159, '["south"]': 1}) == []


def test_of_two_columns_a_group_is_named_once_and_a_combination_only_if_its_groups_still_come():
    two = Source(log="loans", what="failed", length=HOUR, columns=("region", "channel"))
    before = {f'["{a}","{b}"]': 1000 for a in ("north", "south") for b in ("web", "desk")}
    north = {'["north","web"]': 500, '["north","desk"]': 500}
    (found,) = said(STEADY[:4], source=two, before=before, since=north)
    assert "group region = south among" in found
    (found,) = said(STEADY[:4], source=two, before=before, since=north | {'["south","web"]': 500})
    assert "group region = south, channel = desk among" in found


WINDOWS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60)).map(
        lambda one: (one[0], min(one[0], one[1]), one[2], one[3])
    ),
    max_size=12,
)
GROUPS = st.dictionaries(st.sampled_from(['["a"]', '["b"]', "[null]"]), st.integers(1, 10_000))


@given(usual=WINDOWS, newest=WINDOWS, before=GROUPS, since=GROUPS)
def test_whatever_windows_hold_a_note_names_the_log_and_rests_on_something(usual, newest, before, since):
    found = said(newest, usual=usual, before=before, since=since)
    assert all(one.startswith("The log “loans”") and one.endswith(".") for one in found)
    assert len(found) == len(set(found))
    assert any("came again" in one for one in found) <= any(doubled for _, _, doubled, _ in newest)
    assert any("value of" in one for one in found) <= any(invalid for _, invalid, _, _ in newest)
    assert any("it held" in one for one in found) is any(rows < was for rows, _, _, was in newest)
    assert any("no decisions of group" in one for one in found) <= bool(newest and before.keys() - since.keys())


@given(windows=WINDOWS, groups=GROUPS)
def test_what_is_as_it_was_is_not_odd(windows, groups):
    kept = [(rows, 0 if invalid == rows else invalid, doubled, 0) for rows, invalid, doubled, _ in windows]
    assert said(kept, usual=kept, before=groups, since=groups) == []


@pytest.mark.django_db
def test_a_watch_notes_what_is_odd_until_it_is_over_and_its_page_shows_it(
    cast, written, connected, watched, time, signed_in
):
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    rows = decisions(60, 40, lambda hour: 2)
    written(rows)
    watch = actions.run_watch(watched(connected(key_column="id"), what="failed", segments=["region"]))
    assert watch.notes == []
    time.set(MONDAY + timedelta(hours=90, minutes=5))
    later = decisions(90, 40, lambda hour: 2)[len(rows) :]
    bad = [
        one | {"failed": "nan" if hour_of(one) == 89 else one["failed"]} for one in later if one["region"] == "north"
    ]
    written([*rows, *bad, *bad])
    watch = actions.run_watch(watch)
    assert [one for one in watch.notes if "none of 20 rows in the window 2026-02-05 17:00 UTC has a value" in one]
    assert [one for one in watch.notes if "480 of 960 rows" in one and "came again" in one]
    assert [one for one in watch.notes if "no decisions of group region = south among 480" in one]
    assert len(watch.notes) == 3
    assert not watch.alarms.exists()
    browser = signed_in(cast.vera)
    page = browser.get(reverse("watch", args=[watch.number])).content.decode()
    assert "came again with the same key" in page
    assert browser.get(f"/api/v1/watches/{watch.number}").json()["notes"] == watch.notes
    time.set(MONDAY + timedelta(hours=130, minutes=5))
    written(decisions(130, 40, lambda hour: 2))
    (late,) = actions.run_watch(watch).notes
    assert "580 of 1,120 rows since 2026-02-04 14:00 UTC came after their window was judged" in late


@pytest.mark.django_db
def test_a_log_that_is_replaced_by_an_older_copy_goes_backwards_and_nothing_judged_is_taken_back(
    written, connected, watched, time
):
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    written(decisions(60, 40, lambda hour: 2))
    watch = actions.run_watch(watched(connected(), what="failed"))
    detector = watch.detector
    written(decisions(58, 40, lambda hour: 2))
    time.set(MONDAY + timedelta(hours=61, minutes=5))
    watch = actions.run_watch(watch)
    (found,) = [one for one in watch.notes if "goes backwards" in one]
    assert "“decisions.csv”" in found
    assert "80 rows in the windows from 2026-02-04 10:00 to 2026-02-04 12:00 UTC" in found
    assert watch.detector["baseline"] == detector["baseline"]
    assert watch.judged_until == MONDAY + timedelta(hours=61)


@pytest.mark.django_db
def test_notes_of_short_windows_look_at_no_more_than_a_bounded_number_of_them(
    written, connected, watched, time, monkeypatch
):
    monkeypatch.setattr(writing, "MOST_NOTED", 5)
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    written(
        [row | {"failed": "nan" if hour_of(row) >= 50 else row["failed"]} for row in decisions(60, 4, lambda _hour: 1)]
    )
    watch = actions.run_watch(watched(connected(), what="failed"))
    assert [one for one in watch.notes if "none of 20 rows in the windows from 2026-02-04 07:00" in one]


def hour_of(row):
    return int(row["id"].partition("-")[0])
