"""`andon evidence`: what is kept of an incident, taken along as one archive, and verified."""

import os
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.cli.incident import As, Number, number_of
from andon.cli.say import Trouble

app = commands("See, keep and take along the evidence of an incident.")


@app.command("list")
def list_(incident: Number, json: say.AsJson = False) -> None:
    """List what is kept of an incident, and what could not be collected."""
    house.enter()
    from andon.containment.evidence import queries
    from andon.containment.evidence.shapes import PreservationOut
    from andon.incidents.policy import access_incident

    found = queries.listed(access_incident(house.operator(), number_of(incident)))
    _show([PreservationOut.of(one).dict() for one in found])


@app.command()
def preserve(incident: Number, as_: As, json: say.AsJson = False) -> None:
    """Preserve evidence now, without a lever; it takes at most ten seconds."""
    house.enter()
    from andon.containment.evidence import actions, queries
    from andon.containment.evidence.models import Preservation
    from andon.containment.evidence.shapes import PreservationOut
    from andon.incidents.policy import access_incident

    by = house.actor(as_)
    made = actions.preserve(access_incident(by, number_of(incident)), why=Preservation.Why.HAND, by=by)
    _show([PreservationOut.of(queries.of_row(made)).dict()])


@app.command()
def export(
    incident: Number,
    file: Annotated[Path, typer.Argument(help="The zip to write.")],
    as_: As,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: say.AsJson = False,
) -> None:
    """Write everything that is kept to one zip, with manifest.json and SHA256SUMS. The timeline says who took it."""
    house.enter()
    from andon.containment.evidence.giving import archive_of
    from andon.incidents.policy import access_incident

    if file.exists() and not force:
        raise Trouble(f"{file} is there already. Choose another name, or replace it with --force.", code=1)
    by = house.actor(as_)
    with archive_of(access_incident(by, number_of(incident)), by=by) as made:
        try:
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                shutil.copyfileobj(made, out)
        except OSError as error:
            raise Trouble(f"{file} cannot be written: {error.strerror}.", code=1) from error
    size = file.stat().st_size
    say.answer({"file": str(file), "bytes": size}, lambda: [f"Wrote {file} ({size:,} bytes)."])


@app.command()
def verify(incident: Number, json: say.AsJson = False) -> None:
    """Recompute every digest of an incident's evidence, from its timeline down; exit code 1 if something changed."""
    house.enter()
    from rich.text import Text

    from andon.containment.evidence import queries
    from andon.containment.evidence.verifying import verify as check
    from andon.incidents import timeline
    from andon.incidents.policy import access_incident

    found = access_incident(house.operator(), number_of(incident))
    broken = timeline.verify(found) + check(found)
    kept = sum(len(one.kept) for one in queries.listed(found))

    def show() -> list[Text]:
        lines = [Text(f"{one.ref}: {one.problem}", style="red") for one in broken]
        verdict = f"NOT INTACT: {len(broken)} problems" if broken else f"Intact: {kept} kept things"
        return [*lines, Text(f"{verdict}.", style="bold red" if broken else "bold green")]

    say.answer({"intact": not broken, "kept": kept, "problems": [one.problem for one in broken]}, show)
    if broken:
        raise typer.Exit(1)


@app.command()
def forget(
    column: Annotated[str, typer.Option(help="The column of kept decisions that says whom a row is about.")],
    reason: Annotated[str, typer.Option(help="By which right, as “request of a data subject”.")],
    as_: As,
    value: Annotated[str, typer.Option(prompt=True, help="The rows that have it go; it is written nowhere.")] = "",
    json: say.AsJson = False,
) -> None:
    """Take the rows about one person out of all kept decisions, of every incident. Administrators only."""
    house.enter()
    from andon.containment.evidence import actions

    gone = actions.forget(column=column, value=value, reason=reason, by=house.actor(as_))
    said = [{"incident": item.preservation.incident.ref, "name": item.name} for item in gone]
    say.answer(
        {"erased": said},
        lambda: (
            [f"{one['incident']}: rows erased from {one['name']}." for one in said] or ["No kept row is about them."]
        ),
    )


def _show(found: list[dict[str, Any]]) -> None:
    def rows() -> list[tuple[object, ...]]:
        return [
            (one["number"], item["name"], item["size"], item["sha256"][:12] or "-", item["why_missing"] or "kept")
            for one in found
            for item in [*one["kept"], *one["missing"]]
        ]

    say.answer(
        found,
        lambda: say.table(
            "evidence", "what", "bytes", "sha256", "state", rows=rows(), empty="Nothing is kept of it yet."
        ),
    )
