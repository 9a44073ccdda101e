"""What Andon says itself, as a sender among the others, and what it does with signals without a word of their sender.

They are ended where their sender says no end, and let go where a person resolves their incident.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from andon.intake.events import Event
from andon.intake.models import Integration, Signal
from andon.intake.recording import Heard, record
from andon.kit import db, ids, wake
from andon.practice.grouping import DedupReason

KIND: Final = "andon"  # no adapter has this name, so nothing can be sent to its address


@dataclass(frozen=True)
class Voice:
    """As whom Andon speaks: an integration that is made when it first does.

    `resolves` is what its rule says at first; a lead may change that.
    """

    slug: str
    name: str
    resolves: bool
    digest: str  # of no token


ITSELF: Final = Voice("andon-itself", "Andon", resolves=True, digest="")
"""Of heartbeats, and of watches that see nothing: the end of what it says is proof, so it resolves by rule."""
WATCHES: Final = Voice("andon-watches", "Watches", resolves=False, digest="andon-watches")
"""Of watches: that a measure is back says nothing of why, so a person resolves unless somebody decides otherwise."""


def say(*events: Event, voice: Voice = ITSELF) -> Integration:
    """Record signals of Andon's own, through the same book-keeping as everybody's: doubles open nothing."""
    sender = _sender(voice)
    body = msgspec.json.encode(list(events))
    record([Heard(ids.new(), sender.pk, body, "application/json", list(events))])
    wake.after_commit()
    return sender


def _sender(voice: Voice) -> Integration:
    sender, _ = Integration.objects.get_or_create(
        slug=voice.slug,
        defaults={
            "name": voice.name,
            "kind": KIND,
            "token_digest": voice.digest,
            "resolves_incidents": voice.resolves,
        },
    )
    return sender


@transaction.atomic
def end_quiet(signal: Signal, now: datetime) -> bool:
    """Count a signal as ended, of which nothing was heard since it was read; whether it was so.

    Its episodes are forgotten with it: its sender has not said that they are over, so if one goes on after all, that
    is a new signal and no late double. Takes turns with the intake, which would otherwise count a repeat on it.
    """
    list(db.lock_for_writers(Integration.objects.filter(pk=signal.integration_id)).values_list("pk"))
    row = Signal.objects.filter(pk=signal.pk, status=Signal.Status.FIRING, last_at=signal.last_at)
    ended = row.update(
        status=Signal.Status.RESOLVED,
        resolved_at=now,
        dedup_reason=DedupReason.GONE_QUIET,
        episode="",
        past_episodes=[],
        route_at=now,
        close_at=None,
        look_at_count=None,
    )
    if ended:
        wake.after_commit()
    return bool(ended)


def firing_of(incident: UUID) -> QuerySet[Signal]:
    """What fires of an incident, as senders say it. Andon's own signals are left out: it says every end itself."""
    return Signal.objects.filter(status=Signal.Status.FIRING, incident=incident).exclude(integration__kind=KIND)


def hold_firing(incident: UUID) -> list[UUID]:
    """The signals of `firing_of`, held from here on.

    As the intake and the engine hold them: senders first, then signals. So it is called before the incident is held.
    """
    firing = firing_of(incident)
    senders = set(firing.values_list("integration", flat=True))
    if not senders:
        return []
    list(db.lock_for_writers(Integration.objects.filter(pk__in=senders).order_by("pk")).values_list("pk"))
    return list(db.lock(firing.filter(integration__in=senders).order_by("pk")).values_list("pk", flat=True))


def let_go(held: Collection[UUID], now: datetime) -> None:
    """A person has resolved the incident of signals that fire; `held` by `hold_firing`.

    What their senders begin anew opens another incident. Where a sender does not mark a firing (no episode), anything
    that it says next may be that, so the signal ends here; others fire on until their sender says otherwise.
    """
    firing = Signal.objects.filter(pk__in=held, status=Signal.Status.FIRING)
    ended = firing.filter(episode="").update(
        status=Signal.Status.RESOLVED,
        resolved_at=now,
        dedup_reason=DedupReason.RESOLVED_HERE,
        route_at=now,  # what it explained is looked at again
        close_at=None,
        look_at_count=None,
    )
    firing.update(let_go_at=now)
    if ended:
        wake.after_commit()


def take_back(held: Collection[UUID]) -> None:
    """The incident of signals that fire is reopened: what their senders begin anew belongs to it again."""
    Signal.objects.filter(pk__in=held).update(let_go_at=None)


def ask_later(signal: Signal, at: datetime | None) -> None:
    """When to ask again whether a signal has gone quiet; None = never. Not if somebody asked anew meanwhile."""
    Signal.objects.filter(pk=signal.pk, close_at=signal.close_at).update(close_at=at)


def ask_all(now: datetime) -> None:
    """Ask at once of everything that fires: what counts as quiet has changed."""
    Signal.objects.filter(status=Signal.Status.FIRING).update(close_at=now)
    wake.after_commit()
