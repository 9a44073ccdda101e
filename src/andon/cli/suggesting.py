"""`andon watch suggest`, `list`, `show` and `run`: what could be watched on a system, and how its watches stand."""

from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli import house, say
from andon.cli.say import Trouble

if TYPE_CHECKING:
    from andon.watch.models import Log
    from andon.watch.shapes import SuggestionOut

_Number = Annotated[int, typer.Argument(help="Its number, such as 7 for WATCH-7.")]


def suggest(
    system: Annotated[str, typer.Argument(help="Short name of the system.")],
    log: Annotated[str, typer.Option(metavar="NAME", help="One decision log, where the system has several.")] = "",
    create: Annotated[bool, typer.Option("--create", help="Make the watches that are proposed.")] = False,
    json: say.AsJson = False,
) -> None:
    """Propose watches that fit the columns of a system's decision logs, and say what each could detect."""
    house.enter()
    from andon.watch.actions.proposing import create_proposed
    from andon.watch.shapes import SuggestionOut
    from andon.watch.suggestions import suggest as propose

    by, logs = house.operator(), _logs(system, log)
    found = [SuggestionOut.of(propose(one, by=by)) for one in logs]
    made = [watch.ref for one in logs for watch in create_proposed(one, by=by)] if create else []
    say.answer(
        {"suggestions": [one.dict() for one in found], "made": made},
        lambda: (
            [part for one, row in zip(found, logs, strict=True) for part in _proposal(one, row.name)]
            + ([f"Made: {', '.join(made) or 'nothing, all of it is watched already'}."] if create else [])
        ),
    )


def _logs(slug: str, name: str) -> "list[Log]":
    from andon.registry.policy import access_system
    from andon.watch import queries

    by = house.operator()
    system = access_system(by, slug)
    logs = list(queries.logs(by, system))
    if not logs:
        raise Trouble(f"{system} has no decision log. Connect one on its page, or with POST /api/v1/logs.", code=1)
    chosen = [one for one in logs if name in {"", one.name}]
    if not chosen:
        raise Trouble(f"{system} has no log “{name}”. There are: {', '.join(one.name for one in logs)}.", code=1)
    return chosen


def _proposal(found: "SuggestionOut", name: str) -> list[Any]:
    from rich.text import Text

    parts: list[Any] = [Text(f"{name}: {found.recipes}", style="bold"), *(f"  Note: {one}" for one in found.remarks)]
    for offer in found.offers:
        state = f" (WATCH-{offer.made} does)" if offer.made is not None else ""
        detects = f"\n    detects {offer.detects}" if offer.detects else ""
        parts.append(f"  {offer.name} [{offer.key}]{state}\n    {offer.why}{detects}")
    parts += [f"  not possible: {one.name}. {one.says}" for one in found.lacking]
    return parts


def list_(
    system: Annotated[str, typer.Option(metavar="SLUG", help="Those of one system.")] = "",
    json: say.AsJson = False,
) -> None:
    """List the watches that run, and how each stands."""
    house.enter()
    from andon.watch import queries
    from andon.watch.queries import WatchFilter
    from andon.watch.shapes import WatchOut

    by = house.operator()
    rows = list(queries.watches(by, WatchFilter(system=system)))
    going = queries.going(by, rows)
    found = [WatchOut.of(row, going.get(row.pk)) for row in rows]
    say.answer(
        [one.dict() for one in found],
        lambda: say.table(
            "watch", "name", "system", "kind", "state", "seen until", "says",
            rows=[
                (one.ref, one.name, one.system, one.kind, one.standing, say.when(one.read_until), one.error or one.says)
                for one in found
            ],
            empty="Nothing is watched. Propose watches with: andon watch suggest SYSTEM",
        ),
    )  # fmt: skip


def show(number: _Number, json: say.AsJson = False) -> None:
    """Show a watch: what it tests, how it stands, its alarms, and what it would have done over its history."""
    house.enter()
    from andon.watch import late, past, queries, sentences
    from andon.watch.alarm_shapes import AlarmOut
    from andon.watch.policy import access_watch
    from andon.watch.shapes import WatchOut, WatchTrialOut

    by = house.operator()
    row = access_watch(by, number)
    watch = WatchOut.of(row, queries.going(by, [row]).get(row.pk))
    alarms = [AlarmOut.of(one) for one in queries.alarms(by, watch=row)[:20]]
    trial = WatchTrialOut.of(past.try_watch(by, row))
    came = late.came_late(row)
    said = sentences.late_rows(came, late.looked_for(row), UTC)
    say.answer(
        {
            "watch": watch.dict(),
            "late": None if came is None else {"rows": came.late, "of": came.rows, "since": came.since},
            "alarms": [one.dict() for one in alarms],
            "trial": trial.dict(),
        },
        lambda: [
            f"{watch.ref} {watch.name}: {watch.standing}",
            watch.tests,
            *([f"Stale: {watch.error}"] if watch.stale_since else []),
            *([watch.says] if watch.says else []),
            *(f"Odd: {note}" for note in watch.notes),
            *([f"Late rows: {said}"] if said else []),
            say.table(
                "alarm", "raised on", "went", "from", "to", "began", "incident", "over",
                rows=[
                    (one.ref, say.when(one.window_end), one.direction, f"{one.baseline:.4g}",
                     "" if one.observed is None else f"{one.observed:.4g}", say.when(one.onset_at),
                     "" if one.incident is None else f"INC-{one.incident}", say.when(one.recovered_at))
                    for one in alarms
                ],
                empty="It has raised no alarm.",
            ),
            f"Alarms over its history of {trial.windows} windows, had it run all along: {len(trial.alarms)}.",
        ],
    )  # fmt: skip


def run(number: _Number, json: say.AsJson = False) -> None:
    """Run a watch at once, in the engine, instead of when its next window is over."""
    house.enter()
    from andon.kit import clock
    from andon.watch import actions
    from andon.watch.policy import access_watch

    by = house.operator()
    row = actions.run_soon(access_watch(by, number), by=by)
    at = actions.next_over(row, clock.now())
    says = f"{row.ref} is due now."
    if at is not None:
        says += f" Nothing is new: its next window is over, and read, at {at:%Y-%m-%d %H:%M} UTC."
    say.answer({"watch": row.number, "next_run_at": row.next_run_at, "next_window_at": at}, lambda: says)
