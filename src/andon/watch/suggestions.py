"""Watches proposed for a decision log: what its columns allow, and what each could detect at its volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from andon.handbook.queries import in_force
from andon.handbook.recipes import GROUP
from andon.kit import clock
from andon.kit.errors import Refused
from andon.people.policy import Actor
from andon.practice.words import FairnessMetric, Measure, SystemKind, WatchKind
from andon.watch import remarks, sentences, wants
from andon.watch.actions.logs import place_of
from andon.watch.facts import BUDGET, WatchFacts
from andon.watch.judging import Question, Window
from andon.watch.kinds import DAY, KINDS
from andon.watch.looks import alike
from andon.watch.models import Log, Watch
from andon.watch.past import usual_of
from andon.watch.policy import must_view
from andon.watch.reach import reach
from andon.watch.reading import Unreadable, looking, read
from andon.watch.reading.expressions import columns as names_in
from andon.watch.suggesting import Lacking, Proposal, columns_of, propose

SECONDS: Final = 10.0
"""What reading for one figure may take."""
_WINDOWS: Final = 28
_REFERENCE: Final = timedelta(days=28)
_HOUR: Final = timedelta(hours=1)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOST_LABELS: Final = 0.95
"""Share of labels that a proposed watch waits for, where the log says when they came."""
_LEAST: Final = timedelta(days=8)
"""A shorter log is no reference for a week: its watches learn from their first windows."""


@dataclass(frozen=True)
class Offer:
    """A proposal as it would be made on a log.

    Attributes:
        key: Names it among the offers of its log.
        columns: The columns of the watch that it would be, complete with what its kind brings.
        tests: What it would test, in one sentence.
        detects: What it could detect, in words; empty where that cannot be said.
        unknown: Why that cannot be said now; empty where it can, or was not asked.
        made: The watch that does the same already.
    """

    key: str
    proposal: Proposal
    facts: WatchFacts
    tests: str
    detects: str = ""
    unknown: str = ""
    made: Watch | None = None


@dataclass(frozen=True)
class Barred:
    """A proposal that cannot be made as the log is described, and what to do about it."""

    name: str
    why: str
    says: str


@dataclass(frozen=True)
class Suggestion:
    """What a log could have: offers, recipes that it lacks columns for, and what its description bars."""

    log: Log
    title: str
    offers: Sequence[Offer]
    lacking: Sequence[Lacking]
    barred: Sequence[Barred] = ()
    remarks: Sequence[str] = ()
    """What is odd about the rows of the log, in words."""


def suggest(log: Log, *, by: Actor, measured: bool = True) -> Suggestion:
    """What could be watched on a log. With `measured` the log is read for what is usual: a few aggregates for each."""
    must_view(by)
    handbook = in_force()
    book = handbook.recipes_for(SystemKind(log.system.kind))
    found, lacking = propose(
        book,
        columns_of(log.columns, said_of(log), handbook.roles, book),
        {kind: one.what for kind, one in KINDS.items()},
    )
    watches = list(Watch.objects.filter(log=log, ended_at=None))
    look, days = _look(log), _days_until_labels(log)
    reference = _reference(look)
    until = look.last if look is not None and measured else None
    offers: list[Offer] = []
    barred: list[Barred] = []
    for proposal in found:
        facts = _facts(log, proposal, reference)
        if _needs_labels(facts):
            facts = replace(facts, label_delay_minutes=_delay(facts, days), tolerance=_tolerance(facts))
        try:
            draft = Watch(**facts.columns())
            if draft.by_arrival:
                facts = _from_labels(facts, look, draft.label_delay)
                draft = Watch(**facts.columns())
        except Refused as refused:  # the kind asks for more than the recipe knows of
            barred.append(Barred(proposal.name, proposal.why, refused.what))
            continue
        made = next((one for one in watches if _same(one, draft)), None)
        offer = Offer(_key(proposal, found), proposal, facts, sentences.tests(draft) + _waits(draft, days), made=made)
        if until is not None and made is None:
            try:
                offer = replace(offer, detects=_detects(draft, until))
            except (Unreadable, Refused) as error:
                offer = replace(offer, unknown=f"What it could detect cannot be said now. {error}")
        offers.append(offer)
    return Suggestion(log, book.title, offers, lacking, barred, _remarks(log, look) if measured else ())


def _remarks(log: Log, look: looking.Look | None) -> list[str]:
    """What is odd about the rows of a log."""
    if look is None:
        return []
    zone = remarks.of_zone(log.time_column, log.time_zone, look, clock.now())
    found = alike(log, place_of(log), look, clock.now(), seconds=SECONDS)
    kept = remarks.kept(log.time_column, look, found)
    return [*([zone] if zone else []), *remarks.told(kept, log.name, log.time_column)]


def said_of(log: Log) -> dict[str, list[str]]:
    """What a log says of its columns, by role."""
    said = {
        "time": [log.time_column],
        "subject": [log.subject_column],
        "output": [log.output_column],
        "score": [log.score_column],
        "label": [log.label_column],
        "label_time": [log.label_time_column],
        "key": [log.key_column],
        GROUP: list(log.segment_columns),
    }
    return {role: [name for name in names if name] for role, names in said.items()}


def _key(proposal: Proposal, found: Sequence[Proposal]) -> str:
    """The recipe; with the column where it is proposed for each."""
    several = sum(one.recipe == proposal.recipe for one in found) > 1
    return f"{proposal.recipe}:{proposal.columns[0]}" if several else proposal.recipe


def _facts(log: Log, proposal: Proposal, reference: tuple[datetime, datetime] | None) -> WatchFacts:
    return WatchFacts(
        system=log.system,
        log=log,
        name=proposal.name,
        kind=proposal.kind,
        measure=proposal.measure,
        metric=proposal.metric,
        what=proposal.what,
        direction=proposal.direction,
        segments=proposal.segments,
        low=proposal.low,
        high=proposal.high,
        budget=BUDGET,
        weekly=proposal.weekly and reference is not None and reference[1] - reference[0] >= _REFERENCE,
        reference_from=reference[0] if reference else None,
        reference_to=reference[1] if reference else None,
    )


def _from_labels(facts: WatchFacts, look: looking.Look | None, delay: timedelta) -> WatchFacts:
    """By arrival of labels: its reference begins when the labels of the first decisions have had their time."""
    begins, ends = _reference(look, delay) or (None, None)
    return replace(facts, reference_from=begins, reference_to=ends)


def _needs_labels(facts: WatchFacts) -> bool:
    """Whether it counts labels, so that they are waited for."""
    if facts.kind in {WatchKind.ACCURACY, WatchKind.CALIBRATION, WatchKind.ESTIMATED_ACCURACY}:
        return True
    return facts.metric not in {None, FairnessMetric.SELECTION_RATE} or _counts_label(facts)


def _counts_label(facts: WatchFacts) -> bool:
    """Whether what it counts speaks of the log's label, whatever its kind."""
    label = facts.log.label_column.lower() if facts.log is not None else ""
    return bool(label and facts.what) and label in {name.lower() for name in names_in(facts.what)}


