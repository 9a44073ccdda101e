from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.practice import walltime
from andon.practice.pacing import (
    DEFAULT_PACES,
    HOLDS,
    LONGEST_HELD,
    LONGEST_PACED,
    LONGEST_QUIET,
    MILD,
    MOST_INCIDENTS,
    WINDOW,
    Due,
    Known,
    Pace,
    QuietHours,
    Reason,
    Sent,
    plan,
)
from andon.practice.severity import Severity

NOW = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
NIGHT = QuietHours(time(22), time(7), "Europe/Berlin")  # 03:12 UTC is 04:12 there
MORNING = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def due(page, *, person="Lena", channel="sms", severity=Severity.S4, **rest):
    rest = {"incident": f"incident of {page}", "address": f"{person} by {channel}", "due_at": NOW} | rest
    return Due(page, person=person, channel=channel, severity=severity, **rest)


def going(found):
    return [one.pages for one in found.going]


def test_with_nothing_in_the_way_everything_goes_at_once():
    found = plan([due("a", person="Lena"), due("b", person="Tomas")], Known(), NOW)
    assert [(one.pages, one.reason) for one in found.going] == [(("a",), Reason.CLEAR), (("b",), Reason.CLEAR)]
    assert found.held == ()


def test_first_pages_then_whoever_was_paged_least_recently_then_what_was_due_first():
    pages = [
        due("late to Omar", person="Omar", severity=Severity.S2, due_at=NOW),
        due("early to Omar", person="Omar", severity=Severity.S2, due_at=NOW - MINUTE),
        due("to Lena", person="Lena", severity=Severity.S2),
        due("to Sam", person="Sam", severity=Severity.S2),
        due("first to Omar", person="Omar", severity=Severity.S5, first=True),
    ]
    paged = {"Omar": NOW - SECOND, "Lena": NOW - HOUR}
    assert going(plan(pages, Known(paged=paged), NOW)) == [
        ("first to Omar",), ("to Sam",), ("to Lena",), ("early to Omar",), ("late to Omar",),
    ]  # fmt: skip


def test_mild_pages_to_one_address_travel_together_and_others_do_not():
    pages = [
        due("a"),
        due("b", severity=Severity.S5),
        due("c", severity=Severity.S3),
        due("d", first=True),
        due("e", address="Lena's other telephone"),
    ]
    found = plan(pages, Known(), NOW)
    assert {(one.pages, one.reason) for one in found.going} == {
        (("d",), Reason.FIRST),
        (("a", "b"), Reason.TOGETHER),
        (("c",), Reason.CLEAR),
        (("e",), Reason.CLEAR),
    }


def test_a_message_names_no_more_incidents_than_can_be_read_but_any_number_of_pages_of_them():
    incidents = [f"incident {number % (MOST_INCIDENTS + 1)}" for number in range(5 * (MOST_INCIDENTS + 1))]
    pages = [due(number, incident=incident, channel="log") for number, incident in enumerate(incidents)]
    found = plan(pages, Known(), NOW)
    assert all(len({incidents[page] for page in one.pages}) <= MOST_INCIDENTS for one in found.going)
    assert len(found.going) < len(pages) / 2


def test_a_full_minute_makes_a_repeat_wait_until_there_is_room():
    lately = [Sent("Lena", "sms", NOW - timedelta(seconds=50 - number)) for number in range(5)]
    (held,) = plan([due("a")], Known(lately=lately), NOW).held
    assert (held.until, held.reason) == (NOW + timedelta(seconds=10), Reason.PERSON_PACE)
    assert not plan([due("a", person="Tomas")], Known(lately=lately), NOW).held
    assert not plan([due("a", channel="push")], Known(lately=lately), NOW).held


def test_a_provider_has_a_pace_of_its_own():
    known = Known(lately=[Sent("Tomas", "sms", NOW)] * 2, paces={"sms": Pace(channel=2)})
    (held,) = plan([due("a")], known, NOW).held
    assert (held.until, held.reason) == (NOW + WINDOW, Reason.CHANNEL_PACE)


def test_what_waits_is_spread_and_not_let_loose_all_at_once():
    pages = [due(number, severity=Severity.S3, due_at=NOW) for number in range(4)]
    known = Known(lately=[Sent("Lena", "sms", NOW - timedelta(seconds=30))], paces={"sms": Pace(person=2)})
    found = plan(pages, known, NOW)
    assert [held.until - NOW for held in found.held] == [timedelta(seconds=30), MINUTE, MINUTE]


def test_quiet_hours_hold_what_is_mild_until_they_end():
    pages = [due(severity.name, severity=severity) for severity in Severity] + [due("first", first=True)]
    found = plan(pages, Known(quiet={"Lena": NIGHT}), NOW)
    assert {(held.page, held.until, held.reason) for held in found.held} == {
        ("S4", MORNING, Reason.QUIET_HOURS),
        ("S5", MORNING, Reason.QUIET_HOURS),
    }
    assert going(plan([due("a")], Known(quiet={"Lena": NIGHT}), MORNING)) == [("a",)]


