"""What a watch has seen, and what follows from it: reads for its page and its trial."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Final
from uuid import UUID

from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.kit.errors import Invalid
from andon.people.policy import Actor
from andon.practice.words import IncidentKind, Measure
from andon.watch import arriving, drafting, loading, picture, queries
from andon.watch.actions.watches import READS_ANEW
from andon.watch.actions.writing import question_of
from andon.watch.facts import WatchFacts
from andon.watch.judging import Question, Window
from andon.watch.models import EVERYTHING, Watch, WindowState
from andon.watch.picture import Segment
from andon.watch.policy import must_manage, must_view
from andon.watch.reach import Reach, Usual, reach
from andon.watch.reading import Unreadable
from andon.watch.replaying import Replay, Would, replay

MOST: Final = 20_000
"""Windows that are gone through, the newest ones: two years of hours."""
MOST_SEGMENTS: Final = 12
MATTERS: Final = timedelta(days=30)
"""How long after an alarm an incident may be detected for the two to be taken for one."""


def windows_of(by: Actor, watch: Watch) -> list[Window]:
    """All rows of a watch by window, oldest first."""
    must_view(by)
    plain = watch.measure != Measure.GAP and not watch.by_arrival
    return loading.load(watch, since=None, until=None, limit=MOST if plain else MOST // 10, newest=True)


def newest(watch: Watch, *, since: datetime, limit: int) -> list[Window]:
    """The newest windows of a watch since a time, oldest first: for whoever may see an incident of it."""
    return loading.load(watch, since=since, until=None, limit=limit, newest=True)


def segments_of(by: Actor, watch: Watch, since: datetime) -> list[Segment]:
    """The segments of a watch by window since a time, those with most rows first."""
    if not watch.segments:
        return []
    keys = list(queries.segments(by, watch, since=since))
    wanted = keys[:MOST_SEGMENTS]
    if watch.by_arrival:
        return _segments_made(watch, wanted, since)
    held: dict[str, dict[datetime, Window]] = {key: {} for key in wanted}
    rows = WindowState.objects.filter(watch=watch, segment__in=wanted, window_start__gte=since)
    for segment, start, n, total, squares in rows.values_list("segment", "window_start", "n", "total", "squares"):
        held[segment][start] = Window(start, n, total, squares)
    return [Segment(key, held[key]) for key in wanted]


def _segments_made(watch: Watch, wanted: Sequence[str], since: datetime) -> list[Segment]:
    """Segments by when their decisions were made."""
    question = question_of(watch)
    windows = loading.segments_made(watch, since, watch.read_until or since)
    found = []
    for key in wanted:
        own = [replace(one, made={EVERYTHING: one.made.get(key, ())}) for one in windows]
        found.append(Segment(key, {one.start: one for one in arriving.decided(question, own)}))
    return found


def reach_of(watch: Watch, windows: Sequence[Window], replayed: Replay) -> tuple[Reach | None, float]:
    """What a watch can detect at the volume of its newest windows, and how many rows such a window has."""
    question = question_of(watch)
    usual = usual_of(question, windows[: replayed.learnt] or windows, windows)
    known = replayed.detector.get("baseline")
    return reach(question, usual, watch.length, known_from=known["n"] if known else None), usual.n


def usual_of(question: Question, normal: Sequence[Window], recent: Sequence[Window]) -> Usual:
    """What a window usually holds: the level of the `normal` ones at the volume of the newest of the `recent` ones."""
    rows = [window.n for window in recent[-_RECENT:] if window.n]
    n = float(median(rows)) if rows else 0.0
    counted = sum(window.n for window in normal)
    total = sum(window.total for window in normal)
    if question.measure is Measure.COUNT:
        return Usual(1.0, total / len(normal)) if normal and total else Usual(0.0, 0.0)
    if not counted:
        return Usual(0.0, 0.0)
    return Usual(n, total / counted, picture.variance(normal) if question.measure is Measure.MEAN else 0.0)


_RECENT: Final = 100


@dataclass(frozen=True)
class Line:
    """An alarm that would have been raised, beside the incident that it belongs to, if there is one."""

    would: Would
    at: datetime  # when the window that decides it is over
    incident: Incident | None = None
    ahead: timedelta | None = None  # how long before the incident was detected; negative = after it
    over_at: datetime | None = None  # when it would have been seen to be over

    @property
    def early(self) -> bool:
        """Whether it would have come before the incident was detected."""
        return self.ahead is not None and self.ahead >= timedelta()


@dataclass(frozen=True)
class Trial:
    """What a watch would have done over its history.

    `missed` are incidents of its system in that time that none of its alarms belongs to.
    """

    windows: int
    since: datetime | None
    until: datetime | None
    learnt: int
    lines: Sequence[Line]
    missed: Sequence[Incident]
    says: str


def try_watch(by: Actor, watch: Watch) -> Trial:
    """Go through the history of a watch; nothing is written. Incidents are those that the actor may see."""
    return _tried(by, watch, windows_of(by, watch))


def _tried(by: Actor, watch: Watch, seen: Sequence[Window]) -> Trial:
    if not seen:
        return Trial(0, None, None, 0, (), (), "It has read no window yet.")
    found = replay(question_of(watch), seen)
    since, until = seen[0].start, seen[-1].start + watch.length
    tested = seen[min(found.learnt, len(seen) - 1)].start
    incidents = list(
        visible(by)
        .filter(system=watch.system, kind=IncidentKind.REAL, detected_at__gte=tested, detected_at__lt=until + MATTERS)
        .order_by("detected_at")
    )
    own = _incidents_of(watch)
    lines = [_line(watch, would, incidents, own) for would in found.alarms]
    told = {line.incident.pk for line in lines if line.incident is not None}
    missed = [one for one in incidents if one.pk not in told and one.detected_at < until]
    return Trial(len(seen), since, until, found.learnt, lines, missed, found.says)


def try_change(by: Actor, watch: Watch, facts: WatchFacts) -> Trial:
    """Go through the history of a watch as a draft of a change would have it; nothing is written.

    Where the draft counts something else, its log is read for it (see `try_draft`, which says what that may raise).
    """
    said = facts.columns()
    if any(getattr(watch, name) != said[name] for name in READS_ANEW):
        return try_draft(by, facts, instead_of=watch)
    return _tried(by, Watch(pk=watch.pk, **said, bins=watch.bins), windows_of(by, watch))


def try_draft(by: Actor, facts: WatchFacts, *, instead_of: Watch | None = None) -> Trial:
    """Go through the log as a watch would that is not kept yet; nothing is written.

    Raises:
        Conflict: There is no history to try it on: numbers are pushed, or the reference lies too far back.
        Invalid: The log cannot be read now, or not as the draft asks; in words.
    """
    must_manage(by, "try a watch")
    draft = Watch(**({"pk": instead_of.pk} if instead_of else {}), **facts.columns())
    try:
        return _tried(by, draft, drafting.windows_of(draft))
    except Unreadable as error:
        raise Invalid(str(error), field="log") from error


def _incidents_of(watch: Watch) -> set[UUID]:
    """The incidents that alarms of a watch came to."""
    found = watch.alarms.filter(signal__incident__isnull=False)
    return set(found.values_list("signal__incident", flat=True))


def _line(watch: Watch, would: Would, incidents: Sequence[Incident], own: Collection[UUID]) -> Line:
    """The incident that an alarm belongs to: the nearest that was detected while it went on, or soon after it.

    `own` are those that alarms of the watch came to; they go before others.
    """
    at = would.raised.window + watch.length
    over = would.recovered + watch.length if would.recovered else None
    near = [one for one in incidents if would.onset.at <= one.detected_at <= (over or at) + MATTERS]
    nearest = min(near, key=lambda one: (one.pk not in own, abs(one.detected_at - at)), default=None)
    return Line(would, at, nearest, nearest.detected_at - at if nearest else None, over)
