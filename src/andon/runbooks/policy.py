"""Who may read runbooks, who may change them, and who may run one.

Whoever may act on an incident runs a runbook on it; a run is seen by whoever may see its incident. Responders propose
changes; the runbook's owner and leads decide on them.
"""

from django.db.models import QuerySet

from andon.incidents import policy as incidents
from andon.kit.errors import Forbidden, Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.runbooks.models import Proposal, Run, Runbook


def must_view(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may read runbooks: viewers and up."""
    by.must_be(OrgRole.VIEWER, "read runbooks")


def may_propose(by: Actor) -> bool:
    """Whether the actor may propose changes to runbooks: responders and up."""
    return by.may(OrgRole.RESPONDER)


def may_manage(by: Actor) -> bool:
    """Whether the actor may write runbooks, name their owners and take them off the shelf: leads and up."""
    return by.may(OrgRole.LEAD)


def may_decide(by: Actor, row: Runbook | None) -> bool:
    """Whether the actor decides on what a runbook says: its owner, and leads."""
    owns = row is not None and by.person is not None and row.owner_id == by.person.pk
    return may_manage(by) or (owns and by.may(OrgRole.VIEWER))


def must_decide(by: Actor, row: Runbook | None, doing: str) -> None:
    """Raise `Forbidden` unless the actor decides on what a runbook says."""
    if not may_decide(by, row):
        raise Forbidden(f"You cannot {doing}: the runbook's owner and leads do that.")


def visible_runs(by: Actor) -> QuerySet[Run]:
    """The runs on incidents that the actor may know of."""
    rows = Run.objects.select_related("incident", "incident__system", "runbook", "version", "begun_by", "ended_by")
    return rows.filter(incident__in=incidents.visible(by).order_by().values("pk"))


def access_run(by: Actor, number: int) -> Run:
    """The run with this number, if the actor may see its incident."""
    run = visible_runs(by).filter(number=number).first()
    if run is None:
        raise Missing(f"There is no run RUN-{number}, or you may not see it.")
    return run


def access_proposal(by: Actor, number: int) -> Proposal:
    """The proposal with this number, if the actor may read runbooks."""
    must_view(by)
    rows = Proposal.objects.select_related("runbook", "runbook__owner", "base", "by", "decided_by", "run", "made")
    proposal = rows.filter(number=number).first()
    if proposal is None:
        raise Missing(f"There is no proposal {number}.")
    return proposal
