"""Commands that look: `andon check`, `andon oncall`, `andon verify`, `andon settings`, `andon version`."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import typer

from andon.cli import house, say

if TYPE_CHECKING:
    from andon.incidents.timeline import Broken
    from andon.oncall.rota import OnCall

SECRET = re.compile(r"SECRET|KEYS?$|PASSWORD|TOKEN")


def check(
    system: Annotated[str, typer.Option(help="Only this system (its short name), whatever its stage.")] = "",
    json: say.AsJson = False,
) -> None:
    """Say whether every system in production is ready for an incident, and all can be read; exit code 1 if not."""
    house.enter()
    from rich.text import Text

    from andon.kit import clock
    from andon.kit.crypto import LOST_KEY, lost
    from andon.practice.words import Stage
    from andon.registry import queries
    from andon.registry.policy import access_system
    from andon.rules.book import faults

    by = house.operator()
    rows = [access_system(by, system)] if system else list(queries.systems().filter(stage=Stage.PRODUCTION))
    verdicts = queries.readiness_of(rows, clock.now())
    data = [
        {
            "system": row.slug,
            "ready": verdicts[row.pk].ready,
            "findings": [
                {"code": finding.code, "text": finding.text, "at": finding.at, "until": finding.until}
                for finding in verdicts[row.pk].findings
            ],
            "advice": [finding.text for finding in verdicts[row.pk].advice],
        }
        for row in rows
    ]

    def show() -> list[Text]:
        lines = [] if rows else [Text("No system is in production.")]
        for row in rows:
            verdict = verdicts[row.pk]
            word = ("ready    ", "bold green") if verdict.ready else ("NOT READY", "bold red")
            lines.append(Text.assemble(word, f"  {row.slug}"))
            lines += [Text(f"           - {finding.text}") for finding in verdict.findings]
            lines += [Text(f"           worth doing: {finding.text}", "dim") for finding in verdict.advice]
        return lines

    say.answer(data, show)
    if unread := lost():
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(unread.items()))
        say.problem(f"What these hold cannot be read: {kinds}. {LOST_KEY} Or give it again, row by row.")
    idle = faults()
    for rule, why in idle:
        say.problem(f"{rule.ref} “{rule.name}” is in force and does nothing: {why}")
    if unread or idle or not all(verdict.ready for verdict in verdicts.values()):
        raise typer.Exit(1)


def oncall(
    system: Annotated[str, typer.Option(help="For this system (its short name).")] = "",
    schedule: Annotated[str, typer.Option(help="In this schedule (its short name).")] = "",
    at: Annotated[str, typer.Option(metavar="TIME", help="At this time (ISO 8601; UTC without an offset).")] = "",
    json: say.AsJson = False,
) -> None:
    """Say who is on call, now and next: for a system, in a schedule, or everywhere."""
    house.enter()
    from andon.kit import clock
    from andon.oncall import queries as rota
    from andon.oncall.policy import access_schedule
    from andon.registry import queries
    from andon.registry.policy import access_system

    instant = _instant(at) or clock.now()
    by = house.operator()
    systems = [access_system(by, system)] if system else [] if schedule else list(queries.covered())
    schedules = [access_schedule(by, schedule)] if schedule else [] if system else list(rota.schedules())
    for_systems = queries.on_call_for(systems, instant)
    boards = rota.board(schedules, instant)
    data = {
        "at": instant,
        "systems": [
            {
                "system": one.system.slug,
                "reached": [{"name": str(who.person), "via": who.via} for who in one.reached],
                "schedules": [
                    {"schedule": board.schedule.slug, "now": _shift(board.now), "next": _shift(board.next)}
                    for board in one.schedules
                ],
            }
            for one in for_systems
        ],
        "schedules": [
            {"schedule": board.schedule.slug, "now": _shift(board.now), "next": _shift(board.next)} for board in boards
        ],
    }

    def show() -> list[Any]:
        parts: list[Any] = []
        if systems or not schedule:
            parts.append(
                say.table(
                    "system", "paged first", "because they are",
                    rows=[
                        (one.system.slug, ", ".join(str(who.person) for who in one.reached) or "NOBODY",
                         "; ".join(dict.fromkeys(who.via for who in one.reached)))
                        for one in for_systems
                    ],
                    empty="No system is in pilot or production.",
                )
            )  # fmt: skip
        shown = boards or [board for one in for_systems for board in one.schedules]
        if shown or schedule:
            parts.append(
                say.table(
                    "schedule", "on call", "until", "next",
                    rows=[
                        (board.schedule.slug, board.now.person if board.now else "NOBODY",
                         _until(board.now),
                         f"{board.next.person} from {say.when(board.next.starts)}" if board.next else "nobody")
                        for board in shown
                    ],
                    empty="There is no schedule.",
                )
            )  # fmt: skip
        return parts

    say.answer(data, show)


def _until(shift: "OnCall | None") -> str:
    """The end of a shift; none to tell where no hand-over is in sight."""
    return "-" if shift is None else "no hand-over in sight" if shift.lasting else say.when(shift.ends)


def _shift(shift: "OnCall | None") -> dict[str, Any] | None:
    if shift is None:
        return None
    return {"person": str(shift.person), "starts": shift.starts, "ends": shift.ends, "source": shift.source}


def _instant(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-03-02T08:00 or 2026-03-02T08:00+01:00.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def verify(
    incident: Annotated[str, typer.Argument(help="Only this one, as INC-42.")] = "",
    json: say.AsJson = False,
) -> None:
    """Recompute the hash chains of timelines, hold evidence and pulls against them: exit code 1 if one changed."""
    house.enter()
    from rich.text import Text

    from andon.cli.incident import number_of
    from andon.containment import verifying as pulls
    from andon.containment.evidence import verifying as evidence
    from andon.incidents import timeline
    from andon.incidents.policy import access_incident

    if incident:
        found = access_incident(house.operator(), number_of(incident))
        broken = timeline.verify(found) + evidence.verify(found) + pulls.verify(found)
        verified, entries = 1, found.timeline_count
    else:
        broken, verified, entries = verify_everything()

    def show() -> list[Text]:
        lines = [Text(f"{one.ref}, entry {one.seq}: {one.problem}", style="red") for one in broken]
        counted = f"{verified} {'timeline' if verified == 1 else 'timelines'}, {entries} entries"
        verdict = f"NOT INTACT: {len(broken)} problems in {counted}" if broken else f"Intact: {counted}"
        return [*lines, Text(f"{verdict}.", style="bold red" if broken else "bold green")]

    data = {
        "verified": verified,
        "entries": entries,
        "problems": [{"incident": one.ref, "seq": one.seq, "problem": one.problem} for one in broken],
    }
    say.answer(data, show)
    if broken:
        raise typer.Exit(1)


def verify_everything() -> "tuple[list[Broken], int, int]":
    """All timelines with a progress bar: what is broken, how many timelines, how many entries."""
    from rich.progress import track

    from andon.containment import verifying as pulls
    from andon.containment.evidence import verifying as evidence
    from andon.incidents.models import Incident
    from andon.incidents.timeline import verify_all

    broken: list[Broken] = []
    verified = entries = 0
    total = Incident.objects.count()
    bar = track(
        verify_all(), "Verifying timelines", total=total, console=say.console(stderr=True), transient=True,
        disable=say.to_machine(),
    )  # fmt: skip
    for found, problems in bar:
        broken += problems + evidence.verify(found) + pulls.verify(found)
        verified += 1
        entries += found.timeline_count
    return broken, verified, entries


def settings(json: say.AsJson = False) -> None:
    """List the settings of the environment and the values in force, with secrets hidden."""
    environment = house.environment()
    in_force = {"ANDON_DATA_DIR": str(environment.data_dir())}
    rows = []
    for setting in environment.SETTINGS:
        given = environment.read(setting.name)
        rows.append(
            {
                "name": setting.name,
                "value": shown(setting.name, given) if given else in_force.get(setting.name),
                "from": "environment" if given else "default",
                "default": setting.default.replace("`", ""),
                "meaning": setting.meaning.replace("`", ""),
            }
        )
    say.answer(
        rows,
        lambda: say.table(
            "setting", "value", "meaning",
            rows=[
                (row["name"], row["value"] if row["value"] is not None else f"({row['default']})", row["meaning"])
                for row in rows
            ],
            empty="",
        ),
    )  # fmt: skip


def shown(name: str, value: str) -> str:
    """A setting's value, its secret parts hidden."""
    if SECRET.search(name):
        return "[hidden]"
    parts = urlsplit(value)
    if not parts.scheme or not parts.netloc:
        return value
    host = parts.netloc.rpartition("@")[2]
    who = f"{parts.username}:[hidden]@" if parts.password else f"{parts.username}@" if parts.username else ""
    path = parts.path
    if name == "ANDON_HEARTBEAT_URL" and path.strip("/"):
        path = "/[hidden]"  # such services put the secret into the path
    return urlunsplit((parts.scheme, f"{who}{host}", path, parts.query, ""))


def version(json: say.AsJson = False) -> None:
    """Print the version of Andon and of what it stands on."""
    import platform
    from importlib.metadata import version as version_of

    from andon import __version__

    data = {"andon": __version__, "python": platform.python_version(), "django": version_of("django")}
    say.answer(data, lambda: f"Andon {__version__} (Python {data['python']}, Django {data['django']})")
