"""One expression: window by segment to n, sum, sum of squares, and what lies in each of 20 bins.

Only this leaves the engine. Rows are grouped by window, by the segments' columns and, where a histogram is wanted, by
bin; what comes back is at most one line for each. Everything that is added up further is added up here, because all of
it is additive. The same expression runs on every engine that Ibis speaks to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from andon.kit import zones
from andon.kit.errors import Invalid
from andon.practice.words import FairnessMetric, Measure
from andon.watch.reading import times
from andon.watch.reading.connecting import Opened, opened
from andon.watch.reading.expressions import build, column_of, finite
from andon.watch.reading.places import Place, Unreadable

BINS: Final = 20
MOST_CELLS: Final = 200_000
"""Lines that one reading may bring back: what bounds its memory."""
LONGEST_VALUE: Final = 80
"""Characters of a segment's value that are kept."""
_EPOCH: Final = datetime(1970, 1, 5, tzinfo=UTC)
_EPOCH_SECONDS: Final = 4 * 86_400  # of that Monday

Segment = tuple[str | None, ...]
"""One value for each of the segments' columns, None where a row had none; () = all rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is read of a log.

    Attributes:
        measure: Decides how a row's value is read: 0 or 1 for a rate, any number for a mean, rows that meet `what` for
            a count, a value that falls into a bin for a distance.
        what: An SQL expression over the columns; may be empty for a count.
        only: A condition; rows that do not meet it do not exist.
        time: The column of when a row happened.
        metric: Of a gap: decides which rows count, and as what. `what` is then whether the output was positive, `truth`
            whether it should have been; of calibration `what` is the score, and a row counts where it has both.
        score: Of an estimate: an expression that gives the score of a row. `what` is then whether the output was
            positive, and a row counts as the chance that it is wrong: 1 - score if it was, the score if it was not.
        made: The column of when a row's decision was made, where `time` says when its label came; empty else.
        ages: Up to how many windows before a decision is told apart from those that are older.
        key: The column that is the same when a row came twice; empty = every row counts.
        window: Length of a window; windows begin on multiples of it since Monday 1970-01-05 00:00 UTC.
        since: Start of the first window.
        until: End of the last one; both are bounds of windows.
        bins: 19 inner edges in order, or up to 19 values of their own; None = no histogram.
        low: Values below count as this.
        high: Values above count as this.
        zone: Of which place times without a zone are.
    """

    measure: Measure
    what: str
    time: str
    window: timedelta
    since: datetime
    until: datetime
    only: str = ""
    truth: str = ""
    metric: FairnessMetric | None = None
    score: str = ""
    made: str = ""
    ages: int = 0
    key: str = ""
    segments: tuple[str, ...] = ()
    bins: tuple[float, ...] | tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None
    zone: str = "UTC"

    @property
    def calibrates(self) -> bool:
        """Whether it counts labels by the bin of their score."""
        return self.measure is Measure.GAP and self.metric is FairnessMetric.CALIBRATION

    @property
    def splits(self) -> bool:
        """Whether its rows are grouped by bin too."""
        return self.bins is not None or self.calibrates


