"""Airflow: callbacks that tell Andon that a task failed, and that it runs again.

    where = {"system": "credit-scorer", "url": URL, "token": TOKEN}
    default_args = {
        "on_failure_callback": andon.sdk.airflow.on_failure(**where),
        "on_success_callback": andon.sdk.airflow.on_success(**where),
    }

Airflow is not imported: a callback is given its context, and reads from it what is there. A task of a DAG is the
same thing again, whatever the run. A callback never raises, so it cannot fail a task that succeeded.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Unpack

from andon.sdk.findings import Finding, aware
from andon.sdk.reporting import Outcome, Where, tell_findings

Callback = Callable[[Mapping[str, Any]], Outcome]


def on_failure(**where: Unpack[Where]) -> Callback:
    """A callback for `on_failure_callback` of a task or a DAG. Arguments as in `andon.sdk.report`."""
    return lambda context: tell_findings(lambda: _finding(context, failing=True), **where)


def on_success(**where: Unpack[Where]) -> Callback:
    """A callback for `on_success_callback`: ends what `on_failure` reported, and leaves no trace otherwise."""
    return lambda context: tell_findings(lambda: _finding(context, failing=False), **where)


def _finding(context: Mapping[str, Any], *, failing: bool) -> list[Finding]:
    """What the context says. What a version of Airflow leaves out is left out here."""
    task = context.get("task_instance") or context.get("ti")
    run, dag = context.get("dag_run"), context.get("dag")
    dag_id = _first(*(getattr(thing, "dag_id", None) for thing in (task, run, dag)))
    task_id = _first(getattr(task, "task_id", None))
    what = ".".join(part for part in (dag_id, task_id) if part) or "a DAG without a name"
    error = context.get("exception")
    return [
        Finding(
            key=f"airflow/{what}",
            title=f"Airflow {'task' if task_id else 'DAG'} {what} {'failed' if failing else 'succeeded'}",
            failing=failing,
            description=_first(_words(error), context.get("reason")) if failing else "",
            url=_first(getattr(task, "log_url", None)),
            labels={
                "tool": "airflow",
                "dag": dag_id or None,
                "task": task_id or None,
                "run": _first(context.get("run_id"), getattr(run, "run_id", None)) or None,
                "try": getattr(task, "try_number", None),
            },
            at=_time(getattr(task, "end_date", None)),
        )
    ]


def _words(error: Any) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else _first(error)


def _first(*texts: Any) -> str:
    return next((str(text) for text in texts if text), "")


def _time(value: Any) -> datetime | None:
    return aware(value) if isinstance(value, datetime) else None
