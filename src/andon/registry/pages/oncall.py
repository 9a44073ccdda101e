"""Who is on call for X now, and next? By system, and by schedule."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from andon.kit import clock
from andon.oncall import policy
from andon.oncall import queries as oncall_queries
from andon.people.http import actor_of
from andon.registry import queries
from andon.registry.filters import SystemFilter


@require_safe
def oncall(request: HttpRequest) -> HttpResponse:
    """Who would be paged first for each system in pilot or production, and who is on call in each schedule."""
    by = actor_of(request)
    policy.must_view(by)
    now, q = clock.now(), request.GET.get("q", "")
    systems = SystemFilter(q=q).of(queries.systems()) if q else queries.covered()
    return render(
        request,
        "registry/oncall.html",
        {
            "q": q,
            "systems": queries.on_call_for(systems[:200], now),
            "schedules": oncall_queries.board(oncall_queries.schedules(), now),
        },
    )
