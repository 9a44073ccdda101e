"""A run of a runbook on an incident: begun, done step by step, ended. Each leaves its entry on the timeline."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from andon.containment.models import Pull
from andon.incidents.actions import next_number
from andon.incidents.models import Incident
from andon.incidents.policy import must_respond
from andon.incidents.timeline import hold, record
from andon.kit import clock
from andon.kit.errors import Conflict, Invalid, Missing
from andon.people.policy import Actor
from andon.practice import runbook as practice
from andon.practice.lifecycle import State
from andon.practice.words import RunbookPhase, StepKind, StepState
from andon.runbooks import levers, queries, shelf
from andon.runbooks.actions.shelving import kept
from andon.runbooks.models import Run, RunStep
from andon.runbooks.shelf import parsed

DOING = "run runbooks"
NOTE_LIMIT = 20_000
_OPEN = (StepState.TODO, StepState.PASSED)


@transaction.atomic
def begin(incident: Incident, *, key: str, by: Actor) -> Run:
    """Begin a runbook on an incident, in the version on the shelf; of one that is gone, as its handbook has it."""
    must_respond(by, incident, DOING)
    held = hold(incident.pk)
    if State(held.state) is State.CLOSED:
        raise Conflict(f"{held.ref} is closed. Reopen it first.")
    row, version = kept(key, by=by, opened=held.edition_id)
    found = shelf.one(key, opened=held.edition_id)
    if found.is_off:
        lost, off = "is in the handbook no more.", "was taken off the shelf. A lead can put it back."
        raise Conflict(f"“{version.title}” {lost if found.is_lost else off}")
    going = Conflict(f"“{version.title}” is being run on {held.ref} already. Go on with that run.", code="run-going")
    if Run.objects.filter(incident=held, runbook=row, state=Run.State.GOING).exists():
        raise going
    try:
        with transaction.atomic():
            run = Run.objects.create(
                number=next_number("run"), incident=held, runbook=row, version=version, begun_by=by.person
            )
    except IntegrityError as error:
        raise going from error
    book = parsed(version.text)
    RunStep.objects.bulk_create(
        RunStep(run=run, position=place, key=step.key, phase=step.phase, kind=step.kind, title=step.title)
        for place, step in enumerate(book.steps)
    )
    _turn(run, held, clock.now())
    record(held, "run_begun", _body(run), by=by)
    return run


@transaction.atomic
def settle(run: Run, *, key: str, state: StepState, by: Actor, note: str = "", outcome: str = "") -> RunStep:
    """Say what became of a step: done (a decision by its outcome), skipped or failed with the reason.

    Diagnosing waits until the incident is contained, or containment was waived with a reason.
    """
    must_respond(by, run.incident, DOING)
    held = hold(run.incident_id)
    _must_go_on(run)
    book = parsed(run.version.text)
    rows = queries.latest(run)
    row, step = _step(run, book, rows, key)
    note = note.strip()
    _check(held, step, row, state=state, note=note, outcome=outcome)
    if state is StepState.DONE and not note and step.kind is StepKind.LEVER and levers.fitting(step, held):
        raise Invalid("Pull the lever: seen to hold, it settles the step. Done by hand, say how and why.", field="note")
    return _settle(held, run, book, rows, row, state=state, note=note, outcome=outcome, by=by)


def settle_pulled(pull: Pull, held: Incident) -> None:
    """In every run that goes on, settle the step that asked for a lever which was seen to hold. The incident is held.

    A pull counts wherever it was begun: from the run, the incident's page, the API.
    """
    by = Actor.of(pull.asked_by) if pull.asked_by else Actor.engine()
    for run in Run.objects.filter(incident=held, state=Run.State.GOING).select_related("version"):
        book, rows = parsed(run.version.text), queries.latest(run)
        step = practice.pulled_for(book, queries.states(rows), pull.lever.what_kind, pull.lever.name)
        row = next((one for one in rows if step is not None and one.key == step.key), None)
        if row is not None:
            note = f"{pull.lever.name} ({pull.ref}). {pull.seen}".strip()[:NOTE_LIMIT]
            _settle(held, run, book, rows, row, state=StepState.DONE, note=note, outcome="", by=by)


def _settle(
    held: Incident, run: Run, book: practice.Runbook, rows: Sequence[RunStep], row: RunStep,
    *, state: StepState, note: str, outcome: str, by: Actor,
) -> RunStep:  # fmt: skip
    step, key = book.steps[book.place(row.key)], row.key
    before = queries.states(rows)
    now = clock.now()
    settled = RunStep.objects.filter(pk=row.pk, state__in=_OPEN).update(
        state=state, at=now, by=by.person, note=note, outcome=outcome if step.outcomes else ""
    )
    if settled != 1:
        raise Conflict(f"“{row.title}” was settled by somebody else meanwhile.")
    followed = practice.move(book, key, state, outcome, before)
    _pass_by(rows, followed.passed)
    _open_again(rows, followed.again)
    _turn(run, held, now)
    _tell(held, run, step, state=state, note=note, outcome=outcome, again=len(followed.again), by=by)
    row.refresh_from_db()
    return row


def _must_go_on(run: Run) -> None:
    if not Run.objects.filter(pk=run.pk, state=Run.State.GOING).exists():
        raise Conflict(f"{run.ref} has ended. Begin the runbook again if there is more to do.")


def _step(run: Run, book: practice.Runbook, rows: Sequence[RunStep], key: str) -> tuple[RunStep, practice.Step]:
    step = book.step(key)
    row = next((one for one in rows if one.key == key), None)
    if step is None or row is None:
        raise Missing(f"{run.ref} has no step {key!r}.")
    return row, step


def _check(held: Incident, step: practice.Step, row: RunStep, *, state: StepState, note: str, outcome: str) -> None:
    if state not in {StepState.DONE, StepState.SKIPPED, StepState.FAILED}:
        raise Invalid("A step is done, skipped, or did not work.", field="state")
    if len(note) > NOTE_LIMIT:
        raise Invalid(f"The note is longer than {NOTE_LIMIT:,} characters. Link to a document.", field="note")
    if row.state not in _OPEN:
        raise Conflict(f"“{row.title}” is {StepState(row.state).words} already. Open it again to say otherwise.")
    if step.phase is RunbookPhase.DIAGNOSE and held.held is None and state is not StepState.SKIPPED:
        raise Conflict("Containment comes first. Contain, or waive containment with a reason; then diagnose.")
    if state is StepState.FAILED and not note:
        raise Invalid("Say what happened, so that whoever comes next does not try it again.", field="note")
    if state is StepState.SKIPPED and not note and not step.optional:
        raise Invalid("A step is skipped with a reason.", field="note")
    if state is StepState.DONE and step.outcomes and outcome not in {one.key for one in step.outcomes}:
        words = ", ".join(one.key for one in step.outcomes)
        raise Invalid(f"A decision is settled by its outcome: one of {words}.", field="outcome")


def _pass_by(rows: Sequence[RunStep], keys: Sequence[str]) -> None:
    passed = [row.pk for row in rows if row.key in keys]
    RunStep.objects.filter(pk__in=passed, state=StepState.TODO).update(state=StepState.PASSED)


def _open_again(rows: Sequence[RunStep], keys: Sequence[str]) -> None:
    """A further turn of what was settled, the decision that led back among it; what was passed by is to do."""
    opened = [row for row in rows if row.key in keys]
    RunStep.objects.filter(pk__in=[row.pk for row in opened], state=StepState.PASSED).update(state=StepState.TODO)
    settled = RunStep.objects.filter(pk__in=[row.pk for row in opened]).exclude(state=StepState.TODO)
    RunStep.objects.bulk_create(_next_turn(row) for row in settled)


def _next_turn(row: RunStep) -> RunStep:
    return RunStep(
        run_id=row.run_id, position=row.position, key=row.key, turn=row.turn + 1, phase=row.phase, kind=row.kind,
        title=row.title,
    )  # fmt: skip


def _turn(run: Run, held: Incident, now: datetime) -> None:
    """Note since when it is the next step's turn, from which the time that it took is counted."""
    book = parsed(run.version.text)
    rows = queries.latest(run)
    step = practice.current(book, queries.states(rows), held=held.held is not None)
    if step is not None:
        row = next(one for one in rows if one.key == step.key)
        RunStep.objects.filter(pk=row.pk, begun_at=None).update(begun_at=now)


