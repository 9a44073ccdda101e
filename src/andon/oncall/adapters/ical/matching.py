"""Whom an event in a calendar means."""

import re
from collections.abc import Iterable
from typing import Any

from andon.people.models import Person


class People:
    """The people an event can mean, by address and by name."""

    def __init__(self, people: Iterable[Person]) -> None:
        here = [person for person in people if person.is_active and not person.erased_at]
        self._by_mail = {person.email.casefold(): person for person in here}
        # Longer names first, so that "Anna Lee" is not taken for "Anna".
        self._named = sorted(
            ((_name(person.name), person) for person in here if person.name.strip()),
            key=lambda pair: -len(pair[1].name),
        )

    def match(self, event: Any) -> tuple[Person | None, str]:
        """The person, and otherwise in words why there is none.

        Attendees say it best; then the summary, by address or by name; the organizer last, because that is
        often whoever made the calendar.
        """
        attendees = _addresses(event.get("ATTENDEE"))
        invited = {self._by_mail[mail] for mail in attendees if mail in self._by_mail}
        if len(invited) == 1:
            return invited.pop(), ""
        summary = str(event.get("SUMMARY", ""))
        named = self._in_words(summary)
        if invited & named:
            named &= invited
        if len(named) == 1:
            return named.pop(), ""
        if len(invited) > 1 or len(named) > 1:
            several = sorted(person.name for person in invited or named)
            return None, f"it could mean {' or '.join(several)}"
        organizers = _addresses(event.get("ORGANIZER"))
        for mail in organizers:
            if not attendees and mail in self._by_mail:
                return self._by_mail[mail], ""
        if attendees:
            return None, f"nobody here has the address {', '.join(attendees)}"
        return None, "no attendee, and no name or address of anybody here in its summary"

    def _in_words(self, summary: str) -> set[Person]:
        folded = summary.casefold()
        found = {person for mail, person in self._by_mail.items() if mail in folded}
        for pattern, person in self._named:
            if pattern.search(folded):
                found.add(person)
                folded = pattern.sub(" ", folded)
        return found


def _name(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name.strip().casefold())}(?!\w)")


def _addresses(value: Any) -> list[str]:
    """The e-mail addresses of a property that may come once, often or not at all."""
    values = value if isinstance(value, list) else [value] if value is not None else []
    return [re.sub(r"(?i)^mailto:", "", str(one)).strip().casefold() for one in values]
