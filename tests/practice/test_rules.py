"""Rules, decided purely: nothing is held without a time, and silence is found whatever the clock does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice import rules
from andon.practice.rules import Beat, BeatAction, BeatReason, Reading, Tally
from andon.practice.severity import Severity

NOW = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)
moments = st.integers(-10_000, 10_000).map(lambda minutes: NOW + timedelta(minutes=minutes))
lengths = st.integers(1, 3000).map(lambda minutes: timedelta(minutes=minutes))
levels = st.one_of(st.none(), st.integers(1, 5))
readings = st.builds(Reading, st.sampled_from(["", "a", "b"]), st.sampled_from(["", "safety", "ethical"]), levels)


@given(readings, st.lists(readings, max_size=6))
def test_the_first_mapping_that_says_something_decides_and_what_none_says_stays(said, findings):
    found = rules.mapped(said, findings)
    for name in ("system", "type", "severity"):
        words = [getattr(finding, name) for finding in findings if getattr(finding, name)]
        assert getattr(found, name) == (words[0] if words else getattr(said, name))


@given(levels, st.booleans())
def test_a_silence_lets_through_what_says_that_it_is_severe_and_nothing_else(severity, covers):
    through = rules.goes_through(severity, covers_severe=covers)
    assert through == (severity in {1, 2} and not covers)
    assert Severity(2) is rules.SEVERE


@given(st.lists(st.sampled_from(["env", "system", "zone"]), max_size=3), st.data())
def test_two_signals_have_the_same_key_exactly_if_the_named_labels_are_equal(names, data):
    label = st.dictionaries(st.sampled_from(["env", "zone", "other"]), st.sampled_from(["", "x", '"', "x,y"]))
    one, two = data.draw(label), data.draw(label)
    own = {"system": data.draw(st.sampled_from(["a", "b"]))}
    other = {"system": data.draw(st.sampled_from(["a", "b"]))}

    def values(labels, facts):
        return [facts.get(name, labels.get(name, "")) for name in names]

    same = rules.equal_key(names, one, own) == rules.equal_key(names, two, other)
    assert same == (values(one, own) == values(two, other))


@given(moments, st.integers(0, 20), st.integers(2, 20), lengths)
def test_too_few_signals_are_held_until_a_time_ahead_and_enough_are_not(now, seen, needed, within):
    hold = rules.enough_signals(now, seen, needed, within)
    assert (hold is None) == (seen >= needed)
    assert hold is None or hold.again_at > now


hearings = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 3)), min_size=1, max_size=60)


def opened_at(heard, needed, within, *, looks=()):
    """The place of the hearing that opens, each looked at when it comes; beside them it is looked at at other times."""
    tally, count, now = Tally(), 0, NOW
    for place, (seconds, more) in enumerate(heard):
        now += timedelta(seconds=seconds)
        count += more
        hold, tally = rules.enough_events(now, tally, count, needed, within)
        if hold is None:
            return place
        assert hold.again_at > now
        assert hold.again_count == count + 1
        for look in looks:
            _, tally = rules.enough_events(now + timedelta(milliseconds=look), tally, count, needed, within)
    return None


@given(hearings, st.integers(2, 12), st.integers(1, 20).map(lambda minutes: timedelta(minutes=minutes)), st.booleans())
def test_it_opens_with_the_first_event_that_makes_enough_within_the_window(heard, needed, within, looked_between):
    times, now = [], NOW
    expected = None
    for place, (seconds, more) in enumerate(heard):
        now += timedelta(seconds=seconds)
        times += [now] * more
        if expected is None and sum(now - within < at <= now for at in times) >= needed:
            expected = place
    assert opened_at(heard, needed, within, looks=[1, 300, 700] if looked_between else []) == expected


@given(hearings, st.integers(2, 12), st.integers(1, 20).map(lambda minutes: timedelta(minutes=minutes)))
def test_it_goes_on_counting_when_there_were_enough_and_remembers_no_more_than_it_needs(heard, needed, within):
    """As a threshold does for whose signal another rule waits still."""
    times: list[datetime] = []
    tally, now = Tally(), NOW
    for seconds, more in heard:
        now += timedelta(seconds=seconds)
        times += [now] * more
        hold, tally = rules.enough_events(now, tally, len(times), needed, within)
        assert (hold is None) == (sum(now - within < at <= now for at in times) >= needed)
        assert len(tally.heard) <= needed


@given(moments, st.integers(0, 50), st.lists(moments, max_size=5), st.integers(0, 50), st.integers(2, 300), lengths)
def test_too_few_events_are_held_until_a_time_ahead_or_the_next_one(now, before, times, more, needed, within):
    """Whatever the clock did before: what is held is looked at again, and its next event counts."""
    heard = tuple((at, before + number) for number, at in enumerate(times, start=1))
    count = before + len(times) + more
    hold, tally = rules.enough_events(now, Tally(before, heard), count, needed, within)
    if hold is None:
        assert count - before >= needed
        return
    assert hold.again_at > now
    assert hold.again_count == count + 1
    assert rules.enough_events(now, tally, tally.before + needed, needed, within)[0] is None


def test_three_in_a_minute_are_found_wherever_the_minute_begins():
    assert opened_at([(0, 1), (45, 1), (21, 1), (14, 1)], 3, timedelta(minutes=1)) == 3


def test_a_slow_drip_never_adds_up():
    assert opened_at([(9 * 60, 1)] * 30, 3, timedelta(minutes=10), looks=[1000]) is None


def test_of_very_many_the_times_are_kept_by_hundredths_of_the_window():
    tally, within = Tally(), timedelta(hours=1)
    for count in range(1, 5000):
        hold, tally = rules.enough_events(NOW + timedelta(seconds=count), tally, count, 4000, within)
        assert hold is not None, "3,600 an hour, and for one hundredth longer, are fewer than 4,000"
    assert len(tally.heard) <= rules.EXACTLY + 2
    assert opened_at([(1, 1)] * 5000, 3600, within) == 3599


@pytest.mark.parametrize("minutes", [1, 7, 9, 31, 57, 60, 1439])
def test_more_than_a_hundred_within_the_window_are_found_whatever_its_length(minutes):
    within = timedelta(minutes=minutes)
    assert opened_at([(within.total_seconds() * 0.99 / 100, 1)] * 101, 101, within) == 100


@given(st.lists(st.floats(0, 0.02), min_size=1, max_size=20), st.integers(101, 10_000), st.integers(0, 10**12), lengths)
def test_looking_again_moves_no_time_that_was_kept(breaks, needed, micros, within):
    now, tally = NOW + timedelta(microseconds=micros), Tally()
    for count, share in enumerate(breaks, start=1):
        now += share * within
        hold, tally = rules.enough_events(now, tally, count, needed, within)
        assert hold is not None
        assert rules.enough_events(now, tally, count, needed, within) == (hold, tally)
        assert now < hold.again_at <= now + within + within / rules.EXACTLY


def test_a_burst_that_nobody_could_look_at_in_time_counts():
    hold, _ = rules.enough_events(NOW + timedelta(hours=5), Tally(0, ((NOW, 1),)), 40, 3, timedelta(minutes=10))
    assert hold is None


beats = st.builds(Beat, moments, lengths, st.one_of(st.none(), moments), st.booleans(), st.one_of(st.none(), moments))


@given(moments, beats, st.one_of(st.none(), moments))
def test_a_heartbeat_is_always_looked_at_again(now, beat, looked_at):
    decision = rules.heartbeat(now, beat, looked_at=looked_at)
    assert decision.next_at > now
    assert decision.action is not BeatAction.RAISE or not beat.missing
    assert decision.action is not BeatAction.END or beat.missing


@given(moments, beats, st.one_of(st.none(), moments))
def test_nothing_is_raised_that_was_heard_in_time(now, beat, looked_at):
    decision = rules.heartbeat(now, beat, looked_at=looked_at)
    if beat.heard_at is not None and beat.expected_since <= beat.heard_at <= now < beat.heard_at + beat.waits:
        assert decision.action is not BeatAction.RAISE


@given(lengths, st.lists(st.integers(1, 4000), min_size=1, max_size=60))
def test_a_sender_that_is_silent_is_found_however_often_andon_is_away(waits, breaks):
    """Looks at times of any distance: at most one turn is given, then it is raised."""
    now, looked_at = NOW, NOW
    beat = Beat(NOW, waits, heard_at=NOW)
    spared = 0
    for minutes in breaks:
        now += timedelta(minutes=minutes)
        decision = rules.heartbeat(now, beat, looked_at=looked_at)
        looked_at = now
        if decision.action is BeatAction.RAISE:
            return
        if decision.action is BeatAction.SPARE:
            spared += 1
            beat = Beat(NOW, waits, heard_at=NOW, spared_at=now)
    assert spared <= 1
    assert now < (beat.spared_at or NOW) + waits  # its time has not run out by the end of the story


def test_the_turns_of_a_heartbeat():
    waits = timedelta(minutes=10)
    beat = Beat(NOW, waits)
    at = lambda minutes: NOW + timedelta(minutes=minutes)  # noqa: E731
    assert rules.heartbeat(at(5), beat, looked_at=at(4)).reason is BeatReason.NOT_DUE
    assert rules.heartbeat(at(10), beat, looked_at=at(9)).action is BeatAction.RAISE
    away = rules.heartbeat(at(60), beat, looked_at=at(9))
    assert (away.action, away.next_at) == (BeatAction.SPARE, at(70))
    missing = Beat(NOW, waits, missing=True)
    assert rules.heartbeat(at(11), missing, looked_at=at(10)).reason is BeatReason.STILL_MISSING
    back = Beat(NOW, waits, heard_at=at(11), missing=True)
    assert rules.heartbeat(at(12), back, looked_at=at(11)).action is BeatAction.END


@given(moments, moments, lengths)
def test_a_quiet_signal_is_asked_about_again_or_ends(now, last_at, after):
    later = rules.quiet_since(now, last_at, after)
    assert later is None or now < later <= now + after
    assert (later is None) == (last_at + after <= now)
