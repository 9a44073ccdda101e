"""The system as the register knows it: what it stands on, in which versions, what watches it. People are keys."""

from collections.abc import Iterator
from typing import Any

from andon.containment.evidence.case import Case, at_hand
from andon.containment.evidence.gathering import Task
from andon.registry.models import Dependency, System
from andon.watch.models import Watch

_SYSTEM = (
    "slug", "name", "purpose", "kind", "stage", "criticality", "risk_class", "jurisdictions", "groups", "decision_log",
)  # fmt: skip
_COMPONENT = ("slug", "name", "kind", "vendor", "model", "version", "region")
_WATCH = ("number", "name", "kind", "measure", "what", "only", "budget", "window_minutes", "version", "enabled")


def tasks(case: Case) -> Iterator[Task]:
    """One file: the system, its components and their versions, its watches."""
    if case.system is not None:
        source = "the register of Andon"
        yield at_hand("configuration", "configuration.json", source, _configuration(case.system))


def _configuration(system: System) -> dict[str, Any]:
    stands_on = Dependency.objects.filter(system=system).select_related("component").order_by("component__slug")
    return {
        "system": {name: getattr(system, name) for name in _SYSTEM} | {"owner": _key(system.owner_id)},
        "components": [
            {name: getattr(one.component, name) for name in _COMPONENT} | {"purpose": one.purpose} for one in stands_on
        ],
        "watches": list(Watch.objects.filter(system=system, ended_at=None).order_by("number").values(*_WATCH)),
    }


def _key(pk: object) -> str:
    return f"person:{pk}" if pk else ""
