"""The tables of severity as the handbook states them: what is owed in time, and the plausible worst."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib.resources.abc import Traversable
from types import MappingProxyType

import msgspec

from andon.handbook.source import HandbookError, convert, read, shipped
from andon.practice.severity import FirstWord, Severity, Targets, Within, WorstTable

FILE = "severity.yaml"
NO_SPAN = "none"

_SPAN = re.compile(r"(?P<number>[1-9]\d{0,3}) (?P<unit>min|h|days?|working days?)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "day": timedelta(days=1)}


class SeverityTables(msgspec.Struct, frozen=True):
    """What an organisation may change about severity.

    Attributes:
        targets: For each severity, the time to acknowledge, to contain, and to the first words.
        plausible_worst: What an unscored dimension counts for; give it to `andon.practice.severity.classify`.
    """

    targets: Mapping[Severity, Targets]
    plausible_worst: WorstTable


class _FirstWordRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    to: str
    within: str | None = None


class _TargetsRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    acknowledge: str
    contain: str
    first_communication: list[_FirstWordRow]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    targets: dict[str, _TargetsRow]
    plausible_worst: dict[str, dict[str, dict[str, int]]]


@cache
def severity_tables() -> SeverityTables:
    """The tables in force, read once. Raises HandbookError when the file cannot be used."""
    return load_severity_tables(shipped())


def load_severity_tables(root: Traversable) -> SeverityTables:
    """The tables of the handbook at ``root``. Raises HandbookError naming the place that is wrong."""
    content = convert(read(root, FILE), _File, file=FILE)
    names = [severity.name for severity in Severity]
    if set(content.targets) != set(names):
        wrong = ", ".join(sorted(set(content.targets) ^ set(names)))
        raise HandbookError(FILE, "targets", f"{wrong}: give each of {', '.join(names)} once, and no other.")
    try:
        worst = WorstTable.from_data(content.plausible_worst)
    except ValueError as error:
        raise HandbookError(FILE, "plausible_worst", str(error)) from error
    targets = {severity: _targets(f"targets.{severity.name}", content.targets[severity.name]) for severity in Severity}
    return SeverityTables(targets=MappingProxyType(targets), plausible_worst=worst)


def _targets(place: str, row: _TargetsRow) -> Targets:
    """One severity's row with its spans understood."""
    return Targets(
        acknowledge=_span(f"{place}.acknowledge", row.acknowledge),
        contain=None if row.contain == NO_SPAN else _span(f"{place}.contain", row.contain),
        first_communication=tuple(
            FirstWord(
                word.to,
                None if word.within is None else _span(f"{place}.first_communication[{word.to}].within", word.within),
            )
            for word in row.first_communication
        ),
    )


def _span(place: str, text: str) -> Within:
    """A span as people write it: "15 min", "4 h", "5 days", "10 working days"."""
    match = _SPAN.fullmatch(text.strip())
    if not match:
        what = f"{text!r} is no span of time. Write it like 15 min, 4 h, 5 days or 10 working days."
        raise HandbookError(FILE, place, what)
    number, unit = int(match["number"]), match["unit"].removesuffix("s")
    if unit == "working day":
        return Within(working_days=number)
    return Within(time=number * _UNITS[unit])
