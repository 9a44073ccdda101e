"""Who is on call, by example for every known class of bug."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from andon.practice.rotation import (
    HORIZON,
    Cadence,
    Calendar,
    Gap,
    Rotation,
    Shift,
    WallShift,
    gaps,
    next_shift,
    on_call,
    shifts,
)
from andon.practice.walltime import instant, wall
from tests.practice.wall import at, local, told, utc

DAY = timedelta(days=1)
WEEKDAYS = frozenset(range(5))


# --- the known classes of bugs, by example -----------------------------------------------------------------


def berlin(participants=("ada", "ben"), start=date(2026, 3, 23), handover=time(9), **more):
    return Rotation(tuple(participants), "Europe/Berlin", start, handover, **more)


@pytest.mark.parametrize(("first", "hours"), [(date(2026, 3, 27), [24, 23, 24]), (date(2026, 10, 23), [24, 25, 24])])
def test_a_daily_hand_over_stays_at_nine_while_the_clock_changes(first, hours):
    daily = berlin("abc", start=first, cadence=Cadence.DAILY)
    start, end = (instant(datetime.combine(first + n * DAY, time(9)), "Europe/Berlin") for n in (0, 3))
    found = shifts([daily], [], start, end)
    assert [(s.ends - s.starts) / timedelta(hours=1) for s in found] == hours
    assert {wall(s.starts, "Europe/Berlin").time() for s in found} == {time(9)}


def test_a_hand_over_at_half_past_two_on_the_night_without_it_happens_at_the_jump():
    daily = berlin("ab", start=date(2026, 3, 28), handover=time(2, 30), cadence=Cadence.DAILY)
    assert [(s.participant, s.starts) for s in shifts([daily], [], utc(2026, 3, 28, 1, 30), utc(2026, 3, 31))] == [
        ("a", utc(2026, 3, 28, 1, 30)),
        ("b", utc(2026, 3, 29, 1, 0)),
        ("a", utc(2026, 3, 30, 0, 30)),
    ]


def test_a_hand_over_at_half_past_two_on_the_night_with_two_of_them_happens_once_at_the_first():
    daily = berlin("ab", start=date(2026, 10, 24), handover=time(2, 30), cadence=Cadence.DAILY)
    assert [(s.participant, s.starts) for s in shifts([daily], [], utc(2026, 10, 24, 0, 30), utc(2026, 10, 27))] == [
        ("a", utc(2026, 10, 24, 0, 30)),
        ("b", utc(2026, 10, 25, 0, 30)),
        ("a", utc(2026, 10, 26, 1, 30)),
    ]
    assert on_call([daily], [], at("Europe/Berlin", 2026, 10, 25, 2, 15, fold=1)).participant == "b"


def test_a_range_that_begins_and_ends_within_the_hour_that_comes_again_is_covered():
    early, late = (at("Europe/Berlin", 2026, 10, 25, 2, minute, fold=1) for minute in (15, 45))
    for layer in (berlin(["ada"]), berlin(["ada"], weekdays=frozenset({6}))):
        assert shifts([layer], [], early, late) == [Shift("ada", early, late, "layer 1")]


def test_a_night_window_is_an_hour_shorter_and_longer_at_the_edges_and_belongs_to_its_evening():
    night = berlin(
        ["ada"],
        start=date(2026, 1, 1),
        cadence=Cadence.DAILY,
        window=(time(22), time(6)),
        weekdays=frozenset({5}),
    )
    spring = shifts([night], [], utc(2026, 3, 27), utc(2026, 3, 31))
    autumn = shifts([night], [], utc(2026, 10, 23), utc(2026, 10, 27))
    assert told(spring) == told(autumn) == [("ada", "Sat 22:00", "Sun 06:00")]
    assert [s.ends - s.starts for s in (*spring, *autumn)] == [timedelta(hours=7), timedelta(hours=9)]


def test_a_window_inside_the_jump_is_empty_that_night_only():
    short = berlin(["ada"], cadence=Cadence.DAILY, window=(time(2), time(3)))
    found = shifts([short], [], utc(2026, 3, 28), utc(2026, 3, 31))
    assert told(found) == [("ada", "Sat 02:00", "Sat 03:00"), ("ada", "Mon 02:00", "Mon 03:00")]


def test_a_window_that_ends_at_half_past_two_ends_at_the_first_one_and_does_not_come_back():
    short = berlin(["ada"], cadence=Cadence.DAILY, window=(time(2), time(2, 30)))
    assert shifts([short], [], utc(2026, 10, 25), utc(2026, 10, 25, 12)) == [
        Shift("ada", utc(2026, 10, 25, 0, 0), utc(2026, 10, 25, 0, 30), "layer 1")
    ]


def test_an_override_over_the_edge_hands_back_at_wall_time_and_leaves_no_gap():
    weekly = berlin()
    over = WallShift("cyd", local(2026, 3, 28, 20), local(2026, 3, 29, 8), "Europe/Berlin")
    start, end = utc(2026, 3, 28), utc(2026, 3, 30)
    found = shifts([weekly], [over], start, end)
    assert told(found)[1] == ("cyd", "Sat 20:00", "Sun 08:00")
    assert found[1].ends - found[1].starts == timedelta(hours=11)
    assert [s.source for s in found] == ["layer 1", "override", "layer 1"]
    assert gaps([weekly], [over], start, end) == []


def test_an_override_that_ends_in_the_jump_ends_at_it():
    over = WallShift("cyd", local(2026, 3, 28, 20), local(2026, 3, 29, 2, 45), "Europe/Berlin")
    assert on_call([], [over], utc(2026, 3, 28, 23)).ends == utc(2026, 3, 29, 1)


def test_a_later_override_wins_and_the_earlier_one_comes_back_after_it():
    long, short = (
        WallShift(who, local(2026, 5, 1, since), local(2026, 5, 1, until), "Europe/Berlin")
        for who, since, until in (("ada", 8, 20), ("ben", 10, 12))
    )
    start, end = utc(2026, 5, 1), utc(2026, 5, 2)
    assert told(shifts([], [long, short], start, end)) == [
        ("ada", "Fri 08:00", "Fri 10:00"),
        ("ben", "Fri 10:00", "Fri 12:00"),
        ("ada", "Fri 12:00", "Fri 20:00"),
    ]
    assert [s.participant for s in shifts([], [short, long], start, end)] == ["ada"]


def test_a_later_layer_wins_where_it_is_active_and_an_earlier_one_shows_through_elsewhere():
    base = berlin(["ada"])
    office = berlin(["ben"], weekdays=WEEKDAYS, window=(time(9), time(17)))
    found = shifts([base, office], [], at("Europe/Berlin", 2026, 5, 1), at("Europe/Berlin", 2026, 5, 3))
    assert [(s.participant, s.source) for s in found] == [
        ("ada", "layer 1"),
        ("ben", "layer 2"),
        ("ada", "layer 1"),
    ]


def test_weekdays_are_local_calendar_days_and_the_weekend_is_a_gap():
    office = berlin(weekdays=WEEKDAYS)
    assert gaps([office], [], utc(2026, 3, 26), utc(2026, 4, 2)) == [
        Gap(at("Europe/Berlin", 2026, 3, 28), at("Europe/Berlin", 2026, 3, 30))
    ]


def test_two_people_alternate_across_the_weekend_when_inactive_days_are_skipped():
    turns = berlin(cadence=Cadence.DAILY, weekdays=WEEKDAYS, window=(time(9), time(17)), skip_inactive=True)
    found = shifts([turns], [], utc(2026, 3, 23), utc(2026, 4, 4))
    assert [s.participant for s in found] == ["ada", "ben"] * 5
    assert told(found)[4:6] == [("ada", "Fri 09:00", "Fri 17:00"), ("ben", "Mon 09:00", "Mon 17:00")]


def test_without_skipping_the_turns_of_the_weekend_pass_unseen():
    turns = berlin(cadence=Cadence.DAILY, weekdays=WEEKDAYS, window=(time(9), time(17)))
    found = shifts([turns], [], utc(2026, 3, 23), utc(2026, 4, 4))
    assert [s.participant for s in found][3:7] == ["ben", "ada", "ben", "ada"]
    assert [s.participant for s in found][5:] == ["ben", "ada", "ben", "ada", "ben"]


def test_weekdays_from_hand_over_to_hand_over_are_a_window_of_a_whole_day():
    office = berlin(weekdays=WEEKDAYS, window=(time(9), time(9)))
    found = shifts([office], [], utc(2026, 3, 22), utc(2026, 4, 5))
    assert told(found) == [("ada", "Mon 09:00", "Sat 09:00"), ("ben", "Mon 09:00", "Sat 09:00")]


def test_every_second_week_is_counted_from_the_start_over_ten_years():
    turns = berlin("abc", start=date(2016, 1, 4), every=2)
    day, turn = date(2016, 1, 4), 0
    while day < date(2026, 6, 1):
        held = on_call([turns], [], instant(datetime.combine(day, time(9)), "Europe/Berlin"))
        assert held.participant == "abc"[turn % 3]
        assert wall(held.ends, "Europe/Berlin") == datetime.combine(day + 14 * DAY, time(9))
        day, turn = day + 14 * DAY, turn + 1


def test_the_day_that_samoa_skipped_is_nobodys_but_keeps_its_turn():
    daily = Rotation(("a", "b", "c"), "Pacific/Apia", date(2011, 12, 28), time(9), Cadence.DAILY)
    found = shifts([daily], [], at("Pacific/Apia", 2011, 12, 28, 9), at("Pacific/Apia", 2012, 1, 1, 9))
    assert [(s.participant, f"{wall(s.starts, 'Pacific/Apia'):%d %H:%M}") for s in found] == [
        ("a", "28 09:00"),
        ("b", "29 09:00"),
        ("c", "31 00:00"),
        ("a", "31 09:00"),
    ]


def test_nobody_is_on_call_before_the_first_hand_over():
    first = at("Europe/Berlin", 2026, 3, 23, 9)
    assert on_call([berlin()], [], first - timedelta(microseconds=1)) is None
    assert on_call([berlin()], [], first).participant == "ada"


def test_a_first_turn_begins_at_the_start_even_on_a_day_that_does_not_count():
    turns = berlin(start=date(2026, 3, 22), cadence=Cadence.DAILY, weekdays=WEEKDAYS, skip_inactive=True)
    found = shifts([turns], [], utc(2026, 3, 21), utc(2026, 3, 25))
    assert told(found)[:2] == [("ada", "Mon 00:00", "Tue 09:00"), ("ben", "Tue 09:00", "Wed 01:00")]


def test_a_new_version_of_a_layer_does_not_rewrite_history():
    changed = utc(2026, 4, 1, 12)
    old = berlin(["ada"], valid_until=changed, name="primary")
    new = berlin(["ben"], valid_from=changed, name="primary")
    found = shifts([old, new], [], utc(2026, 4, 1), utc(2026, 4, 2))
    assert found == [
        Shift("ada", utc(2026, 4, 1), changed, "primary"),
        Shift("ben", changed, utc(2026, 4, 2), "primary"),
    ]


def test_a_shift_lasts_over_a_change_of_version_that_keeps_the_person():
    changed = utc(2026, 3, 25, 12)
    old, new = berlin(valid_until=changed, name="primary"), berlin(valid_from=changed, name="primary")
    held = on_call([old, new], [], changed)
    assert told([held]) == [("ada", "Mon 09:00", "Mon 09:00")]


def test_validity_and_range_may_be_given_in_any_zone():
    new_york = ZoneInfo("America/New_York")
    turns = berlin(["ada"], valid_from=datetime(2026, 4, 1, 8, tzinfo=new_york))
    found = shifts([turns], [], datetime(2026, 4, 1, tzinfo=new_york), datetime(2026, 4, 1, 9, tzinfo=new_york))
    assert found == [Shift("ada", utc(2026, 4, 1, 12), utc(2026, 4, 1, 13), "layer 1")]
    assert found[0].starts.tzinfo is UTC


def test_a_calendar_is_a_layer_of_fixed_shifts():
    fixed = Calendar(
        (
            WallShift("ada", local(2026, 10, 24, 18), local(2026, 10, 25, 6), "Europe/Berlin"),
            WallShift("ben", local(2026, 10, 25, 6), local(2026, 10, 25, 18), "Europe/Berlin"),
        ),
        name="import",
    )
    found = shifts([fixed], [], utc(2026, 10, 24), utc(2026, 10, 26))
    assert told(found) == [("ada", "Sat 18:00", "Sun 06:00"), ("ben", "Sun 06:00", "Sun 18:00")]
    assert found[0].ends - found[0].starts == timedelta(hours=13)
    assert {s.source for s in found} == {"import"}


def test_nobody_covers_what_has_no_participants():
    start, end = utc(2026, 4, 1), utc(2026, 5, 1)
    for layers in ([], [berlin([])]):
        assert on_call(layers, [], start) is None
        assert next_shift(layers, [], start) is None
        assert gaps(layers, [], start, end) == [Gap(start, end)]
    assert gaps([], [], start, start) == []


def test_one_person_alone_is_on_call_as_far_as_the_horizon_and_has_no_successor():
    moment = utc(2027, 4, 1, 12)
    assert on_call([berlin(["ada"])], [], moment) == Shift("ada", moment - HORIZON, moment + HORIZON, "layer 1")
    assert next_shift([berlin(["ada"])], [], moment) is None


def test_the_next_shift_is_whole_although_the_horizon_cuts_it():
    found = next_shift([berlin()], [], at("Europe/Berlin", 2026, 3, 24), timedelta(days=7))
    assert told([found]) == [("ben", "Mon 09:00", "Mon 09:00")]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"zone": "Europe/Atlantis"}, "not a known time zone"),
        ({"zone": "Europe"}, "not a known time zone"),
        ({"zone": "../etc/passwd"}, "not a known time zone"),
        ({"zone": ""}, "not a known time zone"),
        ({"every": 0}, "every is 0"),
        ({"weekdays": frozenset({7})}, "weekdays are"),
        ({"weekdays": frozenset()}, "weekdays are"),
        ({"start": datetime(2026, 1, 1, 9, tzinfo=UTC)}, "local date alone"),
        ({"handover": time(9, tzinfo=UTC)}, "handover is"),
        ({"window": (time(9), time(17, tzinfo=UTC))}, "window is"),
        ({"valid_from": local(2026, 1, 1)}, "valid_from is"),
        ({"valid_until": local(2026, 1, 1)}, "valid_until is"),
        ({"valid_from": utc(2026, 1, 2), "valid_until": utc(2026, 1, 1)}, "Swap or correct"),
    ],
)
def test_a_rotation_that_cannot_be_meant_is_refused_in_words(wrong, says):
    right = {"participants": ("ada",), "zone": "UTC", "start": date(2026, 1, 1), "handover": time(9)}
    with pytest.raises(ValueError, match=says):
        Rotation(**right | wrong)


def test_other_things_that_cannot_be_meant_are_refused_in_words():
    early, late = local(2026, 1, 1), local(2026, 1, 2)
    with pytest.raises(ValueError, match="not after it starts"):
        WallShift("ada", late, late, "UTC")
    with pytest.raises(ValueError, match="starts is"):
        WallShift("ada", early.replace(tzinfo=UTC), late, "UTC")
    with pytest.raises(ValueError, match="ends is"):
        WallShift("ada", early, late.replace(tzinfo=UTC), "UTC")
    with pytest.raises(ValueError, match="not a known time zone"):
        WallShift("ada", early, late, "Nowhere")
    with pytest.raises(ValueError, match="valid_from is"):
        Calendar((), valid_from=early)
    with pytest.raises(ValueError, match="at is"):
        on_call([], [], early)
    with pytest.raises(ValueError, match="start is"):
        shifts([], [], early, late.replace(tzinfo=UTC))
    with pytest.raises(ValueError, match="ends at"):
        gaps([], [], utc(2026, 1, 2), utc(2026, 1, 1))
