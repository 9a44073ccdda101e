"""Lengths of time as people say them, short enough for a table cell and the same on every face.

`static/andon/andon.js` says the same words while a page stays open; the two change together.
"""

from datetime import datetime, timedelta, tzinfo

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_MANY_DAYS = 14  # from two weeks on, the hours no longer say anything
_NOW = 5  # seconds within which "now" is truer than a figure


def span(length: timedelta) -> str:
    """`length` in at most two units: "40 s", "12 min", "1 h 50 min", "3 d 4 h", "23 d"; without its sign."""
    seconds = int(abs(length).total_seconds())
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return _two(seconds, _HOUR, "h", _MINUTE, "min")
    if seconds < _MANY_DAYS * _DAY:
        return _two(seconds, _DAY, "d", _HOUR, "h")
    return f"{seconds // _DAY} d"


def _two(seconds: int, unit: int, name: str, lesser: int, lesser_name: str) -> str:
    whole, rest = divmod(seconds, unit)
    part = rest // lesser
    return f"{whole} {name} {part} {lesser_name}" if part else f"{whole} {name}"


def relative(at: datetime, now: datetime) -> str:
    """`at` as seen from `now`: "12 min ago", "in 2 h", "now"."""
    ahead = (at - now).total_seconds()
    if abs(ahead) < _NOW:
        return "now"
    return f"in {span(at - now)}" if ahead > 0 else f"{span(now - at)} ago"


def clock_time(at: datetime, zone: tzinfo, *, beside: datetime | None = None) -> str:
    """`at` on the wall clock of `zone`: "03:00", or "4 May 03:00" unless `beside` is on the same day there.

    The year is said when it is not that of `beside`; without `beside` the date and year are always said.
    """
    local = at.astimezone(zone)
    other = beside.astimezone(zone) if beside else None
    if other and other.date() == local.date():
        return f"{local:%H:%M}"
    return f"{day(at, zone, beside=beside)} {local:%H:%M}"


def day(at: datetime, zone: tzinfo, *, beside: datetime | None = None) -> str:
    """The date of `at` in `zone`: "4 May", with the year when it is not that of `beside`."""
    local = at.astimezone(zone)
    short = f"{local.day} {local:%b}"
    return short if beside and beside.astimezone(zone).year == local.year else f"{short} {local.year}"


def interval(low: datetime, high: datetime, zone: tzinfo, *, beside: datetime) -> str:
    """An interval no longer than it needs to be: "01:40-02:30", "21:00-03:00", "2-4 May", "30 Apr-4 May"."""
    first, last = low.astimezone(zone), high.astimezone(zone)
    if high - low < timedelta(days=1):
        return f"{first:%H:%M}\N{EN DASH}{last:%H:%M}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}\N{EN DASH}{day(high, zone, beside=beside)}"
    return f"{day(low, zone, beside=beside)}\N{EN DASH}{day(high, zone, beside=beside)}"
