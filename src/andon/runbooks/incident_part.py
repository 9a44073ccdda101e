"""What the incident page shows of runbooks: the runs on it, and what fits while none goes on."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Q
from django.urls import reverse

from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.words import StepState
from andon.runbooks import queries
from andon.runbooks.models import Run
from andon.runbooks.policy import visible_runs


def runbooks_of(by: Actor, incident: Incident, *, may: bool) -> dict[str, Any]:
    """The part of the page, for `runbooks/incident_part.html`; `may` says whether the viewer may act here."""
    settled = ~Q(steps__state=StepState.TODO)
    rows = visible_runs(by).filter(incident=incident).order_by("-number")
    runs = list(rows.annotate(settled=Count("steps__key", filter=settled, distinct=True), all_steps=_STEPS))
    going = [run for run in runs if run.state == Run.State.GOING]
    unresolved = State(incident.state) in UNRESOLVED
    offers = queries.offers(incident) if may and unresolved and not going else queries.Offers([], [])
    taken = {run.runbook.key for run in runs}
    return {
        "runs": going + [run for run in runs if run.state != Run.State.GOING],
        "fits": [fit for fit in offers.fits if fit.runbook.key not in taken],
        "off": offers.off,
        "may": may,
        "more_url": reverse("incident_runbooks", args=[incident.number]),
    }


_STEPS = Count("steps__key", distinct=True)
