"""`andon lever`: the levers of systems, what a pull would change, pulling one and undoing it, seen to the end."""

from typing import TYPE_CHECKING, Annotated

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.cli.say import Trouble

if TYPE_CHECKING:
    from andon.containment.models import Lever, Pull
    from andon.people.policy import Actor

LOOK_EVERY = 0.5
"""Seconds between two looks at a pull that is waited for."""
NOT_VERIFIED = 3
"""The exit code of a pull that did not end verified."""

app = commands("See the levers of systems, try what they would change, pull and undo them.")

Ref = Annotated[str, typer.Argument(metavar="LEVER", help="As LEVER-3, or 3.")]
PullRef = Annotated[str, typer.Argument(metavar="PULL", help="As PULL-7, or 7.")]
As = Annotated[str, typer.Option("--as", help="E-mail address of the person who acts: only a person pulls.")]
Wait = Annotated[int, typer.Option(help="Seconds to wait for its end; 0 does not wait.")]


@app.callback()
def lever() -> None:
    """See the levers of systems, try what they would change, pull and undo them."""


@app.command("list")
def list_(
    system: Annotated[str, typer.Option(help="Short name of a system; else all.")] = "",
    json: say.AsJson = False,
) -> None:
    """List levers with how fit each is, and how its newest pull stands."""
    house.enter()
    from andon.containment import queries
    from andon.containment.shapes import LeverOut
    from andon.registry.policy import access_system

    by = house.operator()
    rows = queries.levers(by, access_system(by, system) if system else None)
    found = [LeverOut.of(one) for one in queries.standings(by, rows)]
    say.answer(
        [one.dict() for one in found],
        lambda: say.table(
            "lever", "system", "does", "by", "fit", "rehearsed", "pull",
            rows=[
                (f"{one.ref} {one.name}", one.system, one.kind.words, one.adapter, "yes" if one.fit else one.says,
                 say.when(one.rehearsed_at), f"{one.pull} {one.pull_state}" if one.pull else "-")
                for one in found
            ],
            empty="No lever is prepared.",
        ),
    )  # fmt: skip


@app.command()
def show(ref: Ref, json: say.AsJson = False) -> None:
    """Show one lever: what it acts on, whether it is fit, its newest pulls."""
    house.enter()
    from andon.containment import queries
    from andon.containment.shapes import LeverOut

    by = house.operator()
    row = _lever(by, ref)
    (standing,) = queries.standings(by, [row])
    found = LeverOut.of(standing)
    pulls = list(queries.pulls(by, lever=row)[:10])
    data = [{"pull": one.ref, "state": one.state, "seen": one.seen or one.outcome} for one in pulls]
    say.answer(
        found.dict() | {"pulls": data},
        lambda: [
            f"{found.ref} {found.name}: {found.kind.words} {found.system} by {found.adapter}",
            f"Fit: {'yes' if found.fit else found.says} Last rehearsed: {say.when(found.rehearsed_at)}",
            *(f"  {name}: {value}" for name, value in found.settings.items()),
            say.table(
                "pull", "state", "asked", "seen",
                rows=[(one.ref, one.phase.words, say.when(one.asked_at), one.seen or one.outcome) for one in pulls],
                empty="It was never pulled.",
            ),
        ],
    )  # fmt: skip


@app.command("try")
def try_(
    ref: Ref,
    drill: Annotated[bool, typer.Option(help="Look at the target for drills.")] = False,
    json: say.AsJson = False,
) -> None:
    """Say what a pull would change now. Changes nothing. Exit code 1 if that cannot be told."""
    house.enter()
    from andon.containment import actions
    from andon.containment.models import Target
    from andon.containment.shapes import LeverTrialOut

    by = house.operator()
    found = LeverTrialOut.of(actions.dry_run(_lever(by, ref), by=by, target=Target.DRILL if drill else Target.REAL))
    say.answer(found.dict(), lambda: found.says)
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def pull(
    ref: Ref,
    incident: Annotated[str, typer.Option(help="For which incident, as INC-42.")],
    on_behalf_of: As,
    why: Annotated[str, typer.Option(help="Why, for the timeline.")] = "",
    on_real: Annotated[bool, typer.Option(help="In a drill: the real target may be acted on.")] = False,
    wait: Wait = 180,
    json: say.AsJson = False,
) -> None:
    """Pull a lever, and wait until it is verified or not. Exit code 3 unless it ended verified. The engine must run."""
    house.enter()
    from andon.containment import actions
    from andon.incidents.policy import access_incident

    by = house.actor(on_behalf_of)
    row = _lever(by, ref)
    begun = actions.pull(row, access_incident(by, _number(incident, "INC")), by=by, why=why, on_real=on_real)
    _follow(begun, wait)


@app.command()
def undo(
    ref: PullRef,
    on_behalf_of: As,
    why: Annotated[str, typer.Option(help="Why, for the timeline.")] = "",
    wait: Wait = 180,
    json: say.AsJson = False,
) -> None:
    """Undo a pull, and wait until that is verified or not. Exit code 3 unless it ended verified."""
    house.enter()
    from andon.containment import actions
    from andon.containment.policy import access_pull

    by = house.actor(on_behalf_of)
    _follow(actions.undo(access_pull(by, _number(ref, "PULL")), by=by, why=why), wait)


def _follow(begun: "Pull", wait: int) -> None:
    """Say how a pull goes until it ends, or the patience does."""
    import time

    from andon.containment.policy import access_pull
    from andon.containment.shapes import PullOut
    from andon.kit import clock
    from andon.people.policy import Actor

    engine, ends, said = Actor.engine(), clock.monotonic() + wait, ""
    while True:
        now = access_pull(engine, begun.number)
        if now.state != said:
            said = now.state
            say.line(f"{now.ref} {now.phase.words}")
        if not now.is_open or clock.monotonic() >= ends:
            break
        time.sleep(LOOK_EVERY)
    found = PullOut.of(now)
    say.answer(found.dict(), lambda: found.seen or found.outcome or found.says or f"See {found.ref}.")
    if wait and found.state != "verified":
        raise typer.Exit(NOT_VERIFIED)


def _lever(by: "Actor", ref: str) -> "Lever":
    from andon.containment.policy import access_lever

    return access_lever(by, _number(ref, "LEVER"))


def _number(ref: str, prefix: str) -> int:
    digits = ref.upper().removeprefix(f"{prefix}-")
    if not digits.isascii() or not digits.isdigit():
        raise Trouble(f"{ref} is no number of that kind: it looks like {prefix}-7.")
    return int(digits)
