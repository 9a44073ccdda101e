"""What rests on a person in the slices above, which people cannot import: they tell it here.

A slice that has something to say keeps a module `ties` beside its models; all of them are imported at start.
"""

from collections.abc import Callable, Iterable
from typing import Final

from django.dispatch import Signal

from andon.people.models import Person

person_erased: Final = Signal()
"""Sent with `person` inside the transaction that erases one: forget what you keep about them."""

quiet_hours_changed: Final = Signal()
"""Sent with `person` inside the transaction in which their quiet hours, or the zone that they are read in, change."""

_losses: Final[list[Callable[[Person], Iterable[str]]]] = []
account_parts: Final[list[str]] = []
"""Templates that other slices put on the account page; each is given `person` and `request`."""


def tells_losses(ask: Callable[[Person], Iterable[str]]) -> Callable[[Person], Iterable[str]]:
    """Register who can say, in sentences, what is left uncovered when a person goes."""
    _losses.append(ask)
    return ask


def losses(person: Person) -> list[str]:
    """What would be left uncovered without this person, one sentence each; nothing when nothing would."""
    return [sentence for ask in _losses for sentence in ask(person)]
