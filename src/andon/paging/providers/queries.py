"""How channels stand: set up, not yet, or switched off; and the settings that a sender needs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from django.db import transaction

from andon.kit.crypto import opened, readable
from andon.kit.errors import Missing
from andon.kit.fields import Settings
from andon.kit.memo import Memo
from andon.paging import adapters
from andon.paging.channel import Destination, Receipt
from andon.paging.models import Provider
from andon.paging.setup import Setup
from andon.people.models import ChannelKind, ContactPoint

KEPT_FOR: Final = timedelta(seconds=5)
"""How long another process may go on with settings that were changed."""


class Standing(StrEnum):
    """Whether a channel can be used."""

    READY = "ready"
    NOT_SET_UP = "not_set_up"
    DISABLED = "disabled"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Kept:
    """What is kept of a channel. Never logged."""

    exists: bool = False
    settings: Settings = field(default_factory=dict, repr=False)
    disabled_at: datetime | None = None
    changed_at: datetime | None = None
    readable: bool = True


_kept: Final[Memo[Kept]] = Memo(KEPT_FOR)


def forget() -> None:
    """Read anew in this process: from now on, and again once the transaction in hand is over."""
    forget_here()
    transaction.on_commit(forget_here)


def forget_here() -> None:
    """Drop what this process keeps."""
    _kept.clear()


def known() -> list[ChannelKind]:
    """The kinds that have a channel, in the order in which they are listed."""
    return [kind for kind in ChannelKind if kind in adapters.kinds()]


def find(kind: str) -> ChannelKind:
    """The kind of this name; raises `Missing`."""
    if kind not in known():
        raise Missing(f"There is no channel {kind}.")
    return ChannelKind(kind)


def kept(kind: str) -> Kept:
    """What is kept of a channel, at most `KEPT_FOR` old."""
    return _kept.get(kind, partial(_read, kind))


def _read(kind: str) -> Kept:
    found = Provider.objects.filter(kind=kind).first()
    if found is None:
        return Kept()
    if not readable(found.settings):
        return Kept(exists=True, disabled_at=found.disabled_at, changed_at=found.changed_at, readable=False)
    return Kept(True, found.settings, found.disabled_at, found.changed_at)  # noqa: FBT003  as the fields are named


def settings_of(kind: str) -> Settings:
    """The settings of a channel with what holds where one is empty; of the channel whose settings it uses, if any.

    Asks the database at most every `KEPT_FOR`. Raises `Missing` in a sentence when the channel cannot be used.
    """
    if why := missing(kind):
        raise Missing(why)
    return filled(kind)


def filled(kind: str) -> Settings:
    """As `settings_of`, whether or not the channel can be used."""
    setup = adapters.setup(kind)
    if setup.same_as:
        return filled(setup.same_as)
    given = kept(kind).settings
    return {one.name: given.get(one.name) or one.default for one in setup.fields}


def standing(kind: str) -> Standing:
    """How a channel stands."""
    setup, own = adapters.setup(kind), kept(kind)
    if own.disabled_at:
        return Standing.DISABLED
    if setup.same_as:
        return standing(setup.same_as)
    if not own.readable:
        return Standing.UNREADABLE
    return Standing.READY if _complete(setup, own) else Standing.NOT_SET_UP


def _complete(setup: Setup, own: Kept) -> bool:
    if setup.missing():
        return False
    needed = [one.name for one in setup.fields if one.required and not one.default]
    return all(own.settings.get(name) for name in needed) and (own.exists or not setup.is_set_up_here)


def missing(kind: str) -> str:
    """Why a channel cannot be used and what to do, in a sentence; nothing when it can."""
    name, setup = ChannelKind(kind).label, adapters.setup(kind)
    match standing(kind):
        case Standing.DISABLED:
            return f"An administrator has switched {name} off; it is switched on again under Channels."
        case Standing.UNREADABLE:
            return f"The settings of {name} cannot be decrypted. An administrator gives them again under Channels."
        case Standing.NOT_SET_UP:
            return setup.missing() or f"{name} is not set up yet. An administrator sets it up under Channels."
    return ""


def destination(point: ContactPoint) -> Destination | Receipt:
    """Where a message to a contact point goes, with all that the channel needs; a receipt when it cannot be used."""
    if why := missing(point.kind):
        return Receipt.unable(why)
    return Destination(opened(point.address), opened(point.secret), filled(point.kind))


def asks(kind: str) -> Callable[[], str]:
    """`missing` of one kind, to be asked later."""
    return partial(missing, kind)
