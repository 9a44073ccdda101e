"""Of `andon watch try --label-time`: when what an alarm found began, by when decisions were made."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from andon.cli.trying import Table
    from andon.detect.drivers import Tallies
    from andon.detect.onset import Onset, Unknown
    from andon.detect.replay import Alarm
    from andon.detect.sequential import Plan

SINGLE: Final = 1 << 14
"""The newest decisions, among which an onset is told exactly; older ones are taken together."""
BLOCK: Final = 256


class ByDecision:
    """Alarms with onsets and drivers among the rows that were labelled by then, in the order of their decisions.

    Onsets are indexes in that order, from the first row that is watched. What is over and comes again began again, as
    in `andon.detect.replay`.
    """

    def __init__(self, table: "Table", plan: "Plan", skip: int) -> None:
        self.table, self.plan, self.skip = table, plan, skip
        self._changes: dict[str, tuple[Any, Any, float]] = {}
        """By direction, of the newest change: the times of its onset and of the end of its interval, and its level."""
        self._since: dict[str, Any] = {}
        """The time at which what was normal came back last."""

    def told(self, alarm: "Alarm") -> "tuple[Alarm, dict[int, Any]]":
        """An alarm, those before it told already; beside it the times of its onsets."""
        from andon.detect.onset import Onset

        held = self.table.decided(self.skip, alarm.index)
        values = held.column("v").to_numpy().astype("float64")
        times = held.column("t").to_numpy()
        began, begin = self._onset(alarm, values, times)
        if not isinstance(began, Onset):
            return replace(alarm, onset=began, drivers=()), {}
        self._changes[alarm.direction] = times[began.at], times[began.high], began.after
        shown = {place: self.table.shown(times[place]) for place in (began.low, began.at, began.high)}
        grouped = self.table.columns.group
        found = _drivers(self.table, self.plan, alarm, held, values, (begin, began.at)) if grouped else ()
        return replace(alarm, onset=began, drivers=found), shown

    def _onset(self, alarm: "Alarm", values: Any, times: Any) -> "tuple[Onset | Unknown, int]":
        """The onset, and from where on it was sought."""
        import numpy as np

        from andon.detect import onset
        from andon.detect.onset import Onset

        way, known = alarm.direction, self._changes.get(alarm.direction)
        begin = int(np.searchsorted(times, self._since[way])) if way in self._since else 0
        edges, total = _windows(values, begin)
        if known is not None:
            places = np.maximum(np.searchsorted(edges[:-1], np.searchsorted(times, known[:2]), side="right") - 1, 0)
            back = onset.normal_again(
                np.diff(edges), total, self.plan.baseline, began=int(places[0]), after=int(places[1]), level=known[2],
                measure=self.plan.measure, direction=way,
            )  # fmt: skip
            if back is not None:
                begin = int(edges[back])
                self._since[way] = times[begin]
                edges, total = _windows(values, begin)
        began = onset.estimate(
            np.diff(edges), total, self.plan.baseline, measure=self.plan.measure, direction=way, edges=edges
        )
        if isinstance(began, Onset):
            low, at, high = int(edges[began.low]), int(edges[began.at]), int(edges[began.high + 1]) - 1
            began = replace(began, low=low, at=at, high=high)
        return began, begin


def _windows(values: Any, begin: int) -> tuple[Any, Any]:
    """Where windows begin and the last one ends, and their totals; the newest decisions are single ones."""
    import numpy as np

    fine = begin + max(0, (len(values) - begin - SINGLE) // BLOCK * BLOCK)
    first = np.concatenate([np.arange(begin, fine, BLOCK), np.arange(fine, len(values))])
    return np.append(first, len(values)), np.add.reduceat(values, first)


def _drivers(table: "Table", plan: "Plan", alarm: "Alarm", held: Any, values: Any, cuts: tuple[int, int]) -> Any:
    from andon.detect import drivers
    from andon.detect.replay import AS_DRIVEN
    from andon.detect.sequential import Direction

    names = held.column("g").to_pylist()
    codes = {name: code for code, name in enumerate(table.names)}
    parts: tuple[dict[Any, list[float]], dict[Any, list[float]]] = ({}, {})
    begin, at = cuts
    for place, (name, value) in enumerate(zip(names, values.tolist(), strict=True)):
        if place < begin:
            continue
        sums = parts[place >= at].setdefault(codes[name], [0.0, 0.0, 0.0])
        sums[0], sums[1], sums[2] = sums[0] + 1, sums[1] + value, sums[2] + value * value
    before: Tallies = {code: tuple(sums) for code, sums in parts[False].items()}
    since: Tallies = {code: tuple(sums) for code, sums in parts[True].items()}
    way: Literal["up", "down"] = "down" if alarm.direction is Direction.DOWN else "up"
    return tuple(drivers.rank(before, since, measure=AS_DRIVEN[plan.measure], direction=way))
