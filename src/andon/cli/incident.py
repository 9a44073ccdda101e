"""`andon incident`: see and work on incidents from a shell, in the name of a person."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.kit.errors import Missing
from andon.practice.promises import Became, PromiseKind
from andon.practice.words import ContainmentKind, IncidentType

if TYPE_CHECKING:
    from andon.incidents.models import Incident
    from andon.people.policy import Actor

app = commands("See and work on incidents.")

Number = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its number, as INC-42 or 42.")]
As = Annotated[str, typer.Option("--as", metavar="EMAIL", help="In whose name: the timeline says so.")]


def number_of(text: str) -> int:
    """42 of `INC-42`, `inc-42` or `42`."""
    found = re.fullmatch(r"(?:INC-)?(\d{1,18})", text.strip(), re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no incident's number; it looks like INC-42.")
    return int(found.group(1))


def _open(number: str, email: str) -> "tuple[Incident, Actor]":
    house.enter()  # before any import of models, which need settings
    from andon.incidents.policy import access_incident

    by = house.actor(email)
    return access_incident(by, number_of(number)), by


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Resolved and closed ones, too.")] = False,
    system: Annotated[str, typer.Option(help="Only those of this system (its short name).")] = "",
    limit: Annotated[int, typer.Option(help="At most so many, newest first.", min=1, max=1000)] = 50,
    json: say.AsJson = False,
) -> None:
    """List incidents, newest first; without --all those that are not resolved."""
    house.enter()
    from andon.incidents.policy import visible
    from andon.practice.lifecycle import UNRESOLVED
    from andon.registry.policy import access_system

    rows = visible(house.operator()).order_by("-number")
    if not everything:
        rows = rows.filter(state__in=UNRESOLVED)
    if system:
        rows = rows.filter(system=access_system(house.operator(), system))
    found = list(rows.select_related("system", "acknowledged_by")[:limit])
    say.answer(
        [facts(row) for row in found],
        lambda: say.table(
            "incident", "severity", "state", "system", "title", "detected",
            rows=[
                (row.ref, row.level.name, row.state, row.system or "-", row.title, say.when(row.detected_at))
                for row in found
            ],
            empty="No incident is open." if not everything else "There is no incident yet.",
        ),
    )  # fmt: skip


@app.command()
def show(incident: Number, json: say.AsJson = False) -> None:
    """Show an incident with its timeline."""
    house.enter()
    from andon.incidents.policy import access_incident

    _show(access_incident(house.operator(), number_of(incident)))


@app.command()
def declare(
    title: Annotated[str, typer.Argument(help="What is wrong, in a few words.")],
    as_: As,
    system: Annotated[str, typer.Option(help="The system's short name; leave it out if you do not know.")] = "",
    type_: Annotated[IncidentType | None, typer.Option("--type", help="What kind of thing went wrong.")] = None,
    description: Annotated[str, typer.Option(help="More about it.")] = "",
    json: say.AsJson = False,
) -> None:
    """Pull the cord: open an incident. Its system's chain is paged."""
    house.enter()
    from andon.response.naming import system_named
    from andon.response.opening import declare as act

    by = house.actor(as_)
    about = system_named(system)
    _show(act(title=title, system=about, type_=type_, description=description, by=by))


@app.command("system")
def system_(
    incident: Number,
    system: Annotated[str, typer.Argument(help="Its short name; '' if it is not known after all.")],
    as_: As,
    why: Annotated[str, typer.Option(help="What shows it, for the timeline.")] = "",
    known: Annotated[
        str | None,
        typer.Option(help="The one that you have seen there, '' for none: if it is another by now, nothing changes."),
    ] = None,
    json: say.AsJson = False,
) -> None:
    """Say which system it is about: its chain is paged, and its levers are offered.

    Of a restricted incident it opens it to that system's owner, and to whoever is paged for it.
    """
    found, by = _open(incident, as_)
    from andon.response.naming import set_system, system_named

    _show(set_system(found, system_named(system), why=why, known=known, by=by))


@app.command()
def ack(incident: Number, as_: As, json: say.AsJson = False) -> None:
    """Acknowledge: say “I have it”. Whatever is still to be paged is cancelled."""
    found, by = _open(incident, as_)
    from andon.response.acknowledging import acknowledge

    _show(acknowledge(found, by=by, via="cli"))


@app.command()
def contain(
    incident: Number,
    as_: As,
    kind: Annotated[ContainmentKind, typer.Option(help="How the harm was stopped.")],
    note: Annotated[str, typer.Option(help="What exactly was done, as “rolled back to v6”.")],
    at: Annotated[datetime | None, typer.Option(help="Since when, in UTC; now when left out.")] = None,
    json: say.AsJson = False,
) -> None:
    """Record that the harm is stopped; diagnosis opens."""
    found, by = _open(incident, as_)
    from andon.response.containing import contain as act

    _show(act(found, kind=kind, note=note, at=utc(at), by=by))


