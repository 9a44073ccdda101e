"""The levers that a step of a run asks for: each with the button that pulls it, or with how far its pull has come."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from andon.containment import offering
from andon.containment.models import Pull
from andon.containment.policy import may_pull
from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.containment import TROUBLED, PullState
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.runbook import Step, calls_for
from andon.practice.words import StepKind
from andon.runbooks.models import Run


def fitting(step: Step, incident: Incident) -> list[offering.Offer]:
    """The levers of the incident's system that a step asks for and that can be pulled, the best first."""
    if step.kind is not StepKind.LEVER:
        return []
    return [one for one in offering.offers(incident) if calls_for(step, one.lever.what_kind, one.lever.name)]


def rows_of(step: Step, run: Run, by: Actor, *, open_: bool) -> list[dict[str, Any]]:
    """What runbooks/step_levers.html shows of each: its newest pull for this incident, and the button where it may be.

    There is no button while a pull is on its way or holds, nor on a step that is settled (`open_` says whether it is).
    """
    incident = run.incident
    may = open_ and may_pull(by, incident) and State(incident.state) in UNRESOLVED
    rows = []
    for offer in fitting(step, incident):
        pulls = Pull.objects.filter(lever=offer.lever, incident=incident).exclude(state=PullState.WITHDRAWN)
        newest = pulls.order_by("-number").first()
        url = reverse("run_pull", args=[run.number, step.key, offer.lever.number])
        rows.append(
            {
                "lever": offer.lever,
                "icon": offer.icon,
                "fields": offer.fields,
                "explanation": offering.explanation(offer, incident),
                "effect": offering.effect(offer, incident),
                "pull": newest,
                "word": _word(newest) if newest else "",
                "loud": newest is not None and newest.phase in TROUBLED,
                "pull_url": url if may and not (newest and _stands(newest)) else "",
            }
        )
    return rows


def _stands(pull: Pull) -> bool:
    return pull.is_open or (pull.phase is PullState.VERIFIED and pull.undoes_id is None)


def _word(pull: Pull) -> str:
    words = f"undo {pull.phase.words}" if pull.undoes_id else pull.phase.words
    return words[:1].upper() + words[1:]
