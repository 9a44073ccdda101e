"""The ways in which a person can be reached: what an address looks like, and whether the way can be used at all.

People is below paging and cannot import its channels, so each channel tells its way here when Andon starts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from andon.kit.errors import Invalid
from andon.people.models import ChannelKind


@dataclass(frozen=True)
class Way:
    """What a contact point of one kind is.

    Attributes:
        label: What its address is called: "Phone number".
        help: What the address looks like and where one finds it, in a sentence or two.
        check: Gives the address as it is kept; raises `Invalid` with what is wrong with it.
        needed: Whether there is no contact point of this kind without an address.
        trusted: Whether it counts at once, because nothing that leaves Andon goes there.
        signs: Whether its messages are signed with a secret that Andon makes and shows once.
        typed: Whether people type the address; else it is added elsewhere, as `help` says.
    """

    label: str
    help: str
    check: Callable[[str], str] = str.strip
    needed: bool = True
    trusted: bool = False
    signs: bool = False
    typed: bool = True


_ways: Final[dict[ChannelKind, tuple[Way, Callable[[], str]]]] = {}


def tell(kind: ChannelKind, way: Way, missing: Callable[[], str]) -> None:
    """Register the way of a kind; `missing` says in a sentence what an administrator must do first, or nothing."""
    _ways[kind] = (way, missing)


def find(kind: ChannelKind) -> Way:
    """The way of a kind, whether or not it can be used yet; raises `Invalid` where Andon has no such channel."""
    if kind not in _ways:
        raise Invalid(f"This Andon has no channel {kind.label}.", field="kind")
    return _ways[kind][0]


def missing(kind: ChannelKind) -> str:
    """Why a way cannot be used, and what must be done first; nothing when it can."""
    return _ways[kind][1]() if kind in _ways else f"This Andon has no channel {kind.label}."


def usable(kind: ChannelKind) -> Way:
    """The way of a kind that people can use now; raises `Invalid` with what must be done first."""
    way = find(kind)
    if why := _ways[kind][1]():
        raise Invalid(why, field="kind")
    return way


def offered() -> list[tuple[ChannelKind, Way]]:
    """The ways that people can use now, in the order in which channels are listed."""
    return [(kind, _ways[kind][0]) for kind in ChannelKind if kind in _ways and not _ways[kind][1]()]


def waiting() -> list[tuple[ChannelKind, str]]:
    """The ways that cannot be used yet, with what must be done first."""
    told = [(kind, _ways[kind][1]()) for kind in ChannelKind if kind in _ways]
    return [(kind, why) for kind, why in told if why]
