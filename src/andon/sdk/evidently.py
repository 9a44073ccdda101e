"""Evidently 0.7: the tests of a snapshot.

A snapshot is what `Report(..., include_tests=True).run(...)` returns, or what its `json()` and `dict()` give. A test is
known again by the metric (whose id holds its configuration) and its own id. It carries no time of its own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from andon.sdk.findings import Finding

_FAILS = {"FAIL", "ERROR", "WARNING"}


def is_snapshot(document: Mapping[str, Any]) -> bool:
    """Whether it is a snapshot's dictionary."""
    tests = document.get("tests")
    return isinstance(tests, list) and isinstance(document.get("metrics"), list) and all(map(_is_test, tests))


def from_snapshot(document: Mapping[str, Any]) -> Iterator[Finding]:
    """One finding a test; one that was skipped says nothing."""
    names = {
        str(metric.get("id")): str(metric.get("metric_name") or "")
        for metric in document["metrics"]
        if isinstance(metric, Mapping)
    }
    for test in document["tests"]:
        status = str(getattr(test["status"], "value", test["status"])).upper()
        if status != "SUCCESS" and status not in _FAILS:
            continue
        metric = test["metric_config"]
        identity = str(metric["metric_id"])
        bound = test.get("bound_test")
        critical = _is_critical(test.get("test_config")) and _is_critical(
            bound.get("test") if isinstance(bound, Mapping) else None
        )
        parameters = metric.get("params")
        yield Finding(
            key=f"evidently/{identity}/{test['id']}",
            title=f"{test.get('name') or test['id']} {'holds' if status == 'SUCCESS' else 'fails'}",
            failing=status in _FAILS,
            description=str(test.get("description") or ""),
            labels={
                "tool": "evidently",
                "metric": names.get(identity) or None,
                "test": str(test["id"]),
                "column": parameters.get("column") if isinstance(parameters, Mapping) else None,
            },
            minor=status == "WARNING" or not critical,
        )


def _is_test(test: Any) -> bool:
    if not isinstance(test, Mapping) or not {"id", "status", "metric_config"} <= test.keys():
        return False
    return isinstance(test["metric_config"], Mapping) and "metric_id" in test["metric_config"]


def _is_critical(config: Any) -> bool:
    """Evidently's tests are critical unless made with `is_critical=False`."""
    return not isinstance(config, Mapping) or config.get("is_critical", True) is not False
