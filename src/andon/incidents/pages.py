"""The list of incidents. The page of one is in `andon.response.pages`."""

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from andon.incidents import queries
from andon.incidents.policy import visible
from andon.incidents.queries import UNRESOLVED_STATE, IncidentFilter
from andon.people.http import actor_of
from andon.people.policy import Actor
from andon.practice.lifecycle import State
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, IncidentType
from andon.registry.models import System

PER_PAGE = 50
_COLUMNS = (
    ("severity", "Severity"),
    ("", "Incident"),
    ("system", "System"),
    ("state", "State"),
    ("", "On it"),
    ("detected", "Detected"),
)


@require_safe
def incidents(request: HttpRequest) -> HttpResponse:
    """The incidents the viewer may know of, by the filters in the address."""
    by = actor_of(request)
    given = request.GET
    wanted = IncidentFilter(
        state=given.get("state", ""),
        severity=given.get("severity", ""),
        type=given.get("type", ""),
        system=given.get("system", ""),
        kind=given.get("kind", ""),
        q=given.get("q", ""),
        mine=given.get("mine") == "1",
    )
    sort = given.get("sort", "")
    rows = queries.with_roles(queries.ordered(queries.listed(by, wanted), sort))
    page = Paginator(rows, PER_PAGE).get_page(given.get("page"))
    found = [{"row": row, "on_it": queries.lead_of(row)} for row in page]
    return render(
        request,
        "incidents/incidents.html",
        {
            "incidents": found,
            "page": page,
            "filters": _filters(wanted, by),
            "q": wanted.q,
            "mine": wanted.mine,
            "filtered": wanted != IncidentFilter(),
            "narrowed": any((wanted.severity, wanted.type, wanted.system, wanted.kind, wanted.mine)),
            "columns": _columns(sort),
            "sort": sort,
            "live_url": "/live/",
        },
    )


def _columns(sort: str) -> list[dict[str, str]]:
    """The columns, each with the order that pressing its head asks for and the one that it is in."""
    found = []
    for name, label in _COLUMNS:
        up, down = name, f"-{name}"
        sorted_ = {up: "ascending", down: "descending"}.get(sort, "") if name else ""
        found.append({"name": name, "label": label, "sort": down if sort == up else up, "sorted": sorted_})
    return found


def _filters(wanted: IncidentFilter, by: Actor) -> list[dict[str, Any]]:
    """What the list can be narrowed to."""
    systems = System.objects.filter(incidents__in=visible(by)).distinct().values_list("slug", "name").order_by("name")
    return [
        _filter("state", "State", wanted.state, [(UNRESOLVED_STATE, "Unresolved"), *State.choices()]),
        _filter("severity", "Severity", wanted.severity, [(str(s.value), s.name) for s in Severity]),
        _filter("type", "Type", wanted.type, IncidentType.choices()),
        _filter("system", "System", wanted.system, [*systems, ("none", "None named")]),
        _filter("kind", "Kind", wanted.kind, IncidentKind.choices()),
    ]


def _filter(name: str, label: str, chosen: str, choices: Iterable[tuple[str, str]]) -> dict[str, Any]:
    options = [("", "Any"), *choices]
    return {
        "name": name,
        "label": label,
        "options": [{"value": value, "label": words, "on": value == chosen} for value, words in options],
    }
