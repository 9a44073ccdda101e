"""Google's own client before a stand-in on loopback: what a log on BigQuery is like, and what is said when it cannot be read."""

import json
import subprocess
import sys

import pytest

from tests.support.peers import ROOT, environment, needs

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), needs("bigquery", "BigQuery's client")]

PROGRAM = """
import base64, os, socket, sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
sys.path.append(sys.argv[1])
from django.conf import settings
from andon.practice.words import Measure
from andon.watch.reading import Place, looking, read, rows
from andon.watch.reading.places import LogEngine
from tests.support import bigquery, warehouses

folder = Path(sys.argv[2])
settings.LOG_DIRS = [folder]
warehouses.write_parquet(folder / "decisions.parquet")
ON_FILES = Place("decisions", LogEngine.FILES, "decisions.parquet")
RATE = next(iter(warehouses.wanted().values()))
HERE = "bigquery://example-bank/risk"
found = {}

def log(source=HERE, table="decisions"):
    return Place("decisions", LogEngine.BIGQUERY, table, source)

def same(name, what, place=None):
    found[name] = [what(place or log()), what(ON_FILES)]

def said(name, place=None, seconds=4.0, one=RATE):
    try:
        found[name] = f"it was read: {len(read(place or log(), one, seconds=seconds).tallies)}"
    except Exception as wrong:
        found[name] = str(wrong)

def reach(place):
    look = looking.look(place, "happened")
    return [look.rows, look.undated, str(look.first), str(look.last), *look.columns]

def rate(place):
    return warehouses.plain(read(place, RATE))

with bigquery.service(page=100) as there:
    given = there.environment(folder)
    os.environ |= given
    make = there.base.execute
    make(f"create table decisions as from '{folder}/decisions.parquet'")
    make("create table stamped as select * replace (happened::timestamptz as happened, y::decimal(38, 9) as y),"
         " strftime(happened, '%Y-%m-%dT%H:%M:%S.%fZ') as said, interval 1 day as lasted from decisions")
    same("in pages", rate)
    same("timestamps, decimals, and a type that nothing can be said of", rate, log(table="example-bank.risk.stamped"))
    said("only bounds by themselves spare reading all", log(), one=replace(RATE, time="day", until=RATE.until + timedelta(days=2)))
    found["by day"], found["by datetime"] = there.asked[-1], there.asked[0]
    found["by timestamp"] = next(one for one in there.asked if "stamped" in one)
    same("mean of decimals", lambda place: warehouses.plain(read(place, warehouses.wanted()["arithmetic"])), log(table="stamped"))
    text = replace(RATE, time="said")
    found["text"] = [warehouses.plain(read(log(table="stamped"), text)), rate(ON_FILES)]
    same("a look", reach)
    same("days", lambda place: looking.days_until(place, "day", "happened", share=0.95))
    for what in ("x", "seg", "old"):
        same(f"bins of {what}", lambda place: looking.bins(place, replace(RATE, measure=Measure.DISTANCE, what=what)))
    kept = {"since": RATE.since, "until": RATE.until, "without": ["id"], "most_rows": 9, "most_bytes": 9_999, "seconds": 20}
    same("rows as evidence", lambda place: rows.newest(place, "happened", **kept).lines.decode())
    there.guarded.add("decisions")
    same("a look at a table that demands a filter", reach)
    there.guarded.clear()
    found["asked"] = {name: there.sent[-1].get(name) for name in ("jobTimeoutMs", "labels", "useLegacySql")}
    found["only selects"] = {one.split()[0] for one in there.asked} == {"SELECT"}

    said("no dataset", log("bigquery://example-bank"))
    said("no project", log("bigquery://elsewhere/risk"))
    said("no such dataset", log("bigquery://example-bank/nothing"))
    said("no such table", log(table="nothing"))
    said("too much", log(f"{HERE}?maximum_bytes_billed=10"))
    said("not too much", log(f"{HERE}?maximum_bytes_billed=10000000&location=EU"))
    found["bounded"] = [there.sent[-1].get(name) for name in ("maximumBytesBilled", "location")]
    said("no number of bytes", log(f"{HERE}?maximum_bytes_billed=1TB"))
    for status, reason in ((403, "accessDenied"), (403, "quotaExceeded"), (403, "rateLimitExceeded"), (503, "backendError")):
        there.answer = (status, reason, f"This is {reason}.")
        said(reason, seconds=2.0)
    there.answer, there.slow = None, 60.0
    said("slow", seconds=1.5)
    found["cancelled"], there.slow = len(there.cancelled), 0.0
    said("a column that is gone", one=replace(RATE, what="nothing"))
    said("no key", log("bigquery://bm9rZXk@example-bank/risk"))
    os.environ |= {"GOOGLE_APPLICATION_CREDENTIALS": str(folder / "nowhere.json")}
    said("no credentials")
    os.environ |= given
    there.key = bigquery.new_key()
    said("another key")
    from andon.watch.reading.bigquery import _credentials

    sly = {"type": "external_account", "token_uri": "http://169.254.169.254/", "universe_domain": "elsewhere.example"}
    whole = json.dumps(json.loads((folder / "key.json").read_text()) | sly).encode()
    key = _credentials(base64.urlsafe_b64encode(whole).decode().rstrip("="))
    found["a key of its own"] = [key.service_account_email, key._token_uri, key.universe_domain]
    there.environment(folder)
said("gone", seconds=2.0)
with socket.create_server(("127.0.0.1", 0)) as silent:
    there.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    os.environ |= there.environment(folder)
    said("silent", seconds=2.0)
print("\\x1e" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """All of it in one process: Google's client takes seconds to be imported."""
    packages = next((ROOT / ".venv-peers" / "bigquery" / "lib").glob("python3*")) / "site-packages"
    program = [sys.executable, "-W", "ignore", "-c", f"import json\n{PROGRAM}", str(packages)]
    done = subprocess.run(
        [*program, str(tmp_path_factory.mktemp("bigquery"))], cwd=ROOT, env=environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        capture_output=True, text=True, timeout=290, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5_000:]
    return json.loads(done.stdout.rpartition("\x1e")[2])


