"""When what raised alarms began, for trials: asked of whoever knows the alarms of watches, which rules do not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from andon.practice.onsets import Interval


@dataclass(frozen=True)
class Onsets:
    """What is known of onsets.

    Attributes:
        signals: By signal that speaks of an alarm, when that began; None if nobody knows.
        incidents: By incident, when what is in it began.
    """

    signals: Mapping[UUID, Interval | None] = field(default_factory=dict)
    incidents: Mapping[UUID, tuple[Interval, ...]] = field(default_factory=dict)


Teller = Callable[[Sequence[UUID], Sequence[UUID]], Onsets]
"""Of signals and incidents, which somebody may see, what is known of onsets."""
_tellers: list[Teller] = []


def tells_onsets(teller: Teller) -> Teller:
    """Register what knows the alarms of watches (see `andon.response.ties`)."""
    _tellers.append(teller)
    return teller


def onsets_of(signals: Sequence[UUID], incidents: Sequence[UUID]) -> Onsets:
    """What is known of the onsets of these."""
    told = [teller(signals, incidents) for teller in _tellers]
    return Onsets(
        {pk: onset for one in told for pk, onset in one.signals.items()},
        {pk: onsets for one in told for pk, onsets in one.incidents.items()},
    )
