"""How an incident looks in Slack: the message of a page, the summary in its channel, the channel's name and topic."""

from collections.abc import Sequence
from typing import Final

from django.utils.text import slugify

from andon.incidents.models import Incident
from andon.paging.adapters.slack import blocks
from andon.paging.adapters.slack.blocks import MOST_BLOCKS, Act, Drawn
from andon.paging.compose import incident_url
from andon.practice.lifecycle import State
from andon.practice.words import ContainmentKind, IncidentKind
from andon.slack.planning import NAME_LENGTH, TOPIC_LENGTH, Room

_OVER: Final = frozenset({State.RESOLVED, State.CLOSED})


def is_over(incident: Incident) -> bool:
    """Whether it is resolved or closed."""
    return State(incident.state) in _OVER


def incident_message(incident: Incident) -> Drawn:
    """One incident as it stands."""
    return incidents_message([incident])


def incidents_message(incidents: Sequence[Incident]) -> Drawn:
    """Incidents as they stand, each with the buttons that are of use now; a page may be about several."""
    drawn = [blocks.message(headline(one), _lines(one), _row(one)) for one in incidents]
    return Drawn(
        "; ".join(one.text for one in drawn), tuple(block for one in drawn for block in one.blocks)[:MOST_BLOCKS]
    )


def headline(incident: Incident) -> str:
    """What it is, in one line."""
    system = incident.system.name if incident.system else "No system known"
    return f"{_drill(incident)}[{incident.level.name}] {incident.ref} {system}: {incident.title}"


def _drill(incident: Incident) -> str:
    return "DRILL " if incident.kind == IncidentKind.DRILL else ""


def _lines(incident: Incident) -> list[str]:
    """Who has it, whether it is contained, whether it is over: each in a sentence."""
    lines = [_who(incident)]
    if incident.contained_at:
        kind = ContainmentKind(incident.containment_kind).words
        note = blocks.escape(incident.containment_note)
        lines.append(f"Contained {blocks.when(incident.contained_at)}: {kind}. {note}")
    elif incident.containment_waived_at:
        lines.append(f"Nothing to contain: {blocks.escape(incident.containment_waived_reason)}")
    if incident.resolved_at:
        lines.append(f"*Resolved* {blocks.when(incident.resolved_at)}.")
    return lines


def _who(incident: Incident) -> str:
    if incident.acknowledged_at is None:
        if is_over(incident):
            return "Nobody had to take it up."
        return f"*Nobody has it yet.* Open since {blocks.when(incident.created_at)}."
    by = blocks.escape(str(incident.acknowledged_by or "Somebody"))
    return f"*{by}* acknowledged {blocks.when(incident.acknowledged_at)}."


def _row(incident: Incident) -> blocks.Block:
    acts: list[Act] = []
    if not is_over(incident):
        acts = [Act.NOTE, Act.RESOLVE]
        if incident.acknowledged_at is None:
            acts.insert(0, Act.ACKNOWLEDGE)
    return blocks.buttons(acts, str(incident.number), link=incident_url(incident), link_label=f"Open {incident.ref}")


def room(incident: Incident, members: tuple[str, ...]) -> Room:
    """The channel that the incident should have."""
    return Room(
        name=_name(incident),
        private=incident.restricted,
        members=members,
        topic=_topic(incident),
        summary=incident_message(incident),
        over=is_over(incident),
    )


def _name(incident: Incident) -> str:
    """Of letters, digits and hyphens, as Slack asks. What a restricted incident is about is not in a name."""
    what = "restricted" if incident.restricted else slugify(incident.system.slug if incident.system else incident.title)
    drill = "drill-" if incident.kind == IncidentKind.DRILL else ""
    return f"{drill}inc-{incident.number}-{what}"[:NAME_LENGTH].strip("-")


def _topic(incident: Incident) -> str:
    link = incident_url(incident)
    head = f"{_drill(incident)}{incident.level.name}, {State(incident.state).value}: {incident.title}"
    room_left = TOPIC_LENGTH - len(link) - 1
    return f"{head if len(head) <= room_left else head[: room_left - 1] + '…'} {link}"
