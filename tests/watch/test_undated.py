"""Rows whose time cannot be read are told; dates are never guessed; a log of another zone is told from its newest time."""

from datetime import timedelta

import pytest

from andon.people.policy import Actor
from andon.watch import actions, remarks
from andon.watch.models import Log
from andon.watch.reading.looking import Look, day_or_month
from andon.watch.suggestions import suggest
from tests.watch.conftest import MONDAY, decisions

END = MONDAY + timedelta(hours=48)


def rows():
    return [row | {"at": row["at"].removesuffix("+00:00")} for row in decisions(48, 10, lambda _hour: 1)]


@pytest.mark.parametrize("wrong", ["n/a", ""])
def test_rows_without_a_time_are_told_with_their_column_and_an_example(cast, written, connected, watched, time, wrong):
    time.set(END + timedelta(minutes=10))
    held = rows()
    for row in held[5:8]:
        row["at"] = wrong
    written(held)
    log = connected()
    such = ", written like “a/a”, and" if wrong else " and"
    says = (
        f"The log “decisions.csv”: 3 of 480 rows have no time that can be read in the column “at”{such} are left out: "
        "they lie in no window."
    )
    assert suggest(log, by=Actor.of(cast.omar)).remarks == [says]
    watch = watched(log, "error_rate", what="failed")
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert says in watch.notes


def test_they_are_counted_anew_once_a_day_and_forgotten_when_mended(cast, written, connected, watched, time):
    time.set(END + timedelta(minutes=10))
    held = rows()
    written([*held, held[0] | {"at": "soon"}])
    log = connected()
    watch = watched(log, "error_rate", what="failed")
    actions.run_watch(watch)
    assert Log.objects.get().odd["rows"] == 1
    written(held)
    time.set(END + timedelta(hours=2, minutes=10))
    actions.run_watch(watch)
    assert Log.objects.get().odd["rows"] == 1
    time.set(END + timedelta(hours=26, minutes=10))
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert Log.objects.get().odd["rows"] == 0
    assert not any("no time that can be read" in note for note in watch.notes)


@pytest.mark.parametrize("form", ["%m/%d/%Y %H:%M:%S", "%d/%m/%Y", "%d.%m.%Y %H:%M", "%m/%d/%Y"])
def test_whether_day_or_month_is_first_is_not_guessed(written, connected, watched, time, form):
    time.set(END + timedelta(minutes=10))
    written([row | {"at": f"{MONDAY + timedelta(hours=number):{form}}"} for number, row in enumerate(rows())])
    log = connected()
    watch = watched(log, "error_rate", what="failed")
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert watch.stale_since is not None
    assert "column “at”" in watch.error


def test_nor_is_it_guessed_of_several_files(written, connected, watched, time):
    time.set(END + timedelta(minutes=10))
    held = [row | {"at": f"{MONDAY + timedelta(hours=number):%d/%m/%Y}"} for number, row in enumerate(rows())]
    for number in range(2):
        written(held[number::2], f"part-{number}.csv")
    watch = watched(connected("part-*.csv"), "error_rate", what="failed")
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert watch.stale_since is not None
    assert "column “at”" in watch.error


def test_other_columns_of_dates_with_slashes_leave_the_time_alone(written, connected, watched, time):
    time.set(END + timedelta(minutes=10))
    written([row | {"born": "03/05/1980"} for row in rows()])
    watch = watched(connected(), "error_rate", what="failed")
    actions.run_watch(watch)
    watch.refresh_from_db()
    assert watch.stale_since is None
    assert watch.read_until == END


@pytest.mark.parametrize(
    ("bare", "hours", "says"),
    [
        (True, 2, "lies 2 h ahead of now; its times without a zone are read as of UTC"),
        (True, 0.4, "lies 24 minutes ahead of now"),
        (True, -5, "lies 5 h before now"),
        (True, -30, ""),
        (True, 0, ""),
        (True, 50, "lies 2 d 2 h ahead of now"),
        (False, 2, ""),
    ],
)
def test_a_newest_time_of_another_zone_is_told(bare, hours, says):
    found = remarks.of_zone("at", "UTC", Look({}, 10, 0, MONDAY, END + timedelta(hours=hours), bare=bare), END)
    assert says in found
    assert bool(found) is bool(says)


@pytest.mark.parametrize(
    ("text", "told"), [("03/05/2026", True), ("3.5.26 12:00", True), ("2026-03-05", False), ("x", False)]
)
def test_a_date_that_two_countries_read_otherwise_is_known(text, told):
    assert bool(day_or_month(text)) is told


def test_what_is_odd_about_times_stands_on_every_face(cast, written, connected, signed_in, time):
    time.set(END - timedelta(hours=3))
    written(rows())
    log = connected()
    says = "ahead of now; its times without a zone are read as of UTC"
    browser = signed_in(cast.omar)
    assert says in browser.get(f"/logs/{log.pk}/suggest").content.decode()
    assert says in browser.get(f"/api/v1/logs/{log.pk}/suggest").json()["remarks"][0]
