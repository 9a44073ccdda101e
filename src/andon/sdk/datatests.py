"""Results of data tests: dbt, Great Expectations, Soda; each recognised by its shape.

Only names and figures are read. Rows that failed stay where they are: they may be about people.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from andon.sdk.findings import Finding, instant

_DBT_FAILS = {"fail", "error", "runtime error", "warn"}
_DBT_PASSES = {"pass", "success"}
_DBT_VERBS = {"fail": "fails", "warn": "warns", "pass": "passes", "success": "succeeds"}
_SODA_FAILS = {"fail", "warn"}


def is_dbt(document: Mapping[str, Any]) -> bool:
    """Whether it is dbt's `run_results.json`, which may hold that nothing ran."""
    results = document.get("results")
    if not isinstance(results, list):
        return False
    says_so = _has(document.get("metadata"), "dbt_schema_version")
    return (says_so or bool(results)) and all(_has(result, "unique_id") for result in results)


def from_dbt(document: Mapping[str, Any]) -> Iterator[Finding]:
    """One finding a test or model that ran; what was skipped says nothing."""
    at = instant(_object(document.get("metadata")).get("generated_at"))
    for result in document["results"]:
        status = str(result.get("status", "")).lower()
        if status not in _DBT_FAILS | _DBT_PASSES:
            continue
        name = str(result["unique_id"])
        kind, _, rest = name.partition(".")
        yield Finding(
            key=f"dbt/{name}",
            title=f"dbt {kind} {_short(rest)} {_DBT_VERBS.get(status, 'ended in an error')}",
            failing=status in _DBT_FAILS,
            description=str(result.get("message") or ""),
            labels={"tool": "dbt", "test": name, "status": status, "failures": result.get("failures")},
            minor=status == "warn",
            at=at,
        )


def _short(rest: str) -> str:
    """`bank.not_null_income.5a1b` without project and hash."""
    return rest.split(".")[1] if "." in rest else rest


def is_great_expectations(document: Mapping[str, Any]) -> bool:
    """Whether it is a validation result of Great Expectations, or a checkpoint's with several."""
    runs = document.get("run_results")
    if isinstance(runs, Mapping):
        return bool(runs) and all(_has(_validation(run), "results") for run in runs.values())
    results = document.get("results")
    return isinstance(results, list) and bool(results) and all(_has(result, "expectation_config") for result in results)


def from_great_expectations(document: Mapping[str, Any]) -> Iterator[Finding]:
    """One finding an expectation, with counts and shares but none of the values that were found.

    It is known again by what it expects: its id is a new one with every run of a context that is not kept.
    """
    runs = document.get("run_results")
    if isinstance(runs, Mapping):
        for run in runs.values():
            yield from from_great_expectations(_validation(run))
        return
    meta = _object(document.get("meta"))
    at = instant(_object(meta.get("run_id")).get("run_time"))
    suite = str(document.get("suite_name") or meta.get("expectation_suite_name") or "expectations")
    asset = str(_object(meta.get("active_batch_definition")).get("data_asset_name") or "")
    for result in document["results"]:
        config = _object(result.get("expectation_config"))
        kind = str(config.get("type") or config.get("expectation_type") or "expectation")
        given = _object(config.get("kwargs"))
        columns = [str(given[name]) for name in ("column", "column_A", "column_B") if given.get(name) is not None]
        about = ", ".join(
            columns or [str(column) for column in given.get("column_list") or given.get("column_set") or []]
        )
        own = sha256(json.dumps({**given, "batch_id": None}, sort_keys=True, default=str).encode()).hexdigest()[:8]
        passes = bool(result.get("success"))
        yield Finding(
            key="/".join(part for part in ("gx", suite, asset, kind, about, own) if part),
            title=" ".join([
                kind, *([f"of {about}"] if about else []), "holds" if passes else "does not hold",
                *([f"in {asset}"] if asset else []),
            ]),
            failing=not passes,
            description=_gx_figures(result),
            labels={
                "tool": "great_expectations", "suite": suite, "asset": asset or None,
                "expectation": kind, "column": about or None,
            },
            minor=str(config.get("severity") or "").lower() in {"warning", "info"},
            at=at,
        )  # fmt: skip


def _validation(run: Any) -> Any:
    """A checkpoint keeps its validations bare, or (before 1.0) one level down."""
    inner = _object(run).get("validation_result")
    return run if inner is None else inner


def _gx_figures(result: Mapping[str, Any]) -> str:
    found = _object(result.get("result"))
    names = ("observed_value", "element_count", "unexpected_count", "unexpected_percent", "missing_count")
    figures = [f"{name} {found[name]}" for name in names if isinstance(found.get(name), int | float)]
    raised = _object(result.get("exception_info"))
    if any(_object(one).get("raised_exception") for one in (raised, *raised.values())):  # bare, or one for each metric
        figures.append("the check itself ended in an error")
    return ", ".join(figures)


def is_soda(document: Mapping[str, Any]) -> bool:
    """Whether it is the result of a Soda scan."""
    checks = document.get("checks")
    if not isinstance(checks, list):
        return False
    return (bool(checks) or "scanStartTimestamp" in document) and all(_has(check, "outcome") for check in checks)


def from_soda(document: Mapping[str, Any]) -> Iterator[Finding]:
    """One finding a check, and one for the scan: an error in it may be why a check says nothing."""
    at = instant(document.get("scanEndTimestamp") or document.get("dataTimestamp"))
    scan = str(document.get("definitionName") or document.get("defaultDataSource") or "scan")
    broken = bool(document.get("hasErrors"))
    yield Finding(
        key=f"soda/{scan}",
        title=f"Soda scan {scan} {'ended in an error' if broken else 'ran'}",
        failing=broken,
        labels={"tool": "soda", "scan": scan},
        at=at,
    )
    for check in document["checks"]:
        outcome = str(check.get("outcome") or "").lower()
        if outcome not in _SODA_FAILS | {"pass"}:
            continue
        name = str(check.get("name") or check.get("definition") or "check")
        table, column = check.get("table"), check.get("column")
        where = ".".join(str(part) for part in (table, column) if part)
        value = _object(check.get("diagnostics")).get("value")
        yield Finding(
            key=f"soda/{check.get('identity') or '/'.join(str(part) for part in (table, column, name) if part)}",
            title=" ".join([
                name, *([f"({where})"] if where and where not in name else []),
                "passes" if outcome == "pass" else f"{outcome}s",
            ]),
            failing=outcome in _SODA_FAILS,
            description=f"Measured: {value}" if isinstance(value, int | float) else "",
            labels={"tool": "soda", "table": table, "column": column, "check": name, "outcome": outcome},
            minor=outcome == "warn",
            at=at,
        )  # fmt: skip


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _has(value: Any, name: str) -> bool:
    return isinstance(value, Mapping) and name in value