def take_turns(held: Incident) -> None:
    """Note whose turn it is in every run that goes on: containment has opened more steps. The incident is held."""
    for run in Run.objects.filter(incident=held, state=Run.State.GOING).select_related("version"):
        _turn(run, held, clock.now())


_KINDS = {StepState.DONE: "run_step_done", StepState.SKIPPED: "run_step_skipped", StepState.FAILED: "run_step_failed"}


def _tell(
    held: Incident, run: Run, step: practice.Step, *, state: StepState, note: str, outcome: str, again: int, by: Actor
) -> None:
    body: dict[str, Any] = _body(run) | {"step": step.key, "title": step.title, "note": note}
    kind = _KINDS[state]
    if state is StepState.DONE and step.kind is StepKind.DECISION:
        kind = "run_decided"
        body |= {"outcome": outcome, "words": next(one.words for one in step.outcomes if one.key == outcome)}
        body |= {"again": again}
    record(held, kind, body, by=by)


def _body(run: Run) -> dict[str, Any]:
    return {"run": run.number, "runbook": run.version.title, "version": run.version.number}


@transaction.atomic
def again(run: Run, *, key: str, by: Actor) -> RunStep:
    """Open a settled step again: what was said of it stays as its earlier turn; what it passed by is to do again."""
    must_respond(by, run.incident, DOING)
    held = hold(run.incident_id)
    _must_go_on(run)
    book = parsed(run.version.text)
    rows = queries.latest(run)
    row, step = _step(run, book, rows, key)
    if row.state == StepState.TODO:
        raise Conflict(f"“{row.title}” is still to do.")
    back = practice.passed_by(book, key, StepState(row.state), row.outcome, queries.states(rows))
    _open_again(rows, [key, *back])
    _turn(run, held, clock.now())
    record(held, "run_step_again", _body(run) | {"step": step.key, "title": step.title}, by=by)
    return next(one for one in queries.latest(run) if one.key == key)


