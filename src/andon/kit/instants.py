"""Instants as the API takes them: with their offset, and in years that time can be counted in."""

from datetime import UTC, datetime, time
from typing import Annotated, Final

from pydantic import AfterValidator

FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def countable(at: datetime) -> datetime:
    """Aware, and far from the ends of the calendar, where a change of zone or a span would run over them."""
    if at.tzinfo is None:
        raise ValueError("Give an instant with its offset, such as 2026-03-02T08:00:00Z")
    if not FIRST <= at < LAST:
        raise ValueError(f"Give an instant between the years {FIRST.year} and {LAST.year}")
    return at


def _on_the_wall(at: time) -> time:
    """Without a zone: that of the person or schedule holds, and another would be dropped without a word."""
    if at.tzinfo is not None:
        raise ValueError("Give the time without a zone, such as 22:00; its zone is said elsewhere")
    return at


Instant = Annotated[datetime, AfterValidator(countable)]
"""For fields of schemas that come in, and for parameters of queries."""
WallTime = Annotated[time, AfterValidator(_on_the_wall)]
"""For fields of schemas that come in: what a clock on the wall shows."""
