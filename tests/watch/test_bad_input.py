"""What comes late, twice, wrong, slow or from where it must not: said in words, and nothing is made up."""

import sqlite3
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import duckdb
import pytest
from django.db import connection, connections
from django.urls import reverse

from andon.kit.errors import Invalid
from andon.people.policy import Actor
from andon.practice.words import Measure
from andon.watch import actions
from andon.watch.actions import running
from andon.watch.models import Watch, WindowState
from andon.watch.reading import Place, Unreadable, Wanted, looking, read
from andon.watch.reading.backends import taken_of
from andon.watch.reading.expressions import build, parse
from andon.watch.reading.places import LogEngine, shown
from tests.support.peers import ROOT
from tests.watch.conftest import MONDAY, decisions

HOUR = timedelta(hours=1)


def state(watch, hour):
    return WindowState.objects.get(watch=watch, window_start=MONDAY + hour * HOUR, segment="")


@pytest.mark.django_db
def test_late_rows_correct_a_window_that_keeps_what_it_held_and_no_verdict_is_rewritten(
    written, connected, watched, time
):
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    written(decisions(60, 40, lambda hour: 30 if hour == 59 else 2))
    watch = actions.run_watch(watched(connected(), what="failed", budget=100))
    alarm, before = watch.alarms.get(), state(watch, 59)
    assert alarm.window_start == MONDAY + 59 * HOUR
    written(decisions(61, 80, lambda hour: 32 if hour == 59 else 4))  # as many came late, nearly all of them right
    time.set(MONDAY + timedelta(hours=61, minutes=5))
    watch = actions.run_watch(watch)
    after = state(watch, 59)
    assert (before.n, before.total, before.was) == (40, 30, [])
    assert (after.n, after.total) == (80, 32)
    kept = {"read_at": before.read_at.isoformat(), "n": 40, "total": 30.0, "squares": 30.0, "invalid": 0}
    assert after.was == [kept]
    assert state(watch, 56).was == []  # out of reach of what is read again
    assert state(watch, 56).n == 40
    again = watch.alarms.get()
    for field in ("raised_at", "window_start", "statistic", "threshold", "baseline", "direction", "plan"):
        assert getattr(again, field) == getattr(alarm, field), field
    assert watch.judged_until == MONDAY + 61 * HOUR


def read_one(claim):
    (reading,) = running.read([claim])
    return reading


def two_claims(watch, time):
    """One engine claims and is slow; its lease runs out, and another claims."""
    ((first,),) = running.claim(time.now(), 10)
    assert running.claim(time.now() + running.LEASE / 2, 10) == []
    time.set(time.now() + running.LEASE + timedelta(seconds=1))
    ((second,),) = running.claim(time.now(), 10)
    assert first.watch.pk == second.watch.pk == watch.pk
    return first, second


@pytest.mark.django_db
def test_a_claim_whose_lease_ran_out_writes_nothing(written, connected, watched, time):
    time.set(MONDAY + timedelta(hours=40, minutes=5))
    written(decisions(40, 10, lambda _hour: 1))
    watch = watched(connected(), what="failed")
    first, second = two_claims(watch, time)
    assert not running.settle(read_one(first), time.now())
    assert not WindowState.objects.exists()
    watch.refresh_from_db()
    assert (watch.read_until, watch.lease_by) == (None, second.token)
    assert running.settle(read_one(second), time.now())
    assert WindowState.objects.count() == 40
    assert not running.settle(read_one(second), time.now())


@pytest.mark.django_db
def test_who_reads_a_watch_that_is_ended_meanwhile_writes_nothing(cast, written, connected, watched, time):
    time.set(MONDAY + timedelta(hours=40, minutes=5))
    written(decisions(40, 10, lambda _hour: 1))
    watch = watched(connected(), what="failed")
    ((one,),) = running.claim(time.now(), 10)
    found = read_one(one)
    actions.end_watch(watch, by=Actor.of(cast.omar))
    assert not running.settle(found, time.now())
    assert not WindowState.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer at a time")
