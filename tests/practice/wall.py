"""Instants and wall times, short to write, for tests of rotations."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def local(*parts):
    return datetime(*parts)  # noqa: DTZ001 - wall time is naive


def at(zone, *parts, fold=0):
    return datetime(*parts, fold=fold, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def told(found):
    """Shifts as (who, local start, local end) in Berlin, short enough to read."""
    berlin = ZoneInfo("Europe/Berlin")
    return [
        (s.participant, f"{s.starts.astimezone(berlin):%a %H:%M}", f"{s.ends.astimezone(berlin):%a %H:%M}")
        for s in found
    ]
