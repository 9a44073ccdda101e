"""`andon switch`: what a system may do now, which of its processes apply it, and setting it."""

from typing import TYPE_CHECKING, Annotated

import typer

from andon.cli import house, say
from andon.cli.group import commands
from andon.cli.say import Trouble

if TYPE_CHECKING:
    from andon.people.policy import Actor
    from andon.practice.words import SwitchMode
    from andon.sdk.guard.words import Limit

app = commands("See and set the kill switch of a system.")

SystemName = Annotated[str, typer.Argument(help="Short name of the system.")]
As = Annotated[str, typer.Option("--as", help="E-mail address of the person on whose behalf; else the operator.")]


@app.command()
def show(system: SystemName, json: say.AsJson = False) -> None:
    """Show what a system may do now, why, and which of its processes apply it."""
    house.enter()
    from andon.kit import clock
    from andon.switch import queries
    from andon.switch.policy import access_switch
    from andon.switch.shapes import SwitchOut

    by = house.operator()
    found = SwitchOut.of(queries.seen(access_switch(by, system), clock.now()), by)
    say.answer(
        found.dict(),
        lambda: [
            f"{found.name} is {found.says} (revision {found.revision}): {found.replicas_say}.",
            f"Since {say.when(found.since)}, {found.by}: {found.reason}",
            *([f"Until: {found.until}"] if found.until else []),
            say.table(
                "host", "version", "applies", "mode", "heard", "stands",
                rows=[
                    (one.host, one.version or "-", one.revision, one.mode, say.when(one.heard_at), one.says)
                    for one in found.replicas
                ],
                empty="No process has said anything.",
            ),
        ],
    )  # fmt: skip


@app.command("set")
def set_(
    system: SystemName,
    mode: Annotated[str, typer.Argument(help="on, off, safe, review or limit.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    share: Annotated[
        float | None, typer.Option(help="With limit: which share of the requests, from 0 to less than 1.")
    ] = None,
    per_second: Annotated[float | None, typer.Option(help="With limit: requests a second in each process.")] = None,
    until: Annotated[str, typer.Option(help="What must be so before it goes back into service.")] = "",
    incident: Annotated[int | None, typer.Option(help="Number of the incident that it is for.")] = None,
    expected: Annotated[int | None, typer.Option(help="Only if the switch is at this revision.")] = None,
    on_behalf_of: As = "",
    json: say.AsJson = False,
) -> None:
    """Set what a system may do; its processes hear of it at once."""
    house.enter()
    from andon.incidents.policy import access_incident
    from andon.registry.policy import access_system
    from andon.switch.actions import Setting, set_mode

    by = _by(on_behalf_of)
    setting = Setting(
        _mode(mode), reason, _limit(share, per_second), until,
        access_incident(by, incident) if incident is not None else None,
    )  # fmt: skip
    done = set_mode(access_system(by, system), setting, by=by, expected=expected)
    say.answer(
        {"system": system, "mode": done.mode, "revision": done.number},
        lambda: (
            f"{done.switch.system} is {done.what_mode.words} (revision {done.number}). "
            f"`andon switch show {system}` says which processes apply it."
        ),
    )


@app.command()
def token(
    system: SystemName,
    name: Annotated[str, typer.Option(help="Where it is used, as “production”.")],
    on_behalf_of: As = "",
    json: say.AsJson = False,
) -> None:
    """Make a guard token for the processes of a system. It is shown once."""
    house.enter()
    from andon.registry.policy import access_system
    from andon.switch.actions import make_token

    by = _by(on_behalf_of)
    minted = make_token(access_system(by, system), name=name, by=by)
    say.answer(
        {"system": system, "name": minted.row.name, "token": minted.token, "sent": minted.sent},
        lambda: [
            f"For the SDK, as ANDON_GUARD_TOKEN: {minted.token}",
            f"For OpenFeature and whatever else asks by HTTP: {minted.sent}",
            "Neither is shown again.",
        ],
    )


def _by(email: str) -> "Actor":
    return house.actor(email) if email else house.operator()


def _mode(text: str) -> "SwitchMode":
    from andon.practice.words import SwitchMode

    try:
        return SwitchMode(text)
    except ValueError:
        raise Trouble(f"There is no mode {text}. There are: {', '.join(SwitchMode)}.") from None


def _limit(share: float | None, per_second: float | None) -> "Limit | None":
    from andon.sdk.guard.words import Limit

    return None if share is None and per_second is None else Limit(share=share, per_second=per_second)