def _delay(facts: WatchFacts, days: int | None) -> int | None:
    """Minutes in which most labels come: as in the log, else as the kind says, or as accuracy does for one of none."""
    if days is not None:
        return days * DAY
    return KINDS[WatchKind.ACCURACY].label_delay if _counts_label(facts) else None


def _tolerance(facts: WatchFacts) -> float:
    """What may be missing and is not lost: labels that take longer than is waited for.

    The reference is old when it is read, so its last labels have come; in the newest windows they have yet to.
    """
    return 1 - _MOST_LABELS if _counts_missing_labels(facts) else facts.tolerance


def _counts_missing_labels(facts: WatchFacts) -> bool:
    return facts.kind is WatchKind.METRIC and facts.measure is Measure.RATE and _counts_label(facts)


def _days_until_labels(log: Log) -> int | None:
    """Within how many days most labels come, where the log says when each did."""
    if not log.label_time_column:
        return None
    try:
        return looking.days_until(
            place_of(log), log.time_column, log.label_time_column, share=_MOST_LABELS, seconds=SECONDS
        )
    except (Unreadable, Refused):
        return None


def _waits(draft: Watch, days: int | None) -> str:
    """For how long a proposed watch waits for labels, and why so long."""
    if not draft.label_delay_minutes or draft.estimates:
        return ""
    if draft.by_arrival:
        return (
            f" Labels count as they come, {_MOST_LABELS:.0%} of them within {sentences.long_span(draft.label_delay)}."
        )
    why = f": {_MOST_LABELS:.0%} of those that have come took no longer" if days is not None else ""
    return f" It waits {sentences.long_span(draft.label_delay)} for labels{why}."


