"""Of `andon watch try --label-time`: when what an alarm found began, by when decisions were made."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from andon.cli.trying import Table
    from andon.detect.drivers import Tallies
    from andon.detect.replay import Alarm
    from andon.detect.sequential import Plan

SINGLE: Final = 1 << 14
"""The newest decisions, among which an onset is told exactly; older ones are taken together."""
BLOCK: Final = 256


def by_decision(table: "Table", plan: "Plan", alarm: "Alarm", skip: int) -> "tuple[Alarm, dict[int, Any]]":
    """An alarm with its onset and drivers among the rows that were labelled by then, in the order of their decisions.

    Onsets are indexes in that order, from the first row that is watched; beside it, their times.
    """
    import numpy as np

    from andon.detect import onset
    from andon.detect.onset import Onset

    held = table.decided(skip, alarm.index)
    values = held.column("v").to_numpy().astype(np.float64)
    times = held.column("t").to_numpy()
    fine = max(0, (len(values) - SINGLE) // BLOCK * BLOCK)
    first = np.concatenate([np.arange(0, fine, BLOCK), np.arange(fine, len(values))])
    edges = np.append(first, len(values))
    began = onset.estimate(
        np.diff(edges), np.add.reduceat(values, first), plan.baseline, measure=plan.measure,
        direction=alarm.direction, edges=edges,
    )  # fmt: skip
    if not isinstance(began, Onset):
        return replace(alarm, onset=began, drivers=()), {}
    low, at, high = int(first[began.low]), int(first[began.at]), int(edges[began.high + 1]) - 1
    told = {place: table.shown(times[place]) for place in (low, at, high)}
    found = replace(alarm, onset=replace(began, low=low, at=at, high=high))
    return (
        replace(found, drivers=_drivers(table, plan, alarm, held, values, at)) if table.columns.group else found
    ), told


def _drivers(table: "Table", plan: "Plan", alarm: "Alarm", held: Any, values: Any, at: int) -> Any:
    from andon.detect import drivers
    from andon.detect.replay import AS_DRIVEN
    from andon.detect.sequential import Direction

    names = held.column("g").to_pylist()
    codes = {name: code for code, name in enumerate(table.names)}
    parts: tuple[dict[Any, list[float]], dict[Any, list[float]]] = ({}, {})
    for place, (name, value) in enumerate(zip(names, values.tolist(), strict=True)):
        sums = parts[place >= at].setdefault(codes[name], [0.0, 0.0, 0.0])
        sums[0], sums[1], sums[2] = sums[0] + 1, sums[1] + value, sums[2] + value * value
    before: Tallies = {code: tuple(sums) for code, sums in parts[False].items()}
    since: Tallies = {code: tuple(sums) for code, sums in parts[True].items()}
    way: Literal["up", "down"] = "down" if alarm.direction is Direction.DOWN else "up"
    return tuple(drivers.rank(before, since, measure=AS_DRIVEN[plan.measure], direction=way))
