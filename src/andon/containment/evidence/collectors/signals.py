"""The signals in the incident, and the requests that brought them, as they came."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from andon.containment.evidence.case import Case, at_hand
from andon.containment.evidence.gathering import Piece, Task
from andon.intake.models import Delivery, Signal

MOST_SIGNALS: Final = 200
MOST_BODIES: Final = 50
MOST_BYTES: Final = 2_000_000
"""Of all raw requests together."""
_SLACK: Final = timedelta(minutes=1)
_SIGNAL = (
    "fingerprint", "status", "title", "description", "url", "labels", "system_hint", "type_hint", "severity_hint",
    "count", "starts_at", "first_at", "last_at", "resolved_at", "reason_joined",
)  # fmt: skip


def tasks(case: Case) -> Iterator[Task]:
    """One file of what was understood, and one for each raw request."""
    found = list(
        Signal.objects.filter(incident=case.incident).select_related("integration").order_by("pk")[: MOST_SIGNALS + 1]
    )
    if not found:
        return
    notes = (f"There were more than {MOST_SIGNALS}; the first are here.",) if len(found) > MOST_SIGNALS else ()
    shown = found[:MOST_SIGNALS]
    yield at_hand("signals", "signals.json", "the signals of Andon", [_signal(one) for one in shown], notes=notes)
    yield from _raw(shown)


def _signal(signal: Signal) -> dict[str, Any]:
    return {name: getattr(signal, name) for name in _SIGNAL} | {"integration": signal.integration.slug}


def _raw(signals: list[Signal]) -> Iterator[Task]:
    """The first and the last request of each signal, each once, as long as there is room."""
    senders = {pk: one.integration.slug for one in signals for pk in (one.first_delivery, one.last_delivery) if pk}
    kept_back = _kept_back(signals)
    left = MOST_BYTES
    for count, row in enumerate(Delivery.objects.filter(pk__in=senders).order_by("pk").iterator(chunk_size=10), 1):
        body, source = bytes(row.body), f"a request of {senders[row.pk]} at {row.created_at:%Y-%m-%d %H:%M:%S} UTC"
        ending = "json" if _is_json(body) else "txt"
        name = f"signal-{count:03d}.{ending}"
        if row.signals > 1 and any(one.spans(row) for one in kept_back):
            run = _others_secret
        elif count > MOST_BODIES or len(body) > left:
            run = _too_much
        else:
            left -= len(body)
            run = _as_it_came(body, row.content_type or "application/octet-stream")
        yield Task("signals", name, source, run, outside=False)
        if count > MOST_BODIES:
            return


@dataclass(frozen=True, slots=True)
class _KeptBack:
    """When a sender spoke of a restricted incident that is not this one: its requests then may hold both."""

    integration: UUID
    first_at: datetime
    last_at: datetime

    def spans(self, row: Delivery) -> bool:
        """Whether a request may speak of it."""
        near = self.first_at - _SLACK <= row.created_at <= self.last_at + _SLACK
        return near and row.integration_id == self.integration


def _kept_back(signals: list[Signal]) -> list[_KeptBack]:
    """The signals of other, restricted incidents from the same senders."""
    rows = Signal.objects.filter(
        incident__restricted=True, integration__in={one.integration_id for one in signals}
    ).exclude(incident__in={one.incident_id for one in signals})
    return [_KeptBack(*row) for row in rows.values_list("integration", "first_at", "last_at")]


def _others_secret(_left: float) -> Piece:
    raise PermissionError("The request may also speak of a restricted incident, so it is not kept with this one.")


def _as_it_came(body: bytes, media: str) -> Any:
    return lambda _left: Piece(body, media)


def _too_much(_left: float) -> Piece:
    raise OverflowError(f"At most {MOST_BODIES} requests and {MOST_BYTES // 1_000_000} MB of them are kept.")


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
