"""A pull is asked for, agreed to, refused, withdrawn, undone. What follows is the engine's: see `running`.

Whoever changes a pull holds its incident first, then the lever, so that two people at once take turns: the second is
told who was first.
"""

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction

from andon.containment import adapters, queries, told
from andon.containment.actions import turns
from andon.containment.models import Approval, Lever, Pull, Rehearsal, Target
from andon.containment.policy import must_pull
from andon.containment.queries import problems, rule_of, standing
from andon.incidents.actions import next_number
from andon.incidents.models import Incident
from andon.incidents.timeline import hold, record
from andon.kit import clock, db, wake
from andon.kit.crypto import LOST_KEY, readable
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice import containment as rules
from andon.practice.containment import BEFORE_THE_ACT, OPEN, SEEN_TO, ApprovalRule, Consent, PullState
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, OrgRole


@transaction.atomic
def pull(
    lever: Lever, incident: Incident, *, by: Actor, why: str = "", on_real: bool = False, known: int | None = None
) -> Pull:
    """Pull a lever for an incident. Where the severity lets whoever asks act alone, the engine begins at once.

    In a drill the target for drills is acted on; `on_real` says, explicitly, that the drill may act on the real one.
    `known` is the number of the newest pull of this lever for this incident that whoever asks has seen, 0 for none: a
    button that was pressed twice, or on a page from before, pulls nothing.
    Raises `Conflict` when somebody was faster (it names them), `Invalid` when the lever cannot be pulled.
    """
    person = must_pull(by, incident)
    held = hold(incident.pk)
    row = db.lock_for_writers(Lever.objects.filter(pk=lever.pk).select_related("system")).get()
    if State(held.state) not in UNRESOLVED:
        raise Conflict(f"{held.ref} is over. Reopen it first if it goes on; then the lever can be pulled.")
    if held.system_id is not None and held.system_id != row.system_id:
        raise Invalid(
            f"“{row.name}” is a lever of {row.system}, and {held.ref} is about {held.system}. "
            f"If it is about {row.system}, say so first; if it is about both, declare one for {row.system}.",
            field="lever",
        )
    _usable(row)
    _nobody_else(row)
    if known is not None:
        _nothing_since(row, held, known)
    drill = held.kind == IncidentKind.DRILL and not on_real
    if drill and not row.drill_settings:
        raise Invalid(
            f"This is a drill, and “{row.name}” has no target for drills, so that it would act on the real one. "
            "Give it one, or say explicitly that the real one may be acted on.",
            field="on_real",
        )
    return _begin(row, held, person, by, why=why, target=Target.DRILL if drill else Target.REAL)


@transaction.atomic
def undo(before: Pull, *, by: Actor, why: str = "") -> Pull:
    """Bring back what held before a pull: a pull of its own, with the same approval. Raises as `pull`."""
    if before.incident is None:
        raise Invalid("A rehearsal undoes itself.")
    person = must_pull(by, before.incident)
    held = hold(before.incident.pk)
    row = db.lock_for_writers(Lever.objects.filter(pk=before.lever_id).select_related("system")).get()
    done = db.lock(Pull.objects.filter(pk=before.pk)).get()
    if reason := why_not_undoable(done):
        raise Conflict(reason)
    _nobody_else(row)
    return _begin(row, held, person, by, why=why, target=Target(done.target), undoes=done)


def why_not_undoable(done: Pull) -> str:
    """Why a pull cannot be undone now, in words; nothing when it can."""
    if done.undoes_id is not None:
        return "This is an undo itself. Pull the lever again."
    if done.phase not in SEEN_TO:
        return f"{done.ref} is {done.phase.words}: there is nothing to undo."
    if (lost := _cannot_be_undone(done)) != "":
        return lost
    again = done.undone_by.filter(state__in=[*OPEN, PullState.VERIFIED]).first()
    if again is not None:
        return f"{done.ref} is being undone, or was: see {again.ref}."
    later = standing(done.lever, Target(done.target), after=done.number)
    if later is not None:
        return f"{later.ref} pulled “{done.lever.name}” again since, and stands. Undo that one."
    return ""


