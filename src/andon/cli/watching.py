"""`andon watch`: try a watch on a file of decisions before trusting it, which needs no database; and see to watches."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from andon.cli import say, suggesting
from andon.cli.group import commands
from andon.cli.say import Trouble

if TYPE_CHECKING:
    from andon.cli.found import Found
    from andon.cli.trying import Facts, Table
    from andon.detect.replay import Alarm
    from andon.detect.sequential import Baseline, Plan

BUDGET: Final = 10_000
REFERENCE_SHARE, REFERENCE_MOST, REFERENCE_LEAST = 5, 2_000, 20
"""Without a baseline: one row in so many, at most and at least so many, are the reference."""

app = commands("Try a watch on data that you have; propose watches, and see how they stand.")
app.command("suggest")(suggesting.suggest)
app.command("list")(suggesting.list_)
app.command("show")(suggesting.show)
app.command("run")(suggesting.run)


@app.callback()
def watch() -> None:
    """Try a watch on data that you have; propose watches, and see how they stand."""


@app.command("try")
def try_(
    file: Annotated[
        Path, typer.Argument(help="A CSV or Parquet file, a row for each decision or window, oldest first.")
    ],
    time: Annotated[
        str, typer.Option(metavar="COLUMN", help="The column that says when: times, or numbers that grow.")
    ],
    value: Annotated[str, typer.Option(metavar="COLUMN", help="What is watched: 0 or 1, or a number between 0 and 1.")],
    group: Annotated[
        str, typer.Option(metavar="COLUMN", help="Name the groups of this column that drive an alarm.")
    ] = "",
    baseline: Annotated[
        float | None, typer.Option(metavar="RATE", help="The rate or mean that is normal, if it is known.")
    ] = None,
    reference: Annotated[
        int | None, typer.Option(metavar="ROWS", help="Estimate what is normal from so many first rows.")
    ] = None,
    budget: Annotated[
        int, typer.Option(metavar="N", help="On average at least N rows between false alarms, whatever the data.")
    ] = BUDGET,
    count_of: Annotated[
        int | None, typer.Option(metavar="C", help="The value counts the events in a window of C decisions.")
    ] = None,
    label_time: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="When the label of each row came. Rows are taken as labels come, and onsets are by --time; rows "
            "without it are left out.",
        ),
    ] = "",
    zone: Annotated[
        str, typer.Option(metavar="NAME", help="Of which place times are that say no zone, such as Europe/Berlin.")
    ] = "UTC",
    json: say.AsJson = False,
) -> None:
    """Play a file of decisions through a watch: when it would have raised an alarm, and when what it found began.

    Both directions are watched. After an alarm the detector starts again with the same baseline, so a change that stays
    raises one alarm after the other. Without --baseline and --reference the first fifth of the rows, at most 2,000, is
    taken for normal. Exit code 2 if the file or an option cannot be used.
    """
    from andon.cli.trying import Columns, Table

    _check_options(baseline, reference, budget, count_of)
    if label_time and count_of is not None:
        raise Trouble("--label-time goes by single decisions, and --count-of by windows of them. Choose one.")
    table = Table(file, Columns(time, value, group or None, count_of, label_time or None, _zone(zone)))
    with say.console(stderr=True).status(f"Checking every row of {file} before any is watched"):
        facts = table.facts()
    for note in facts.notes:
        say.note(note)
    normal, skip = _normal(table, facts, baseline, reference, count_of)
    found = _played(table, facts, _plan(table, facts, normal, budget, count_of), skip)
    say.answer(found.data(), found.shown)


def _zone(name: str) -> str:
    from andon.kit import zones
    from andon.kit.errors import Invalid

    try:
        return zones.named(name)
    except Invalid as error:
        raise Trouble(f"--zone: {error.what}") from None


def _check_options(baseline: float | None, reference: int | None, budget: int, count_of: int | None) -> None:
    """Refuse what cannot be meant, before the file is opened."""
    if baseline is not None and reference is not None:
        raise Trouble("Say what is normal either by --baseline or by --reference, not by both.")
    if baseline is not None and not 0 < baseline < 1:
        raise Trouble(
            f"--baseline {baseline:g}: a rate or mean that can rise and fall lies between 0 and 1, as 0.05 does."
        )
    if reference is not None and reference < REFERENCE_LEAST:
        raise Trouble(
            f"--reference {reference:,}: from fewer than {REFERENCE_LEAST} rows nobody can say what is normal."
        )
    if budget <= 1:
        raise Trouble(f"--budget {budget:,}: there have to be some rows between false alarms. 10,000 is usual.")
    if count_of is not None and count_of < 1:
        raise Trouble(f"--count-of {count_of:,}: a window holds at least one decision.")


def _normal(
    table: "Table", facts: "Facts", baseline: float | None, reference: int | None, count_of: int | None
) -> "tuple[Baseline, int]":
    """What is normal, and how many first rows it was taken from."""
    from andon.detect.sequential import Baseline

    if baseline is not None:
        return Baseline(baseline), 0
    rows = reference or min(REFERENCE_MOST, facts.rows // REFERENCE_SHARE)
    if rows < REFERENCE_LEAST:
        raise Trouble(
            f"{table.path} has {facts.rows:,} rows, and a fifth of them is too few to say what is normal. Say it:"
            " --baseline RATE, or --reference ROWS."
        )
    if rows >= facts.rows:
        raise Trouble(
            f"--reference {rows:,}: {table.path} has {facts.rows:,} rows, so none would be left to watch. Take fewer."
        )
    total, left = 0.0, rows
    for piece in table.pieces():
        total += float(piece.values[:left].sum())
        left -= len(piece.values)
        if left <= 0:
            break
    units = rows * (count_of or 1)
    return Baseline(min(1.0, total / units), units), rows


def _plan(table: "Table", facts: "Facts", normal: "Baseline", budget: int, count_of: int | None) -> "Plan":
    from andon.detect.sequential import Measure, Plan

    measure = Measure.RATE if facts.binary or count_of else Measure.MEAN
    try:
        return Plan(measure, normal, budget)
    except ValueError as error:
        raise Trouble(f"{table.path}, column “{table.columns.value}”: {error}") from None


def _played(table: "Table", facts: "Facts", plan: "Plan", skip: int) -> "Found":
    """Play the file, with a bar that moves on a terminal."""
    import numpy as np
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from andon.cli.found import Chart, Found
    from andon.cli.labelled import ByDecision
    from andon.detect.replay import Replay

    run, chart = Replay(plan, table.columns.count_of or 1, skip), Chart(facts.rows)
    alarms: list[Alarm] = []
    console = say.console(stderr=True)
    columns = (
        TextColumn("rows"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[n]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("rows", total=facts.rows, n="")
        for piece in table.pieces():
            chart.put(piece.values / run.units)
            alarms += run.take(piece.values, piece.groups)
            progress.update(bar, completed=run.taken, n=f"{len(alarms):,} alarms")
    began = None
    if table.columns.label_time:
        by_decision = ByDecision(table, plan, skip)
        told = [by_decision.told(alarm) for alarm in alarms]
        alarms, began = [alarm for alarm, _ in told], {alarm.index: times for alarm, times in told}
        marks = [alarm.index for alarm in alarms]
    else:
        marks = [mark for alarm in alarms for mark in _marks(alarm)]
    times = table.times_at(np.unique(marks)) if marks else {}
    return Found(table, facts, plan, skip, alarms, times, chart, began)


def _marks(alarm: "Alarm") -> list[int]:
    """The indexes of which the time is told."""
    from andon.detect.onset import Onset

    began = alarm.onset
    return [alarm.index, *([began.low, began.at, began.high] if isinstance(began, Onset) else [])]
