"""Promises and steps only grow: what ran is never lost, and the way there makes no difference to what is due."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from andon.practice import promises, protocol
from andon.practice.promises import LASTS, Asked, Promise, PromiseKind, Standing
from andon.practice.protocol import Ran
from andon.practice.targets import Office, Within
from andon.practice.words import ClockEvent

START = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)
KEYS = ["acknowledge", "contain", "first_word:executives", "duty:gdpr-33", "review"]
KINDS = dict(zip(KEYS, PromiseKind, strict=True))
OFFICE = Office(UTC, frozenset({START.date() + timedelta(days=1)}))
CLOCKS = {ClockEvent.FIRST_SIGNAL: START, ClockEvent.AWARENESS: START}

spans = st.one_of(st.none(), st.integers(1, 5000).map(lambda n: Within(time=timedelta(minutes=n))))
clocks = st.sampled_from(list(ClockEvent))


moments = st.integers(0, 365 * 24 * 60).map(lambda n: START + timedelta(minutes=n))


@st.composite
def prescribed(draw):
    """What one type at one severity asks for."""
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True))
    return tuple(Asked(key, KINDS[key], key, draw(clocks), draw(spans)) for key in keys)


times = st.one_of(st.none(), st.integers(0, 5000).map(lambda n: START + timedelta(minutes=n)))


@st.composite
def histories(draw):
    """What an incident has, with what became of it."""
    return [Promise(one, draw(st.booleans()), None, draw(times), draw(times)) for one in draw(prescribed())]


def due(have):
    return {one.asked.key: one.due(CLOCKS, OFFICE) for one in have if one.applies and one.kept_at is None}


@given(histories(), st.lists(prescribed(), min_size=1, max_size=4))
def test_nothing_that_was_kept_or_missed_is_lost(have, changes):
    after = have
    for asked in changes:
        after = promises.grow(after, asked)
    then = {one.asked.key: one for one in after}
    assert [one.asked.key for one in after][: len(have)] == [one.asked.key for one in have]
    for one in have:
        assert (then[one.asked.key].kept_at, then[one.asked.key].missed_at) == (one.kept_at, one.missed_at)


@given(histories(), prescribed())
def test_the_same_change_again_changes_nothing(have, asked):
    once = promises.grow(have, asked)
    assert promises.grow(once, asked) == once


@given(histories(), st.lists(prescribed(), max_size=4), prescribed(), st.randoms())
def test_what_is_due_does_not_depend_on_the_way_there(have, between, last, random):
    def through(changes):
        after = have
        for asked in (*changes, last):
            after = promises.grow(after, asked)
        return due(after)

    mixed = list(between)
    random.shuffle(mixed)
    assert through(between) == through(mixed) == through([])


@given(histories(), prescribed())
def test_what_applies_is_what_is_asked_for(have, asked):
    after = promises.grow(have, asked)
    assert {one.asked for one in after if one.applies} == set(asked)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(list(Ran))),
    st.lists(st.sets(st.sampled_from("abcdef")), max_size=4),
    st.sets(st.sampled_from("abcdef")),
    st.randoms(),
)
def test_steps_that_ran_stay_and_what_is_to_do_follows_the_last_change(have, between, last, random):
    def through(changes):
        now = have
        for wanted in (*changes, last):
            now = protocol.grow(now, sorted(wanted))
        return now

    after = through(between)
    ran = {key: was for key, was in have.items() if was in {Ran.DONE, Ran.WAIVED}}
    assert {key: after[key] for key in ran} == ran
    assert set(have) <= set(after)
    mixed = list(between)
    random.shuffle(mixed)
    to_do = {key for key, was in after.items() if was is Ran.TODO}
    assert to_do == last - set(ran)
    assert to_do == {key for key, was in through(mixed).items() if was is Ran.TODO}
    assert protocol.grow(after, sorted(last)) == after


@given(histories(), st.sampled_from(["open", "resolved", "closed"]))
def test_it_is_looked_at_only_while_it_can_be_missed(have, state):
    for one in have:
        at = one.due(CLOCKS, OFFICE)
        look = one.look_at(at, OFFICE, resolved=state != "open", closed=state == "closed")
        open_ = one.applies and one.kept_at is None and one.missed_at is None
        watched = at is not None and (state == "open" or (state == "resolved" and one.asked.kind in LASTS))
        if not (open_ and watched):
            assert look is None
        elif one.asked.kind is PromiseKind.REVIEW:
            assert look == OFFICE.morning(at)
        else:
            assert look == at


@given(moments, st.sets(st.integers(0, 40)))
def test_a_call_in_the_morning_comes_on_the_first_working_morning_and_not_before(at, off):
    berlin = ZoneInfo("Europe/Berlin")
    day = at.astimezone(berlin).date()
    office = Office(berlin, frozenset(day + timedelta(days=one) for one in off))
    morning = office.morning(at)
    assert morning >= at
    assert (morning.hour, office.works(morning.date())) == (9, True)
    before = [day + timedelta(days=n) for n in range((morning.date() - day).days)]
    assert all(not office.works(one) for one in before[1:])
    assert not before or not office.works(day) or datetime.combine(day, time(9), berlin) < at


@given(
    moments,
    st.integers(1, 2000),
    st.sets(st.integers(0, 700), max_size=400),
)
def test_a_span_of_working_days_ends_whatever_the_calendar_and_holds_so_many(at, number, off):
    office = Office(UTC, frozenset(at.date() + timedelta(days=one) for one in off))
    due = office.due(Within(working_days=number), at)
    assert office.works(due.date())
    days = (due.date() - at.date()).days
    assert sum(office.works(at.date() + timedelta(days=n)) for n in range(1, days + 1)) == number


def test_it_stands_as_people_say_it():
    asked = Asked("contain", PromiseKind.CONTAIN, "Contain", ClockEvent.FIRST_SIGNAL, Within(time=timedelta(hours=1)))
    at = START + timedelta(hours=1)
    early, late = START + timedelta(minutes=59), START + timedelta(minutes=61)
    assert Promise(asked).standing(at, early) is Standing.OPEN
    assert Promise(asked).standing(at, at) is Standing.OPEN
    assert Promise(asked).standing(at, late) is Standing.MISSED
    assert Promise(asked, kept_at=early).standing(at, late) is Standing.KEPT
    assert Promise(asked, kept_at=late).standing(at, late) is Standing.KEPT_LATE
    assert Promise(asked, applies=False).standing(at, late) is Standing.NOT_ASKED
    assert Promise(asked).standing(None, late) is Standing.OPEN
    assert Promise(asked, kept_at=late, not_owed=True).standing(at, late) is Standing.NOT_OWED


def test_a_review_that_was_gone_without_is_due_again_once_it_is_reopened():
    asked = Asked("review", PromiseKind.REVIEW, "Review", ClockEvent.RESOLVED, Within(time=timedelta(days=10)))
    later = START + timedelta(days=20)
    assert promises.again(Promise(asked, kept_at=START, not_owed=True, missed_at=START), later) == Promise(asked)
    assert promises.again(Promise(asked, missed_at=START), later) == Promise(asked)
    assert promises.again(Promise(asked, kept_at=START), later) == Promise(asked, kept_at=START)


def test_a_reopened_incident_is_acknowledged_and_contained_anew_and_words_stay_given():
    for kind, anew in ((PromiseKind.CONTAIN, True), (PromiseKind.FIRST_WORD, False)):
        asked = Asked("x", kind, "X", ClockEvent.FIRST_SIGNAL, Within(time=timedelta(hours=1)))
        kept = Promise(asked, kept_at=START, missed_at=START)
        later = START + timedelta(days=1)
        assert promises.again(kept, later) == (Promise(asked, since=later) if anew else kept)


@given(st.integers(1, 9999), st.sampled_from(["min", "h", "days", "working days"]))
def test_a_span_is_read_as_it_is_written(number, unit):
    once = Within.parse(f"{number} {unit}")
    assert Within.parse(once.text) == once
