"""Time zones that a calendar brings along, made harmless before anything reads them.

Calendar programs describe even well-known zones at length, from the year 1601 on. Working such a description out
took a minute for one short calendar here, so it is used only where the name says nothing.
"""

import re

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from andon.kit.errors import Invalid
from andon.practice import walltime

_BLOCK = re.compile(r"^BEGIN:VTIMEZONE\r?$.*?^END:VTIMEZONE\r?$\r?\n?", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_NAME = re.compile(r"^TZID[^:\r\n]*:([^\r\n]+)", re.MULTILINE | re.IGNORECASE)
_OFTEN = re.compile(r"FREQ=(?!YEARLY)", re.IGNORECASE)
_OLD = re.compile(r"^(DTSTART[^:\r\n]*:)(1[0-8]\d\d|19[0-6]\d)", re.MULTILINE | re.IGNORECASE)
_FOLD = re.compile(r"\r?\n[ \t]")


def tamed(text: str) -> str:
    """The calendar without descriptions of zones that are known by name, and others from 1970 on.

    Raises:
        Invalid: a description repeats more often than once a year.
    """
    return _BLOCK.sub(lambda block: _described(_FOLD.sub("", block[0])), text)


def known(name: str) -> str | None:
    """The IANA name of a zone that a calendar calls `name`; None when it is not known by name."""
    for candidate in (name, WINDOWS_TO_OLSON.get(name)):
        if candidate:
            try:
                walltime.zone(candidate)
            except ValueError:
                continue
            return candidate
    return None


def _described(block: str) -> str:
    name = _NAME.search(block)
    if name and known(name[1].strip()):
        return ""
    if _OFTEN.search(block):
        raise Invalid(
            "A time zone in this calendar changes more often than once a year, which no zone does. Export it with "
            "IANA zones such as Europe/Berlin.",
            field="calendar",
        )
    return _OLD.sub(r"\g<1>1970", block)
