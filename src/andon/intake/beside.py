"""What a delivery brings beside signals, in the same transaction: changes, senders' notes, and that all is well.

Rare, so written through the ORM: a batch that brings none of it pays nothing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError

from andon.intake.adapters import adapters
from andon.intake.events import Change, Event, Note
from andon.intake.models import Integration, Signal, SignalNote
from andon.intake.queries import find_system, systems_named
from andon.registry.models import ChangeEvent

MOST_NOTES = 100
"""How many notes a signal keeps; a sender that goes on is counted nowhere."""

AllWell = Callable[[Sequence[Signal], datetime], None]
"""Who is told of checks that find nothing wrong: as signals that have ended, of which none is in the database."""
_told: Final[list[AllWell]] = []
_log = structlog.get_logger(__name__)


def hears_all_well(listener: AllWell) -> AllWell:
    """Register what goes by such words, which the intake cannot import (see `andon.rules.ties`)."""
    _told.append(listener)
    return listener


def tell_all_well(said: Sequence[tuple[UUID, Event]], now: datetime) -> None:
    """Tell what checks said that find nothing wrong (`Event.passing`), each with its integration's key.

    Called last in the transaction, so that whoever is told may wait for what the engine holds. Andon's own words are
    left out: the engine says them itself, while it holds that. What goes wrong with it, but for the database, costs no
    signal.
    """
    senders = Integration.objects.filter(kind__in=adapters()).select_related("system")
    known = senders.in_bulk({integration for integration, _ in said})
    signals = [_as_signal(known[key], event, now) for key, event in said if key in known]
    for listener in _told if signals else ():
        try:
            listener(signals, now)
        except DatabaseError:
            raise
        except Exception:  # noqa: BLE001  whatever it is, signals go on without it
            _log.exception("intake.all_well_not_told")


def _as_signal(sender: Integration, said: Event, now: datetime) -> Signal:
    return Signal(
        integration=sender,
        fingerprint=said.fingerprint,
        episode=said.episode,
        status=said.status,
        title=said.title,
        description=said.description,
        url=said.url,
        labels=said.labels,
        system_hint=said.system_hint,
        type_hint=said.type_hint,
        severity_hint=said.severity_hint,
        count=0,
        starts_at=said.starts_at,
        first_at=now,
        last_at=now,
    )


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
