"""What a delivery brings beside signals, written in the same transaction: changes of systems, and senders' notes.

Rare, so written through the ORM: a batch that brings none of it pays nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from andon.intake.events import Change, Note
from andon.intake.models import Integration, Signal, SignalNote
from andon.intake.queries import find_system, systems_named
from andon.registry.models import ChangeEvent

MOST_NOTES = 100
"""How many notes a signal keeps; a sender that goes on is counted nowhere."""


def write(integration: UUID, changes: Sequence[Change], notes: Sequence[Note], now: datetime) -> None:
    """Write both; what is on record already is not written twice."""
    if changes:
        _write_changes(Integration.objects.select_related("system").get(pk=integration), changes, now)
    for said in notes:
        _write_note(integration, said, now)


def _write_changes(integration: Integration, changes: Sequence[Change], now: datetime) -> None:
    named = systems_named(said.system_hint for said in changes)
    ChangeEvent.objects.bulk_create(
        [
            ChangeEvent(
                created_at=now,
                system=find_system(integration, said.system_hint, named),
                system_hint=said.system_hint,
                kind=said.kind.value,
                title=said.title,
                url=said.url,
                labels=said.labels,
                at=said.at or now,
                source=integration.slug,
                key=said.key,
            )
            for said in changes
        ],
        ignore_conflicts=True,
    )


def _write_note(integration: UUID, said: Note, now: datetime) -> None:
    """To the firing signal of that fingerprint, unless it says so already or there is none."""
    signal = Signal.objects.filter(
        integration=integration, fingerprint=said.fingerprint, status=Signal.Status.FIRING
    ).first()
    if signal is None or not said.text:
        return
    kept = list(signal.notes.values_list("by", "text"))
    if (said.by, said.text) not in kept and len(kept) < MOST_NOTES:
        SignalNote.objects.create(signal=signal, by=said.by, text=said.text, created_at=now)
