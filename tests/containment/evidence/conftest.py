"""An incident with a decision log: rows from three hours before it was seen until now."""

import csv
from datetime import timedelta

import pytest

from andon.containment.evidence import actions
from andon.containment.evidence.collectors import COLLECTORS
from andon.containment.evidence.models import Preservation
from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.response import opening
from andon.watch.actions import create_log
from andon.watch.facts import LogFacts

HAND = Preservation.Why.HAND
PULL = Preservation.Why.PULL


@pytest.fixture
def folder(tmp_path, settings):
    """The only folder below which logs may be read."""
    place = tmp_path / "logs"
    place.mkdir()
    settings.LOG_DIRS = [place]
    return place


@pytest.fixture
def incident(cast, time):
    found = opening.declare(title="Refusals doubled", system=cast.credit_scorer, by=Actor.of(cast.omar))
    return Incident.objects.get(pk=found.pk)


@pytest.fixture
def logged(cast, time, folder):
    """Writes rows, a minute apart and ending now, and connects them: `logged(rows=5, name="Decisions")`."""

    def make(rows=5, *, name="Decisions", text="granted", **facts):
        file = folder / f"{name.lower()}.csv"
        with file.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines)
            writer.writerow(("at", "customer", "outcome", "note"))
            for n in range(rows):
                at = time.now() - timedelta(minutes=rows - 1 - n)
                writer.writerow((at.isoformat(), f"customer-{n}", "refused" if n % 2 else "granted", text))
        given = {"system": cast.credit_scorer, "name": name, "table": file.name, "time_column": "at"} | facts
        return create_log(LogFacts(**given), by=Actor.of(cast.omar))

    return make


@pytest.fixture
def kept(cast, incident):
    """Preserves evidence as Lena does it by hand."""

    def make(**more):
        given = {"why": HAND, "by": Actor.of(cast.lena)} | more
        return actions.preserve(incident, **given)

    return make


@pytest.fixture
def collects(monkeypatch):
    """Puts something in the place of what is collected from levers: `collects(lambda case: [Task(...)])`."""
    return lambda tasks: monkeypatch.setitem(COLLECTORS, "levers", tasks)
