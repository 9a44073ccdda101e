"""Pages of the handbook: what is prescribed for each type at each severity, and how that came into force.

They are read only: what a file provides is changed in the file.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from andon.handbook import queries
from andon.handbook.book import PROTOCOLS, Handbook
from andon.handbook.policy import access_application, must_view
from andon.people.http import actor_of
from andon.practice.protocol import Prescription
from andon.practice.severity import Severity
from andon.practice.words import IncidentType

SHOWN = 50
"""Handbooks of the past that are listed."""


@require_safe
def handbook(request: HttpRequest) -> HttpResponse:
    """The handbook in force."""
    by = actor_of(request)
    must_view(by)
    found = queries.in_force()
    context = {
        "title": found.about.title,
        "application": queries.newest_application(),
        "types": [_type(found, type_) for type_ in IncidentType],
        "history": queries.history(by)[:SHOWN],
        "severity_url": propose(found, "severity.yaml"),
        "faults": found.faults,
    }
    return render(request, "handbook/handbook.html", context)


@require_safe
def applied(request: HttpRequest, number: int) -> HttpResponse:
    """A handbook that was applied, and what it changed."""
    found = access_application(actor_of(request), number)
    return render(request, "handbook/applied.html", {"application": found})


def propose(found: Handbook, file: str) -> str:
    """Where a change to a file of the handbook is proposed; empty where it says nowhere."""
    return found.about.propose.replace("{file}", file)


def _type(found: Handbook, type_: IncidentType) -> dict[str, Any]:
    """One type's protocol: a row for each severity."""
    protocol = found.protocols[type_]
    file = f"{PROTOCOLS}/{type_}.yaml"
    return {
        "key": type_,
        "title": protocol.title,
        "version": protocol.version,
        "file": file,
        "propose_url": propose(found, file),
        "steps": [step.title for step in protocol.steps if not step.retired],
        "rows": [_row(found.prescription(type_, severity)) for severity in Severity],
    }


def _row(prescribed: Prescription) -> dict[str, Any]:
    """What is prescribed at one severity, in words."""
    asks, targets = prescribed.asks, prescribed.targets
    return {
        "severity": prescribed.severity,
        "acknowledge": targets.acknowledge.text,
        "contain": targets.contain.text if targets.contain else "",
        "words": [word.text for word in targets.first_communication],
        "levers": ", ".join(kind.words for kind in asks.levers),
        "approval": asks.approval.words,
        "roles": ", ".join(role.words for role in asks.roles),
        "duties": [f"{duty.what} within {duty.within.text} of {duty.clock.words}" for duty in asks.duties],
        "runbooks": asks.runbooks,
        "review": f"within {asks.review.within.text}" if asks.review else "",
        "signs": ", ".join(role.words for role in asks.review.signs) if asks.review else "",
        "steps": len(prescribed.steps),
    }