@app.command()
def waive(
    incident: Number,
    as_: As,
    reason: Annotated[str, typer.Option(help="Why there is nothing to contain.")],
    json: say.AsJson = False,
) -> None:
    """Waive containment, with a reason; diagnosis opens."""
    found, by = _open(incident, as_)
    from andon.response.containing import waive_containment

    _show(waive_containment(found, reason=reason, by=by))


@app.command()
def resolve(
    incident: Number,
    as_: As,
    summary: Annotated[str, typer.Option(help="How it was resolved and how that was verified.")],
    json: say.AsJson = False,
) -> None:
    """Resolve an incident that is contained; S1 to S3 get a review draft."""
    found, by = _open(incident, as_)
    from andon.response.resolving import resolve as act

    _show(act(found, summary=summary, by=by))


@app.command()
def reopen(
    incident: Number,
    as_: As,
    reason: Annotated[str, typer.Option(help="What shows that it is not over.")],
    json: say.AsJson = False,
) -> None:
    """Open a resolved or closed incident again; its chain is paged anew."""
    found, by = _open(incident, as_)
    from andon.response.resolving import reopen as act

    _show(act(found, reason=reason, by=by))


@app.command()
def close(
    incident: Number,
    as_: As,
    reason: Annotated[str, typer.Option(help="Why it closes without a published review, if it does.")] = "",
    json: say.AsJson = False,
) -> None:
    """Close a resolved incident, once its duties are decided on and its review is published."""
    found, by = _open(incident, as_)
    from andon.response.resolving import close as act

    _show(act(found, reason=reason, by=by))


@app.command()
def duty(
    incident: Number,
    key: Annotated[str, typer.Argument(help="Which, as `nis2-early-warning`; a word that is none lists them.")],
    as_: As,
    became: Annotated[Became, typer.Option(help="What is said of it.")],
    note: Annotated[str, typer.Option(help="How it was done, why it does not apply, what came to light.")] = "",
    at: Annotated[datetime | None, typer.Option(help="When it was done or began, in UTC; now when left out.")] = None,
    json: say.AsJson = False,
) -> None:
    """Decide on a duty: it was done, it does not apply, its clock began, or it applies after all."""
    found, by = _open(incident, as_)
    from andon.response.duties import settle

    keys = list(found.promises.filter(kind=PromiseKind.DUTY).order_by("key").values_list("key", flat=True))
    if (full := f"duty:{key.removeprefix('duty:')}") not in keys:
        known = ", ".join(one.removeprefix("duty:") for one in keys) or "it has none"
        raise Missing(f"{found.ref} has no duty {key!r}. Its duties: {known}.")
    settle(found, key=full, given={"became": became.value, "note": note, "at": utc(at)}, by=by)
    _show(found)


@app.command()
def note(
    incident: Number,
    text: Annotated[str, typer.Argument(help="What happened or was decided.")],
    as_: As,
    at: Annotated[datetime | None, typer.Option(help="When it happened, in UTC; now when left out.")] = None,
    json: say.AsJson = False,
) -> None:
    """Put a note on the timeline."""
    found, by = _open(incident, as_)
    from andon.incidents.actions import add_note

    add_note(found, text=text, at=utc(at), by=by)
    _show(found)


def utc(at: datetime | None) -> datetime | None:
    """A time that was typed without a zone is UTC."""
    from datetime import UTC

    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def facts(row: "Incident") -> dict[str, Any]:
    """An incident for a program: the same names as the API's."""
    return {
        "number": row.number,
        "ref": row.ref,
        "title": row.title,
        "system": row.system.slug if row.system else None,
        "type": row.type,
        "severity": row.severity,
        "severity_reason": row.severity_reason,
        "state": row.state,
        "detected_at": row.detected_at,
        "acknowledged_at": row.acknowledged_at,
        "contained_at": row.contained_at,
        "resolved_at": row.resolved_at,
        "next_page_at": row.next_page_at,
    }


def _show(row: "Incident") -> None:
    from andon.incidents.describe import describe

    row.refresh_from_db()
    lines = describe(row.timeline.order_by("seq"))
    told = [{"seq": one.seq, "at": one.at, "kind": one.kind, "actor": one.actor, "text": one.text} for one in lines]
    say.answer(
        {**facts(row), "timeline": told},
        lambda: [
            _head(row),
            say.table(
                "when", "who", "what",
                rows=[(say.when(one.at), one.actor, f"{one.text}\n{one.detail}".strip()) for one in lines],
                empty="Nothing has happened yet.",
            ),
        ],
    )  # fmt: skip


def _head(row: "Incident") -> Any:
    from rich.text import Text

    has_it = f", {row.acknowledged_by} has it" if row.acknowledged_by else ""
    page = f"\nnext page {say.when(row.next_page_at)}" if row.next_page_at else ""
    return Text.assemble(
        (f"{row.ref} {row.title}\n", "bold"),
        f"{row.level.name}, {row.get_type_display().lower()}, {row.get_state_display().lower()}{has_it}\n",
        f"{row.system or 'no system known'}\n",
        (row.severity_reason + page, "dim"),
    )
