"""The same decisions in every engine, and what a reading of them must bring: run by itself for those in `make peers`.

    python -m tests.support.warehouses chdb|spark|snowflake|bigquery FOLDER      prints the aggregates as JSON

What these stand on is in environments of their own (`make peers`), which are put behind ours.
"""

import json
import math
import os
import sqlite3
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

SINCE = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = 12
WALL = datetime(2026, 10, 24, tzinfo=UTC)
"""From then on run the clocks on the wall: over a night in which those of Europe go back, each hour of it twice."""
ROOT = Path(__file__).parents[2]
COLUMNS = {
    "happened": "timestamp", "id": "integer", "seg": "text", "old": "boolean", "x": "real", "err": "boolean",
    "y": "integer", "day": "date", "seconds": "integer", "millis": "integer", "wall": "timestamp", "told": "text",
}  # fmt: skip


def rows():
    """Decisions with everything that engines differ over: nulls, NaN, infinity, booleans, dates, doubles."""
    for n in range(4000):
        x = float("nan") if n % 13 == 0 else float("inf") if n % 17 == 0 else None if n % 19 == 0 else (n % 1000) / 8
        yield {
            "happened": SINCE + timedelta(milliseconds=n * 9_770),
            "id": n // 3,
            "seg": None if n % 11 == 0 else f"s{n % 7} ö",
            "old": n % 2 == 0,
            "x": x,
            "err": n % 50 == 0,
            "y": None if n % 100 == 0 else n % 2,
            "day": date(2026, 1, 5) + timedelta(days=n % 3),
            "seconds": int(SINCE.timestamp()) + n * 9_770 // 1000,
            "millis": int(SINCE.timestamp()) * 1000 + n * 9_770,
            "wall": WALL + timedelta(seconds=n * 60),
            "told": f"{WALL + timedelta(seconds=n * 60):%Y-%m-%dT%H:%M:%S}{('', 'Z', '+02:00', '+05:30')[n % 4]}",
        }


def wanted():
    """Readings that between them use every measure, every kind of bin, and every node of the expressions."""
    from andon.practice.words import FairnessMetric, Measure
    from andon.watch.reading import Wanted

    def ask(**changes):
        given = {
            "measure": Measure.RATE, "what": "err", "time": "happened", "window": timedelta(hours=1), "since": SINCE,
            "until": SINCE + timedelta(hours=HOURS),
        }  # fmt: skip
        return Wanted(**given | changes)

    edges = tuple(float(5 * edge) for edge in range(1, 20))
    return {
        "rate by two segments": ask(segments=("seg", "old")),
        "rate by date": ask(what="case when x is null or x < 2 then 1 else 0 end", segments=("day",)),
        "mean": ask(measure=Measure.MEAN, what="x", segments=("seg",)),
        "mean within bounds, with its spread": ask(measure=Measure.MEAN, what="x", low=10.0, high=100.0, bins=edges),
        "spread of a text": ask(measure=Measure.DISTANCE, what="seg", bins=("s0 ö", "s1 ö"), segments=("old",)),
        "spread of a number": ask(measure=Measure.DISTANCE, what="x", bins=edges),
        "spread of a boolean": ask(measure=Measure.DISTANCE, what="old", bins=("true", "false")),
        "count of some": ask(measure=Measure.COUNT, what="y = 1 and seg like 's%'", only="x > 3"),
        "count of all": ask(measure=Measure.COUNT, what=""),
        "each key once": ask(key="id"),
        "by Unix time in seconds": ask(time="seconds"),
        "by Unix time in milliseconds": ask(time="millis", segments=("day",)),
        "wrong by their scores": ask(
            measure=Measure.MEAN, what="err", score="(id % 21) / 20.0", low=0.0, high=1.0, segments=("seg",)
        ),
        "calibration": ask(
            measure=Measure.GAP,
            metric=FairnessMetric.CALIBRATION,
            what="(id % 21) / 20.0",
            truth="y",
            segments=("seg",),
        ),
        "calibration, each key once": ask(
            measure=Measure.GAP, metric=FairnessMetric.CALIBRATION, what="(id % 23) / 20.0", truth="y = 1", key="id"
        ),
        "as labels came": ask(made="day", ages=6, segments=("seg",)),
        "calibration, as labels came": ask(
            measure=Measure.GAP,
            metric=FairnessMetric.CALIBRATION,
            what="(id % 21) / 20.0",
            truth="y",
            made="day",
            ages=20,
        ),
        "times of Los Angeles": ask(
            time="wall", zone="America/Los_Angeles", since=WALL, until=WALL + timedelta(hours=24)
        ),
        "times of Kolkata, by day": ask(
            time="wall", zone="Asia/Kolkata", since=WALL, until=WALL + timedelta(hours=24), segments=("old",)
        ),
        "times of Berlin in the night when clocks go back": ask(
            time="wall", zone="Europe/Berlin", since=WALL + timedelta(hours=20), until=WALL + timedelta(hours=40)
        ),
        "as labels came in Berlin": ask(
            time="wall", made="happened", ages=9000, zone="Europe/Berlin", since=WALL, until=WALL + timedelta(hours=24)
        ),
        "instants, whatever the zone": ask(time="millis", zone="America/New_York"),
        "arithmetic": ask(measure=Measure.MEAN, what="x / y + coalesce(y, 2) * abs(-3) - id % 5"),
        "logic": ask(what="x % 7 in (1, 2, 3) or lower(seg) = 's3 ö' and not (y between 0 and 0) or err is not true"),
        "text": ask(measure=Measure.MEAN, what="length(upper(coalesce(null, 'abc'))) + nullif(y, 0)"),
        "capitals": ask(what="seg like 'S%' or seg ilike 'S1 _' or upper(seg) like 'S2 _'"),
        "case": ask(what="case seg when 's1 ö' then 1 when 's2 ö' then 0 end", only="seg <> 's5 ö'"),
    }


