"""`andon changed`: say that something about a system changed, as the last line of a deploy script."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from andon.cli import house, say
from andon.practice.words import ChangeKind


def changed(
    system: Annotated[str, typer.Argument(help="The system's short name.")],
    title: Annotated[str, typer.Argument(help="What changed, as “v7 in production”.")],
    kind: Annotated[ChangeKind, typer.Option(help="What sort of change.")] = ChangeKind.DEPLOYED,
    url: Annotated[str, typer.Option(help="Where to read more, such as the pipeline's run.")] = "",
    at: Annotated[datetime | None, typer.Option(help="When, in UTC; now when left out.")] = None,
    key: Annotated[str, typer.Option(help="Your own mark: the same one again is the same change.")] = "",
    json: say.AsJson = False,
) -> None:
    """Say that something about a system changed: whoever diagnoses an incident sees it. It alarms nobody."""
    house.enter()
    from andon.registry.actions import tell_change
    from andon.registry.policy import access_system

    by = house.operator()
    row = tell_change(
        by=by, system=access_system(by, system), title=title, kind=kind, url=url, key=key,
        at=at.replace(tzinfo=UTC) if at else None,
    )  # fmt: skip
    data = {"id": str(row.pk), "system": system, "title": row.title, "kind": row.kind, "at": row.at, "url": row.url}
    say.answer(data, lambda: [Text(f"Noted at {system}: {row.title} ({row.get_kind_display().lower()}).")])
