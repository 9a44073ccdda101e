"""What incidents put on the pages of slices below, and forget when a person is erased."""

from collections.abc import Mapping
from typing import Any, Final

from django.db.models import Count
from django.dispatch import receiver
from django.urls import reverse

from andon.handbook.actions import steps_that_ran
from andon.incidents.models import Incident, ProtocolStep
from andon.incidents.queries import IncidentFilter, listed, ordered
from andon.people.models import Person
from andon.people.policy import Actor
from andon.people.ties import person_erased
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.registry.parts import on_system_page

_SHOWN: Final = 10


@on_system_page
def incidents_of(by: Actor, system: System) -> tuple[str, dict[str, Any]]:
    """A system's incidents that the viewer may know of: what goes on first, then the newest."""
    rows = list(ordered(listed(by, IncidentFilter(system=system.slug)))[: _SHOWN + 1])
    return "incidents/system_part.html", {
        "incidents": rows[:_SHOWN],
        "all_url": f"{reverse('incidents')}?system={system.slug}" if len(rows) > _SHOWN else "",
    }


def ran(type_: IncidentType, keys: frozenset[str]) -> Mapping[str, int]:
    """In how many incidents each of these steps of a type's protocol was done or waived."""
    rows = ProtocolStep.objects.filter(
        incident__protocol_slug=type_, key__in=keys, state__in=[ProtocolStep.State.DONE, ProtocolStep.State.WAIVED]
    )
    return dict(rows.order_by("key").values_list("key").annotate(Count("pk")))


steps_that_ran.append(ran)


@receiver(person_erased, dispatch_uid="andon.incidents.frozen-chains")
def forget(person: Person, **_signal: Any) -> None:
    """The name that the chains frozen onto incidents call them by; whom a step asked stays, by key."""
    key = str(person.pk)
    for incident in Incident.objects.filter(chain__icontains=key).only("pk", "chain").iterator():
        Incident.objects.filter(pk=incident.pk).update(chain=_relabelled(incident.chain, key, str(person)))


def _relabelled(part: Any, key: str, label: str) -> Any:
    """A frozen chain, with another label on the targets of this key."""
    if isinstance(part, list):
        return [_relabelled(one, key, label) for one in part]
    if not isinstance(part, dict):
        return part
    inner = {name: _relabelled(value, key, label) for name, value in part.items()}
    return inner | {"label": label} if part.get("id") == key else inner