def plain(cells):
    """Cells as JSON can hold them; sums to nine digits, since engines add up in an order of their own."""
    return {
        f"{start:%H} {json.dumps(segment)}": [
            tally.n, float(f"{tally.total:.9g}"), float(f"{tally.squares:.9g}"), tally.invalid, tally.doubled,
            tally.histogram, tally.scores and [[float(f"{one:.9g}") for one in row] for row in tally.scores],
            *([{str(age): [float(f"{one:.9g}") for one in row] for age, row in sorted(tally.made.items())}]
              if tally.made else []),
        ]
        for (start, segment), tally in cells.tallies.items()
    }  # fmt: skip


def write_parquet(path):
    import pyarrow as pa
    from pyarrow import parquet

    types = {
        "happened": pa.timestamp("us"), "id": pa.int64(), "seg": pa.string(), "old": pa.bool_(), "x": pa.float64(),
        "err": pa.bool_(), "y": pa.int64(), "day": pa.date32(), "seconds": pa.int64(), "millis": pa.int64(),
        "wall": pa.timestamp("us"), "told": pa.string(),
    }  # fmt: skip
    held = [row | {name: row[name].replace(tzinfo=None) for name in ("happened", "wall")} for row in rows()]
    parquet.write_table(pa.Table.from_pylist(held, schema=pa.schema(types)), path)