def test_of_engines_that_race_one_claims_and_one_settles(written, connected, watched, time):
    time.set(MONDAY + timedelta(hours=40, minutes=5))
    written(decisions(40, 10, lambda _hour: 1))
    watch = watched(connected(), what="failed")

    def at_once(does):
        together = Barrier(2)

        def engine(number):
            try:
                together.wait(20)
                return does(number)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(engine, range(2)))

    claims = at_once(lambda _number: running.claim(time.now(), 10))
    assert sorted(len(one) for one in claims) == [0, 1]
    time.set(time.now() + running.LEASE + timedelta(seconds=1))
    readings = [read_one(one) for one in two_claims(watch, time)]
    assert at_once(lambda number: running.settle(readings[number], time.now())) == [False, True]
    assert connection.vendor == "postgresql"
    assert WindowState.objects.filter(watch=watch).count() == 40


SECRETS = ("s3cret", "hush", "reader")


@pytest.mark.django_db
def test_a_connection_string_is_in_no_message_page_answer_or_log(
    cast, connected, watched, folder, signed_in, settings, capfd, caplog, time
):
    settings.ALLOW_PRIVATE_TARGETS = True
    with sqlite3.connect(folder / "d.sqlite") as base:
        base.execute("CREATE TABLE decisions (at TEXT, failed INTEGER)")
    log = connected("decisions", source="d.sqlite")
    watch = watched(log, what="failed")
    log.engine, log.source = "postgresql", "postgresql://reader:s3cret@127.0.0.1:9/risk?sslmode=disable&password=hush"
    log.save()
    ((claim,),) = running.claim(time.now(), 1)
    reading = read_one(claim)
    assert running.settle(reading, time.now())
    watch.refresh_from_db()
    assert "“decisions” (decisions in postgresql://127.0.0.1:9/risk) cannot be read" in watch.error
    browser = signed_in(cast.omar)
    told = [watch.error, repr(claim), repr(reading), caplog.text, *capfd.readouterr()]
    pages = [reverse("watch", args=[watch.number]), reverse("log", args=[log.pk]), "/watches"]
    pages += [f"/api/v1/{one}" for one in (f"watches/{watch.number}", "watches", f"logs/{log.pk}", "logs")]
    answers = [browser.get(page) for page in pages]
    assert {answer.status_code for answer in answers} == {200}
    told += [answer.content.decode() for answer in answers]
    for text in told:
        for secret in SECRETS:
            assert secret not in text


