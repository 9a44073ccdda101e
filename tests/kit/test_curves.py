"""Curves are to scale, break where nothing was read, say themselves in words, and stay small."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.template.loader import render_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.kit.charts.curves import ACROSS, PLOT, curves
from andon.kit.charts.given import Level, Line, Moment, Small, Stretch
from andon.kit.charts.multiples import multiples
from andon.kit.charts.scales import Unit

DAY = timedelta(days=1)
FIRST = datetime(2026, 4, 20, tzinfo=UTC)
values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def days(number):
    return [FIRST + place * DAY for place in range(number)]


def drawn(*lines, **more):
    return curves(days(len(lines[0].values)), lines, every=DAY, **more)


def points(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def test_points_are_to_scale_on_both_axes():
    view = drawn(Line("Errors", [0.0, 0.05, 0.10], Unit.SHARE, height=100))
    (panel,) = view.panels
    # Half a window from the edges, since a window is drawn in its middle; 0% at the foot, 10% at the top.
    assert points(panel.line) == [(166.7, 100.0), (500.0, 50.0), (833.3, 0.0)]
    assert [text.words for text in panel.texts if text.look == "scale"] == ["0%", "5%", "10%"]


def test_the_line_breaks_where_nothing_was_read_and_a_lonely_point_is_a_dot():
    (panel,) = drawn(Line("Errors", [1.0, 2.0, None, 3.0, None, 2.0, 1.0], Unit.NUMBER)).panels
    assert panel.line.count("M") == 3
    assert panel.dots.count("h0") == 1
    assert points(panel.dots) == [points(panel.line)[2]]


def test_an_onset_and_an_alarm_stand_where_they_happened():
    onset = Stretch(FIRST + 5 * DAY, FIRST + 7 * DAY, "began 25–27 Apr")
    alarm = Moment(FIRST + 8 * DAY, "alarm 28 Apr", alarming=True)
    view = drawn(Line("Errors", [0.1] * 10, Unit.SHARE), stretches=[onset], moments=[alarm])
    assert (view.bands[0].x, view.bands[0].width) == (PLOT / 2, pytest.approx(PLOT / 5))
    assert view.posts[0].x == pytest.approx(PLOT * 0.8)
    assert {note.words for note in view.notes} == {"began 25–27 Apr", "alarm 28 Apr"}
    assert len({note.y for note in view.notes}) == 2  # a row each, so that they never stand on one another
    assert view.sentence.endswith("Began 25–27 Apr. Alarm 28 Apr.")


def test_of_alarms_whose_words_collide_the_newest_has_its_words():
    alarms = [Moment(FIRST + n * DAY, f"alarm {n}") for n in (20, 21, 22)]
    view = drawn(Line("Errors", [0.1] * 40, Unit.SHARE), moments=alarms)
    assert [note.words for note in view.notes] == ["alarm 22"]
    assert len(view.posts) == 3


def test_words_and_table_say_what_the_picture_shows():
    line = Line("Error rate", [0.05, None, 0.083], Unit.SHARE, expected=[0.05] * 3, bounds=[(0.04, 0.06), None, None])
    view = drawn(line, counts=[1200, 0, 1100])
    assert view.columns == ("Window", "Observations", "Error rate", "Expected")
    assert view.rows == (
        ("20 Apr", "1,200", "5% (4% to 6%)", "5%"),
        ("21 Apr", "none", "nothing read", "5%"),
        ("22 Apr", "1,100", "8.3%", "5%"),
    )
    assert view.spots[2].words == "22 Apr: observations 1,100, error rate 8.3%, expected 5%"
    assert view.sentence.startswith("Error rate: 5% (20 Apr) first, 8.3% (22 Apr) last; lowest 5%")
    assert drawn(Line("Errors", [None], Unit.SHARE)).sentence == "Errors: nothing was read."


def test_evidence_far_beyond_its_threshold_does_not_squeeze_what_led_to_it():
    line = Line(
        "Evidence", [1.0, 100.0, 1e80], Unit.EVIDENCE, levels=[Level(1e4, "alarm at", alarming=True)], log=True,
        height=100,
    )  # fmt: skip
    (panel,) = drawn(line).panels
    assert points(panel.line)[0][1] - points(panel.line)[1][1] > 25
    assert [text.words for text in panel.texts if text.more] == ["10k"]


def test_without_windows_there_is_nothing_to_draw_and_lines_are_of_one_length():
    with pytest.raises(ValueError, match="nothing"):
        curves([], [Line("Errors", [], Unit.SHARE)], every=DAY)
    with pytest.raises(ValueError, match="value for each window"):
        curves(days(2), [Line("Errors", [1.0], Unit.SHARE)], every=DAY)


@settings(max_examples=80)
@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(st.lists(values, min_size=n, max_size=n), st.lists(values, min_size=n, max_size=n))
    )
)
def test_whatever_was_measured_stays_within_the_picture(series):
    first, second = series
    usual = [(v - 1, v + 1) if v is not None else None for v in first]
    view = drawn(
        Line("Measure", first, Unit.NUMBER, usual=usual, expected=second),
        Line("Evidence", second, Unit.EVIDENCE, log=True, levels=[Level(1e4, "alarm at")]),
        moments=[Moment(FIRST + len(first) // 2 * DAY, "deploy")],
    )
    for panel in view.panels:
        for x, y in points(panel.line + panel.usual + panel.expected):
            assert 0 <= x <= ACROSS
            assert 0 <= y <= panel.height
    for panel in view.panels:
        ends = sorted(text.y for text in panel.texts if text.x == 100.0)
        assert all(b - a >= 12.9 for a, b in pairwise(ends))
        inside = sorted(text.y for text in panel.texts if text.look == "scale")
        assert all(b - a >= 9.9 for a, b in pairwise(inside))
        assert not any(text - 9 <= level <= text for text in inside for level, _ in panel.levels)
    assert len(view.rows) == len(view.spots) <= 30
    assert view.spots[-1].x + view.spots[-1].width == pytest.approx(PLOT, abs=0.05)


def test_ten_thousand_windows_are_drawn_small_and_keep_their_peak():
    rates = [0.05 + 0.001 * (n % 7) for n in range(10_000)]
    rates[7_003] = 0.4
    view = curves(
        [FIRST + n * timedelta(hours=1) for n in range(10_000)], [Line("Errors", rates, Unit.SHARE)],
        every=timedelta(hours=1),
    )  # fmt: skip
    html = render_to_string("components/curves.html", {"curves": view, "title": "Errors", "source": ""})
    assert len(html) < 45_000
    assert "40%" in html
    assert view.thinned == 10_000 - len(view.rows)
    assert "style=" not in html  # the content security policy takes no inline style
    assert "<script" not in html


def test_names_of_segments_cannot_break_the_picture():
    small = Small("<script>alert(1)</script>", [0.1, 0.2], 0.1, "n = 12", driver=True)
    view = multiples(days(2), [small], Unit.SHARE, every=DAY)
    html = render_to_string("components/multiples.html", {"multiples": view, "title": "<b>", "source": ""})
    assert "<script" not in html
    assert "<b>" not in html


def test_small_plots_share_one_scale_and_the_rest_is_counted():
    smalls = [Small(f"group {n}", [0.1, 0.1 + n / 100], 0.1) for n in range(30)]
    view = multiples(days(2), smalls, Unit.SHARE, every=DAY, stretches=[Stretch(FIRST, FIRST + DAY, "began")])
    assert len(view.smalls) == 24
    assert view.left_out == 6
    starts = {points(one.line)[0][1] for one in view.smalls}
    assert len(starts) == 1  # the same value stands at the same height in each
    assert view.bands[0].width == pytest.approx(50.0)
    assert view.columns[:3] == ("Window", "group 0", "group 1")
    assert view.rows[1][:3] == ("21 Apr", "10%", "11%")
    assert view.smalls[5].sentence == "group 5: 15% last, between 10% and 15%, expected 10%"


def test_a_long_name_is_cut_where_a_phone_has_no_room_and_whole_elsewhere():
    long = "The share of labelled decisions that turned out wrong"
    panel = drawn(Line(long, [0.1], Unit.SHARE)).panels[0]
    assert len(panel.name) <= 36
    assert panel.name + panel.name_more == long
    assert drawn(Line("Errors", [0.1], Unit.SHARE)).panels[0].name_more == ""
