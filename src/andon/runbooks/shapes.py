"""What the API takes and gives about runbooks, runs of them and proposals to change them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from ninja import Field, Schema

from andon.incidents.shapes import short
from andon.kit.shapes import Given
from andon.oncall.shapes import PersonShort
from andon.practice import runbook as practice
from andon.practice.shelf import Fit
from andon.practice.words import IncidentType, RunbookPhase, StepKind, StepState, SystemKind
from andon.runbooks import queries, shelf
from andon.runbooks.models import Feedback, Proposal, Run, RunStep, Version
from andon.runbooks.queries import Standing


class OutcomeOut(Schema):
    """One answer to a decision, and the step that it leads to; null = the next."""

    key: str
    words: str
    to: str | None


class RunbookStepOut(Schema):
    """One step of a runbook: what it asks for."""

    key: str
    phase: RunbookPhase
    kind: StepKind
    title: str
    body: str = Field(description="In Markdown.")
    minutes: int | None
    optional: bool
    then: str | None = Field(description="The step that it leads to once it is done; null = the next.")
    outcomes: list[OutcomeOut]
    does: str | None = Field(description="Of a lever: what it does.")
    lever: str
    ask: dict[str, Any] | None = Field(description="Of a query: what it asks of the decision log.")
    audience: str
    within: str
    draft: str

    @classmethod
    def of(cls, step: practice.Step) -> RunbookStepOut:
        """The step as the API says it."""
        plain = ("key", "phase", "kind", "title", "body", "minutes", "optional", "does", "lever", "audience", "within")
        ask = step.ask
        return cls(
            **{name: getattr(step, name) for name in plain},
            draft=step.draft,
            then=step.then or None,
            outcomes=[OutcomeOut(key=one.key, words=one.words, to=one.to or None) for one in step.outcomes],
            ask={
                "measure": ask.measure, "what": ask.what, "only": ask.only, "by": ask.by,
                "window_minutes": ask.window_minutes, "hours": ask.hours,
            } if ask else None,
        )  # fmt: skip


class RunbookOut(Schema):
    """A runbook in the library: what it is for, who keeps it right, and its use as far as the caller may know."""

    key: str
    title: str
    summary: str
    owner: str
    types: list[IncidentType]
    systems: list[SystemKind] = Field(description="Kinds of system that it is for; empty = any.")
    minutes: int
    source: str = Field(description="shipped, file (of the organisation's handbook) or own (written here).")
    version: int | None = Field(description="The newest version that is kept; null until somebody used or changed it.")
    off: bool = Field(description="Whether it is off the shelf.")
    reviewed: date
    due: date = Field(description="The day on which it is to be read through again.")
    freshness: str
    runs: int
    drills: int
    last_used_at: datetime | None
    helped: int = Field(description="In how many answers it helped.")
    answers: int
    proposals: int = Field(description="Proposals that wait to be decided.")
    url: str

    @classmethod
    def of(cls, one: Standing) -> RunbookOut:
        """The runbook as the API says it."""
        return cls(**_facts(one))


class RunbookDetail(RunbookOut):
    """A runbook with its steps, and its text as a file would hold it."""

    intro: str
    steps: list[RunbookStepOut]
    text: str

    @classmethod
    def of(cls, one: Standing) -> RunbookDetail:
        """The runbook as the API says it."""
        book = one.shelved.runbook
        steps = [RunbookStepOut.of(step) for step in book.steps]
        return cls(**_facts(one), intro=book.intro, steps=steps, text=one.shelved.text)


def _facts(one: Standing) -> dict[str, Any]:
    found, use = one.shelved, one.use
    book = found.runbook
    return {
        "key": book.key, "title": book.title, "summary": book.summary, "owner": one.owner, "types": list(book.types),
        "systems": list(book.systems), "minutes": book.minutes, "source": str(found.source),
        "version": found.version.number if found.version else None, "off": found.is_off, "reviewed": one.reviewed,
        "due": one.due, "freshness": str(one.freshness), "runs": use.runs, "drills": use.drills,
        "last_used_at": use.last_at, "helped": use.helped, "answers": use.answers, "proposals": one.proposals,
        "url": f"/runbooks/{book.key}",
    }  # fmt: skip


class RunbookIn(Given):
    """A runbook's text, as a file would hold it."""

    text: str