def test_a_page_that_quiet_hours_have_held_is_paced_like_one_that_is_new():
    lately = [Sent("Lena", "sms", MORNING)] * 5
    pages = [due("a"), due("b")]
    (one, other) = plan(pages, Known(lately=lately, quiet={"Lena": NIGHT}), MORNING).held
    assert one.until == other.until == MORNING + WINDOW  # still one message
    later = MORNING + timedelta(minutes=15)
    lately = [Sent("Lena", "sms", later)] * 5
    (message,) = plan(pages, Known(lately=lately, quiet={"Lena": NIGHT}), later).going
    assert (message.pages, message.reason) == (("a", "b"), Reason.LONG_ENOUGH)


def test_an_attempt_is_made_again_as_it_was_whatever_holds_others():
    known = Known(lately=[Sent("Lena", "sms", NOW)] * 50, quiet={"Lena": NIGHT})
    pages = [due("a", message="m"), due("b"), due("c", message="m"), due("d", message="n")]
    found = plan(pages, known, NOW)
    assert going(found) == [("a", "c"), ("d",)]
    assert {one.reason for one in found.going} == {Reason.AGAIN}


# Quiet hours on the wall


@pytest.mark.parametrize(
    ("starts", "ends", "at", "end"),
    [
        (time(22), time(7), datetime(2026, 3, 1, 21, 0, tzinfo=UTC), MORNING),  # 22:00 in Berlin: begun
        (time(22), time(7), datetime(2026, 3, 1, 20, 59, tzinfo=UTC), None),
        (time(22), time(7), MORNING, None),  # the end belongs to the day
        (time(13), time(14, 30), datetime(2026, 3, 2, 12, 59, tzinfo=UTC), datetime(2026, 3, 2, 13, 30, tzinfo=UTC)),
        # The night in which the clock jumps from 02:00 to 03:00: eight hours long.
        (time(22), time(7), datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 5, 0, tzinfo=UTC)),
        # An end that the wall never shows is the jump.
        (time(22), time(2, 30), datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        # The night in which 02:00 to 03:00 comes twice: ten hours long.
        (time(22), time(7), datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 6, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall(starts, ends, at, end):
    assert QuietHours(starts, ends, "Europe/Berlin").end(at) == end


@pytest.mark.parametrize(
    ("starts", "ends", "zone"),
    [(time(7), time(7), "UTC"), (time(7), time(22), "UTC"), (time(22), time(7), "Atlantis/Capital")],
)
def test_hours_that_would_silence_somebody_for_good_are_refused(starts, ends, zone):
    with pytest.raises(ValueError, match=r"Quiet hours|time zone"):
        QuietHours(starts, ends, zone)


def test_a_pace_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Pace(person=0)


def test_times_without_a_zone_are_refused():
    with pytest.raises(ValueError, match="time zone"):
        plan([], Known(), NOW.replace(tzinfo=None))


# Laws

some = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
PEOPLE = st.sampled_from(["Lena", "Tomas", "Omar"])
CHANNELS = st.sampled_from(sorted(DEFAULT_PACES))
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def wall(minute):
    return time(minute % 1440 // 60, minute % 60)


def hours(starts, length, zone):
    return QuietHours(wall(starts), wall(starts + length), zone)


QUIET = st.builds(hours, st.integers(0, 1439), st.integers(1, LONGEST_QUIET // MINUTE), ZONES)
PACES = st.builds(Pace, st.none() | st.integers(1, 4), st.none() | st.integers(1, 8))
AGO = st.integers(0, 3 * 86400).map(lambda seconds: seconds * SECOND)
PAGES = st.lists(
    st.builds(
        due,
        st.none(),
        person=PEOPLE,
        channel=CHANNELS,
        severity=st.sampled_from(Severity),
        incident=st.integers(0, 15),
        first=st.booleans(),
        message=st.sampled_from([None, None, None, "m", "n"]),
        due_at=AGO,
    ),
    max_size=25,
)


@st.composite
def nights(draw):
    """Any moment, any queue, anything sent lately, any quiet hours and paces."""
    now = draw(INSTANTS)
    pages = [
        replace(
            one,
            page=number,
            due_at=now - one.due_at,
            message=one.message and (one.person, one.channel, one.message),
        )
        for number, one in enumerate(draw(PAGES))
    ]
    recent = st.integers(-5, 70).map(lambda seconds: now - seconds * SECOND)
    known = Known(
        lately=draw(st.lists(st.builds(Sent, PEOPLE, CHANNELS, recent), max_size=30)),
        paged={person: now - ago for person, ago in draw(st.dictionaries(PEOPLE, AGO, max_size=3)).items()},
        quiet=draw(st.dictionaries(PEOPLE, QUIET, max_size=3)),
        paces=draw(st.dictionaries(CHANNELS, PACES, max_size=4)),
    )
    return pages, known, now


@some
@given(nights())
def test_every_page_is_decided_exactly_once(night):
    pages, known, now = night
    found = plan(pages, known, now)
    decided = [page for one in found.going for page in one.pages] + [held.page for held in found.held]
    assert sorted(decided) == [one.page for one in pages]


@some
@given(nights())
def test_first_pages_are_never_held_and_never_share_a_message_with_what_was_not_tried(night):
    pages, known, now = night
    found = plan(pages, known, now)
    by_key = {one.page: one for one in pages}
    assert not any(by_key[held.page].first for held in found.held)
    for one in found.going:
        if any(by_key[page].first for page in one.pages) and len(one.pages) > 1:
            assert {by_key[page].message for page in one.pages} != {None}


@some
@given(nights())
def test_first_pages_are_not_changed_by_how_many_others_wait(night):
    pages, known, now = night
    firsts = [one for one in pages if one.first and one.message is None]
    alone = going(plan(firsts, known, now))
    among = [one for one in going(plan(pages, known, now)) if set(one) <= {first.page for first in firsts}]
    assert among == alone
    assert not plan(firsts, known, now).held


@some
@given(nights())
def test_what_is_not_mild_is_held_by_paces_alone_for_a_minute_at_most_and_travels_alone(night):
    pages, known, now = night
    found = plan(pages, known, now)
    by_key = {one.page: one for one in pages}
    for held in found.held:
        if by_key[held.page].severity not in MILD:
            assert held.reason is not Reason.QUIET_HOURS
            assert held.until <= by_key[held.page].due_at + MINUTE
    for one in found.going:
        if len(one.pages) > 1:
            tried = {by_key[page].message for page in one.pages}
            assert tried != {None} or all(by_key[page].mild for page in one.pages)


@some
@given(nights())
def test_what_is_held_has_a_time_ahead_and_within_the_limits(night):
    pages, known, now = night
    by_key = {one.page: one for one in pages}
    for held in plan(pages, known, now).held:
        one = by_key[held.page]
        assert held.reason in HOLDS
        assert now < held.until <= one.due_at + LONGEST_HELD
        if held.reason is not Reason.QUIET_HOURS:
            since = max(one.due_at, known.quiet[one.person].ended(now)) if one.person in known.quiet else one.due_at
            assert held.until <= since + LONGEST_PACED[one.severity]


@some
@given(nights())
def test_nothing_is_held_by_quiet_hours_outside_of_them(night):
    pages, known, now = night
    for held in plan(pages, known, now).held:
        if held.reason is Reason.QUIET_HOURS:
            hours = known.quiet[pages[held.page].person]
            if now.astimezone(walltime.zone(hours.zone)).fold:
                continue  # the wall shows this hour for the second time: the hours began in the first
            wall = walltime.wall(now, hours.zone).time()
            if hours.starts < hours.ends:
                assert hours.starts <= wall < hours.ends
            else:
                assert wall >= hours.starts or wall < hours.ends


@some
@given(nights())
def test_nobody_starves(night):
    """However many messages take the room meanwhile, each page goes out, no later than it may."""
    pages, known, now = night
    crowd = [Sent(one.person, one.channel, now) for one in pages for _ in range(9)]
    waiting = {one.page: one for one in pages}
    at = now
    for _ in range(99):
        lately = [replace(sent, at=at) for sent in crowd]
        found = plan(waiting.values(), replace(known, lately=lately), at)
        for one in found.going:
            for page in one.pages:
                del waiting[page]
        if not waiting:
            break
        at = min(held.until for held in found.held)
        assert at <= max(now, max(one.due_at for one in waiting.values()) + LONGEST_HELD)
    assert not waiting


@some
@given(nights())
def test_messages_are_in_the_order_of_sending(night):
    pages, known, now = night
    by_key = {one.page: one for one in pages}
    never = datetime.min.replace(tzinfo=UTC)

    def rank(page):
        one = by_key[page]
        return (not one.first, known.paged.get(one.person, never), one.due_at)

    ranks = [min(rank(page) for page in one.pages) for one in plan(pages, known, now).going]
    assert ranks == sorted(ranks)


@some
@given(nights())
def test_a_pace_is_kept_but_for_what_may_not_wait(night):
    pages, known, now = night
    by_key = {one.page: one for one in pages}
    found = plan(pages, known, now)
    for channel in {one.channel for one in pages}:
        most = known.pace(channel).channel
        if most is None:
            continue
        sent = sum(1 for one in known.lately if one.channel == channel and now - one.at < WINDOW)
        for one in found.going:
            if by_key[one.pages[0]].channel == channel:
                if one.reason in {Reason.CLEAR, Reason.TOGETHER}:
                    assert sent < most
                sent += 1
