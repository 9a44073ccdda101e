"""`andon sim`: plays the deterministic simulation of a source checkout, and replays a seed that it printed."""

import json as json_module
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from andon.cli import say

if TYPE_CHECKING:
    from rich.console import RenderableType

ROOT = Path(__file__).parents[3]
"""The checkout, where this file lies in one."""
FIGURES = ("incidents", "signals", "requests taken", "pages", "pages sent", "commits")
_MANY = 1_000_000


class Database(StrEnum):
    """What the simulation runs on."""

    SQLITE = "sqlite"
    POSTGRES = "postgres"


def sim(
    seed: Annotated[int, typer.Option(min=0, help="The seed to play; the first one, when --count asks for more.")] = 1,
    count: Annotated[int, typer.Option(min=0, help="How many seeds; 0 = one, or as many as fit into --minutes.")] = 0,
    steps: Annotated[int, typer.Option(min=0, help="Steps a seed; 0 = as many as usual.")] = 0,
    database: Annotated[Database, typer.Option(help="What to run on.")] = Database.SQLITE,
    minutes: Annotated[float, typer.Option(min=0, help="Begin no further seed after this many minutes.")] = 0,
    json: say.AsJson = False,
) -> None:
    """Play whole installations under a virtual clock and seeded faults, and check the promises after every step.

    A seed is one course of events: playing it again plays the same. Needs a source checkout. Exit code 1 if a promise
    was broken.
    """
    wanted = count or (_MANY if minutes else 1)
    runs = list(_shown(_play(seed, wanted, steps, database, minutes), wanted, minutes))
    say.answer(_summary(runs), lambda: _told(runs, _again(steps, database)))
    if any("broken" in run for run in runs):
        raise typer.Exit(1)


def _play(seed: int, count: int, steps: int, database: Database, minutes: float) -> Iterator[dict[str, Any]]:
    """What became of each seed, as it ends. A process of its own: the simulation takes hold of clock and keys."""
    if not (ROOT / "tests" / "simulation" / "__main__.py").exists():
        raise say.Trouble(
            "The simulation is part of Andon's source, and is not installed with it. Get the source, run make install "
            "there, and start .venv/bin/andon sim in that folder."
        )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_")} | {
        "PYTHONHASHSEED": "0",  # the order of sets is part of the course of events
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    command = [sys.executable, "-m", "tests.simulation", f"--seed={seed}", f"--count={count}"]
    command += [f"--steps={steps}", f"--database={database}", f"--minutes={minutes}"]
    with subprocess.Popen(  # noqa: S603  our own module, with numbers
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as playing:
        if playing.stdout is None or playing.stderr is None:
            raise AssertionError("Both were asked for.")
        for line in playing.stdout:
            yield json_module.loads(line)
        errors = playing.stderr.read().strip()
    if playing.returncode not in {0, 1} or (playing.returncode and "Traceback" in errors):
        raise say.Trouble(f"The simulation itself failed:\n{errors}")


def _shown(runs: Iterator[dict[str, Any]], count: int, minutes: float) -> Iterator[dict[str, Any]]:
    """The same, with a bar that moves on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("seeds"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[n]}"),
    )
    with Progress(*columns, console=say.console(stderr=True), transient=True, disable=say.to_machine()) as progress:
        bar = progress.add_task("seeds", total=None if minutes and count == _MANY else count, n="")
        incidents = 0
        for run in runs:
            incidents += run["figures"].get("incidents", 0)
            progress.update(bar, advance=1, n=f"{incidents} incidents")
            yield run


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """All seeds together, and every one."""
    figures: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for run in runs:
        figures.update(run["figures"])
        faults.update(run["faults"])
    seconds = sum(run["seconds"] for run in runs)
    taken = sum(run["steps"] for run in runs)
    return {
        "seeds": len(runs),
        "steps": taken,
        "steps_a_second": round(taken / seconds, 1) if seconds else 0.0,
        "figures": dict(figures),
        "faults": dict(faults.most_common()),
        "runs": runs,
    }


def _again(steps: int, database: Database) -> str:
    """What a replay needs beside its seed: where the quiet times of a seed lie goes by its steps."""
    return f"--database {database}" + (f" --steps {steps}" if steps else "")


def _told(runs: list[dict[str, Any]], again: str) -> "list[RenderableType]":
    """The figures, and whatever was found with the way to see it again."""
    from rich.text import Text

    found = _summary(runs)
    parts: list[RenderableType] = []
    for run in runs:
        if "broken" not in run:
            continue
        parts += [Text(event) for event in run["events"]]
        what = f"Seed {run['seed']}, step {run['steps']}: promise {run['promise']} is broken: {run['broken']}"
        parts += [
            Text(what, style="bold red"),
            Text(f"Replay it: andon sim --seed {run['seed']} {again}"),
        ]
    rows = [(name, found["figures"].get(name, 0)) for name in FIGURES]
    rows += [("steps", found["steps"]), ("steps a second", found["steps_a_second"])]
    parts.append(say.table("what", "how many", rows=rows, empty="Nothing was played."))
    parts.append(say.table("fault", "struck", rows=found["faults"].items(), empty="No fault struck."))
    if len(runs) == 1:
        parts.append(Text(f"trace {runs[0]['trace']}"))
    if not any("broken" in run for run in runs):
        parts.append(Text(f"Every promise held in {len(runs)} {'seed' if len(runs) == 1 else 'seeds'}.", "bold green"))
    return parts