@pytest.mark.django_db
@pytest.mark.parametrize(
    "source",
    [
        "postgresql://reader:s3cret/hush@127.0.0.1/risk",
        "postgresql://reader:1/s3cret@127.0.0.1/risk",
        "postgresql://reader:2?s3cret@127.0.0.1/risk",
        "postgresql://reader:3#s3cret@127.0.0.1/risk",
        "postgresql://reader:s3cret@[127.0.0.1/risk",
        "postgresql://reader:s3cret@127.0.0.1:hush/risk",
        "postgresql://reader:s3cret@127.0.0.1:99999/risk",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_being_repeated(connected, settings, source):
    settings.ALLOW_PRIVATE_TARGETS = True
    with pytest.raises(Invalid) as refused:
        connected("decisions", source=source)
    assert refused.value.field == "source"
    for text in (str(refused.value), shown(source)):
        assert not [secret for secret in SECRETS if secret in text]


def slow_duckdb(path):
    with duckdb.connect(str(path)) as base:
        base.execute(
            "CREATE VIEW slow AS SELECT TIMESTAMP '2026-02-02' + to_seconds(a.range + b.range) AS at, 0 AS failed "
            "FROM range(10000000) a, range(10000000) b"
        )


def slow_sqlite(path):
    with sqlite3.connect(path) as base:
        base.execute(
            "CREATE VIEW slow (at, failed) AS WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c "
            "WHERE n < 1e12) SELECT CAST('2026-02-02T00:00:00' AS TEXT), CAST(n AS INTEGER) FROM c"
        )


@pytest.mark.parametrize(("make", "name"), [(slow_duckdb, "slow.duckdb"), (slow_sqlite, "slow.sqlite")])
def test_a_slow_warehouse_ends_at_the_time_limit_in_words(folder, make, name):
    make(folder / name)
    place = Place("slow one", LogEngine(name.partition(".")[2]), "slow", name)
    with pytest.raises(Unreadable, match="did not answer within") as slow:
        looking.look(place, "at", seconds=0.3)
    assert f"“slow one” (slow in {name}) did not answer within 0.3 s" in str(slow.value)


def test_a_row_that_is_not_of_its_column_s_type_is_told_by_its_line_and_never_shown(folder):
    """DuckDB's words hold the row itself, and hints for whoever writes SQL."""
    rows = [f"2026-02-02T00:00:{n % 60:02}Z,{n % 2}" for n in range(120_000)]  # more than types are found by
    (folder / "d.csv").write_text("at,failed\n" + "\n".join([*rows, "yesterday,a name of somebody"]) + "\n")
    with pytest.raises(Unreadable) as refused:
        looking.look(Place("odd one", LogEngine.FILES, "d.csv"), "failed")
    said = str(refused.value)
    assert "“odd one” (d.csv) cannot be read: line 120,002, column “" in said
    assert "holds something that is no " in said
    assert not {"somebody", "yesterday", "types="} & set(said.replace(",", " ").split())


def test_a_table_that_is_not_there_is_called_so(folder):
    with sqlite3.connect(folder / "d.sqlite") as base:
        base.execute("CREATE TABLE decisions (at TEXT, failed INTEGER)")
    with pytest.raises(Unreadable, match="there is no table “refusals”, or this account may not see it"):
        looking.look(Place("texts", LogEngine.SQLITE, "refusals", "d.sqlite"), "at")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("failed +", "something is missing after “+”"),
        ("CASE WHEN failed THEN", "something is missing after “THEN”"),
        ("failed = 1 1", "“1” cannot stand where it does"),
        ("failed IN (1", "after “1” it should go on with )"),
        ("region = 'north", "a text in quotes that are not closed"),
        ("", "it is empty"),
    ],
)
def test_an_expression_that_cannot_be_read_is_told_without_words_of_its_parser(text, said):
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert said in refused.value.what
    assert "sqlglot" not in refused.value.what


def test_times_as_texts_in_sqlite_are_read_and_what_is_no_time_lies_in_no_window(folder):
    with sqlite3.connect(folder / "d.sqlite") as base:
        base.execute("CREATE TABLE decisions (at TEXT, failed INTEGER)")
        times = [
            "2026-02-02T00:00:00",
            "2026-02-02 00:59:59.5",
            "2026-02-02T01:00:00+00:00",
            "2026-02-02T02:00:00",
            "?",
        ]
        base.executemany("INSERT INTO decisions VALUES (?, 1)", [(at,) for at in [*times, None]])
    place = Place("texts", LogEngine.SQLITE, "decisions", "d.sqlite")
    found = looking.look(place, "at")
    assert (found.rows, found.undated, found.first, found.last) == (6, 2, MONDAY, MONDAY + 2 * HOUR)
    wanted = Wanted(
        measure=Measure.RATE, what="failed", time="at", window=HOUR, since=MONDAY, until=MONDAY + 2 * HOUR
    )  # fmt: skip
    windows = read(place, wanted).windows()
    assert {start: tally.n for start, tally in windows.items()} == {MONDAY: 2, MONDAY + HOUR: 1}


@pytest.mark.django_db
def test_a_watch_on_a_slow_warehouse_is_stale_and_says_so(folder, connected, watched, monkeypatch):
    monkeypatch.setattr(running, "LIMIT", 0.3)
    slow_duckdb(folder / "slow.duckdb")
    watch = actions.run_watch(watched(connected("slow", source="slow.duckdb"), what="failed"))
    assert watch.stale_since is not None
    assert "did not answer within 0.3 s" in watch.error
    assert not watch.states.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("source", [False, True])