def write_sqlite(path):
    with sqlite3.connect(path) as con:
        con.execute(f"create table decisions ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        places = ", ".join("?" * len(COLUMNS))
        held = [
            list(
                (
                    row
                    | {name: f"{row[name]:%Y-%m-%d %H:%M:%S.%f}" for name in ("happened", "wall")}
                    | {"day": row["day"].isoformat()}
                ).values()
            )
            for row in rows()
        ]
        con.executemany(f"insert into decisions values ({places})", held)
    con.close()


def write_postgresql(url):
    import psycopg

    whole = dict.fromkeys(("id", "y", "seconds", "millis"), "bigint")
    types = COLUMNS | {"x": "double precision"} | whole
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("create schema if not exists risk")
        con.execute("drop table if exists risk.decisions")
        con.execute(f"create table risk.decisions ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
        with con.cursor() as cursor:
            places = ", ".join(["%s"] * len(COLUMNS))
            cursor.executemany(
                f"insert into risk.decisions values ({places})",
                [
                    list((row | {name: row[name].replace(tzinfo=None) for name in ("happened", "wall")}).values())
                    for row in rows()
                ],
            )


def by_chdb(parquet):
    """The very SQL that goes to a ClickHouse server, run by ClickHouse in this process."""
    import ibis
    from chdb.session import Session

    from andon.watch.reading.cube import collected, expression
    from andon.watch.reading.places import LogEngine, Place

    table = ibis.table(ibis.duckdb.connect().read_parquet(str(parquet)).schema(), name="decisions")
    place, found = Place("decisions", LogEngine.CLICKHOUSE, "decisions"), {}
    with Session() as session:
        session.query(f"create table decisions engine = Memory as select * from file('{parquet}', Parquet)")
        for name, one in wanted().items():
            sql = ibis.to_sql(expression(table, one), dialect="clickhouse")
            lines = [json.loads(line) for line in str(session.query(sql, "JSONEachRow")).splitlines()]
            found[name] = plain(collected(iter([lines]), [one], place)[0])
    return found


def by_spark(parquet):
    """Spark in a Java of its own, opened as a log on it is."""
    from pyspark.sql import SparkSession

    from andon.watch.reading import Place, read
    from andon.watch.reading.places import LogEngine

    quiet = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.log.level": "ERROR"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in quiet.items():
        builder = builder.config(name, value)
    builder.getOrCreate().read.parquet(str(parquet)).createOrReplaceTempView("decisions")
    place = Place("decisions", LogEngine.SPARK, "decisions", "spark://local")
    return {name: plain(read(place, one)) for name, one in wanted().items()}


def by_snowflake(parquet):
    """Snowflake's own driver, opened as a log on it is, before a server that speaks its protocol and puts it to DuckDB.

    That server knows no session parameters, and its address is given to the driver here: a log's address names none.
    """
    import fakesnow
    from snowflake import connector

    from andon.watch.reading import Place, read
    from andon.watch.reading.places import LogEngine

    connect = connector.connect
    types = COLUMNS | {"happened": "timestamp_ntz", "wall": "timestamp_ntz", "x": "double"}
    with fakesnow.server(session_parameters={"nop_regexes": ["^ALTER SESSION"]}) as at:
        there = {name: at[name] for name in ("host", "port", "protocol", "session_parameters")} | {
            "network_timeout": 60
        }
        connector.connect = lambda **given: connect(**given | there)
        with connector.connect(user="w", password="w", account="a", database="RISK", schema="PUBLIC") as con:
            names = ", ".join(f'"{name}" {kind}' for name, kind in types.items())
            con.cursor().execute(f'create table "decisions" ({names})')
            for first in range(0, 4000, 1000):
                lines = [", ".join(map(_in_sql, row.values())) for row in list(rows())[first : first + 1000]]
                con.cursor().execute(f'insert into "decisions" values ({"), (".join(lines)})')
        place = Place("decisions", LogEngine.SNOWFLAKE, "decisions", "snowflake://reader:secret@account/RISK/PUBLIC")
        return {name: plain(read(place, one)) for name, one in wanted().items()}


def by_bigquery(parquet):
    """Google's own client, opened as a log on it is, before a server that speaks its REST API and puts it to DuckDB."""
    from andon.watch.reading import Place, read
    from andon.watch.reading.places import LogEngine
    from tests.support.bigquery import service

    place = Place("decisions", LogEngine.BIGQUERY, "risk.decisions", "bigquery://example-bank")
    with service() as there:
        os.environ |= there.environment(parquet.parent)
        there.base.execute(f"create table decisions as from '{parquet}'")
        return {name: plain(read(place, one)) for name, one in wanted().items()}


def _in_sql(value):
    if value is None or isinstance(value, bool | int):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f"'{value}'::double"
    return f"'{value:%Y-%m-%d %H:%M:%S.%f}'" if isinstance(value, datetime) else f"'{value}'"


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    engine, folder = sys.argv[1:]
    peer = engine if engine in {"snowflake", "bigquery"} else "warehouses"
    sys.path.append(str(next((ROOT / ".venv-peers" / peer / "lib").glob("python3*")) / "site-packages"))
    ways = {"chdb": by_chdb, "spark": by_spark, "snowflake": by_snowflake, "bigquery": by_bigquery}
    sys.stdout.write("\x1e" + json.dumps(ways[engine](Path(folder) / "decisions.parquet")))
