"""Dagster: functions for its run sensors that tell Andon that a run failed, and that the job runs again.

    from dagster import DagsterRunStatus, run_failure_sensor, run_status_sensor

    where = {"system": "credit-scorer", "url": URL, "token": TOKEN}
    failed = run_failure_sensor(name="andon_failed")(andon.sdk.dagster.on_failure(**where))
    success = run_status_sensor(name="andon_success", run_status=DagsterRunStatus.SUCCESS)
    succeeded = success(andon.sdk.dagster.on_success(**where))

Dagster is not imported: the sensor's context is read for what it has. A job is the same thing again, whatever the run.
"""

from collections.abc import Callable
from typing import Any, Unpack

from andon.sdk.findings import Finding
from andon.sdk.reporting import Where, tell_findings

Sensor = Callable[[Any], None]


def on_failure(**where: Unpack[Where]) -> Sensor:
    """A function for `run_failure_sensor`. Arguments as in `andon.sdk.report`."""
    return _sensor(failing=True, where=where)


def on_success(**where: Unpack[Where]) -> Sensor:
    """A function for `run_status_sensor` with the status SUCCESS: ends what `on_failure` reported."""
    return _sensor(failing=False, where=where)


def _sensor(*, failing: bool, where: Where) -> Sensor:
    def sensor(context: Any) -> None:  # by this name Dagster finds the context; an answer would be a request for a run
        tell_findings(lambda: _finding(context, failing=failing), **where)

    return sensor


def _finding(context: Any, *, failing: bool) -> list[Finding]:
    run = getattr(context, "dagster_run", None)
    job = str(getattr(run, "job_name", None) or "a job without a name")
    event = getattr(context, "failure_event", None)
    return [
        Finding(
            key=f"dagster/{job}",
            title=f"Dagster job {job} {'failed' if failing else 'succeeded'}",
            failing=failing,
            description=str(getattr(event, "message", None) or "") if failing else "",
            labels={"tool": "dagster", "job": job, "run": getattr(run, "run_id", None)},
        )
    ]
