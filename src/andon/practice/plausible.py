"""The plausible worst: what an unscored dimension counts for until there is evidence.

A table by the system's criticality and the incident's type, given as data, so that a handbook can replace it.
By it an internal tool's blip is no S1; a fairness gap in a critical system is one until somebody has looked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from andon.practice.words import Criticality, HarmDimension, IncidentType

WORST_SCORE = 4
TECHNICAL = "technical"


@dataclass(frozen=True, slots=True)
class Worst:
    """One row of the table: technical impact, and every harm dimension, each from 0 to 4."""

    technical: int
    harms: Mapping[HarmDimension, int]


class WorstTable(Mapping[tuple[Criticality, IncidentType], Worst]):
    """The whole table; complete by construction, so a look-up never fails."""

    def __init__(self, rows: Mapping[tuple[Criticality, IncidentType], Worst]) -> None:
        self._rows = MappingProxyType(dict(rows))

    @classmethod
    def from_data(cls, data: Mapping[str, Mapping[str, Mapping[str, int]]]) -> WorstTable:
        """Read ``{criticality: {type: {"technical": 2, "rights": 3, ...}}}`` as a handbook writes it.

        Raises ValueError naming every place where a row or a score is missing, unknown or out of range.
        """
        names = [TECHNICAL, *HarmDimension]
        problems = [
            *_strays("criticality", data, Criticality),
            *(stray for rows in data.values() for stray in _strays("incident type", rows, IncidentType)),
        ]
        table = {}
        for criticality in Criticality:
            for kind in IncidentType:
                row = data.get(criticality, {}).get(kind, {})
                where = f"{criticality}, {kind}"
                problems += _strays(f"score in {where}", row, names)
                problems += [
                    f"{where}: {name} is {row.get(name)!r}, it must be a whole number from 0 to {WORST_SCORE}"
                    for name in names
                    if not _is_score(row.get(name))
                ]
                harms = {dimension: row.get(dimension, WORST_SCORE) for dimension in HarmDimension}
                table[criticality, kind] = Worst(row.get(TECHNICAL, WORST_SCORE), MappingProxyType(harms))
        if problems:
            raise ValueError("The table of plausible worsts cannot be used: " + "; ".join(problems) + ".")
        return cls(table)

    def as_data(self) -> dict[str, dict[str, dict[str, int]]]:
        """The table in the form that `from_data` reads, to be shown or exported."""
        data: dict[str, dict[str, dict[str, int]]] = {}
        for (criticality, kind), worst in self._rows.items():
            scores = {TECHNICAL: worst.technical} | {str(d): score for d, score in worst.harms.items()}
            data.setdefault(str(criticality), {})[str(kind)] = scores
        return data

    def __getitem__(self, key: tuple[Criticality, IncidentType]) -> Worst:
        return self._rows[key]

    def __iter__(self) -> Iterator[tuple[Criticality, IncidentType]]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _is_score(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= WORST_SCORE


def _strays(what: str, found: Mapping[str, object], known: Iterable[str]) -> list[str]:
    allowed = {str(name) for name in known}
    return [f"unknown {what} {name!r}" for name in found if str(name) not in allowed]


# Columns: technical impact | physical, rights, financial, privacy | scale, reversibility, vulnerability.
_DEFAULT = {
    "low": {
        "technical_failure": (1, 0, 0, 1, 0, 1, 0, 0),
        "performance_degradation": (1, 0, 0, 1, 0, 1, 0, 0),
        "fairness_violation": (1, 0, 2, 1, 0, 1, 1, 1),
        "safety": (1, 2, 1, 0, 0, 1, 2, 1),
        "ethical": (0, 1, 1, 0, 1, 1, 1, 1),
    },
    "moderate": {
        "technical_failure": (2, 1, 1, 2, 1, 2, 1, 1),
        "performance_degradation": (2, 1, 1, 2, 0, 2, 1, 1),
        "fairness_violation": (1, 0, 2, 2, 1, 2, 2, 2),
        "safety": (2, 3, 2, 1, 1, 2, 3, 2),
        "ethical": (1, 1, 2, 1, 2, 2, 2, 2),
    },
    "high": {
        "technical_failure": (3, 2, 2, 3, 2, 3, 2, 2),
        "performance_degradation": (2, 2, 2, 2, 1, 3, 2, 2),
        "fairness_violation": (2, 1, 3, 3, 1, 3, 3, 3),
        "safety": (3, 4, 3, 2, 2, 3, 4, 3),
        "ethical": (2, 2, 3, 2, 3, 3, 3, 3),
    },
    "critical": {
        "technical_failure": (4, 3, 3, 3, 3, 4, 3, 3),
        "performance_degradation": (3, 3, 3, 3, 2, 3, 3, 3),
        "fairness_violation": (3, 2, 4, 3, 2, 4, 4, 4),
        "safety": (4, 4, 4, 3, 3, 4, 4, 4),
        "ethical": (3, 3, 4, 3, 4, 4, 4, 4),
    },
}

DEFAULT_TABLE = WorstTable.from_data(
    {
        criticality: {
            kind: dict(zip([TECHNICAL, *HarmDimension], scores, strict=True)) for kind, scores in rows.items()
        }
        for criticality, rows in _DEFAULT.items()
    }
)
