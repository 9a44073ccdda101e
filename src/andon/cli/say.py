"""How commands speak: to people on a terminal, to machines as JSON, and of trouble in one sentence on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # rich is loaded when something is printed, so that `andon --help` stays quick
    from rich.console import Console, RenderableType

PIPED_WIDTH = 160
"""Columns when nobody looks at a terminal: wide enough that no cell is cut."""


class Trouble(Exception):  # noqa: N818  reads as what it is
    """Something outside is not as the command needs it: the words say what to do. `code` is the exit code."""

    def __init__(self, what: str, *, code: int = 2) -> None:
        super().__init__(what)
        self.what = what
        self.code = code


class _Manner:
    """Whether this run of the command speaks JSON; set by the option before the command begins."""

    machine = False


def _choose(value: bool) -> bool:
    _Manner.machine = value
    return value


AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.", callback=_choose)
]


def to_machine() -> bool:
    """Whether JSON was asked for."""
    return _Manner.machine


def console(*, stderr: bool = False) -> "Console":
    """A console that prints what people typed as they typed it, without reading markup into it."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, soft_wrap=not stream.isatty())


def answer(data: Any, show: "Callable[[], RenderableType | Sequence[RenderableType]]") -> None:
    """Print `data` as JSON if that was asked for, else what `show` makes for a person."""
    if to_machine():
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=_plain) + "\n")
        return
    shown = show()
    out = console()
    for part in shown if isinstance(shown, list | tuple) else [shown]:
        out.print(part)


def line(text: "RenderableType" = "") -> None:
    """One line for a person; nothing when JSON was asked for."""
    if not to_machine():
        console().print(text)


def problem(text: str, **more: Any) -> None:
    """What went wrong, on stderr: a sentence, or a JSON object when JSON was asked for."""
    if to_machine():
        sys.stderr.write(json.dumps({"error": text, **more}, ensure_ascii=False, default=_plain) + "\n")
        return
    from rich.text import Text

    console(stderr=True).print(Text.assemble(("andon: ", "bold red"), text))


def note(text: str) -> None:
    """Something worth knowing about what was read, on stderr; it is no trouble."""
    if to_machine():
        sys.stderr.write(json.dumps({"note": text}, ensure_ascii=False) + "\n")
        return
    from rich.text import Text

    console(stderr=True).print(Text.assemble(("note: ", "bold yellow"), text))


def table(*columns: str, rows: Iterable[Sequence[Any]], empty: str) -> "RenderableType":
    """A plain table, or `empty` where there is no row."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    return made if made.rows else Text(empty)


def when(at: datetime | None) -> str:
    """A time in UTC as the timeline writes it; a dash for none."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "-"


def span(length: timedelta) -> str:
    """How long, in its largest two units."""
    seconds = max(0, round(length.total_seconds()))
    parts = [(seconds // 86400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    return " ".join(f"{number} {unit}" for number, unit in [part for part in parts if part[0]][:2]) or "0 s"


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