class OwnerIn(Given):
    """Who answers for a runbook here; null leaves it to the role that its text names."""

    owner: str | None = Field(description="The id of a person.")


class RunbookVersionOut(Schema):
    """One text of a runbook that is kept."""

    number: int
    title: str
    source: str
    why: str
    by: PersonShort | None
    at: datetime
    digest: str
    text: str

    @classmethod
    def of(cls, row: Version) -> RunbookVersionOut:
        """The version as the API says it."""
        plain = ("number", "title", "source", "why", "digest", "text")
        return cls(**{name: getattr(row, name) for name in plain}, by=short(row.by), at=row.created_at)


class FitOut(Schema):
    """A runbook that is offered for an incident, and by what."""

    key: str
    title: str
    summary: str
    minutes: int
    reasons: list[str]

    @classmethod
    def of(cls, fit: Fit) -> FitOut:
        """The offer as the API says it."""
        book = fit.runbook
        return cls(
            key=book.key, title=book.title, summary=book.summary, minutes=book.minutes, reasons=list(fit.reasons)
        )


class RunOut(Schema):
    """A run of a runbook on an incident."""

    number: int
    ref: str
    incident: int
    runbook: str
    title: str
    version: int
    state: str
    begun_by: PersonShort | None
    begun_at: datetime
    ended_by: PersonShort | None
    ended_at: datetime | None
    end_note: str
    url: str

    @classmethod
    def of(cls, row: Run) -> RunOut:
        """The run as the API says it."""
        return cls(**_run_facts(row))


def _run_facts(row: Run) -> dict[str, Any]:
    return {
        "number": row.number, "ref": row.ref, "incident": row.incident.number, "runbook": row.runbook.key,
        "title": row.version.title, "version": row.version.number, "state": row.state, "begun_by": short(row.begun_by),
        "begun_at": row.created_at, "ended_by": short(row.ended_by), "ended_at": row.ended_at,
        "end_note": row.end_note, "url": f"/runs/{row.number}",
    }  # fmt: skip


class TurnOut(Schema):
    """What became of a step: who did what when, and how long it took from when it was its turn."""

    turn: int
    state: StepState
    by: PersonShort | None
    begun_at: datetime | None
    at: datetime | None
    seconds: float | None
    outcome: str
    note: str = Field(description="What was seen or done; of what was skipped or did not work, why.")
    seen: dict[str, Any] | None = Field(description="Of a query: the aggregates that were looked at.")

    @classmethod
    def of(cls, row: RunStep) -> TurnOut:
        """The turn as the API says it."""
        return cls(**_turn_facts(row))


def _turn_facts(row: RunStep) -> dict[str, Any]:
    took = (row.at - row.begun_at).total_seconds() if row.at and row.begun_at else None
    plain = ("turn", "state", "begun_at", "at", "outcome", "note", "seen")
    return {name: getattr(row, name) for name in plain} | {"by": short(row.by), "seconds": took}


class RunStepOut(TurnOut):
    """A step of a run as it stands, with the turns that were taken of it before."""

    now: bool = Field(description="Whether it is the one to do next.")
    step: RunbookStepOut
    before: list[TurnOut]


class FeedbackOut(Schema):
    """What somebody thought of a run."""

    by: PersonShort | None
    helped: str
    missing: str
    at: datetime

    @classmethod
    def of(cls, row: Feedback) -> FeedbackOut:
        """The answer as the API says it."""
        return cls(by=short(row.by), helped=row.helped, missing=row.missing, at=row.created_at)


