"""`andon runbook`: the library, whether a file can be run, and a run on an incident, step by step."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.cli.incident import number_of
from andon.cli.say import Trouble

if TYPE_CHECKING:
    from andon.people.policy import Actor
    from andon.runbooks.models import Run

app = commands("See the library of runbooks, check a file, run one on an incident.")

MISTAKES = 1
Key = Annotated[str, typer.Argument(metavar="RUNBOOK", help="Its key, as fairness-violation.")]
RunRef = Annotated[str, typer.Argument(metavar="RUN", help="As RUN-7, or 7.")]
As = Annotated[str, typer.Option("--as", metavar="EMAIL", help="In whose name: the timeline says so.")]


@app.command("list")
def list_(
    off: Annotated[bool, typer.Option("--off", help="Those that are off the shelf.")] = False,
    json: say.AsJson = False,
) -> None:
    """List the runbooks: who keeps each right, whether its review is overdue, how it is used."""
    house.enter()
    from andon.runbooks import queries
    from andon.runbooks.shapes import RunbookOut

    found = [RunbookOut.of(one) for one in queries.library(house.operator(), off=off)]
    say.answer(
        [one.dict() for one in found],
        lambda: say.table(
            "runbook", "title", "owner", "review", "runs", "last used", "helped", "proposals",
            rows=[
                (one.key, one.title, one.owner, f"{one.freshness}, {one.due}", one.runs, say.when(one.last_used_at),
                 f"{one.helped} of {one.answers}" if one.answers else "-", one.proposals)
                for one in found
            ],
            empty="No runbook is there.",
        ),
    )  # fmt: skip


@app.command()
def show(
    runbook: Key,
    text: Annotated[bool, typer.Option("--text", help="The whole text, as its file would hold it.")] = False,
    json: say.AsJson = False,
) -> None:
    """Show one runbook with its steps, or its text."""
    house.enter()
    from andon.runbooks import queries
    from andon.runbooks.shapes import RunbookDetail

    found = RunbookDetail.of(queries.standing(house.operator(), runbook))
    if text and not say.to_machine():
        typer.echo(found.text)
        return
    say.answer(
        found.dict(),
        lambda: [
            f"{found.title} ({found.key}): {found.summary}",
            f"Kept right by {found.owner}; read through {found.reviewed}, due again {found.due}.",
            say.table(
                "phase", "step", "kind", "title",
                rows=[(one.phase.label, one.key, one.kind.label, one.title) for one in found.steps], empty="",
            ),
        ],
    )  # fmt: skip


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Files of runbooks, as runbooks/x.md.")], json: say.AsJson = False
) -> None:
    """Look for every mistake in files of runbooks, by line; exits with 1 if there are any. Needs no database."""
    house.set_up()
    from andon.handbook.recipes import INPUT
    from andon.handbook.runbook_file import roles_of
    from andon.handbook.source import shipped
    from andon.runbooks.checking import wrong

    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Trouble(f"{file} cannot be read: {error}.") from error
        roles = {*roles_of(shipped()), INPUT}
        rows += [{"file": str(file), "line": one.at, "what": one.what} for one in wrong(text, str(file), roles)]
    say.answer(
        {"mistakes": rows},
        lambda: [f"{row['file']}:{row['line']}: {row['what']}" for row in rows] or ["Every one of them can be run."],
    )
    if rows:
        raise typer.Exit(MISTAKES)


@app.command()
def runs(
    incident: Annotated[str, typer.Option(help="Only those on this incident, as INC-42.")] = "",
    runbook: Annotated[str, typer.Option(help="Only those of this runbook, by its key.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1, max=1000)] = 50,
    json: say.AsJson = False,
) -> None:
    """List runs, newest first."""
    house.enter()
    from andon.incidents.policy import access_incident
    from andon.runbooks.policy import visible_runs
    from andon.runbooks.shapes import RunOut

    by = house.operator()
    rows = visible_runs(by).order_by("-number")
    if incident:
        rows = rows.filter(incident=access_incident(by, number_of(incident)))
    if runbook:
        rows = rows.filter(runbook__key=runbook)
    found = [RunOut.of(row) for row in rows[:limit]]
    say.answer(
        [one.dict() for one in found],
        lambda: say.table(
            "run", "incident", "runbook", "version", "state", "begun", "by",
            rows=[
                (one.ref, f"INC-{one.incident}", one.title, one.version, one.state, say.when(one.begun_at),
                 one.begun_by.name if one.begun_by else "-")
                for one in found
            ],
            empty="No runbook was run yet.",
        ),
    )  # fmt: skip


@app.command()
def run(run: RunRef, json: say.AsJson = False) -> None:
    """Show a run: every step, who did what when, what was skipped and why, and how long each took."""
    house.enter()
    by = house.operator()
    _tell(by, _run(by, run))


@app.command()
def begin(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="As INC-42, or 42.")],
    runbook: Key,
    on_behalf_of: As,
    json: say.AsJson = False,
) -> None:
    """Begin a runbook on an incident."""
    house.enter()
    from andon.incidents.policy import access_incident
    from andon.runbooks import actions

    by = house.actor(on_behalf_of)
    _tell(by, actions.begin(access_incident(by, number_of(incident)), key=runbook, by=by))


@app.command()
def step(
    run: RunRef,
    key: Annotated[str, typer.Argument(metavar="STEP", help="The key of the step.")],
    on_behalf_of: As,
    state: Annotated[str, typer.Option(help="done, skipped or failed.")] = "done",
    note: Annotated[str, typer.Option(help="What was seen or done; of what was skipped or did not work, why.")] = "",
    outcome: Annotated[str, typer.Option(help="Of a decision: the key of its outcome.")] = "",
    json: say.AsJson = False,
) -> None:
    """Say what became of a step."""
    house.enter()
    from andon.practice.words import StepState
    from andon.runbooks import actions

    if state not in set(StepState):
        raise Trouble(f"A step cannot be {state!r}. It is done, skipped or failed.")
    by = house.actor(on_behalf_of)
    found = _run(by, run)
    actions.settle(found, key=key, state=StepState(state), note=note, outcome=outcome, by=by)
    _tell(by, found)


@app.command()
def end(
    run: RunRef,
    on_behalf_of: As,
    stop: Annotated[bool, typer.Option("--stop", help="It is stopped before its end.")] = False,
    note: Annotated[str, typer.Option(help="Why it ends here; needed with steps still to do.")] = "",
    json: say.AsJson = False,
) -> None:
    """Finish a run, or stop it."""
    house.enter()
    from andon.runbooks import actions

    by = house.actor(on_behalf_of)
    _tell(by, actions.end(_run(by, run), finished=not stop, note=note, by=by))


def _run(by: "Actor", ref: str) -> "Run":
    from andon.runbooks.policy import access_run

    digits = ref.upper().removeprefix("RUN-")
    if not digits.isascii() or not digits.isdigit():
        raise Trouble(f"{ref} is no run's number: it looks like RUN-7.")
    return access_run(by, int(digits))


def _tell(by: "Actor", run: "Run") -> None:
    """A run as it stands, with the step to do next."""
    from datetime import timedelta

    from andon.runbooks.policy import access_run
    from andon.runbooks.shapes import RunDetail

    found = RunDetail.whole(access_run(by, run.number))
    now = next((one for one in found.steps if one.now), None)
    say.answer(
        found.dict(),
        lambda: [
            f"{found.ref} {found.title}, version {found.version}, on INC-{found.incident}: {found.state}",
            say.table(
                "step", "title", "state", "by", "took", "note",
                rows=[
                    (one.step.key, one.step.title, one.state.words, one.by.name if one.by else "-",
                     say.span(timedelta(seconds=one.seconds)) if one.seconds is not None else "-",
                     " ".join(part for part in (one.outcome, one.note) if part))
                    for one in found.steps
                ],
                empty="",
            ),
            f"Now: {now.step.key}, {now.step.title}" if now else "No step is to be done now.",
        ],
    )  # fmt: skip
