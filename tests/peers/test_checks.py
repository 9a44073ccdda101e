"""Real data tests: dbt on DuckDB, Great Expectations, Soda; and Dagster's own sensors. One table has a null too many."""

import pytest

from tests.support import peers

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(240),
    peers.needs("checks", "dbt, Great Expectations, Soda and Dagster"),
]

DBT = """
import os, pathlib
from dbt.cli.main import dbtRunner
from andon.sdk import report
folder = pathlib.Path(folder)
(folder / "models").mkdir(parents=True, exist_ok=True)
(folder / "dbt_project.yml").write_text("{name: bank, version: '1.0', profile: bank}")
(folder / "profiles.yml").write_text(f"bank: {{target: dev, outputs: {{dev: {{type: duckdb, path: {folder}/bank.duckdb}}}}}}")
(folder / "models" / "applications.sql").write_text(f"select 1 as id, {income} as income union all select 2, 5 union all select 2, 7")
(folder / "models" / "schema.yml").write_text(
    "models: [{name: applications, columns: ["
    "{name: id, data_tests: [not_null, {unique: {config: {severity: warn}}}]}, {name: income, data_tests: [not_null]}]}]"
)
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
dbtRunner().invoke(["build", "--quiet", "--project-dir", str(folder), "--profiles-dir", str(folder)])
done = report(folder / "target" / "run_results.json", system="credit-scorer", url=url, token=token, raising=True)
result = [done.signals, done.failing]
"""

EXPECTATIONS = """
import os
os.environ["GX_ANALYTICS_ENABLED"] = "false"
import great_expectations as gx, pandas
from andon.sdk import report
context = gx.get_context(mode="ephemeral")
asset = context.data_sources.add_pandas("bank").add_dataframe_asset("applications")
suite = context.suites.add(gx.ExpectationSuite(name="applications"))
suite.add_expectation(gx.expectations.ExpectColumnValuesToNotBeNull(column="income"))
suite.add_expectation(gx.expectations.ExpectColumnValuesToBeUnique(column="id", severity="warning"))
definition = context.validation_definitions.add(gx.ValidationDefinition(
    name="v", data=asset.add_batch_definition_whole_dataframe("all"), suite=suite))
batch = {"dataframe": pandas.DataFrame({"id": [1, 2, 2], "income": [income, 5.0, 7.0]})}
checkpoint = context.checkpoints.add(gx.Checkpoint(name="c", validation_definitions=[definition]))
said = [report(what, system="credit-scorer", url=url, token=token, raising=True)
        for what in (definition.run(batch_parameters=batch), checkpoint.run(batch_parameters=batch))]
result = [[done.signals, done.failing] for done in said]
"""

SODA = """
import duckdb
from soda.scan import Scan
from andon.sdk import report
connection = duckdb.connect(":memory:")
connection.execute(f"create table applications as select 1 as id, {income}::int as income union all select 2, 5")
scan = Scan()
scan.disable_telemetry()
scan.add_duckdb_connection(connection, data_source_name="bank")
scan.set_data_source_name("bank")
scan.set_scan_definition_name("nightly")
scan.add_sodacl_yaml_str("checks for applications:\\n  - row_count > 0\\n  - missing_count(" + column + ") = 0\\n")
scan.execute()
done = report(scan.get_scan_results(), system="credit-scorer", url=url, token=token, raising=True)
result = [done.signals, done.failing]
"""

DAGSTER = """
import dagster
from andon.sdk import dagster as andon_dagster
where = {"system": "credit-scorer", "url": url, "token": token}
failed = dagster.run_failure_sensor(name="andon_failed")(andon_dagster.on_failure(**where))
success = dagster.run_status_sensor(name="andon_success", run_status=dagster.DagsterRunStatus.SUCCESS)
succeeded = success(andon_dagster.on_success(**where))

@dagster.op
def load():
    if fails:
        raise ValueError("no rows")

@dagster.job
def train():
    load()

instance = dagster.DagsterInstance.ephemeral()
run = train.execute_in_process(instance=instance, raise_on_error=False)
event = run.get_run_failure_event() if fails else run.get_run_success_event()
context = dagster.build_run_status_sensor_context(
    sensor_name="s", dagster_instance=instance, dagster_run=run.dagster_run, dagster_event=event)
result = failed(context.for_run_failure()) if fails else succeeded(context)
"""

SIGNALS = "SELECT title, status FROM intake_signal ORDER BY title"


@pytest.fixture
def where(andon):
    sender = andon.integration("generic", "pipelines")
    return {"url": sender.url, "token": sender.token}


def test_dbt(andon, where, tmp_path):
    assert peers.run("checks", DBT, folder=str(tmp_path / "bank"), income="null", **where) == [4, 2]
    assert andon.sql(SIGNALS) == [
        ("dbt test not_null_applications_income fails", "firing"), ("dbt test unique_applications_id warns", "firing"),
    ]  # fmt: skip
    assert peers.run("checks", DBT, folder=str(tmp_path / "bank"), income="3", **where) == [4, 1]
    assert dict(andon.sql(SIGNALS))["dbt test not_null_applications_income fails"] == "resolved"


def test_great_expectations_knows_its_expectations_again_in_another_context(andon, where):
    assert peers.run("checks", EXPECTATIONS, income=None, **where) == [[2, 2], [2, 2]]
    assert [status for _, status in andon.sql(SIGNALS)] == ["firing", "firing"]
    assert peers.run("checks", EXPECTATIONS, income=3.0, **where) == [[2, 1], [2, 1]]
    assert andon.sql(SIGNALS) == [
        ("expect_column_values_to_be_unique of id does not hold in applications", "firing"),
        ("expect_column_values_to_not_be_null of income does not hold in applications", "resolved"),
    ]


def test_soda_and_a_scan_that_breaks(andon, where):
    assert peers.run("checks", SODA, income="null", column="income", **where) == [3, 1]
    assert andon.sql(SIGNALS) == [("missing_count(income) = 0 (applications.income) fails", "firing")]
    assert peers.run("checks", SODA, income="3", column="income", **where) == [3, 0]
    assert peers.run("checks", SODA, income="3", column="nothing", **where)[1] == 1
    assert andon.sql(SIGNALS) == [
        ("Soda scan nightly ended in an error", "firing"),
        ("missing_count(income) = 0 (applications.income) fails", "resolved"),
    ]


def test_dagsters_sensors_take_the_functions_as_they_are(andon, where):
    peers.run("checks", DAGSTER, fails=True, **where)
    assert andon.sql(SIGNALS) == [("Dagster job train failed", "firing")]
    peers.run("checks", DAGSTER, fails=False, **where)
    assert andon.sql(SIGNALS) == [("Dagster job train failed", "resolved")]