@pytest.mark.parametrize("way", ["up", "absolute", "link", "folder of links", "pattern"])
def test_nothing_outside_the_log_folders_is_read(folder, tmp_path, connected, source, way):
    outside = tmp_path / "outside"
    outside.mkdir()
    name = "d.sqlite" if source else "d.csv"
    if source:
        with sqlite3.connect(outside / name) as base:
            base.execute("CREATE TABLE decisions (at TEXT, hidden INTEGER)")
    else:
        (outside / name).write_text("at,hidden\n2026-02-02,1\n", encoding="utf-8")
    (folder / f"link-{name}").symlink_to(outside / name)
    (folder / "links").symlink_to(outside)
    given = {
        "up": f"../outside/{name}",
        "absolute": str(outside / name),
        "link": f"link-{name}",
        "folder of links": f"links/{name}",
        "pattern": f"*/*{name[1:]}",
    }[way]
    with pytest.raises(Invalid) as refused:
        connected("decisions" if source else given, source=given if source else "")
    assert "hidden" not in str(refused.value)


@pytest.mark.django_db
def test_a_database_file_cannot_look_outside_either(folder, tmp_path, connected):
    (tmp_path / "hidden.csv").write_text("at,hidden\n2026-02-02,1\n", encoding="utf-8")
    with duckdb.connect(str(folder / "d.duckdb")) as base:
        base.execute(f"CREATE VIEW decisions AS SELECT * FROM read_csv('{tmp_path / 'hidden.csv'}')")
    with pytest.raises(Invalid, match="“decisions”"):
        connected("decisions", source="d.duckdb")


@pytest.mark.parametrize(
    "text",
    [
        "read_text('/etc/passwd') = 'x'",
        "read_csv('/etc/passwd') IS NULL",
        "read_blob('x') IS NULL",
        "glob('/*') IS NULL",
        "getenv('HOME') = 'x'",
        "current_setting('temp_directory') = ''",
        "system('id') = 0",
        "load_extension('x')",
        "pg_read_file('/etc/passwd') = 'x'",
        "pg_sleep(10) IS NULL",
        "dblink('x', 'y') IS NULL",
        "nextval('s') = 1",
        "ATTACH 'x.duckdb'",
        "COPY decisions TO 'x'",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SELECT 1",
        "failed = (SELECT 1)",
        "failed IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "failed = 1; DROP TABLE decisions",
        "failed = 1 UNION SELECT 1",
        "failed = $1",
        "failed = ?",
        "failed::text = '1'",
        "CAST(failed AS INTEGER) = 1",
        "regexp_matches(region, 'x')",
        "sum(failed) OVER () = 1",
        "count(*) = 1",
        "*",
        "list_transform([1], x -> x)",
        "failed = ",
        "",
    ],
)
def test_an_expression_takes_nothing_that_reads_runs_or_asks_further(text):
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert refused.value.field == "what"


@pytest.mark.parametrize(
    "text",
    [
        "region LIKE channel",
        "region ILIKE channel",
        "failed IN channel",
        "failed BETWEEN SYMMETRIC 5 AND 1",
        "other.failed = 1",
        "IF(failed, 1, 0)",
        "(failed, region) = (1, 2)",
        "nosuch = 1",
        "failed > 'much'",
    ],
)
def test_what_would_mean_something_else_than_it_says_is_refused(text):
    import ibis

    table = ibis.table({"failed": "int64", "region": "string", "channel": "string"}, name="decisions")
    with pytest.raises(Invalid) as refused:
        build(text, table)
    if "nosuch" in text:
        assert "no column “nosuch”. It has: failed, region, channel" in str(refused.value)


