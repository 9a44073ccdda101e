"""What was read of a watch is written, late rows put right, and judged: all inside the transaction that settles it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from andon.incidents.actions import next_number
from andon.kit import db, wake
from andon.practice.words import Direction, FairnessMetric, Measure
from andon.watch import arriving, comparing, evidence, judging, late, loading, remarks, sentences, wayback, weekly
from andon.watch.actions import telling
from andon.watch.judging import Onset, Question, Raised, Window
from andon.watch.kinds import KINDS
from andon.watch.models import EVERYTHING, Alarm, Watch, WindowState
from andon.watch.oddities import Source, oddities
from andon.watch.queries import budget_of
from andon.watch.reading import Cells
from andon.watch.reading.cube import Tally
from andon.watch.reading.expressions import columns as columns_of
from andon.watch.segments import segment_key

JUDGED_AT_ONCE: Final = 2_000
NEWEST: Final = timedelta(days=1)
"""How far back notes look, and four windows at least: those that one reading brings or reads again."""
MOST_NOTED: Final = 500
"""Windows that notes look at, of the newest and of the reference each: what bounds the work of one reading."""
_FIGURES: Final = ("n", "total", "squares", "invalid", "doubled", "histogram", "counts", "made")


def write_windows(watch: Watch, since: datetime, until: datetime, cells: Cells, now: datetime) -> None:
    """Write what the windows held. A window that was read before and holds something else now keeps what it held.

    While the watch learns what is normal, it learns what came late as well: it begins anew with the windows.
    """
    found = _by_state(watch, since, until, cells)
    before = {
        (state.window_start, state.segment): state
        for state in WindowState.objects.filter(watch=watch, window_start__gte=since, window_start__lt=until)
    }
    fresh, corrected = [], []
    for key in found.keys() | before.keys():
        figures = _figures(found.get(key, Tally()))
        state = before.get(key)
        if state is None:
            fresh.append(WindowState(watch=watch, window_start=key[0], segment=key[1], read_at=now, **figures))
        elif any(getattr(state, name) != value for name, value in figures.items()):
            kept = {name: getattr(state, name) for name in ("n", "total", "squares", "invalid")}
            state.was = [*state.was, {"read_at": state.read_at.isoformat(), **kept}]
            state.read_at = now
            for name, value in figures.items():
                setattr(state, name, value)
            corrected.append(state)
    WindowState.objects.bulk_create(fresh, batch_size=1000)
    db.update_rows(corrected, ["was", "read_at", *_FIGURES])
    if corrected and judging.learning(watch.detector):
        watch.judged_until, watch.detector = None, {}


def _by_state(watch: Watch, since: datetime, until: datetime, cells: Cells) -> dict[tuple[datetime, str], Tally]:
    """A tally for each window, empty ones included, and one for each segment that had rows."""
    found: dict[tuple[datetime, str], Tally] = {}
    start = since
    while start < until:
        found[start, EVERYTHING] = Tally()
        start += watch.length
    for (start, segment), tally in cells.tallies.items():
        found[start, EVERYTHING].add(tally)
        if segment:
            found.setdefault((start, segment_key(segment)), Tally()).add(tally)
    return found


def _figures(tally: Tally) -> dict[str, Any]:
    return {
        "n": tally.n,
        "total": tally.total,
        "squares": tally.squares,
        "invalid": tally.invalid,
        "doubled": tally.doubled,
        "histogram": tally.histogram,
        "counts": tally.scores,
        "made": arriving.kept(tally.made),
    }


def note(watch: Watch, until: datetime) -> None:
    """Note on a watch that reads a log what is odd about its windows up to `until`, beside its reference."""
    since = max(watch.began_at or until, until - min(MOST_NOTED * watch.length, max(NEWEST, 4 * watch.length)))
    first, last = noted_reference(watch, since)
    log = watch.log
    column = "" if log is None or watch.by_arrival else log.time_column
    of_rows = [] if log is None else remarks.told(log.odd, log.name, column)
    watch.notes = of_rows + oddities(
        _source(watch),
        loading.held(watch, first, last),
        loading.held(watch, since, until),
        loading.rows_by_segment(watch, first, last) if watch.segments else {},
        loading.rows_by_segment(watch, since, until) if watch.segments else {},
        late.came_late(watch),
    )


def noted_reference(watch: Watch, before: datetime) -> tuple[datetime, datetime]:
    """From when until when windows lie that notes compare the newest with."""
    begins = watch.began_at or before
    first = watch.reference_from or begins
    named = watch.reference_to or begins + judging.REFERENCE_WINDOWS * watch.length
    return first, min(named, before, first + MOST_NOTED * watch.length)


def _source(watch: Watch) -> Source:
    log = watch.log
    if log is None:
        raise ValueError("A watch without a log reads nothing.")
    named = {name.lower() for text in (watch.what, watch.truth) if text for name in columns_of(text)}
    counted = ""
    if watch.metric and watch.metric != FairnessMetric.SELECTION_RATE:
        counted = FairnessMetric(watch.metric).words
    return Source(
        log=log.name,
        what=sentences.plain(watch.what),
        length=watch.length,
        columns=tuple(watch.segments),
        counted=counted,
        label=log.label_column if log.label_column.lower() in named and not watch.estimates else "",
        delay=watch.waits,
        arrival=log.label_time_column if watch.by_arrival else "",
    )


def question_of(watch: Watch) -> Question:
    """What a watch asks of its windows."""
    held = watch.bins or {}
    reference = None
    if watch.reference_from and watch.reference_to:
        reference = (watch.reference_from, watch.reference_to)
    return Question(
        measure=Measure(watch.measure),
        direction=Direction(watch.direction),
        budget=budget_of(watch),
        tolerance=watch.tolerance,
        minimum=KINDS[watch.what_kind].minimum,
        baseline=watch.baseline,
        reference=reference,
        low=held.get("low", watch.low),
        high=held.get("high", watch.high),
        length=watch.length,
        slots=(weekly.slots(watch.length) or 0) if watch.weekly else 0,
        ordered=not any(isinstance(edge, str) for edge in held.get("at", ())),
        columns=tuple(watch.segments),
        calibrates=watch.metric == FairnessMetric.CALIBRATION,
        estimates=watch.estimates,
        by_arrival=watch.by_arrival,
        label_delay=watch.label_delay,
    )


def judge_windows(watch: Watch, now: datetime) -> bool:
    """Let the detector see what it has not seen, with what follows; whether there is more than was done at once."""
    if watch.read_until is None:
        return False
    question = question_of(watch)
    most = JUDGED_AT_ONCE if question.adds_up else JUDGED_AT_ONCE // 10
    windows = loading.load(watch, since=watch.judged_until, until=watch.read_until, limit=most)
    more = len(windows) == most
    while windows:
        verdict = judging.judge(question, watch.detector, windows)
        watch.detector = verdict.detector
        if verdict.seen:
            watch.judged_until = windows[verdict.seen - 1].start + watch.length
        if verdict.raised is not None:
            _raise(watch, question, verdict.raised, now)
        if verdict.recovered is not None:
            telling.end(watch, verdict.recovered + watch.length, now)
        watch.detector["says"] = verdict.says
        windows = windows[verdict.seen :]
    return more


def _raise(watch: Watch, question: Question, raised: Raised, now: datetime) -> Alarm:
    """Write the alarm, and what the way back will be tested against."""
    start = raised.window
    since = datetime.fromisoformat(watch.detector["since"])
    windows = loading.load(watch, since=since, until=start + watch.length, limit=JUDGED_AT_ONCE, newest=True)
    onset = judging.onset(question, watch.detector, arriving.counted(question, watch.detector, windows))
    watch.detector |= wayback.begin(onset, judging.usual(watch.detector).mean)
    if question.by_arrival:
        came, levelled = evidence.made(watch, question, start + watch.length)
        windows, onset = arriving.decided(question, came), judging.onset(question, watch.detector, levelled)
    alarm = Alarm(
        number=next_number("alarm"),
        watch=watch,
        raised_at=now,
        window_start=start,
        window_end=start + watch.length,
        direction=raised.direction.value,
        statistic=raised.statistic,
        threshold=raised.threshold,
        baseline=judging.normal_of(question, watch.detector),
        observed=_observed(watch, question, windows, onset),
        onset_at=onset.at,
        plan={
            "version": watch.version,
            "budget": question.budget,
            "tolerance": watch.tolerance,
            "direction": watch.direction,
            "baseline": {name: watch.detector["baseline"][name] for name in ("mean", "n")},
            "about": watch.detector.get("about"),
        },
    )
    alarm.save(force_insert=True)
    wake.after_commit()
    return alarm


def _observed(watch: Watch, question: Question, windows: Sequence[Window], onset: Onset) -> float | None:
    """What it came to since the onset, in the unit of the measure."""
    if question.adds_up:
        return judging.unscaled(question, onset.level)
    return comparing.observed(question, watch.detector, [window for window in windows if window.start >= onset.at])