@dataclass(slots=True)
class Tally:
    """What some rows add up to: `n` rows with a value, their sum and sum of squares, and `invalid` rows without one."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    invalid: int = 0
    doubled: int = 0
    histogram: list[int] | None = None
    scores: list[list[float]] | None = None
    """Of calibration, by the bin of the score: how many rows, how many of them positive, and the sum of scores."""
    made: dict[int, list[float]] | None = None
    """By how many windows before its label a decision was made: rows, their sum, squares, and the sum of scores."""

    def add(self, other: Tally) -> None:
        """Take in what other rows add up to."""
        self.n += other.n
        self.total += other.total
        self.squares += other.squares
        self.invalid += other.invalid
        self.doubled += other.doubled
        if other.histogram is not None:
            mine = self.histogram or [0] * BINS
            self.histogram = [a + b for a, b in zip(mine, other.histogram, strict=True)]
        if other.scores is not None:
            known = self.scores or no_scores()
            self.scores = [
                [a + b for a, b in zip(*both, strict=True)] for both in zip(known, other.scores, strict=True)
            ]
        for age, figures in (other.made or {}).items():
            self.made = self.made or {}
            self.made[age] = [a + b for a, b in zip(self.made.get(age, [0.0] * 4), figures, strict=True)]


def no_scores() -> list[list[float]]:
    """The scores of no row: by bin how many, how many positive, and their sum."""
    return [[0.0] * BINS for _ in range(3)]


@dataclass(slots=True)
class Cells:
    """What a reading brought: a tally for each window and segment that had rows. Windows without rows are not in it."""

    tallies: dict[tuple[datetime, Segment], Tally] = field(default_factory=dict)

    def windows(self) -> dict[datetime, Tally]:
        """All rows of each window."""
        found: dict[datetime, Tally] = {}
        for (start, _), tally in self.tallies.items():
            found.setdefault(start, Tally()).add(tally)
        return found


def read(place: Place, wanted: Wanted, *, seconds: float = 60.0) -> Cells:
    """Read the windows from `since` to `until`.

    Raises:
        Unreadable: The engine is away, too slow, or a column is missing or of another type; in words.
        Invalid: The expression cannot be computed on this log.
    """
    with opened(place, seconds=seconds) as log:
        return taken(log, [wanted], place)[0]


def taken(log: Opened, asked: Sequence[Wanted], place: Place) -> list[Cells]:
    """What one statement brings for several readings that go together (see `goes_with`); raises as `read` does."""
    return collected(log.rows(expression(log.table, *asked), limit=MOST_CELLS + 1), asked, place)


def goes_with(one: Wanted, other: Wanted) -> bool:
    """Whether one statement can read both: the same rows, windows and segments, and no bins, which split the rows."""
    if one.splits or other.splits:
        return False
    return all(getattr(one, name) == getattr(other, name) for name in _OF_A_STATEMENT)


_OF_A_STATEMENT: Final = ("time", "zone", "made", "ages", "key", "only", "window", "since", "until", "segments")


def expression(table: Any, *asked: Wanted) -> Any:
    """The Ibis expression over a table: the one that every engine runs. Several readings have to go together."""
    import ibis
    from ibis import _ as row

    wanted = asked[0]
    if any(not goes_with(wanted, other) for other in asked[1:]):
        raise ValueError("These readings do not go together.")
    rows = between(table, wanted)
    length = int(wanted.window.total_seconds())
    seconds = _seconds(rows, wanted.time, wanted)
    names = [column_of(table.columns, name, field="segments") for name in wanted.segments]
    columns: dict[str, Any] = {"w": (seconds - _EPOCH_SECONDS) // length}
    columns |= {f"s{n}": rows[name] for n, name in enumerate(names)}
    if wanted.made:
        columns["age"] = _age(columns["w"], _seconds(rows, wanted.made, wanted), wanted)
    groups: list[Any] = list(columns)
    columns |= {f"v{n}": value_of(rows, one) for n, one in enumerate(asked)}
    if wanted.calibrates:
        columns["score"] = _score(rows, wanted)
    if wanted.key:
        one = ibis.literal(1).cast("int64")  # and its sum: a count has another type on ClickHouse, so no union with it
        again = rows.select(**columns, came=one, k=rows[column_of(table.columns, wanted.key, field="key")])
        values = [name for name in columns if name not in groups]
        keyed = again.filter(row.k.notnull()).group_by([*groups, "k"])
        once = keyed.agg(came=row.came.sum(), **{name: row[name].max() for name in values}).drop("k")
        # What has no key is not known to be the same as anything.
        others = again.filter(row.k.isnull()).drop("k")
        cut = once.union(others.select(*once.columns))
        held = {"rows": row.count(), "came": row.came.sum()}
    else:
        cut = rows.select(**columns)
        held = {"rows": row.count()}
    if wanted.bins is not None:
        # Over the finished value and not inside it: else each of 20 comparisons would compute the value anew.
        groups.append(_bin(cut.v0, wanted).name("b"))
    if wanted.calibrates:
        groups.append(cut.v0.isnull().ifelse(ibis.null("int64"), _score_bin(cut.score)).name("b"))
        held["expected"] = row.score.sum()
    if wanted.measure is not Measure.DISTANCE:
        for n in range(len(asked)):
            value = row[f"v{n}"]
            held |= {f"n{n}": value.count(), f"total{n}": value.sum(), f"squares{n}": (value * value).sum()}
    return cut.group_by(groups).agg(**held)


def _seconds(rows: Any, column: str, wanted: Wanted) -> Any:
    """A time of the rows that are looked at, in seconds since 1970."""
    back = (wanted.ages + 1) * wanted.window if wanted.made else timedelta()
    return times.seconds_of(rows, column, wanted.zone, zones.clock(wanted.zone, wanted.since - back, wanted.until))


def _age(came: Any, seconds: Any, wanted: Wanted) -> Any:
    """By how many windows before its label a decision was made; null where that is not known, or too long ago."""
    import ibis

    age = came - (seconds - _EPOCH_SECONDS) // int(wanted.window.total_seconds())
    # A label that is dated before its decision is one of clocks that differ, or of days beside times.
    return ibis.cases((age < 0, 0), (age > wanted.ages, ibis.null("int64")), else_=age).cast("int64")


def between(table: Any, wanted: Wanted) -> Any:
    """The rows of a table that are looked at: between `since` and `until`, and as `only` says."""
    rows = table.filter(*times.between(table, wanted.time, wanted.zone, wanted.since, wanted.until))
    if not wanted.only:
        return rows
    condition = build(wanted.only, rows, field="only")
    return rows.filter(condition if condition.type().is_boolean() else condition != 0)


def value_of(rows: Any, wanted: Wanted) -> Any:
    """What a row counts as: a float, null where it has none."""
    import ibis

    if not wanted.what:
        return ibis.literal(1).cast("float64")
    found = build(wanted.what, rows)
    if wanted.measure is Measure.GAP or wanted.score:
        return _expected_wrong(found, rows, wanted) if wanted.score else _agreed(found, rows, wanted)
    kind = found.type()
    match wanted.measure:
        case Measure.DISTANCE:
            return found if kind.is_string() else _named(found) if kind.is_boolean() else _number(found, wanted)
        case Measure.COUNT:
            met = found if kind.is_boolean() else found != 0
            return met.fill_null(False).ifelse(1, 0).cast("float64")  # noqa: FBT003  SQL's three values
        case Measure.RATE:
            return _yes_or_no(found, wanted.what, "what")
    return _number(found, wanted)


def _expected_wrong(output: Any, rows: Any, wanted: Wanted) -> Any:
    """The chance that an output is wrong, by its score; null where there is no output or no score."""
    import ibis

    positive, score = _yes_or_no(output, wanted.what, "what"), _score(rows, wanted)
    return ibis.cases((positive == 1, 1 - score), (positive == 0, score)).cast("float64")


def _yes_or_no(found: Any, text: str, field: str) -> Any:
    """1 or 0, null for anything else. Raises `Invalid` for what is neither a condition nor a number."""
    import ibis

    kind = found.type()
    if kind.is_boolean():
        return _counted(found)
    if not kind.is_numeric():
        raise Invalid(f"“{text}” is {kind}, and not yes or no. Compare it, as in {text} = 'approved'.", field=field)
    number = found.cast("float64")
    return number.isin([0.0, 1.0]).ifelse(number, ibis.null("float64"))


def _agreed(output: Any, rows: Any, wanted: Wanted) -> Any:
    """What a row counts as for a metric of fairness: null where the metric does not count it."""
    import ibis

    if wanted.calibrates:
        label = _yes_or_no(build(wanted.truth, rows, field="truth"), wanted.truth, "truth")
        return _score(rows, wanted).isnull().ifelse(ibis.null("float64"), label)
    positive = _yes_or_no(output, wanted.what, "what")
    if wanted.metric in {None, FairnessMetric.SELECTION_RATE}:
        return positive
    label = _yes_or_no(build(wanted.truth, rows, field="truth"), wanted.truth, "truth")
    nothing = ibis.null("float64")
    match wanted.metric:
        case FairnessMetric.TPR:
            return (label == 1).ifelse(positive, nothing)
        case FairnessMetric.FPR:
            return (label == 0).ifelse(positive, nothing)
        case _:
            return (positive == 1).ifelse(label, nothing)


def _score(rows: Any, wanted: Wanted) -> Any:
    """The score of a row; null where it is none between 0 and 1."""
    import ibis

    text = wanted.score or wanted.what
    found = build(text, rows)
    if not found.type().is_numeric():
        raise Invalid(f"“{text}” is {found.type()}, and no score: a number between 0 and 1.", field="what")
    number = finite(found.cast("float64"))
    return number.between(0.0, 1.0).ifelse(number, ibis.null("float64"))


def _score_bin(score: Any) -> Any:
    """Which of 20 bins of the same width a score lies in; its upper end belongs to the next one, but for 1."""
    import ibis

    return ibis.cases(*((score < edge / BINS, edge - 1) for edge in range(1, BINS)), else_=BINS - 1).cast("int64")


def _named(found: Any) -> Any:
    """A condition as the words true and false, which engines write differently."""
    import ibis

    return ibis.cases((found, "true"), (~found, "false"))


def _counted(found: Any) -> Any:
    """A condition as 1 and 0: not every engine casts one to a number."""
    import ibis

    return ibis.cases((found, 1), (~found, 0)).cast("float64")


def _number(found: Any, wanted: Wanted) -> Any:
    """A value as a number within its bounds; null where it is none."""
    kind = found.type()
    if not (kind.is_numeric() or kind.is_boolean()):
        raise Invalid(
            f"“{wanted.what}” is {kind}, and no number. Compare it with something, or name another column.",
            field="what",
        )
    known = _counted(found) if kind.is_boolean() else finite(found.cast("float64"))
    return known if wanted.low is None and wanted.high is None else known.clip(wanted.low, wanted.high)


def _bin(value: Any, wanted: Wanted) -> Any:
    """The bin that a value lies in, null where there is none: by edges for numbers, by value else."""
    import ibis

    bins = wanted.bins or ()
    by_name, text = all(isinstance(edge, str) for edge in bins), value.type().is_string()
    if by_name is not text:
        raise Invalid(
            f"“{wanted.what}” is {value.type()} now; it was another type when its bins were made.", field="what"
        )
    places = [(value == edge if text else value < edge, n) for n, edge in enumerate(bins)]
    known = ibis.cases(*places, else_=BINS - 1 if text else len(bins))
    return value.isnull().ifelse(ibis.null("int64"), known.cast("int64"))


def collected(lines: Iterator[Sequence[dict[str, Any]]], asked: Sequence[Wanted], place: Place) -> list[Cells]:
    """The lines of an engine, added up to tallies: for each reading that was asked for."""
    cells, seen, wanted = [Cells() for _ in asked], 0, asked[0]
    names = [f"s{n}" for n in range(len(wanted.segments))]
    known: dict[tuple[Any, ...], list[Tally]] = {}
    for batch in lines:
        seen += len(batch) * len(asked)
        if seen > MOST_CELLS:
            raise Unreadable(
                f"The log “{place.name}” has too many combinations of {' and '.join(wanted.segments)} in "
                f"{(wanted.until - wanted.since) // wanted.window} windows: more than {MOST_CELLS:,}. Choose segments "
                "with fewer values, or longer windows."
            )
        for line in batch:
            key = line["w"], *(line[name] for name in names)
            tallies = known.get(key)
            if tallies is None:
                at = _EPOCH + int(line["w"]) * wanted.window, tuple(_plain(line[name]) for name in names)
                tallies = known[key] = [one.tallies.setdefault(at, Tally()) for one in cells]
            for n, tally in enumerate(tallies):
                _count(tally, line, n, binned=wanted.bins is not None)
                if wanted.made and line["age"] is not None:
                    _count_made(tally, line, n)
            if wanted.calibrates:
                _count_scores(tallies[0], line)
    return cells


def _count(tally: Tally, line: dict[str, Any], at: int, *, binned: bool) -> None:
    """Add to a tally what a line holds for the reading at this place."""
    rows = line["rows"]
    found = line["b"] if binned else None
    n = line.get(f"n{at}")
    n = int(n) if n is not None else int(rows) if found is not None else 0
    tally.n += n
    tally.total += float(line.get(f"total{at}") or 0.0)
    tally.squares += float(line.get(f"squares{at}") or 0.0)
    tally.invalid += int(rows) - n
    tally.doubled += int(line.get("came", rows)) - int(rows)
    if binned:
        if tally.histogram is None:
            tally.histogram = [0] * BINS
        if found is not None:
            tally.histogram[int(found)] += n


def _count_made(tally: Tally, line: dict[str, Any], at: int) -> None:
    """Add to a tally when its decisions were made."""
    expected = line.get("expected") if line.get("b") is not None else None
    figures = (line[f"n{at}"], line[f"total{at}"], line[f"squares{at}"], expected)
    if figures[0]:
        one = Tally(made={int(line["age"]): [float(figure or 0.0) for figure in figures]})
        tally.add(one)


def _count_scores(tally: Tally, line: dict[str, Any]) -> None:
    """Add to a tally how labels and scores of a line agree."""
    if tally.scores is None:
        tally.scores = no_scores()
    if line["b"] is not None:
        at = int(line["b"])
        for figures, name in zip(tally.scores, ("n0", "total0", "expected"), strict=True):
            figures[at] += float(line[name] or 0.0)


def _plain(value: Any) -> str | None:
    """A segment's value as text, the same from every engine."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)[:LONGEST_VALUE]
