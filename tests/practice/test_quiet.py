"""What is said of silences holds for all times at which a signal may have been heard."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from andon.practice import quiet
from andon.practice.quiet import Between, Came, Later, Next, Over, Stretch, absences, lived, pauses

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
gaps = st.lists(st.integers(1, 40), max_size=6)
afters = st.integers(1, 60)


def at(hours):
    return START + hours * HOUR


def times(between):
    heard = [0]
    for gap in between:
        heard.append(heard[-1] + gap)
    return heard


def stretches_of(heard, after, ended):
    """What would have been, by somebody who knows each time: begins and ends in hours."""
    found = [[heard[0], None]]
    for earlier, later in pairwise(heard):
        if later - earlier > after:
            found[-1][1] = earlier + after
            found.append([later, None])
    found[-1][1] = heard[-1] + after if ended is None else min(ended, heard[-1] + after)
    return found


@given(gaps, afters, st.one_of(st.none(), st.integers(1, 90)), st.booleans())
def test_what_is_certain_was_so_whenever_it_was_heard(between, after, silence, sender_says):
    heard = times(between)
    ended = None if silence is None else heard[-1] + silence
    last = ended if ended is not None and sender_says else heard[-1]
    found = lived(at(0), at(last), len(heard), at(ended) if ended else None, after * HOUR, at(1000))
    truth = stretches_of(heard, after, ended)
    parted = len(truth) > 1
    match found.between:
        case Between.NEVER:
            assert not parted
        case Between.ONCE | Between.SOME_TIME:
            assert parted
        case Between.BEFORE_END:
            assert parted or truth[-1][1] < ended
    if found.between in (Between.NEVER, Between.ONCE) and (last != ended or len(heard) == 1):
        assert [(one.begins, one.ends) for one in found.stretches] == [(at(a), at(b)) for a, b in truth]
    for begins, ends in truth:  # what cannot be told counts as firing
        assert any(one.begins <= at(begins) and (one.ends is None or at(ends) <= one.ends) for one in found.stretches)


@given(gaps, afters)
def test_it_is_untold_only_where_other_times_would_make_it_otherwise(between, after):
    heard = times(between)
    found = lived(at(0), at(heard[-1]), len(heard), None, after * HOUR, at(heard[-1]))
    if found.between is Between.UNTOLD:
        silences = len(heard) - 1
        assert heard[-1] > after, "all in one silence would be long enough"
        assert heard[-1] <= after * silences, "all alike would not"


def test_what_fires_and_was_heard_lately_goes_on():
    assert lived(at(0), at(5), 9, None, 2 * HOUR, at(6)).ends is None
    assert lived(at(0), at(5), 9, None, 2 * HOUR, at(7)).ends == at(7)
    assert lived(at(3), at(0), 1, None, 2 * HOUR, at(9)).stretches == (Stretch(at(3), at(5)),)


spans = st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 10)))


@given(st.lists(spans, max_size=8), st.integers(0, 4))
def test_put_together_nothing_is_lost_and_nothing_touches(found, waits):
    given_ = [Stretch(at(a), None if length is None else at(a + length)) for a, length in found]
    together = pauses(given_, waits * HOUR)
    for earlier, later in pairwise(together):
        assert earlier.ends is not None
        assert earlier.ends < later.begins
    for one in given_:
        held = [
            all_ for all_ in together if all_.begins <= one.begins and (all_.ends is None or one.begins <= all_.ends)
        ]
        assert len(held) == 1
        assert held[0].ends is None or (one.ends is not None and one.ends + waits * HOUR <= held[0].ends)
    assert {one.begins for one in together} <= {one.begins for one in given_}


ends = st.one_of(st.none(), st.integers(1, 30))


@given(ends, ends, ends, ends, st.integers(1, 30))
def test_what_comes_first_decides_how_a_signal_would_have_gone_on(due, said, people, next_at, now):
    next_ = None if next_at is None else Next(at(next_at), at(40), Over.SAID)
    given_ = [None if hour is None else at(hour) for hour in (due, said, people)]
    found = quiet.later(given_[0], at(now), said_at=given_[1], resolved_at=given_[2], next_=next_)
    ways = [hour for hour in (due if due is not None and due <= now else None, said, people) if hour is not None]
    if next_at is not None and next_at < min(ways, default=99):
        assert found == Later(at(40), Over.SAID, with_next=True)
    elif ways:
        assert (found.ends, found.with_next) == (at(min(ways)), False)
        assert min(ways) in {Over.QUIET: [due], Over.SAID: [said], Over.PEOPLE: [people]}[found.over]
    else:
        assert found == Later(None, Over.NOT)


@given(st.lists(st.tuples(st.integers(0, 60), gaps), min_size=1, max_size=4), st.integers(1, 30))
def test_what_is_said_of_a_heartbeat_holds_whenever_it_came(signals, waits):
    heard = [[begins + hour for hour in times(between)] for begins, between in signals]
    came = [Came(at(each[0]), at(each[-1]), len(each)) for each in heard]
    now = max(hour for each in heard for hour in each) + 10
    found = absences(came, waits * HOUR, at(now))
    every = [*sorted({hour for each in heard for hour in each}), now]
    truth = sorted(later - earlier for earlier, later in pairwise(every) if later - earlier > waits)
    assert len(found.known) + found.hidden <= len(truth)
    left = list(truth)
    for known in found.known:
        left.remove(known // HOUR)  # each of them was, and as long as that
    if not found.untold and not found.hidden:
        assert sorted(length // HOUR for length in found.known) == truth
    if not found.untold:
        assert bool(truth) == bool(found.known or found.hidden)
