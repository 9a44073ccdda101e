"""What is kept before a lever is pulled, so that the causes can still be studied afterwards (EU AI Act, Art. 73(6)).

`preserve` is the one way in. It takes at most `EVIDENCE_WITHIN`; what could not be collected is listed, never hidden.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from django.db import Error as DatabaseTrouble
from django.forms.models import model_to_dict

from andon.containment.evidence.actions import keep
from andon.containment.models import Pull
from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit import clock
from andon.practice.containment import EVIDENCE_WITHIN
from andon.registry.models import ChangeEvent

LOOKED_BACK: Final = timedelta(days=7)
MOST: Final = 500
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Preserved:
    """What was kept, by name and digest, and what could not be, with the reason in words."""

    kept: Mapping[str, str]
    missing: Mapping[str, str]

    @property
    def text(self) -> str:
        """As the timeline says it."""
        kept = f"{', '.join(self.kept)} kept" if self.kept else "nothing kept"
        lost = "; ".join(f"{name}: {why}" for name, why in self.missing.items())
        return f"{kept[:1].upper()}{kept[1:]}{f'. Missing: {lost}' if lost else ''}."


def preserve(pull: Pull) -> Preserved:
    """Keep what can be kept before this pull acts. May be called again for the same pull: what is there stays.

    Called outside of any transaction, in a thread of its own. Raises nothing but trouble with the database.
    """
    ends = clock.monotonic() + EVIDENCE_WITHIN.total_seconds()
    incident, kept, missing = pull.incident, {}, {}
    if incident is None:
        return Preserved({}, {"everything": "a rehearsal belongs to no incident"})
    for name, collect in _COLLECTORS.items():
        if clock.monotonic() >= ends:
            missing[name] = "the 10 seconds that containment waits for evidence were over"
            continue
        try:
            kept[name] = keep(pull, incident, name, collect(incident))
        except DatabaseTrouble:
            raise
        except Exception as error:  # noqa: BLE001  what cannot be collected is listed, and holds nothing up
            _log.exception("evidence could not be collected", pull=pull.ref, what=name)
            missing[name] = f"it could not be collected ({type(error).__name__})"
    return Preserved(kept, missing)


def _incident(incident: Incident) -> Any:
    return model_to_dict(incident) | {"ref": incident.ref}


def _system(incident: Incident) -> Any:
    return model_to_dict(incident.system, exclude=["components"]) if incident.system else {}


def _changes(incident: Incident) -> Any:
    if incident.system is None:
        return []
    since = (incident.onset_low or incident.detected_at) - LOOKED_BACK
    rows = ChangeEvent.objects.filter(system=incident.system, at__gte=since)[:MOST]
    return [model_to_dict(row) for row in rows]


def _signals(incident: Incident) -> Any:
    return [model_to_dict(row) for row in Signal.objects.filter(incident=incident)[:MOST]]


_COLLECTORS: Final[Mapping[str, Callable[[Incident], Any]]] = {
    "incident": _incident,
    "system": _system,
    "change-events": _changes,
    "signals": _signals,
}