@pytest.mark.django_db
def test_a_column_that_files_lack_is_named_and_so_is_the_file(written, connected, watched, time):
    time.set(MONDAY + timedelta(hours=40, minutes=5))
    rows = decisions(40, 10, lambda _hour: 1)
    written(rows)
    log = connected()
    with pytest.raises(Invalid, match="no column “nosuch”") as refused:
        watched(log, what="nosuch = 1")
    assert refused.value.field == "what"
    assert "It has: at, id, region" in str(refused.value)
    watch = watched(log, what="failed")
    written([{name: value for name, value in row.items() if name != "failed"} for row in rows])
    watch = actions.run_watch(watch)
    assert "“decisions.csv”" in watch.error
    assert "no column “failed”. It has: at, id, region" in watch.error
    assert watch.stale_since is not None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "column", "words"),
    [
        ({"what": "region"}, "at", "“region” is string, and not yes or no"),
        ({"what": "region", "kind": "latency"}, "at", "“region” is string, and no number"),
        ({"what": "failed > region"}, "at", "“failed > region” cannot be computed"),
        ({"what": "failed"}, "latency_ms", "“latency_ms” is int64, and no time"),
    ],
)
def test_a_wrong_type_is_said_with_file_and_column_and_nothing_is_counted(
    written, connected, watched, time, facts, column, words
):
    time.set(MONDAY + timedelta(hours=40, minutes=5))
    written(decisions(40, 10, lambda _hour: 1))
    watch = actions.run_watch(watched(connected(time_column=column), **facts))
    assert words in watch.error
    assert "“decisions.csv”" in watch.error
    assert not watch.states.exists()


@pytest.mark.django_db
def test_an_empty_window_and_what_is_no_number_are_counted_as_such_and_judged_as_nothing(
    written, connected, watched, time
):
    time.set(MONDAY + timedelta(hours=60, minutes=5))
    odd = {(50, 0): "nan", (50, 1): "inf", (50, 2): None}
    rows = [
        row | {"failed": odd.get(tuple(map(int, row["id"].split("-"))), row["failed"])}
        for row in decisions(60, 40, lambda _hour: 2)
        if not row["id"].startswith("45-")
    ]
    written(rows)
    watch = actions.run_watch(watched(connected(), what="failed"))
    found = {
        hour: (state(watch, hour).n, state(watch, hour).total, state(watch, hour).invalid) for hour in (44, 45, 50)
    }
    assert found == {44: (40, 2, 0), 45: (0, 0, 0), 50: (37, 0, 3)}
    assert Watch.objects.get().judged_until == MONDAY + 60 * HOUR
    assert not watch.alarms.exists()


@pytest.mark.parametrize(
    ("engine", "source", "module"),
    [
        ("bigquery", "bigquery://project/dataset", "google.cloud.bigquery"),
        ("snowflake", "snowflake://reader:secret@account/database/schema", "snowflake.connector"),
        ("clickhouse", "clickhouse://reader:secret@warehouse.example.org:8443/risk", "clickhouse_connect"),
        ("spark", "spark://local", "pyspark"),
    ],
)
def test_a_warehouse_without_its_package_names_what_to_install(engine, source, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Unreadable) as said:
        looking.columns(Place("decisions", LogEngine(engine), "decisions", source))
    assert f"pip install 'andon[{engine}]'" in str(said.value)
    assert "secret" not in str(said.value)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert engine in extras


def test_of_a_warehouse_s_address_a_driver_is_given_nothing_that_calls_elsewhere_or_reads_a_file():
    source = (
        "snowflake://reader:s%23cret@account/risk/public?role=r&host=10.0.0.1&protocol=http&private_key_file=/etc/key"
    )
    plain = "snowflake://reader:s%23cret@account/risk/public"
    assert taken_of(f"{source}&warehouse=w", frozenset({"warehouse", "role"})) == (
        plain,
        {"warehouse": "w", "role": "r"},
    )
    assert taken_of("bigquery://project/set?client_options=x", frozenset()) == ("bigquery://project/set", {})
