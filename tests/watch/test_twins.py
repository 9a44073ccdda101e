"""Rows that are there twice in a log without a key are told; rows that look alike by chance are not."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.people.policy import Actor
from andon.watch import actions, remarks
from andon.watch.facts import LogFacts
from andon.watch.reading import Place
from andon.watch.reading.places import LogEngine
from andon.watch.reading.twins import Twins, twins
from andon.watch.suggestions import suggest
from tests.watch.conftest import MONDAY, decisions

END = MONDAY + timedelta(hours=48)


def says(again, rows):
    return (
        f"The log “decisions.csv”: {again} of {rows} rows are the same as another of the same time in every column, "
        "between 2026-02-02 23:54 and 2026-02-03 23:54 UTC: more than chance makes. They count twice, and what is "
        "tested rests on them. Name as the log's key the column that tells one decision from another, or take them out."
    )


def test_rows_that_are_there_twice_are_told_until_a_key_is_named(cast, written, connected, watched, time):
    time.set(END + timedelta(minutes=10))
    held = decisions(48, 10, lambda _hour: 1)
    written(held + held[300:350])
    log = connected()
    assert suggest(log, by=Actor.of(cast.omar)).remarks == [says(50, 291)]
    watch = watched(log, "error_rate", what="failed")
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert says(50, 291) in watch.notes
    facts = LogFacts(system=log.system, name=log.name, table=log.table, time_column="at", key_column="id")
    log = actions.change_log(log, facts, by=Actor.of(cast.omar))
    assert suggest(log, by=Actor.of(cast.omar)).remarks == []
    time.forward(timedelta(hours=1))
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert not any("than chance makes" in note for note in watch.notes)


def test_a_row_of_the_far_future_hides_nothing_and_fails_nothing(cast, written, connected, watched, time):
    time.set(END + timedelta(minutes=10))
    held = decisions(48, 10, lambda _hour: 1)
    written([*held, *held[300:350], held[0] | {"at": "9999-12-31T23:59:59"}])
    watch = watched(connected(), "error_rate", what="failed")
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert watch.stale_since is None
    assert any(note.startswith("The log “decisions.csv”: 50 of 2") for note in watch.notes)


def test_a_log_of_few_values_that_come_in_the_same_second_is_not_suspected(cast, written, connected, time):
    time.set(END + timedelta(minutes=10))
    coarse = [
        {"at": (MONDAY + timedelta(hours=n // 100)).isoformat(), "failed": int(n % 7 == 0), "region": "ns"[n % 3 > 0]}
        for n in range(4_800)
    ]
    written(coarse)
    assert suggest(connected(), by=Actor.of(cast.omar)).remarks == []


def test_pairs_are_counted_as_by_hand(folder, written):
    written(
        [
            {"at": "2026-02-02T10:00:00", "v": "a"},
            {"at": "2026-02-02T10:00:00", "v": "a"},
            {"at": "2026-02-02T10:00:00", "v": "b"},
            {"at": "2026-02-02T11:00:00", "v": ""},
            {"at": "2026-02-02T11:00:00", "v": ""},
            {"at": "2026-02-01T09:00:00", "v": "a"},  # older than the last day
        ]
    )
    newest = datetime.fromisoformat("2026-02-02T11:00:00+00:00")
    found = twins(Place("decisions.csv", LogEngine.FILES, str(folder / "decisions.csv")), "at", newest)
    assert (found.rows, found.again, found.pairs, found.equal) == (5, 2, 4, 2)
    assert found.chance == pytest.approx((2 * 2 + 1 + 2 * 2) / 25)


@given(st.integers(1, 100_000), st.integers(0, 500), st.floats(0, 1))
def test_no_more_than_chance_makes_is_never_told(pairs, rows, chance):
    expected = int(chance * pairs)
    alike = Twins(pairs + rows, expected, pairs, expected, chance, MONDAY, END)
    assert remarks.by_chance(alike)


@given(st.integers(50, 100_000))
def test_a_log_written_twice_whose_rows_differ_is_always_told(held):
    rows = 2 * held
    alike = Twins(rows, held, held, held, 2 / rows, MONDAY, END)
    assert not remarks.by_chance(alike)