def _same(one: Watch, draft: Watch) -> bool:
    return (one.kind, one.measure, one.what, one.metric) == (draft.kind, draft.measure, draft.what, draft.metric)


def _look(log: Log) -> looking.Look | None:
    """How far the rows of a log reach; None where it cannot be read now."""
    try:
        return looking.look(place_of(log), log.time_column, seconds=SECONDS)
    except (Unreadable, Refused):
        return None


def _reference(look: looking.Look | None, later: timedelta = timedelta()) -> tuple[datetime, datetime] | None:
    """From when a proposed watch learns what is normal: four weeks, so that weekdays are in it, or half of the log."""
    if look is None or look.first is None or look.last is None or look.last - look.first - later < _LEAST:
        return None
    first = (look.first + later).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return first, min(first + _REFERENCE, first + (look.last - first) // _HOUR // 2 * _HOUR)


def _detects(draft: Watch, last: datetime) -> str:
    """What the watch could detect: a change of what its reference holds, at the volume of the newest windows.

    Raises `Unreadable` or `Invalid` in words.
    """
    if draft.measure not in {Measure.RATE, Measure.MEAN, Measure.COUNT} or draft.log is None or draft.weekly:
        return ""
    until = draft.window_of(last - draft.waits)
    windows = _windows(draft, until - _WINDOWS * draft.length, until)
    normal = _normal(draft) or windows
    question = _question(draft, normal)
    usual = usual_of(question, normal, windows)
    learnt = len(normal) if draft.measure == Measure.COUNT else round(sum(window.n for window in normal))
    return sentences.detects(draft, reach(question, usual, draft.length, known_from=learnt or None), usual.n)


def _normal(draft: Watch) -> list[Window]:
    """All windows of its reference, from which the watch itself will learn; none where it has yet to choose one."""
    begins, ends = draft.reference_from, draft.reference_to
    if begins is None or ends is None:
        return []
    until = draft.window_of(ends - _MICROSECOND) + draft.length
    return [one for one in _windows(draft, draft.window_of(begins), until) if begins <= one.start < ends]


def _windows(draft: Watch, since: datetime, until: datetime) -> list[Window]:
    """What a stretch of its log holds, by window. Raises `Unreadable` or `Invalid` in words."""
    if draft.log is None:
        return []
    asked = replace(wants.wanted(draft, since, until, None), segments=())
    tallies = read(place_of(draft.log), asked, seconds=SECONDS).windows()
    return [Window(start, one.n, one.total, one.squares) for start, one in sorted(tallies.items())]


def _question(draft: Watch, windows: Sequence[Window]) -> Question:
    low, high = draft.low, draft.high
    if draft.measure == Measure.MEAN and (low is None or high is None):
        low, high = _bounds(windows)
    return Question(
        measure=Measure(draft.measure), direction=sentences.direction_of(draft), budget=draft.budget,
        tolerance=draft.tolerance, minimum=KINDS[draft.what_kind].minimum, low=low, high=high,
    )  # fmt: skip


def _bounds(windows: Sequence[Window]) -> tuple[float, float]:
    """Bounds of a number that has none of its own: well beyond where its mean and spread lie."""
    rows = sum(window.n for window in windows) or 1
    mean = sum(window.total for window in windows) / rows
    spread = max(0.0, sum(window.squares for window in windows) / rows - mean * mean) ** 0.5 or abs(mean) or 1.0
    low = mean - _WIDE * spread
    return (0.0 if mean >= 0 > low else low), mean + _WIDE * spread


_WIDE: Final = 5.0
