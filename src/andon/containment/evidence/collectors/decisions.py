"""The last decisions in the affected window, from each decision log, row by row.

This is the one place where rows leave a log. Whoever answers for the log can switch it off or name columns that are
left out (its settings page); see the decision record “Raw rows as evidence”.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from django.utils.text import slugify

from andon.containment.evidence.case import Case
from andon.containment.evidence.gathering import Piece, Task
from andon.watch.actions.logs import place_of
from andon.watch.models import Log
from andon.watch.reading import rows
from andon.watch.reading.places import Place

MOST_ROWS: Final = 1_000
MOST_BYTES: Final = 4_000_000
_MEDIA: Final = "application/x-ndjson"


class SwitchedOff(Exception):  # noqa: N818  reads as what it is
    """Whoever answers for the log lets no rows of it be kept."""


def tasks(case: Case) -> Iterator[Task]:
    """One file for each decision log of the system."""
    if case.system is None:
        return
    taken: set[str] = set()
    for log in Log.objects.filter(system=case.system, ended_at=None).order_by("name", "pk"):
        base = slugify(log.name) or "log"
        name = next(one for one in (base, f"{base}-{log.pk}") if one not in taken)
        taken.add(name)
        place = place_of(log)
        source = f"the decision log “{log.name}” ({place.where})"[:300]
        run = partial(_rows, case, place, log.time_column, tuple(log.evidence_without)) if log.evidence_rows else _off
        yield Task("decisions", f"decisions-{name}.jsonl", source, run, outside=log.evidence_rows)


def _off(_left: float) -> Piece:
    raise SwitchedOff("The settings of this log say that none of its rows are kept as evidence.")


def _rows(case: Case, place: Place, time_column: str, without: tuple[str, ...], left: float) -> Piece:
    found = rows.newest(
        place,
        time_column,
        since=case.since,
        until=case.until,
        without=without,
        most_rows=MOST_ROWS,
        most_bytes=MOST_BYTES,
        seconds=left,
    )
    notes = [f"Decisions from {case.since:%Y-%m-%d %H:%M} to {case.until:%Y-%m-%d %H:%M} UTC, newest first."]
    if found.more:
        notes.append(f"There were more: at most {MOST_ROWS:,} rows and {MOST_BYTES // 1_000_000} MB are kept.")
    if found.cut:
        notes.append(f"Texts longer than {rows.LONGEST_TEXT:,} characters are cut there.")
    if without:
        notes.append(f"Left out as the log's settings say: {', '.join(without)}.")
    if found.left_out:
        notes.append(f"Left out because they hold bytes: {', '.join(found.left_out)}.")
    return Piece(found.lines, _MEDIA, found.rows, tuple(notes))
