"""What responding hears from the slices below: what became of a lever, and what happened to an incident."""

from collections.abc import Sequence
from typing import Any, Final

from django.dispatch import receiver

from andon.containment.models import Pull
from andon.containment.told import moved, stranded
from andon.incidents.models import Incident, TimelineEntry
from andon.incidents.timeline import recorded
from andon.practice.promises import PromiseKind
from andon.response import placing, promising
from andon.response.levers import follow, strand, take_back
from andon.rules.onsets import tells_onsets
from andon.switch.models import Revision
from andon.switch.told import switched

_TURNS: Final = frozenset(
    {"acknowledged", "contained", "containment_ended", "containment_waived", "resolved", "reopened", "closed"}
    | {"review_published", "review_moved"}
)
"""Entries after which a promise may be kept, or counts anew."""
_CONTAIN: Final = frozenset({PromiseKind.CONTAIN})
"""What counts anew once nothing contains an incident any more; all of it counts anew once one is reopened."""

tells_onsets(placing.onsets)


@receiver(moved, dispatch_uid="andon.response.levers")
def hear(pull: Pull, incident: Incident, **_signal: Any) -> None:
    """The incident follows, in the same transaction."""
    follow(pull, incident)


@receiver(stranded, dispatch_uid="andon.response.rehearsals")
def hear_stranded(pull: Pull, **_signal: Any) -> None:
    """It is an incident, in the same transaction."""
    strand(pull)


@receiver(switched, dispatch_uid="andon.response.switches")
def hear_switched(revision: Revision, incidents: Sequence[Incident], **_signal: Any) -> None:
    """What a switch contained, it may contain no more: in the same transaction."""
    for incident in incidents:
        take_back(revision, incident)


@receiver(recorded, dispatch_uid="andon.response.promises")
def keep_promises(entries: Sequence[TimelineEntry], **_signal: Any) -> None:
    """Acknowledged, contained, resolved: the promises of the incident follow, in the same transaction."""
    turned = [entry for entry in entries if entry.kind in _TURNS]
    reopened = {entry.incident_id for entry in turned if entry.kind == "reopened"}
    let_go = {entry.incident_id for entry in turned if entry.kind == "containment_ended"}
    for incident in {entry.incident_id: entry.incident for entry in turned}.values():
        anew = frozenset(PromiseKind) if incident.pk in reopened else _CONTAIN if incident.pk in let_go else frozenset()
        promising.follow(incident, anew=anew)
