from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.kit.charts.track import LABEL_WIDTH, ROW_HEIGHT, MarkState, Stage, Track, spread, track

THREE = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)


def at(**step):
    return THREE + timedelta(**step)


def marks(view):
    return {mark.stage: mark for mark in view.marks}


def test_times_stand_to_scale():
    view = track(
        Track(
            detected_at=THREE,
            acknowledged_at=at(minutes=15),
            contained_at=at(minutes=30),
            resolved_at=at(hours=1),
        ),
        at(hours=5),
    )
    xs = [mark.x for mark in view.marks]
    assert xs == [2.0, 26.0, 50.0, 98.0]
    assert view.now_x is None  # a resolved incident's track ends where it was resolved
    assert (view.exposed.x, view.exposed.width) == (2.0, 48.0)  # harm went on until containment


def test_the_onset_is_a_band_before_detection():
    view = track(
        Track(detected_at=at(minutes=60), onset=at(minutes=30), onset_low=THREE, onset_high=at(minutes=45)),
        at(minutes=60),
    )
    assert view.uncertain is not None
    assert (view.uncertain.x, view.uncertain.width) == (
        2.0,
        34.5,
    )  # three quarters of what is left beside three times to come
    onset = marks(view)[Stage.ONSET]
    assert onset.note == "03:00\N{EN DASH}03:45"
    assert onset.when == "≈\N{NO-BREAK SPACE}03:30"
    assert marks(view)[Stage.DETECTED].note == "after 30 min"


def test_a_running_clock_is_a_due_mark_and_then_an_overdue_one():
    times = Track(detected_at=THREE, acknowledged_at=at(minutes=4), contain_by=at(minutes=60))
    before = marks(track(times, at(minutes=40)))[Stage.CONTAINED]
    assert (before.state, before.when, before.note) == (MarkState.DUE, "by 04:00", "in 20 min")
    after = marks(track(times, at(minutes=90)))[Stage.CONTAINED]
    assert (after.state, after.note) == (MarkState.OVERDUE, "30 min over")


def test_a_clock_far_ahead_does_not_squeeze_what_happened():
    view = track(Track(detected_at=THREE, acknowledged_at=at(minutes=6), contain_by=at(days=1)), at(minutes=12))
    contained, resolved = marks(view)[Stage.CONTAINED], marks(view)[Stage.RESOLVED]
    assert not contained.to_scale
    assert view.scale_x == view.now_x == 64.0
    assert view.scale_x < contained.x < resolved.x  # what is still to come stands beyond the scale, in order
    assert marks(view)[Stage.ACKNOWLEDGED].x == 33.0  # halfway from detection to now


def test_labels_are_on_the_wall_clock_of_the_viewer_with_the_date_only_where_it_differs():
    view = track(
        Track(detected_at=THREE, onset=at(days=-2), acknowledged_at=at(minutes=2)),
        at(minutes=5),
        zone=ZoneInfo("Europe/Vienna"),
    )
    assert marks(view)[Stage.ONSET].when == "2 May 05:00"
    assert marks(view)[Stage.DETECTED].when == "05:00"
    assert view.zone == "CEST"


def test_a_note_that_a_phone_has_no_room_for_is_left_out_there_and_nowhere_else():
    """Past midnight “Acknowledged” and “in 27 min by 27 Nov 00:09” were printed over each other."""
    late = datetime(2026, 11, 26, 23, 39, tzinfo=UTC)
    clocks = {"acknowledge_by": late + timedelta(minutes=30), "contain_by": late + timedelta(hours=4)}
    found = marks(track(Track(detected_at=late, onset=late - timedelta(days=5), **clocks), late + timedelta(minutes=2)))
    assert (found[Stage.ACKNOWLEDGED].note, found[Stage.ACKNOWLEDGED].brief_note) == ("in 28 min", "")
    assert (found[Stage.CONTAINED].note, found[Stage.CONTAINED].brief_note) == ("in 3 h 58 min", "")
    assert found[Stage.DETECTED].brief_note == found[Stage.DETECTED].note == "after 5 d"


def test_the_sentence_says_all_five_times():
    view = track(Track(detected_at=THREE, onset=at(minutes=-10), contain_by=at(hours=1)), at(minutes=3))
    assert view.sentence == (
        "Onset 02:50; Detected 03:00 (after 10 min); Acknowledged not yet; "
        "Contained by 04:00 (in 57 min); Resolved not yet."
    )


def test_an_incident_that_began_and_ended_in_one_second_has_a_track():
    view = track(Track(detected_at=THREE, acknowledged_at=THREE, contained_at=THREE, resolved_at=THREE), THREE)
    assert {mark.x for mark in view.marks} == {2.0}


def test_without_room_for_all_labels_spread_says_so():
    with pytest.raises(ValueError, match="do not fit"):
        spread([0, 0, 0], gap=40, low=0, high=70)


def test_labels_that_do_not_collide_stay_at_their_ticks():
    assert spread([0, 30, 70], gap=18, low=0, high=82) == [0, 30, 70]


def test_colliding_labels_stand_around_their_own_middle():
    assert spread([50, 50, 50], gap=10, low=0, high=100) == [40, 50, 60]


minutes = st.integers(min_value=0, max_value=60 * 24 * 40)


@given(offsets=st.lists(minutes, min_size=8, max_size=8), known=st.lists(st.booleans(), min_size=6, max_size=6))
def test_labels_never_stand_on_one_another_and_never_leave_the_picture(offsets, known):
    low, onset, high, detected, ack, contained, resolved, due = sorted(THREE + timedelta(minutes=m) for m in offsets)
    times = Track(
        detected_at=detected,
        onset=onset if known[0] else None,
        onset_low=low if known[0] and known[1] else None,
        onset_high=high if known[0] and known[1] else None,
        acknowledged_at=ack if known[2] else None,
        contained_at=contained if known[3] else None,
        resolved_at=resolved if known[4] else None,
        acknowledge_by=due if known[5] else None,
        contain_by=due if known[5] else None,
    )
    view = track(times, resolved)
    for one, next_one in pairwise(view.marks):
        assert next_one.label_x - one.label_x >= LABEL_WIDTH - 0.05
        assert next_one.label_y - one.label_y >= ROW_HEIGHT - 0.05
        if one.x is not None and next_one.x is not None and one.reached and next_one.reached:
            assert one.x <= next_one.x
    assert view.marks[0].label_x >= 0
    assert view.marks[-1].label_x <= 100 - LABEL_WIDTH + 0.05
    assert view.marks[-1].label_y <= view.tall_height - ROW_HEIGHT / 2 + 0.05
    assert all(0 <= mark.x <= 100 for mark in view.marks if mark.x is not None)