def _cannot_be_undone(done: Pull) -> str:
    """Why Andon has not what it takes to undo a pull; nothing where it has."""
    if not (readable(done.settings) and readable(done.prior)):
        return f"What {done.ref} was made with, or what held before it, cannot be read. {LOST_KEY}"
    known = done.lever.adapter in adapters.kinds()
    able = known and adapters.find(done.lever.adapter).undoable(done.settings)
    return "" if able else f"“{done.lever.name}” cannot be undone by Andon."


def _begin(
    lever: Lever, held: Incident, person: Person, by: Actor, *, why: str, target: Target, undoes: Pull | None = None
) -> Pull:
    rule = rule_of(lever, held)
    lead = by.may(OrgRole.LEAD)
    given = rules.consent(rule, asked_by_lead=lead, others=0, leads=0) is Consent.GIVEN
    made = make(
        lever,
        incident=held,
        undoes=undoes,
        target=target,
        asked_by=person,
        why=why.strip(),
        rule=rule,
        approved=given,
    )
    record(held, "lever_pulled" if given else "lever_asked", body_of(made) | {"why": made.why}, by=by)
    told.moved.send(sender=Pull, pull=made, incident=held)
    return made


def make(
    lever: Lever,
    *,
    target: Target,
    asked_by: Person | None,
    rule: ApprovalRule,
    approved: bool,
    incident: Incident | None = None,
    undoes: Pull | None = None,
    rehearsal: Rehearsal | None = None,
    why: str = "",
) -> Pull:
    """The row of a pull, with the lever's settings frozen onto it (of an undo: those that were pulled with)."""
    now = clock.now()
    settings = lever.drill_settings if target is Target.DRILL else lever.settings
    made = Pull.objects.create(
        number=next_number("pull"),
        lever=lever,
        incident=incident,
        rehearsal=rehearsal,
        undoes=undoes,
        target=target,
        settings=undoes.settings if undoes else settings,
        probe=undoes.probe if undoes else ({} if target is Target.DRILL else lever.probe),
        revision=undoes.revision if undoes else lever.revision,
        key=uuid.uuid4().hex,
        asked_by=asked_by,
        why=why,
        rule=rule,
        state=PullState.APPROVED if approved else PullState.ASKED,
        asked_at=now,
        approved_at=now if approved else None,
        next_at=now if approved else now + rules.ASK_AGAIN,
    )
    wake.after_commit()
    return made


@transaction.atomic
def approve(one: Pull, *, by: Actor) -> Pull:
    """Agree to a pull that waits for it. Whoever asked may do so too, once the severity lets them act alone."""
    held, row, person = _waiting(one, by)
    if (reason := turns.moot(row, held)) is not None:
        raise Conflict(f"{row.ref} is not wanted any more. {reason.words}")
    asked_themselves = row.asked_by_id == person.pk
    rule = rules.rule_at(Severity(held.severity), ApprovalRule(row.rule))
    if asked_themselves and rule is not ApprovalRule.ALONE:
        raise Forbidden(
            f"You asked for {row.ref} yourself. {rules.consent(rule, asked_by_lead=False, others=0, leads=0).words}"
        )
    if not asked_themselves:
        Approval.objects.update_or_create(
            pull=row, person=person, defaults={"agreed": True, "is_lead": by.may(OrgRole.LEAD)}
        )
    agreed = list(row.approvals.filter(agreed=True))
    asker_leads = row.asked_by is not None and row.asked_by.org_role.at_least(OrgRole.LEAD)
    consent = rules.consent(
        rule, asked_by_lead=asker_leads, others=len(agreed), leads=sum(one.is_lead for one in agreed)
    )
    record(held, "lever_agreed", body_of(row) | {"enough": consent is Consent.GIVEN}, by=by)
    if consent is Consent.GIVEN:
        now = clock.now()
        row.state, row.approved_at, row.next_at = PullState.APPROVED, now, now
        row.save(update_fields=["state", "approved_at", "next_at"])
        wake.after_commit()
    return row


