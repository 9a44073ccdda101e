"""ClickHouse (its own SQL engine, in process) and Spark give what DuckDB gives, line for line."""

import json
import subprocess
import sys

import pytest

from andon.watch.reading import Place, read
from andon.watch.reading.places import LogEngine
from tests.support import warehouses
from tests.support.peers import ROOT, environment, needs

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), needs("warehouses", "ClickHouse and Spark")]


@pytest.mark.parametrize("engine", ["chdb", "spark"])
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
