"""Whatever a watch asks of its log can be said to every warehouse, those included that no test can open.

Each statement is taken as the reading makes it, on files, and put into the words of the others. A parser of those
words reads it back, and finds a question there and nothing that writes.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import ibis
import pytest
import sqlglot
from sqlglot import exp

from andon.practice.words import Measure
from andon.watch.reading import Place, expressions, looking, read, read_together, rows, times
from andon.watch.reading.connecting import Opened
from andon.watch.reading.places import LogEngine
from tests.support import warehouses
from tests.support.bigquery import refused

DIALECTS = ("bigquery", "snowflake")
BIGQUERY = {
    "happened": "datetime",
    "day": "date",
    "x": "float64",
    "id": "int64",
    "y": "int64",
    "seconds": "int64",
    "millis": "int64",
}
WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Create, exp.Drop, exp.Merge, exp.Alter, exp.Command)


@pytest.fixture
def asked(tmp_path, settings, monkeypatch, dialect) -> list[Any]:
    """Every expression that watches, proposals and evidence ask of a log, as they ask it of that warehouse."""
    for module in (times, expressions):
        monkeypatch.setattr(module, "engine_of", lambda _table: dialect)
    settings.LOG_DIRS = [tmp_path]
    warehouses.write_parquet(tmp_path / "decisions.parquet")
    place = Place("decisions", LogEngine.FILES, "decisions.parquet")
    found: list[Any] = []
    ask = Opened.rows

    def note(self, expression, *, limit):
        found.append(expression)
        return ask(self, expression, limit=limit)

    monkeypatch.setattr(Opened, "rows", note)
    wanted = list(warehouses.wanted().values())
    for outcomes in read_together(place, wanted):
        assert not [one for one in outcomes.values() if isinstance(one, Exception)]
    looking.look(place, "happened")
    looking.look(place, "millis")
    looking.days_until(place, "day", "happened", share=0.95)
    for what in ("x", "seg", "old"):
        looking.bins(place, replace(wanted[0], measure=Measure.DISTANCE, what=what))
    until = warehouses.SINCE + timedelta(hours=warehouses.HOURS)
    rows.newest(
        place,
        "happened",
        since=warehouses.SINCE,
        until=until,
        without=["id"],
        most_rows=9,
        most_bytes=9_999,
        seconds=60,
    )
    assert len(found) > len(wanted)
    return found


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_can_be_said_to_a_warehouse_that_no_test_opens(asked, dialect):
    for expression in asked:
        sql = str(ibis.to_sql(expression, dialect=dialect))
        (statement,) = sqlglot.parse(sql, dialect=dialect)
        assert isinstance(statement, exp.Query), sql
        assert not list(statement.find_all(*WRITES)), sql
        if dialect == "bigquery":
            assert not refused(statement, BIGQUERY), sql


@pytest.mark.parametrize("what", ["x % 7", "-x % 3", "x % -2.5"])
def test_the_remainder_that_bigquery_is_asked_for_is_that_of_the_others(tmp_path, settings, monkeypatch, what):
    settings.LOG_DIRS = [tmp_path]
    warehouses.write_parquet(tmp_path / "decisions.parquet")
    place = Place("decisions", LogEngine.FILES, "decisions.parquet")
    one = replace(next(iter(warehouses.wanted().values())), measure=Measure.MEAN, what=what, segments=())
    as_others = warehouses.plain(read(place, one))
    monkeypatch.setattr(expressions, "engine_of", lambda _table: "bigquery")
    assert warehouses.plain(read(place, one)) == as_others
