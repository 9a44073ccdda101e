"""What the page of a watch shows: what it tests, what it saw, how it stands, in the order in which it is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.utils import timezone

from andon.kit import clock
from andon.kit.charts.views import CurvesView, MultiplesView
from andon.people.policy import Actor
from andon.practice.words import Measure
from andon.watch import apart, estimating, judging, late, past, picture, policy, queries, sentences
from andon.watch.actions.writing import question_of
from andon.watch.facts import waits_for_what_is_dated
from andon.watch.judging import Window
from andon.watch.models import Alarm, Watch
from andon.watch.replaying import Replay, replay
from andon.watch.sentences import Standing

ALARMS: Final = 20
BEHIND: Final = 4
"""Alarms of an incident that are drawn, the newest."""
_READS: Final = "The engine reads its history first; a long one takes some minutes."
_PUSHED: Final = (
    "Its first window is judged three minutes after it is over. Where to push is said under “What it goes by”."
)
BEFORE: Final = 60
"""Windows before an onset that are drawn with it."""


@dataclass
class Screen:
    """One watch, as somebody looks at it; `whole` shows all of its history instead of the newest windows."""

    by: Actor
    watch: Watch
    whole: bool = False

    @cached_property
    def windows(self) -> list[Window]:
        """What it has seen."""
        return past.windows_of(self.by, self.watch)

    @cached_property
    def replayed(self) -> Replay:
        """Its detector over that."""
        return replay(question_of(self.watch), self.windows)

    @cached_property
    def alarms(self) -> list[Alarm]:
        """Its newest alarms that the viewer may know of."""
        return list(queries.alarms(self.by, watch=self.watch)[:ALARMS])

    @property
    def alarm(self) -> Alarm | None:
        """The one that goes on."""
        return next((one for one in self.alarms if one.recovered_at is None), None)

    @property
    def shown(self) -> int:
        """How many windows the pictures show: as many as the alarm that goes on needs, and some before it."""
        if self.whole or not self.windows:
            return len(self.windows)
        began = self.alarm.onset_low or self.alarm.onset_at if self.alarm else None
        since = sum(window.start >= began for window in self.windows) if began else 0
        return min(len(self.windows), max(picture.SHOWN, 2 * since))

    def context(self) -> dict[str, Any]:
        """Everything that the template needs."""
        watch, now = self.watch, clock.now()
        state = sentences.standing(watch, self.alarm)
        found, rows = past.reach_of(watch, self.windows, self.replayed)
        return {
            "watch": watch,
            "standing": state,
            "tests": sentences.tests(watch),
            "every": sentences.every(watch),
            "alarm": self.alarm,
            "incident": self.alarm.signal.incident if self.alarm and self.alarm.signal else None,
            "title": sentences.finding(watch, self.alarm, self.newest),
            "picture": self.picture(),
            "sure": estimating.stand(self.replayed.detector, self.windows, timezone.get_current_timezone())
            if watch.estimates
            else self.apart[1],
            "segments": self.segments(),
            "segments_of": self.segments_of,
            "alarms": [alarm_words(watch, one) for one in self.alarms],
            "seen": len(self.windows),
            "shown": self.shown,
            "detects": sentences.detects(watch, found, rows),
            "promise": sentences.promise(watch, question_of(watch).budget),
            "baseline": self.baseline(),
            "learning": state is Standing.LEARNING,
            "metric": watch.what or watch.kind,
            "first": _READS if watch.log is not None else _PUSHED,
            "says": watch.detector.get("says", "") or self.replayed.says,
            "progress": queries.progress(watch, now),
            "late": self.late(),
            "dated": waits_for_what_is_dated(watch),
            "may_manage": policy.may_manage(self.by) and watch.ended_at is None,
            "may_run": policy.may_run(self.by, watch.system) and watch.ended_at is None,
        }

    @property
    def newest(self) -> float | None:
        """The last figure that was measured."""
        question = question_of(self.watch)
        if not question.adds_up:
            return self.apart[0]
        figures = (picture.measure(question, window) for window in reversed(self.windows))
        return next((value for value in figures if value is not None), None)

    @cached_property
    def apart(self) -> tuple[float | None, str]:
        """Of a gap or a distance its newest figure, and in words how sure it is."""
        zone = timezone.get_current_timezone()
        return apart.stand(question_of(self.watch), self.replayed, self.windows, self.alarms, zone)

    def picture(self) -> CurvesView | None:
        """The measure over its evidence."""
        return picture.draw(
            self.watch,
            question_of(self.watch),
            self.windows,
            self.replayed,
            self.alarms,
            shown=self.shown,
            zone=timezone.get_current_timezone(),
        )

    def segments(self) -> MultiplesView | None:
        """Its segments side by side; of a gap its groups."""
        cut = self.windows[-self.shown :] if self.shown else []
        if not cut or self.watch.measure == Measure.DISTANCE:
            return None
        if self.watch.measure == Measure.GAP:
            return self._groups()
        held = past.segments_of(self.by, self.watch, cut[0].start)
        starts = [window.start for window in cut]
        question, zone = question_of(self.watch), timezone.get_current_timezone()
        return picture.compare(self.watch, question, starts, held, self.alarm, zone=zone)

    def _groups(self) -> MultiplesView | None:
        return picture.compare_groups(
            self.watch,
            question_of(self.watch),
            self.windows,
            self.replayed,
            self.alarm,
            shown=self.shown,
            zone=timezone.get_current_timezone(),
        )

    @property
    def segments_of(self) -> tuple[str, str]:
        """What the small pictures show: their title, and what is drawn."""
        if self.watch.measure == Measure.GAP:
            return "By group", "the share of each, with that of the reference"
        return "By segment", "the same measure"

    def late(self) -> str:
        """How many rows came after their window was judged, and how long they are looked for."""
        kept, zone = late.looked_for(self.watch), timezone.get_current_timezone()
        return sentences.late_rows(late.came_late(self.watch), kept, zone)

    def baseline(self) -> str:
        """What is normal, in words, and how well that is known."""
        known = self.replayed.detector.get("baseline")
        if known is None:
            return ""
        value = sentences.said(self.watch, picture.baseline_of(question_of(self.watch), self.replayed))
        if self.watch.measure == Measure.GAP:
            return (
                f"up to {value}, {'as given' if self.watch.tolerance else 'the widest that its reference leaves open'}"
            )
        if self.watch.measure == Measure.DISTANCE:
            return f"as {known['n']:,.0f} rows of its reference are spread"
        rows = "windows" if self.watch.measure == Measure.COUNT else "rows"
        return f"{value}, as given" if known["n"] is None else f"{value}, learnt from {known['n']:,.0f} {rows}"


def alarm_words(watch: Watch, alarm: Alarm) -> dict[str, Any]:
    """An alarm in words: what went where, since when, what drives it, whether it is over."""
    zone = timezone.get_current_timezone()
    return {
        "row": alarm,
        "went": sentences.went(watch, alarm, begins=True),
        "began": sentences.began(watch, alarm, zone),
        "shape": Alarm.Shape(alarm.onset_shape).label if alarm.onset_shape else "",
        "drivers": sentences.drivers(watch, alarm),
        "incident": alarm.signal.incident if alarm.signal else None,
    }


def trial_picture(by: Actor, watch: Watch, trial: past.Trial) -> CurvesView | None:
    """The whole history of a watch with the alarms that a trial found."""
    windows, question = past.windows_of(by, watch), question_of(watch)
    would = [
        Alarm(watch=watch, window_end=line.at, onset_at=line.would.onset.at, recovered_at=line.over_at)
        for line in reversed(trial.lines)
    ]
    return picture.draw(
        watch,
        question,
        windows,
        replay(question, windows),
        would,
        shown=len(windows),
        zone=timezone.get_current_timezone(),
    )


def evidence(alarms: Sequence[Alarm]) -> list[dict[str, Any]]:
    """What stands behind an incident: each alarm in words, and the measure from before its onset until now.

    For whoever may see the incident that the alarms are in. The detector is not run again: the page must be quick.
    """
    return [
        {
            **alarm_words(alarm.watch, alarm),
            "watch": alarm.watch,
            "title": sentences.finding(alarm.watch, alarm, None),
            "picture": _around(alarm),
        }
        for alarm in told(alarms)
    ]


def told(alarms: Sequence[Alarm]) -> Sequence[Alarm]:
    """Of many alarms the first, which their incident is called after, and the newest."""
    return alarms if len(alarms) <= BEHIND else [alarms[0], *alarms[1 - BEHIND :]]


def _around(alarm: Alarm) -> CurvesView | None:
    """The measure of an alarm's watch from well before its onset, or its newest windows if that is long ago."""
    watch, question = alarm.watch, question_of(alarm.watch)
    began = alarm.onset_low or alarm.onset_at or alarm.window_start
    windows = past.newest(watch, since=began - BEFORE * watch.length, limit=picture.SHOWN)
    known = {"baseline": {"mean": judging.scaled(question, alarm.baseline), "n": None}}
    if not question.adds_up:
        known = {"baseline": watch.detector.get("baseline")}
    zone = timezone.get_current_timezone()
    return picture.draw(watch, question, windows, Replay(detector=known), [alarm], shown=len(windows), zone=zone)
