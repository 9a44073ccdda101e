"""A real Evidently finds drift, and `andon.sdk.report` tells a real Andon."""

import pytest

from tests.support import peers

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("evidently", "Evidently")]

REPORT = """
import numpy, pandas
from evidently import Report
from evidently.metrics import MissingValueCount
from evidently.presets import DataDriftPreset
from evidently.tests import lt
from andon.sdk import report

def people(seed, income):
    random = numpy.random.default_rng(seed)
    return pandas.DataFrame({"income": random.normal(income, 1, 400), "age": random.normal(40, 9, 400)})

checks = Report([DataDriftPreset(), MissingValueCount(column="age", tests=[lt(1)])], include_tests=True)
snapshot = checks.run(people(2, income), people(1, 0))
snapshot.save_json(path)
said = [report(what, system="credit-scorer", url=url, token=token, type="performance_degradation", raising=True)
        for what in (snapshot, snapshot.dict())[: 1 + also_as_dictionary]]
result = [[one.signals, one.failing] for one in said]
"""

SIGNALS = "SELECT title, status, count, system_hint, type_hint, severity_hint FROM intake_signal WHERE system_hint <> '' ORDER BY title"


def test_drift_fires_once_and_the_next_run_without_it_ends_it(andon, tmp_path):
    sender = andon.integration("generic", "pipelines")
    where = {"url": sender.url, "token": sender.token, "path": str(tmp_path / "snapshot.json")}

    drifted = peers.run("evidently", REPORT, income=2, also_as_dictionary=True, **where)
    assert drifted == [[4, 2], [4, 2]], "object and dictionary say the same"
    _the_same_as_a_file(andon, tmp_path / "snapshot.json")
    fired = andon.sql(SIGNALS)
    assert [row[0] for row in fired] == [
        "Share of Drifted Columns: Less 0.500 fails",
        "Value Drift for column income fails",
    ]
    assert {row[1:] for row in fired} == {("firing", 2, "credit-scorer", "performance_degradation", 3)}

    assert peers.run("evidently", REPORT, income=0, also_as_dictionary=False, **where) == [[4, 0]]
    assert [row[1] for row in andon.sql(SIGNALS)] == ["resolved", "resolved"], "and what passed left nothing behind"


def _the_same_as_a_file(andon, file):
    """The kind *Data tests* makes the same of the snapshot that the library saved."""
    sender = andon.integration("datatests", "checks")
    answer = sender.post(file.read_bytes())
    assert (answer.status_code, answer.json()["signals"]) == (200, 4)
    assert andon.sql("SELECT count(*) FROM intake_signal WHERE system_hint = ''") == [(2,)]
