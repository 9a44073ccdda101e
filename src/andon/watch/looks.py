"""What all of a log is looked at for: from when its rows are, and what is odd about them (`andon.watch.remarks`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from andon.kit.errors import Refused
from andon.watch import remarks
from andon.watch.models import Log
from andon.watch.reading import Place, Unreadable, looking
from andon.watch.reading.places import CHARGES
from andon.watch.reading.twins import Twins, twins

OFTEN: Final = timedelta(days=1)
"""How often a log is looked at for what is odd."""
SELDOM: Final = timedelta(days=30)
"""The same, where scanning it is charged for."""


class Looks:
    """Looks at the log of a turn, for all watches that are read in it: each is taken once, whatever comes of it."""

    def __init__(self, log: Log, place: Place, now: datetime, *, seconds: float) -> None:
        self._log, self._place, self._now, self._seconds = log, place, now, seconds

    def first(self) -> datetime | None:
        """The time of the earliest row, None where there is none. Raises as `looking.look`."""
        if isinstance(self._look, looking.Look):
            return self._look.first
        raise self._look

    @property
    def due(self) -> bool:
        """Whether it is time to look for what is odd."""
        last, rest = self._log.looked_at, SELDOM if self._place.engine in CHARGES else OFTEN
        return last is None or self._now - last >= rest

    @cached_property
    def odd(self) -> dict[str, Any]:
        """What a log keeps of what is odd about its rows; as before where it cannot be looked at now.

        A look that fails says nothing of the log but that it took too long: what cannot be read, its reading says.
        """
        if not isinstance(self._look, looking.Look):
            return dict(self._log.odd)
        found = alike(self._log, self._place, self._look, self._now, seconds=self._seconds)
        return remarks.kept(self._log.time_column, self._look, found)

    @cached_property
    def _look(self) -> looking.Look | Unreadable | Refused:
        try:
            return looking.look(self._place, self._log.time_column, seconds=self._seconds)
        except (Unreadable, Refused) as error:
            return error


def alike(log: Log, place: Place, look: looking.Look, now: datetime, *, seconds: float) -> Twins | None:
    """How alike the newest rows of a log are.

    None where a key tells them apart, where comparing all columns is charged for, or where it cannot be done now.
    """
    if log.key_column or look.last is None or place.engine in CHARGES:
        return None
    try:
        return twins(place, log.time_column, min(look.last, now), seconds=seconds)
    except (Unreadable, Refused):
        return None