class RunDetail(RunOut):
    """A run with its steps and what people thought of it."""

    steps: list[RunStepOut]
    feedback: list[FeedbackOut]

    @classmethod
    def whole(cls, row: Run) -> RunDetail:
        """The run as the API says it."""
        book, steps, before = shelf.parsed(row.version.text), queries.latest(row), queries.earlier(row)
        going, held = row.state == Run.State.GOING, row.incident.held is not None
        now = practice.current(book, queries.states(steps), held=held) if going else None
        said = [
            RunStepOut(
                **_turn_facts(one),
                now=now is not None and one.key == now.key,
                step=RunbookStepOut.of(book.steps[book.place(one.key)]),
                before=[TurnOut.of(turn) for turn in before.get(one.key, [])],
            )
            for one in steps
        ]
        feedback = [FeedbackOut.of(one) for one in row.feedback.select_related("by")]
        return cls(**_run_facts(row), steps=said, feedback=feedback)


class RunPage(Schema):
    """A page of runs, newest first."""

    items: list[RunOut]
    next_cursor: str | None


class RunQuery(Schema):
    """Which runs to list."""

    incident: int | None = Field(None, description="The number of an incident.")
    runbook: str = Field("", description="The key of a runbook.")
    state: str = Field("", description="going, finished or stopped.")
    cursor: str | None = None
    limit: int = 50


class RunIn(Given):
    """On which incident a runbook is begun."""

    incident: int = Field(description="The number of the incident.")
    runbook: str = Field(description="The key of the runbook.")


class SettleIn(Given):
    """What became of a step: done (a decision by its outcome), skipped or failed with the reason as its note."""

    state: StepState = StepState.DONE
    note: str = ""
    outcome: str = Field("", description="Of a decision: the key of its outcome.")


class DrawIn(Given):
    """By which of the log's group columns a query is compared; empty = the first."""

    by: str = ""


class EndIn(Given):
    """How a run ends; with steps still to do, or stopped, it needs words on why."""

    finished: bool = Field(default=True, description="False stops it before its end.")
    note: str = ""


class FeedbackIn(Given):
    """Did it help, and what was missing?"""

    helped: Feedback.Helped
    missing: str = ""


class MissingStep(Given):
    """A step that was missing, and the one that it is to stand below."""

    after: str
    title: str
    body: str


class ProposalIn(Given):
    """Another text for a runbook, or a step to be put into the present one; and what the change is for."""

    why: str
    text: str = ""
    step: MissingStep | None = None
    run: int | None = Field(None, description="The number of the run that taught it.")


class ProposalOut(Schema):
    """A proposed change to a runbook."""

    number: int
    runbook: str
    state: str
    why: str
    by: PersonShort | None
    at: datetime
    run: int | None = Field(description="The run that taught it, where the caller may see its incident.")
    base: int = Field(description="The version that its writer began from.")
    now: int = Field(description="The version that it would follow now: send it as `seen` to accept.")
    text: str
    diff: str = Field(description="Against the present text while it is open, else against its base.")
    decided_by: PersonShort | None
    decided_at: datetime | None
    reason: str
    made: int | None = Field(description="The version that it became; null also where a file provides the runbook.")

    @classmethod
    def of(cls, row: Proposal, *, now: int, diff: str, run: int | None) -> ProposalOut:
        """The proposal as the API says it."""
        plain = ("number", "state", "why", "text", "decided_at", "reason")
        return cls(
            **{name: getattr(row, name) for name in plain},
            runbook=row.runbook.key, by=short(row.by), at=row.created_at, run=run, base=row.base.number, now=now,
            diff=diff, decided_by=short(row.decided_by), made=row.made.number if row.made else None,
        )  # fmt: skip


class ProposalPage(Schema):
    """A page of proposals, newest first."""

    items: list[ProposalOut]
    next_cursor: str | None


class ProposalQuery(Schema):
    """Which proposals to list."""

    runbook: str = ""
    state: str = Field("", description="open, accepted or declined.")
    cursor: str | None = None
    limit: int = 50


class AcceptIn(Given):
    """Against which version the change was looked at; a newer one is never overwritten."""

    seen: int


class DeclineIn(Given):
    """Why not: whoever proposed it reads it."""

    reason: str
