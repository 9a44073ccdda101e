"""What `andon watch try` found: as JSON, and as a chart and a table for people."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from andon.cli import say
from andon.detect.onset import Onset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import RenderableType
    from rich.text import Text

    from andon.cli.trying import Facts, Table
    from andon.detect.replay import Alarm
    from andon.detect.sequential import Plan

SHOWN: Final = 20
"""Alarms in the table for people; --json has all."""
DRIVERS_SHOWN: Final = 3
WIDTH: Final = 72
"""Columns of the chart."""
BARS: Final = ("▁▂▃▄▅▆▇█", "_.-=+*#%")
"""From the least to the most; the second where the terminal cannot show the first."""
BAND, BEGAN, RAISED = ("░", "┃", "▲"), (".", "|", "^"), 2


class Chart:
    """The mean of the values in each of so many equal parts of the rows."""

    def __init__(self, rows: int) -> None:
        import numpy as np

        self.rows = rows
        self.width = min(WIDTH, rows)
        self._sums = np.zeros(self.width)
        self._n = np.zeros(self.width)
        self._taken = 0

    def put(self, values: "NDArray[np.float64]") -> None:
        """Take in the next rows."""
        import numpy as np

        columns = (self._taken + np.arange(len(values))) * self.width // self.rows
        self._sums += np.bincount(columns, values, self.width)
        self._n += np.bincount(columns, minlength=self.width)
        self._taken += len(values)

    def column(self, index: int) -> int:
        """Where an observation stands."""
        return index * self.width // self.rows

    def means(self) -> list[float]:
        """From left to right."""
        return list((self._sums / self._n).tolist())


@dataclass(frozen=True, slots=True)
class Found:
    """What a replay gave; `times` are those of the indexes that are told."""

    table: "Table"
    facts: "Facts"
    plan: "Plan"
    skip: int
    alarms: "list[Alarm]"
    times: Mapping[int, Any]
    chart: Chart
    began: Mapping[int, Mapping[int, Any]] | None = None
    """By the index of an alarm, the times of its onset: where rows come in the order of their labels."""

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "alarms": [self._alarm(alarm) for alarm in self.alarms],
            "observations": self.facts.rows,
            "baseline": self.plan.baseline.mean,
            "budget": int(self.plan.budget),
        }

    def shown(self) -> "list[RenderableType]":
        """For people."""
        from rich.text import Text

        many = len(self.alarms)
        head = f"{many:,} {'alarm' if many == 1 else 'alarms'}" if many else "No alarm"
        parts: list[RenderableType] = [
            Text.assemble((head, "bold red" if many else "bold green"), f" in {self._where()}"),
            Text(self._promise()),
            Text(),
            *self._drawn(),
        ]
        if many:
            parts += [Text(), self._listed()]
        if many > SHOWN:
            parts.append(
                Text(
                    f"The first {SHOWN} of {many:,} alarms; --json has all. A change that stays alarms again and again."
                )
            )
        return parts

    def _alarm(self, alarm: "Alarm") -> dict[str, Any]:
        places: dict[str, int | None] = dict.fromkeys(("onset", "onset_low", "onset_high"))
        if isinstance(alarm.onset, Onset):
            places = {"onset": alarm.onset.at, "onset_low": alarm.onset.low, "onset_high": alarm.onset.high}
        return {
            "index": alarm.index,
            "time": self.times[alarm.index],
            **places,
            **{f"{name}_time": None if at is None else self._made(alarm)[at] for name, at in places.items()},
            "statistic": alarm.statistic,
            "threshold": alarm.threshold,
            "direction": str(alarm.direction),
            "drivers": [
                {
                    "segment": self._group(driver.segment),
                    "excess": driver.excess,
                    "lower": driver.lower,
                    "rate_part": driver.rate_part,
                    "mix_part": driver.mix_part,
                }
                for driver in alarm.drivers
            ],
        }

    def _made(self, alarm: "Alarm") -> Mapping[int, Any]:
        """The times that an alarm's onset is told in."""
        return self.times if self.began is None else self.began[alarm.index]

    def _group(self, number: Any) -> str:
        return self.table.names[int(number)]

    def _where(self) -> str:
        return f"{self.facts.rows:,} {'row' if self.facts.rows == 1 else 'rows'} of {self.table.path}"

    def _promise(self) -> str:
        normal = f"{self.plan.baseline.mean:.4g}"
        known = f"a baseline of {normal}"
        if self.skip:
            known = f"{normal}, the {self.plan.measure} of the first {self.skip:,} rows"
        return (
            f"Watched against {known}, with a budget of {self.plan.budget:,.0f}: while nothing changes, at least so"
            " many rows pass between false alarms on average."
        )

    def _drawn(self) -> "list[Text]":
        """The values from left to right; below them where the first alarm was raised, and where its onset may lie."""
        from rich.text import Text

        plain = not _can_show("".join(BARS[0]))
        bars, marks = BARS[plain], (BEGAN if plain else BAND)
        means = self.chart.means()
        low, high = min(means), max(means)
        heights = [round((mean - low) / ((high - low) or 1) * (len(bars) - 1)) for mean in means]
        lines = [
            Text("".join(bars[height] for height in heights)),
            Text(f"from {low:.3g} (lowest) to {high:.3g} (highest)", "dim"),
        ]
        if not self.alarms:
            return lines
        if self.began is not None:
            return [*lines, Text("In the order in which labels came; onsets are by when decisions were made.", "dim")]
        first = self.alarms[0]
        row = [" "] * self.chart.width
        if isinstance(first.onset, Onset):
            begin, end = self.chart.column(first.onset.low), self.chart.column(first.onset.high)
            row[begin : end + 1] = marks[0] * (end + 1 - begin)
            row[self.chart.column(first.onset.at)] = marks[1]
        row[self.chart.column(first.index)] = marks[RAISED]
        legend = f"{marks[RAISED]} first alarm   {marks[1]} onset   {marks[0]} it began in here, {self._level()}"
        return [lines[0], Text("".join(row), "red"), lines[1], Text(legend, "dim")]

    def _level(self) -> str:
        level = next((alarm.onset.level for alarm in self.alarms if isinstance(alarm.onset, Onset)), 0.9)
        return f"{level:.0%} sure"

    def _listed(self) -> "RenderableType":
        grouped = ["driven by"] if self.table.columns.group else []
        rows = []
        for alarm in self.alarms[:SHOWN]:
            began = alarm.onset
            row = [self._at(alarm.index), str(alarm.direction), "unknown", ""]
            if isinstance(began, Onset):
                times = self._made(alarm)
                between = (
                    f"{_plain(times[began.low])}\n{_plain(times[began.high])}"
                    f"\nrows {began.low + 1:,} to {began.high + 1:,}"
                )
                moved = f"{alarm.direction}\n{began.before:.3g} to {began.after:.3g}"
                row = [self._at(alarm.index), moved, f"{_plain(times[began.at])}\nrow {began.at + 1:,}", between]
            rows.append([*row, self._driven(alarm)] if grouped else row)
        return say.table("alarm", "change", "began", "between", *grouped, rows=rows, empty="")

    def _at(self, index: int) -> str:
        """When, and in which row, counted from 1."""
        return f"{_plain(self.times[index])}\nrow {index + 1:,}"

    def _driven(self, alarm: "Alarm") -> str:
        named = [f"{self._group(driver.segment)} ({driver.excess:+,.1f})" for driver in alarm.drivers[:DRIVERS_SHOWN]]
        return ", ".join(named) or "no group stands out"


def _plain(time: Any) -> str:
    return str(time).removesuffix("+00:00").replace("T", " ")


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
