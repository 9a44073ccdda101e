"""Rules over the API: everything the screens can do."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from andon.kit import clock
from andon.kit.outdated import go_on, when_outdated
from andon.people.api_auth import caller
from andon.rules import actions, queries
from andon.rules.models import Rule
from andon.rules.policy import access_rule
from andon.rules.queries import RuleFilter
from andon.rules.shapes import RuleChange, RuleDraft, RuleIn, RuleMove, RuleOut, RuleQuery, RuleTrialOut, RuleVersionOut
from andon.rules.trying import try_rule

router = Router(tags=["rules"])

READ, WRITE = "rules:read", "rules:write"


@router.get("", response=list[RuleOut])
def list_rules(request: HttpRequest, given: Query[RuleQuery]) -> Any:
    """List the rules in force, or those that are over, in the order in which they are asked."""
    by = caller(request, READ)
    wanted = RuleFilter(given.kind or "", given.system, given.ended)
    rows = list(queries.rules(by, wanted, clock.now()))
    held = queries.holding([row.number for row in rows])
    return [RuleOut.of(row, held[row.number]) for row in rows]


@router.post("", response={201: RuleOut})
def create_rule(request: HttpRequest, given: RuleIn) -> Any:
    """Make a rule, in force at once. Leads; responders may silence a system of theirs for up to 24 hours."""
    by = caller(request, WRITE)
    return _said(actions.create_rule(given.facts(), by=by))


@router.post("/try", response=RuleTrialOut)
@when_outdated(go_on)
def try_draft(request: HttpRequest, given: RuleDraft) -> Any:
    """Try a draft on the newest 1,000 signals that you may see. Nothing is written."""
    by = caller(request, READ)
    instead_of = access_rule(by, given.instead_of) if given.instead_of is not None else None
    return RuleTrialOut.of(try_rule(given.facts(), clock.now(), by=by, instead_of=instead_of))


@router.get("/{int:number}", response=RuleOut)
def get_rule(request: HttpRequest, number: int) -> Any:
    """Read one rule."""
    return _said(access_rule(caller(request, READ), number))


@router.patch("/{int:number}", response=RuleOut)
def change_rule(request: HttpRequest, number: int, given: RuleChange) -> Any:
    """Let a rule say something else from now on; what is left out stays. What it held is looked at again."""
    by = caller(request, WRITE)
    row = access_rule(by, number)
    facts = actions.facts_of(row, **given.changes())
    return _said(actions.change_rule(row, facts, by=by, seen_version=given.version))


@router.post("/{int:number}/move", response=RuleOut)
def move_rule(request: HttpRequest, number: int, given: RuleMove) -> Any:
    """Ask a rule before, or after, its neighbour among those of its kind."""
    by = caller(request, WRITE)
    return _said(actions.move_rule(access_rule(by, number), earlier=given.earlier, by=by))


@router.post("/{int:number}/end", response=RuleOut)
def end_rule(request: HttpRequest, number: int) -> Any:
    """End a rule; what it held and still fires is routed at once."""
    by = caller(request, WRITE)
    return _said(actions.end_rule(access_rule(by, number), by=by))


@router.get("/{int:number}/versions", response=list[RuleVersionOut])
def list_versions(request: HttpRequest, number: int) -> Any:
    """What a rule has said over time, newest first."""
    rule = access_rule(caller(request, READ), number)
    return [RuleVersionOut.of(row) for row in rule.versions.select_related("by")]


def _said(row: Rule) -> RuleOut:
    return RuleOut.of(row, queries.holding([row.number])[row.number])
