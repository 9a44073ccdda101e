"""What changed about the system, and about the components that it stands on, from three days before it began."""

from collections.abc import Iterator
from typing import Final

from django.db.models import Q

from andon.containment.evidence.case import Case, at_hand
from andon.containment.evidence.gathering import Task
from andon.registry.models import ChangeEvent, Component
from andon.registry.queries import LOOKED_BACK

MOST: Final = 500


def tasks(case: Case) -> Iterator[Task]:
    """One file: change events, newest first."""
    if case.system is None:
        return
    names = [
        word
        for row in Component.objects.filter(systems=case.system).values_list("slug", "name")
        for word in row
        if word
    ]
    about = Q(system=case.system) | Q(system=None, system_hint__in=names)
    rows = list(
        ChangeEvent.objects.filter(about, at__gt=case.since - LOOKED_BACK, at__lte=case.until)
        .order_by("-at", "-pk")
        .values("kind", "title", "url", "labels", "at", "source", "system_hint")[: MOST + 1]
    )
    notes = (f"There were more than {MOST}; the newest are here.",) if len(rows) > MOST else ()
    yield at_hand("changes", "changes.json", "change events of Andon", rows[:MOST], notes=notes)
