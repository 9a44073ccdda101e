"""A log folder of its own, decision logs made in a line, and watches on them."""

from datetime import UTC, datetime, timedelta

import pytest

from andon.people.policy import Actor
from andon.practice.words import WatchKind
from andon.watch import actions
from andon.watch.facts import LogFacts, WatchFacts

MONDAY = datetime(2026, 2, 2, tzinfo=UTC)
"""Four weeks before the night of the tests."""


@pytest.fixture
def folder(tmp_path, settings):
    """The only folder below which logs may be read."""
    place = tmp_path / "logs"
    place.mkdir()
    settings.LOG_DIRS = [place]
    return place


def decisions(hours, a_hour, wrong, *, since=MONDAY):
    """Rows of a log: `a_hour` decisions in each hour, of which the first `wrong(hour)` failed."""
    step = timedelta(hours=1) / a_hour
    return [
        {
            "at": (since + timedelta(hours=hour) + n * step).isoformat(),
            "id": f"{hour}-{n}",
            "region": ("north", "south")[n % 2],
            "score": round((n % 10) / 10, 1),
            "approved": n % 3 == 0,
            "failed": int(n < wrong(hour)),
            "latency_ms": 100 + n % 50,
        }
        for hour in range(hours)
        for n in range(a_hour)
    ]


@pytest.fixture
def written(folder):
    """Writes a CSV into the log folder: `written(rows)`."""

    def write(rows, name="decisions.csv"):
        names = list(rows[0])
        lines = [
            ",".join(names),
            *(",".join("" if row[one] is None else str(row[one]) for one in names) for row in rows),
        ]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return name

    return write


@pytest.fixture
def connected(cast, folder, time):
    """Connects a file as a decision log of the credit scorer: `connected("decisions.csv")`."""

    def make(table="decisions.csv", *, by=None, **facts):
        given = {"system": cast.credit_scorer, "name": table, "table": table, "time_column": "at"} | facts
        return actions.create_log(LogFacts(**given), by=Actor.of(by or cast.omar))

    return make


@pytest.fixture
def watched(cast, time):
    """Makes a watch of Omar's: `watched(log, "error_rate", what="failed")`."""

    def make(log, kind="error_rate", *, by=None, **facts):
        given = {
            "system": cast.credit_scorer,
            "name": f"A watch of {kind}",
            "kind": WatchKind(kind),
            "log": log,
        } | facts
        return actions.create_watch(WatchFacts(**given), by=Actor.of(by or cast.omar))

    return make
