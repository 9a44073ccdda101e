"""A test signal: what Andon would make of a body, without making it.

The body goes the way of a real one, through the adapter and the writer's own statements, in a transaction that is taken
back. So nothing of it is ever seen by the engine, no incident opens and nobody is paged, and yet what is shown is what
would have been written.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import transaction

from andon.incidents.policy import visible
from andon.intake import recording, wording
from andon.intake.adapters import adapters, samples
from andon.intake.events import Change, Malformed, Note, Request, Said, Sender, Unsigned
from andon.intake.models import Integration, Signal
from andon.intake.policy import must_manage, visible_signals
from andon.intake.queries import find_system
from andon.intake.recording import Heard
from andon.kit import ids
from andon.kit.errors import Invalid
from andon.kit.outbound import Unreachable
from andon.people.policy import Actor
from andon.practice import grouping
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.severity import Severity
from andon.practice.words import IncidentType
from andon.registry.models import System


@dataclass(frozen=True)
class Would:
    """A signal as it would have been, and where it would have gone."""

    signal: Signal
    system: System | None
    type: IncidentType
    why: str
    where: str


@dataclass(frozen=True)
class Trial:
    """What became of a test signal.

    Attributes:
        problem: Why it was not understood; empty if it was.
        where: The place in the body that is meant, or empty.
        untouched: How many of its events would have changed no signal: late doubles, ends of nothing.
        left_out: What of it was not taken while the rest was, in sentences; empty if nothing.
    """

    body: str
    problem: str = ""
    where: str = ""
    signals: list[Would] = field(default_factory=list)
    untouched: int = 0
    changes: list[Change] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    left_out: str = ""


def sample(kind: str) -> Request:
    """The sample that a test signal is made of: the first that fires, else the first that says anything."""
    found = list(samples(kind).values())
    if not found:
        raise Invalid("This kind of sender has no sample. Paste a body of its own.", field="body")
    sender = adapters()[kind]
    return next((request for request in found if any(_fires(said) for said in _understood(sender, request))), found[0])


def _understood(sender: Sender, request: Request) -> list[Said]:
    try:
        return [sender.parse(request, {})]
    except (Malformed, Unsigned):
        return []


def _fires(said: Said) -> bool:
    return any(event.status == grouping.SignalStatus.FIRING for event in said.events)


def try_signal(integration: Integration, *, by: Actor, body: str = "") -> Trial:
    """What Andon would make of a body as this integration's own, or of its kind's sample; nothing of it stays."""
    must_manage(by, "send test signals")
    sender = adapters().get(integration.kind)
    if sender is None:
        raise Invalid(f"There is no adapter {integration.kind!r} in this version of Andon.")
    text = body.replace("\r\n", "\n") or sample(integration.kind).body.decode()
    delivery = ids.new()
    if len(text.encode()) > sender.most_bytes:
        raise Invalid(f"A body has at most {sender.most_bytes} bytes.", field="body")
    try:
        said = _as_sent(sender, integration, text.encode(), delivery)
    except Malformed as error:
        return Trial(text, error.what, error.field)
    except (Unsigned, Unreachable) as error:
        return Trial(text, str(error))
    return _written(integration, said, text, delivery, by)


def _as_sent(sender: Sender, integration: Integration, body: bytes, delivery: UUID) -> Said:
    """What a pasted body says. It came without its headers, which tell some bodies apart: those of samples are tried.

    Raises what the first of them raises, where none fits.
    """
    settings = {name: value for name, value in integration.settings.items() if name not in sender.proving}
    heads = [sample(integration.kind).headers, *(one.headers for one in samples(integration.kind).values())]
    fitting: list[Said] = []
    trouble: list[Exception] = []
    for headers in (head for place, head in enumerate(heads) if head not in heads[:place]):
        try:
            said = sender.parse(Request(body, headers, delivery=delivery), settings)
        except (Malformed, Unsigned, Unreachable) as error:
            trouble.append(error)
            continue
        if said.events or said.changes or said.notes:
            return said
        fitting.append(said)
    if not fitting:
        raise trouble[0]
    return fitting[0]


def _written(integration: Integration, said: Said, text: str, delivery: UUID, by: Actor) -> Trial:
    """Write it as the writer does, look, and take it all back."""
    heard = Heard(delivery, integration.pk, text.encode(), "", said.events)
    with transaction.atomic():
        recording.record([heard])
        spoken_of = {event.fingerprint for event in said.events}
        touched = visible_signals(by).filter(integration=integration, fingerprint__in=spoken_of, last_delivery=delivery)
        signals = [_would(signal, integration, by) for signal in touched.order_by("pk")]
        transaction.set_rollback(True)
    untouched = len(spoken_of - {one.signal.fingerprint for one in signals})
    return Trial(text, signals=signals, untouched=untouched, changes=said.changes, notes=said.notes, left_out=said.why)


@dataclass(frozen=True)
class Reading:
    """What a signal counts as, and what would keep it from opening an incident.

    Attributes:
        waits: Why it would wait, as a sentence; empty if nothing would keep it.
        says: What rules made of it, as sentences.
    """

    system: System | None
    type: IncidentType
    severity: Severity | None
    waits: str = ""
    says: tuple[str, ...] = ()


Reader = Callable[[Signal], Reading]
_readers: Final[list[Reader]] = []


def reads_signals(reader: Reader) -> Reader:
    """Register what knows the rules about signals, which the intake cannot import (see `andon.rules.ties`)."""
    _readers.append(reader)
    return reader


def _by_itself(signal: Signal) -> Reading:
    """What a signal counts as by its sender's and its integration's words alone."""
    integration = signal.integration
    kind = IncidentType(signal.type_hint or integration.settings.get("type") or IncidentType.TECHNICAL_FAILURE)
    severity = Severity(signal.severity_hint) if signal.severity_hint else None
    return Reading(find_system(integration, signal.system_hint), kind, severity)


def _would(signal: Signal, integration: Integration, by: Actor) -> Would:
    """Where the signal would have gone, as far as the actor may know."""
    read = (_readers[-1] if _readers else _by_itself)(signal)
    key = grouping.group_key(read.system.pk if read.system else None, read.type, integration.slug)
    decision = grouping.route(
        read.severity,
        read.system is not None,
        visible(by).filter(group_key=key, state__in=UNRESOLVED).first(),
        resolved=signal.status == grouping.SignalStatus.RESOLVED,
    )
    opens = decision.action is grouping.RouteAction.OPEN
    where = read.waits if opens and read.waits else wording.would(decision)
    return Would(signal, read.system, read.type, wording.why_this_signal(signal), " ".join((where, *read.says)))
