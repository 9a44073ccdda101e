"""ClickHouse (its own SQL engine, in process), Spark, and the drivers of Snowflake and BigQuery give what DuckDB gives."""

import json
import subprocess
import sys

import pytest

from andon.watch.reading import Place, read
from andon.watch.reading.places import LogEngine
from tests.support import warehouses
from tests.support.peers import ROOT, environment, needs

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]
ENGINES = [
    pytest.param("chdb", marks=needs("warehouses", "ClickHouse")),
    pytest.param("spark", marks=needs("warehouses", "Spark")),
    pytest.param("snowflake", marks=needs("snowflake", "Snowflake's driver")),
    pytest.param("bigquery", marks=needs("bigquery", "BigQuery's client")),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_reading_is_the_same(engine, tmp_path, settings):
    settings.LOG_DIRS = [tmp_path]
    warehouses.write_parquet(tmp_path / "decisions.parquet")
    program = [sys.executable, "-W", "ignore", "-m", "tests.support.warehouses", engine, str(tmp_path)]
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    done = subprocess.run(
        program, cwd=ROOT, env=environment() | path, capture_output=True, text=True, timeout=290, check=False
    )
    assert done.returncode == 0, done.stderr[-5_000:]
    found = json.loads(done.stdout.rpartition("\x1e")[2])
    place = Place("decisions", LogEngine.FILES, "decisions.parquet")
    for name, one in warehouses.wanted().items():
        assert found[name] == warehouses.plain(read(place, one)), name
