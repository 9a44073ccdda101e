"""What a run taught: whether the runbook helped, what was missing, and the change that comes of it."""

from django.db import transaction

from andon.handbook.runbook_file import RunbookError, read
from andon.handbook.runbook_text import insert, key_for
from andon.incidents.actions import next_number
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold as hold_incident
from andon.incidents.timeline import record
from andon.kit import clock
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.runbooks import checking, shelf
from andon.runbooks.actions.shelving import WHY_LIMIT, add_version, hold, kept
from andon.runbooks.models import Feedback, Proposal, Run, Version
from andon.runbooks.policy import must_decide

MISSING_LIMIT = 5_000


@transaction.atomic
def give_feedback(run: Run, *, helped: Feedback.Helped, by: Actor, missing: str = "") -> Feedback:
    """Say whether the runbook helped, and what was missing. Whoever says it twice says it anew."""
    must_respond(by, run.incident, "say what you think of a run")
    person = by.must_be_person("say what they think of a run")
    missing = missing.strip()
    if len(missing) > MISSING_LIMIT:
        raise Invalid(f"That is longer than {MISSING_LIMIT:,} characters. Propose a change instead.", field="missing")
    held = hold_incident(run.incident_id)
    said, fresh = Feedback.objects.update_or_create(run=run, by=person, defaults={"helped": helped, "missing": missing})
    if fresh:
        body = {"run": run.number, "runbook": run.version.title, "helped": str(helped), "text": missing}
        record(held, "run_feedback", body, by=by)
    return said


def with_step(text: str, *, after: str, title: str, body: str) -> str:
    """A runbook's text with a step put in below another: where a proposal begins. Raises `Invalid`."""
    before = shelf.parsed(text)
    if before.step(after) is None:
        raise Invalid(f"The runbook has no step {after!r}.", field="after")
    key = key_for(title, {step.key for step in before.steps})
    made = insert(text, after=after, key=key, title=title, body=body)
    try:
        steps = len(read(made, "").steps)
    except RunbookError as error:
        raise Invalid(f"The step cannot stand there: {error.what} Choose another place.", field="after") from error
    if steps != len(before.steps) + 1:
        what = "Its text holds a heading or a block of its own. Write plain paragraphs and lists."
        raise Invalid(what, field="body")
    return made


@transaction.atomic
def propose(key: str, *, text: str, why: str, by: Actor, run: Run | None = None) -> Proposal:
    """Propose another text for a runbook; everybody who may read runbooks reads it.

    With a `run`, whoever may act on its incident may propose, and the proposal says that a run taught it.
    """
    if run is None:
        by.must_be(OrgRole.RESPONDER, "propose changes to runbooks")
    else:
        must_respond(by, run.incident, "propose changes to runbooks")
    person = by.must_be_person("propose a change")
    why = why.strip()
    if not why:
        raise Invalid("Say what the change is for, in a sentence.", field="why")
    if len(why) > WHY_LIMIT:
        raise Invalid(f"The reason is longer than {WHY_LIMIT} characters.", field="why")
    text = checking.must_read(text)
    row, version = kept(key, by=by)
    if run is not None and run.runbook_id != row.pk:
        raise Invalid(f"{run.ref} was of another runbook.", field="run")
    _must_fit(key, text)
    if text == version.text:
        raise Invalid("The text is as it was. Change what is to be changed, then propose it.", field="text")
    return Proposal.objects.create(
        number=next_number("proposal"), runbook=row, base=version, text=text, why=why, by=person, run=run
    )


def _must_fit(key: str, text: str) -> None:
    named = shelf.parsed(text).key
    if named != key:
        raise Invalid(f"The key of a runbook is for ever: it stays {key}, and the text says {named}.", field="text")


@transaction.atomic
def decide(proposal: Proposal, *, accept: bool, by: Actor, seen: int, reason: str = "") -> Proposal:
    """Accept a proposal, or decline it with a reason. `seen` is the number of the version that it was compared with.

    What is accepted becomes the next version. Where a file provides the runbook it stays read-only here: the text is
    to be put into the file, and applying the handbook makes the version.
    """
    must_decide(by, proposal.runbook, "decide on a change to a runbook")
    person = by.must_be_person("decide on a change")
    reason = reason.strip()
    if not accept and not reason:
        raise Invalid("Say why not: whoever proposed it will read it.", field="reason")
    row = hold(shelf.one(proposal.runbook.key))
    found = shelf.one(row.key)  # as it is now that nobody else can change it
    made = None
    if accept:
        row, version = kept(found.key, by=by)
        if version.number != seen:
            raise Conflict(
                f"The runbook is at version {version.number} meanwhile; you compared with {seen}. Look at the "
                "difference again, then decide.",
                code="version-conflict",
            )
        checking.must_read(proposal.text)
    state = Proposal.State.ACCEPTED if accept else Proposal.State.DECLINED
    decided = Proposal.objects.filter(pk=proposal.pk, state=Proposal.State.OPEN).update(
        state=state, decided_by=person, decided_at=clock.now(), reason=reason
    )
    if decided != 1:
        raise Conflict("This was decided already.")
    if accept and not found.from_file:
        why = f"Proposal {proposal.number}: {proposal.why}"
        made = add_version(row, proposal.text, source=Version.Source.OWN, why=why, by=by)
        row.own = True
        row.save(update_fields=["own"])
        Proposal.objects.filter(pk=proposal.pk).update(made=made)
    proposal.refresh_from_db()
    return proposal
