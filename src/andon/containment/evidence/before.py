"""Evidence before a pull acts: what the engine calls, and the words and figures that stand in the pull's trail."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from andon.containment.evidence import queries
from andon.containment.evidence.actions import preserve
from andon.containment.evidence.models import Preservation
from andon.containment.models import Pull
from andon.incidents.models import Incident
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.containment import EVIDENCE_WITHIN

_NAMED: Final = 5
_FOR_THE_LIST: Final = timedelta(seconds=1)
"""Of the ten seconds, what is left for writing down what came, and the list of it."""


@dataclass(frozen=True)
class Preserved:
    """What was kept, by name and digest, and what could not be, with the reason in words."""

    kept: dict[str, str]
    missing: dict[str, str]
    manifest: str

    @property
    def text(self) -> str:
        """As the trail of the pull says it."""
        lost = "; ".join(f"{name}: {why}" for name, why in list(self.missing.items())[:_NAMED])
        more = f"; and {len(self.missing) - _NAMED} more" if len(self.missing) > _NAMED else ""
        return f"{len(self.kept)} things kept{f'. Missing: {lost}{more}' if lost else ''}."


def before(pull: Pull, incident: Incident) -> Preserved:
    """Keep what this pull would destroy, in what is left of the time that containment waits for it.

    Called outside of any transaction, in a thread of its own. Called again for the same pull, what is there stays. Once
    the time is over only what Andon knows itself is kept, which takes no waiting.
    """
    waited = (clock.now() - (pull.approved_at or pull.asked_at)).total_seconds()
    made = preserve(
        incident,
        why=Preservation.Why.PULL,
        by=Actor.engine(),
        what_for=f"“{pull.lever.name}” ({pull.ref})",
        key=f"pull:{pull.pk}",
        seconds=max(0.0, (EVIDENCE_WITHIN - _FOR_THE_LIST).total_seconds() - max(0.0, waited)),
    )
    found = queries.of_row(made)
    return Preserved(
        {item.name: item.digest for item in found.kept},
        {item.name: item.why_missing for item in found.missing},
        made.manifest,
    )
