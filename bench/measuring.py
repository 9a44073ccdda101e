"""What the benches share: a table, a JSON file, what machine it was, what a process used."""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WHOLE_FROM = 100.0  # figures from here on are shown without decimals
RESULTS = Path(__file__).parent / "results"


def cpu_seconds(pid: int) -> float:
    """User and system time that a process and those that it started have used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for child in children)


def bytes_written(pid: int) -> int:
    """Bytes that a process and those that it started have written so far, to files and to sockets (Linux)."""
    told = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(told["wchar"]) + sum(bytes_written(int(child)) for child in children)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as aligned text."""
    if not rows:
        return "(nothing measured)"
    shown = [{name: _figure(value) for name, value in row.items()} for row in rows]
    widths = {name: max(len(name), *(len(row[name]) for row in shown)) for name in shown[0]}
    lines = ["  ".join(name.rjust(width) for name, width in widths.items())]
    lines += ["  ".join(row[name].rjust(width) for name, width in widths.items()) for row in shown]
    return "\n".join(lines)


def keep(name: str, rows: Sequence[Mapping[str, Any]], **facts: Any) -> Path:
    """Write what was measured to bench/results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    machine = {
        "cpus": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    at = datetime.now(tz=UTC).isoformat(timespec="seconds")
    path.write_text(
        json.dumps({"bench": name, "at": at, "machine": machine, **facts, "rows": list(rows)}, indent=1) + "\n"
    )
    return path


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= WHOLE_FROM else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
