"""Which levers are offered for an incident, in which order, and what is said beside the button that pulls."""

from dataclasses import dataclass

from andon.containment import adapters, queries
from andon.containment.models import Lever
from andon.incidents.models import Incident
from andon.kit import clock
from andon.practice.containment import ApprovalRule, Unfit, in_order, unfit
from andon.practice.words import IncidentKind


@dataclass(frozen=True, slots=True)
class Offer:
    """A lever that can be pulled, and what stands against counting on it."""

    lever: Lever
    doubt: Unfit | None
    known: int = 0
    """The number of its newest pull for the incident, 0 for none: a button sends it along (see `actions.pull`)."""

    @property
    def fields(self) -> list[dict[str, str]]:
        """What the button that pulls it sends along, as components/confirm.html takes it."""
        return [{"name": "known", "value": str(self.known)}]

    @property
    def icon(self) -> str:
        """The sign of its kind."""
        return str(self.lever.kind)


def offers(incident: Incident) -> list[Offer]:
    """The levers that can be pulled for an incident, the one to pull first in front."""
    if incident.system is None:
        return []
    now = clock.now()
    rows = list(Lever.objects.filter(system=incident.system, ended_at=None).order_by("number"))
    doubts = [unfit(row.facts(queries.problems(row)), now) for row in rows]
    wanted = queries.asks_of(incident).levers
    places = in_order([(row.what_kind, doubt) for row, doubt in zip(rows, doubts, strict=True)], wanted)
    known = dict(queries.of_lever_for(incident).values_list("lever_id", "number"))
    return [Offer(rows[place], doubts[place], known.get(rows[place].pk, 0)) for place in places]


def what_it_does(lever: Lever) -> str:
    """What a lever does, in a sentence: its own, or its adapter's."""
    return lever.effect or adapters.find(lever.adapter).line


def effect(offer: Offer, incident: Incident) -> str:
    """What pressing does, in sentences that stand beside the button."""
    said = [what_it_does(offer.lever)]
    said.append("Evidence is kept first, at most 10 s; then it acts once, and is seen to hold or said not to.")
    drill = incident.kind == IncidentKind.DRILL and offer.lever.drill_settings
    undoable = adapters.find(offer.lever.adapter).undoable(drill or offer.lever.settings)
    said.append("It can be undone." if undoable else "It cannot be undone by Andon.")
    rule = queries.rule_of(offer.lever, incident)
    if rule is not ApprovalRule.ALONE:
        said.append(f"Needs {rule.words} to agree.")
    return " ".join(said)


def drill_note(offer: Offer, incident: Incident) -> str:
    """Of a drill: what it acts on."""
    if incident.kind != IncidentKind.DRILL:
        return ""
    return "Drill: the target for drills is acted on." if offer.lever.drill_settings else "It has no target for drills."


def explanation(offer: Offer, incident: Incident) -> str:
    """Why this lever, and what stands against it, in one or two sentences."""
    parts = [what_it_does(offer.lever)]
    if offer.doubt is not None:
        parts.append(offer.doubt.words)
    parts.append(drill_note(offer, incident))
    return " ".join(part for part in parts if part)
