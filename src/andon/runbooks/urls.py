"""Addresses of runbooks, proposals and runs."""

from django.urls import URLPattern, URLResolver, path

from andon.runbooks import pages, run_pages

_BOOK = "runbooks/<slug:key>"
_RUN = "runs/<int:number>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("runbooks", pages.library, name="runbooks"),
    path("runbooks/write", pages.write, name="runbook_write"),
    path("runbooks/proposals/<int:number>", pages.proposal, name="proposal"),
    path("runbooks/proposals/<int:number>/decide", pages.decide, name="proposal_decide"),
    path(_BOOK, pages.runbook, name="runbook"),
    path(f"{_BOOK}/propose", pages.propose, name="runbook_propose"),
    path(f"{_BOOK}/history", pages.history, name="runbook_history"),
    path(f"{_BOOK}/owner", pages.owner, name="runbook_owner"),
    path(f"{_BOOK}/<slug:act>", pages.act, name="runbook_act"),
    path("incidents/<int:number>/runbooks", run_pages.choose, name="incident_runbooks"),
    path("incidents/<int:number>/runbooks/<slug:key>", run_pages.begin, name="run_begin"),
    path(_RUN, run_pages.run, name="run"),
    path(f"{_RUN}/end", run_pages.end, name="run_end"),
    path(f"{_RUN}/feedback", run_pages.feedback, name="run_feedback"),
    path(f"{_RUN}/missing", run_pages.missing, name="run_missing"),
    path(f"{_RUN}/steps/<slug:key>", run_pages.settle, name="run_settle"),
    path(f"{_RUN}/steps/<slug:key>/again", run_pages.again, name="run_again"),
    path(f"{_RUN}/steps/<slug:key>/pull/<int:lever>", run_pages.pull, name="run_pull"),
    path(f"{_RUN}/steps/<slug:key>/draw", run_pages.draw, name="run_draw"),
]