@transaction.atomic
def keep_seen(run: Run, *, key: str, seen: dict[str, Any], by: Actor) -> RunStep:
    """Keep what a query saw: the aggregates only, with where and when they were read."""
    must_respond(by, run.incident, DOING)
    held = hold(run.incident_id)
    _must_go_on(run)
    row, step = _step(run, parsed(run.version.text), queries.latest(run), key)
    if step.ask is None:
        raise Invalid(f"“{row.title}” asks nothing of the decision log.")
    if step.phase is RunbookPhase.DIAGNOSE and held.held is None:
        raise Conflict("Containment comes first. Contain, or waive containment with a reason; then diagnose.")
    RunStep.objects.filter(pk=row.pk).update(seen=seen)
    record(held, "run_looked", _body(run) | {"step": key, "title": row.title, "log": seen["log"]}, by=by)
    row.refresh_from_db()
    return row


@transaction.atomic
def end(run: Run, *, finished: bool, by: Actor, note: str = "") -> Run:
    """End a run: finished, or stopped before its end. With steps still to do, it needs words on why."""
    must_respond(by, run.incident, DOING)
    held = hold(run.incident_id)
    _must_go_on(run)
    book = parsed(run.version.text)
    rows = queries.latest(run)
    left = [row for row in rows if row.state == StepState.TODO and not _optional(book, row.key)]
    note = note.strip()
    if (left or not finished) and not note:
        still = f"{len(left)} steps are still to do. " if len(left) > 1 else "One step is still to do. " if left else ""
        raise Invalid(f"{still}Say why the run ends here.", field="note")
    state = Run.State.FINISHED if finished else Run.State.STOPPED
    ended = Run.objects.filter(pk=run.pk, state=Run.State.GOING).update(
        state=state, ended_at=clock.now(), ended_by=by.person, end_note=note
    )
    if ended != 1:
        raise Conflict(f"{run.ref} was ended by somebody else meanwhile.")
    body = _body(run) | {"left": len(left), "reason": note}
    record(held, "run_finished" if finished else "run_stopped", body, by=by)
    run.refresh_from_db()
    return run


def _optional(book: practice.Runbook, key: str) -> bool:
    step = book.step(key)
    return step is not None and step.optional
