"""The tables of severity as the handbook states them: what is owed in time, and the plausible worst."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from types import MappingProxyType

import msgspec

from andon.handbook.files import NO_SPAN, SEVERITY_FILE, SeverityFile, TargetsRow
from andon.handbook.loader import span
from andon.handbook.source import Document, convert, read
from andon.practice.severity import FirstWord, Severity, Targets, WorstTable


class SeverityTables(msgspec.Struct, frozen=True):
    """What an organisation may change about severity.

    Attributes:
        targets: For each severity, the time to acknowledge, to contain, and to the first words.
        plausible_worst: What an unscored dimension counts for; give it to `andon.practice.severity.classify`.
    """

    targets: Mapping[Severity, Targets]
    plausible_worst: WorstTable


def load_severity_tables(root: Traversable) -> SeverityTables:
    """The tables of the handbook at ``root``. Raises HandbookError naming the place that is wrong."""
    document = read(root, SEVERITY_FILE)
    content = convert(document, SeverityFile)
    try:
        worst = WorstTable.from_data(content.plausible_worst)
    except ValueError as error:
        raise document.error("plausible_worst", str(error)) from error
    targets = {
        severity: _targets(document, severity.name, getattr(content.targets, severity.name)) for severity in Severity
    }
    return SeverityTables(targets=MappingProxyType(targets), plausible_worst=worst)


def _targets(document: Document, severity: str, row: TargetsRow) -> Targets:
    """One severity's row with its spans understood."""
    place = f"targets.{severity}"
    return Targets(
        acknowledge=span(document, f"{place}.acknowledge", row.acknowledge),
        contain=None if row.contain == NO_SPAN else span(document, f"{place}.contain", row.contain),
        first_communication=tuple(
            FirstWord(
                word.to,
                None
                if word.within is None
                else span(document, f"{place}.first_communication[{word.to}].within", word.within),
            )
            for word in row.first_communication
        ),
    )