@transaction.atomic
def decline(one: Pull, *, reason: str, by: Actor) -> Pull:
    """Refuse a pull that waits to be agreed to, with a reason; it is over. Another one can be asked for."""
    held, row, person = _waiting(one, by)
    reason = _reason(reason)
    if row.asked_by_id == person.pk:
        raise Conflict("You asked for it yourself: withdraw it.")
    Approval.objects.update_or_create(pull=row, person=person, defaults={"agreed": False, "reason": reason})
    return _end(held, row, "lever_declined", reason, by)


@transaction.atomic
def withdraw(one: Pull, *, reason: str, by: Actor) -> Pull:
    """Take a pull back, as long as nothing was done: until the act begins. Raises `Conflict` afterwards."""
    if one.incident is None:
        raise Invalid("A rehearsal ends by itself.")
    must_pull(by, one.incident)
    reason = _reason(reason)
    held = hold(one.incident.pk)
    row = db.lock(Pull.objects.filter(pk=one.pk)).get()
    if row.phase not in BEFORE_THE_ACT:
        raise Conflict(f"{row.ref} is {row.phase.words}: it is too late to withdraw it. It can be undone.")
    return _end(held, row, "lever_withdrawn", reason, by)


def body_of(one: Pull) -> dict[str, Any]:
    """What every entry about a pull says of it."""
    return {
        "lever": one.lever.ref,
        "name": one.lever.name,
        "pull": one.ref,
        "undo": one.undoes_id is not None,
        "target": one.target,
    }


def _end(held: Incident, row: Pull, kind: str, reason: str, by: Actor) -> Pull:
    row.state, row.ended_at, row.next_at, row.outcome = PullState.WITHDRAWN, clock.now(), None, reason
    row.lease_by, row.lease_until = "", None
    row.save(update_fields=["state", "ended_at", "next_at", "outcome", "lease_by", "lease_until"])
    record(held, kind, body_of(row) | {"reason": reason}, by=by)
    return row


def _waiting(one: Pull, by: Actor) -> tuple[Incident, Pull, Person]:
    """The incident and the pull, held, that waits for a word; raises where it does not, or the person may not."""
    if one.incident is None:
        raise Invalid("A rehearsal waits for nobody.")
    person = must_pull(by, one.incident)
    held = hold(one.incident.pk)
    row = db.lock(Pull.objects.filter(pk=one.pk).select_related("lever")).get()
    if row.phase is not PullState.ASKED:
        raise Conflict(f"{row.ref} does not wait for anybody any more: it is {row.phase.words}.")
    return held, row, person


def _reason(reason: str) -> str:
    if not reason.strip():
        raise Invalid("Say why; the review will ask.", field="reason")
    return reason.strip()


def _usable(lever: Lever) -> None:
    wrong = problems(lever)
    if not rules.may_be_pulled(rules.unfit(lever.facts(wrong), clock.now())):
        why = wrong[0] if wrong else "It was taken out of use."
        raise Invalid(f"“{lever.name}” cannot be pulled: {why}", field="lever")


def _nobody_else(lever: Lever) -> None:
    """Raise `Conflict` naming who is at it, where a pull of this lever is under way."""
    other = lever.pulls.filter(state__in=OPEN, rehearsal=None).select_related("asked_by").first()
    if other is not None:
        raise _faster(lever, other, "is undoing" if other.undoes_id else "pulled")


def _nothing_since(lever: Lever, held: Incident, known: int) -> None:
    """Raise `Conflict` naming who was faster, where the lever was pulled for the incident after pull number `known`."""
    since = queries.of_lever_for(held).filter(lever=lever, number__gt=known).select_related("asked_by").last()
    if since is not None:
        more = " Nothing more was done; look at how it stands first."
        raise _faster(lever, since, "undid" if since.undoes_id else "pulled", more)


def _faster(lever: Lever, other: Pull, what: str, more: str = "") -> Conflict:
    """Who did what with the lever, and how that stands."""
    who = other.asked_by or "Somebody"
    return Conflict(
        f"{who} {what} “{lever.name}” {ago(other.asked_at)} ({other.ref}): {other.phase.words}.{more}",
        code="already-pulled",
    )


def ago(moment: datetime) -> str:
    """How long ago, in words for an error."""
    seconds = max(0, int((clock.now() - moment).total_seconds()))
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} min ago"  # noqa: PLR2004  two minutes