@pytest.mark.parametrize("name", [
    "in pages", "mean of decimals", "text", "a look", "days", "bins of x", "bins of seg", "bins of old", "rows as evidence",
    "timestamps, decimals, and a type that nothing can be said of", "a look at a table that demands a filter",
])  # fmt: skip
def test_it_is_read_as_files_are(found, name):
    there, on_files = found[name]
    assert there == on_files
    assert there


def test_nothing_but_questions_is_sent_and_the_service_ends_what_takes_too_long(found):
    assert found["only selects"]
    assert found["asked"] == {"jobTimeoutMs": "60000", "labels": {"application": "andon"}, "useLegacySql": False}
    assert found["bounded"] == ["10000000", "EU"]
    assert found["not too much"].startswith("it was read")
    assert found["cancelled"] == 1


@pytest.mark.parametrize(("name", "condition"), [
    ("by day", "`t0`.`day` >= DATE("),
    ("by datetime", "`t0`.`happened` >= DATETIME("),
    ("by timestamp", "`t0`.`happened` >= TIMESTAMP("),
])  # fmt: skip
def test_the_column_of_the_time_is_bounded_by_itself_so_that_partitions_are_left_out(found, name, condition):
    assert condition in found[name]


@pytest.mark.parametrize(("name", "words"), [
    ("no dataset", "The table is found by its dataset: bigquery://project/dataset with a table"),
    ("no project", "cannot be read: BigQuery says: Not found: Project elsewhere. Project, dataset and table are named as in"),
    ("no such dataset", "BigQuery says: Not found: Dataset example-bank:nothing."),
    ("no such table", "(nothing in bigquery://example-bank/risk) cannot be read: BigQuery says: Not found: Table example-bank:risk.nothing."),
    ("too much", "limit for bytes billed: 10. 1000000 or higher required. Raise maximum_bytes_billed in the log's source"),
    ("no number of bytes", "maximum_bytes_billed is a whole number of bytes; this is “1TB”."),
    ("accessDenied", "This is accessDenied. The account needs BigQuery Job User on the project, and BigQuery Data Viewer on"),
    ("quotaExceeded", "BigQuery says: This is quotaExceeded. Andon tries again by itself."),
    ("rateLimitExceeded", "BigQuery says: This is rateLimitExceeded. Andon tries again by itself."),
    ("backendError", "BigQuery says: This is backendError. Andon tries again by itself."),
    ("slow", "(decisions in bigquery://example-bank/risk) did not answer within 1.5 s. The warehouse is slow or down"),
    ("a column that is gone", "The log has no column “nothing”. It has: happened, id,"),
    ("no key", "The part before @ is no key of a service account."),
    ("no credentials", "this machine has no credentials for BigQuery. Let whoever runs Andon set GOOGLE_APPLICATION_CREDENTIALS"),
    ("another key", "its credentials are refused: invalid_grant: Invalid JWT Signature. Let whoever runs"),
    ("gone", "BigQuery cannot be reached:"),
    ("silent", "Read timed out"),
])  # fmt: skip
def test_what_is_wrong_is_said_in_words_that_name_the_log(found, name, words):
    assert words in found[name]


def test_a_key_in_the_address_says_who_asks_and_nothing_else(found):
    who = "andon-reader@example-bank.iam.gserviceaccount.com"
    assert found["a key of its own"] == [who, "https://oauth2.googleapis.com/token", "googleapis.com"]
