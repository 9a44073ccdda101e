"""Who may see rules, and who may make them.

Leads make rules. A responder may silence a system that they answer for, for a day at most: at night, with the noise
already known, nobody should have to wake a lead for quiet; and a mistake ends by itself.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from andon.kit.errors import Forbidden, Missing
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.practice.words import OrgRole
from andon.registry.models import System
from andon.rules.facts import RuleFacts
from andon.rules.models import Rule

RESPONDERS_SILENCE: Final = timedelta(hours=24)


def must_view(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may see rules: viewers and up."""
    by.must_be(OrgRole.VIEWER, "see rules")


def access_rule(by: Actor, number: int) -> Rule:
    """The rule with this number, if the actor may see rules."""
    must_view(by)
    rule = Rule.objects.select_related("system", "made_by", "ended_by").filter(number=number).first()
    if rule is None:
        raise Missing(f"There is no rule RULE-{number}.")
    return rule


def may_manage(by: Actor) -> bool:
    """Whether the actor may make and end any rule: leads and up."""
    return by.may(OrgRole.LEAD)


def own_systems(by: Actor) -> QuerySet[System]:
    """The systems that the actor may silence: a responder's own and those of their teams; all for a lead."""
    if may_manage(by):
        return System.objects.all()
    if not by.may(OrgRole.RESPONDER):
        return System.objects.none()
    mine = Q(owner=by.person) | Q(team__memberships__person=by.person)
    return System.objects.filter(pk__in=System.objects.filter(mine).values("pk"))


def may_silence(by: Actor) -> bool:
    """Whether the actor may silence anything at all."""
    return may_manage(by) or own_systems(by).exists()


def must_save(by: Actor, facts: RuleFacts, now: datetime) -> None:
    """Raise `Forbidden` unless the actor may let a rule say this."""
    if may_manage(by):
        return
    by.must_be(OrgRole.RESPONDER, "make rules")
    if facts.kind is not RuleKind.SILENCE:
        raise Forbidden("Leads make rules; as a responder you can silence a system of yours for up to a day.")
    if facts.system is None or not own_systems(by).filter(pk=facts.system.pk).exists():
        raise Forbidden("As a responder you can silence a system that you own or that is one of your teams'.")
    if facts.ends_at is None or facts.ends_at > max(now, facts.starts_at or now) + RESPONDERS_SILENCE:
        raise Forbidden("As a responder you can silence a system for 24 hours at most. A lead can make it longer.")


def may_change(by: Actor, rule: Rule) -> bool:
    """Whether the actor may change or end this rule: leads, and responders a silence of a system of theirs."""
    if may_manage(by):
        return True
    if rule.kind != RuleKind.SILENCE or rule.system_id is None:
        return False
    return own_systems(by).filter(pk=rule.system_id).exists()


def must_change(by: Actor, rule: Rule, doing: str) -> None:
    """Raise `Forbidden` unless the actor may change or end this rule."""
    if not may_change(by, rule):
        by.must_be(OrgRole.RESPONDER if rule.kind == RuleKind.SILENCE else OrgRole.LEAD, doing)
        raise Forbidden(f"You cannot {doing}: it is about a system that is not yours.")
