"""What is odd about the newest windows of a log, in words that name log, column and window. Pure: figures to words.

A note is no verdict: nothing alarms on it, and the detector judges as if it were not there. It says that the log is
other than it was, so that whoever reads a picture, or the lack of an alarm, knows what it rests on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from andon.watch.methods import group_names

LEVEL: Final = 0.999
"""How sure it is that a share is beyond what was usual, or that a group's absence is no chance."""
STRAGGLERS: Final = 0.01
"""Share of rows up to which it is not odd that they came late."""
MOST_GROUPS: Final = 5
"""Groups that are named one by one."""
_TIME: Final = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Held:
    """What a window holds: its rows, those without a number, those that came again, and most rows that it ever held."""

    start: datetime
    rows: int
    invalid: int = 0
    doubled: int = 0
    was: int = 0


@dataclass(frozen=True, slots=True)
class Late:
    """Of `rows` counted rows since `since`, how many (`late`) came only after their window was judged."""

    late: int
    rows: int
    since: datetime

    @property
    def many(self) -> bool:
        """Whether that is more than a few stragglers."""
        return self.late > STRAGGLERS * self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the windows were read from.

    Attributes:
        log: What people call it.
        what: The expression that gives a row its number; empty if rows are counted.
        length: Of a window.
        columns: Those of the segments, in their order.
        counted: Why a row has no number, if that is no fault: what a metric of fairness counts; empty else.
        label: The column of labels, if rows have no number without one.
        delay: For how long labels were waited for.
        arrival: The column of when labels came, if windows go by it: then nothing is waited for, and a row is a label.
    """

    log: str
    what: str
    length: timedelta
    columns: Sequence[str] = ()
    counted: str = ""
    label: str = ""
    delay: timedelta = timedelta(0)
    arrival: str = ""


def oddities(
    source: Source,
    usual: Sequence[Held],
    newest: Sequence[Held],
    before: Mapping[str, int],
    since: Mapping[str, int],
    late: Late | None = None,
) -> list[str]:
    """What is odd, in words, gravest first; empty where nothing is.

    Args:
        source: What was read.
        usual: The windows of the reference, oldest first; none = nothing is called unusual.
        newest: The newest windows, oldest first.
        before: Rows of each segment in the reference, by its key.
        since: Rows of each segment in the newest windows.
        late: How many rows came after their window was judged, of a longer while.
    """
    found = [*_gone(source, newest), *_silent(source, usual, newest)]
    found += _numberless(source, usual, newest)
    found += _again(source, usual, newest)
    found += _late(source, late)
    return [*found, *_groups(source, newest, before, since)]


def _gone(source: Source, newest: Sequence[Held]) -> list[str]:
    """Rows that were there when a window was read and are there no more."""
    fewer = [one for one in newest if one.rows < one.was]
    if not fewer:
        return []
    emptied = [one for one in fewer if not one.rows]
    if emptied and not any(one.rows for one in newest if one.start >= emptied[0].start):
        held = f"The log “{source.log}” goes backwards: it held {sum(one.was for one in emptied):,} rows "
        now = ", and now none from there on. An older copy may have taken its place. What was judged stands."
        return [held + _span(source, emptied) + now]
    now = f"The log “{source.log}” holds {sum(one.rows for one in fewer):,} rows {_span(source, fewer)}, where it held "
    return [f"{now}{sum(one.was for one in fewer):,}: rows were deleted or files replaced. What was judged stands."]


def _silent(source: Source, usual: Sequence[Held], newest: Sequence[Held]) -> list[str]:
    """No rows at the end, for longer than there ever were none in the reference."""
    quiet = _last_run(newest)
    if not any(one.rows for one in usual) or len(quiet) <= _longest_run(usual):
        return []
    if source.arrival:
        says = "Without labels nothing is tested; a watch of labels that never come alarms on that."
        return [f"No label came to the log “{source.log}” {_span(source, quiet)}, by “{source.arrival}”. {says}"]
    says = "Without rows nothing is tested but their number; a watch of the volume alarms on silence."
    return [f"The log “{source.log}” has no rows {_span(source, quiet)}. {says}"]


def _last_run(windows: Sequence[Held]) -> Sequence[Held]:
    full = [number for number, one in enumerate(windows, start=1) if one.rows]
    return windows[full[-1] if full else 0 :]


def _longest_run(windows: Sequence[Held]) -> int:
    longest = run = 0
    for one in windows:
        run = 0 if one.rows else run + 1
        longest = max(longest, run)
    return longest


def _numberless(source: Source, usual: Sequence[Held], newest: Sequence[Held]) -> list[str]:
    """Rows without a number: windows that have nothing else, or more of them than was usual."""
    nothing = [one for one in newest if one.rows and one.invalid == one.rows]
    if nothing and not source.counted:
        none = f"none of {_sum(nothing)[0]:,} rows {_span(source, nothing)} has a value of “{source.what}”"
        return [f"The log “{source.log}”: {none}.{_labels(source)}"]
    (rows, invalid), (rows_before, before) = _sum(newest), _sum(usual)
    if not _beyond(rows, invalid, rows_before, before):
        return []
    lack = f"do not count for the {source.counted}" if source.counted else f"have no value of “{source.what}”"
    said = f"{invalid:,} of {rows:,} rows {_span(source, newest)} {lack}, {before / rows_before:.1%} in the reference"
    return [f"The log “{source.log}”: {said}.{_labels(source)}"]


def _labels(source: Source) -> str:
    if not source.label:
        return ""
    if source.arrival:
        return f" By “{source.arrival}” their labels came, and “{source.label}” holds none."
    hours = source.delay / timedelta(hours=1)
    days = hours >= 48  # noqa: PLR2004  two days
    waited = f"{hours / 24:g} days" if days else "an hour" if hours == 1 else f"{hours:g} hours"
    return f" Labels in the column “{source.label}” may not have come, though they were waited for {waited}."


def _again(source: Source, usual: Sequence[Held], newest: Sequence[Held]) -> list[str]:
    """Rows that came twice, more of them than was usual."""
    came, before = [(sum(one.rows + one.doubled for one in some)) for some in (newest, usual)]
    doubled, then = [sum(one.doubled for one in some) for some in (newest, usual)]
    if not _beyond(came, doubled, before, then):
        return []
    said = f"{doubled:,} of {came:,} rows {_span(source, newest)} came again with the same key, and were counted once"
    return [f"The log “{source.log}”: {said}; {then / before:.1%} did in the reference."]


def _late(source: Source, late: Late | None) -> list[str]:
    """Rows that came after their window was judged, if those are more than stragglers."""
    if late is None or not late.many:
        return []
    said = f"{late.late:,} of {late.rows:,} rows since {_at(late.since)} came after their window was judged"
    wait = " Let the watch wait longer for labels." if (source.label or source.counted) and not source.arrival else ""
    return [f"The log “{source.log}”: {said}. Figures and pictures count them, no verdict did.{wait}"]


def _sum(windows: Iterable[Held]) -> tuple[int, int]:
    rows = invalid = 0
    for one in windows:
        rows, invalid = rows + one.rows, invalid + one.invalid
    return rows, invalid


def _beyond(n: int, k: int, usual_n: int, usual_k: int) -> bool:
    """Whether a share is surely larger than it was, k of n beside `usual_k` of `usual_n`."""
    if not (k and usual_n) or k * usual_n <= usual_k * n:
        return False
    from andon.detect import confidence

    low, high = confidence.proportion([n, usual_n], [k, usual_k], level=LEVEL)
    return bool(low[0] > high[1])


def _groups(source: Source, newest: Sequence[Held], before: Mapping[str, int], since: Mapping[str, int]) -> list[str]:
    """Groups of one column that come no more, and combinations of columns of which each group still comes."""
    if not newest or not source.columns:
        return []
    told: list[str] = []
    names: set[str] = set()
    for column in range(len(source.columns)):
        for group, says in _vanished(_by_group(source, column, before), _by_group(source, column, since)):
            told.append(says)
            names.add(group)
    if len(source.columns) > 1:
        whole = [
            {", ".join(group_names(source.columns, key)): rows for key, rows in of.items()} for of in (before, since)
        ]
        told += [says for group, says in _vanished(*whole) if not names & set(group.split(", "))]
    where = f"The log “{source.log}” {_span(source, newest)}"
    more = [f"{where}: {len(told) - MOST_GROUPS:,} more groups have no decisions."] if len(told) > MOST_GROUPS else []
    return [*(f"{where}: {says[0].lower()}{says[1:]}" for says in told[:MOST_GROUPS]), *more]


def _by_group(source: Source, column: int, rows: Mapping[str, int]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for key, n in rows.items():
        found[group_names(source.columns, key)[column]] += n
    return dict(found)


def _vanished(before: Mapping[str, int], since: Mapping[str, int]) -> list[tuple[str, str]]:
    from andon.detect.fairness import Counts, vanished

    first: dict[Hashable, Counts] = {group: Counts(decisions=n) for group, n in before.items()}
    last: dict[Hashable, Counts] = {group: Counts(decisions=n) for group, n in since.items()}
    return [(str(one.group), one.says) for one in vanished(first, last, level=LEVEL)]


def _span(source: Source, windows: Sequence[Held]) -> str:
    first, last = windows[0].start, windows[-1].start
    if first == last:
        return f"in the window {_at(first)}"
    return f"in the windows from {first:{_TIME}} to {_at(last + source.length)}"


def _at(at: datetime) -> str:
    return f"{at:{_TIME}} UTC"
