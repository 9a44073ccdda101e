"""What the SDK makes of results. The real libraries write them in tests/peers/."""

import json
from datetime import UTC, datetime
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.sdk.findings import Finding, signals
from andon.sdk.reading import NotRecognised, read

SAMPLES = resources.files("andon.intake.adapters") / "datatests" / "samples"


def evidently_test(metric="m1", test="lt", status="FAIL", **more):
    return {
        "id": test, "name": "Share of Drifted Columns: Less 0.500", "description": "Actual value 0.750 >= 0.500",
        "metric_config": {"metric_id": metric, "params": {"column": "income"}},
        "test_config": {"is_critical": True}, "status": status, "bound_test": {"test": {}}, **more,
    }  # fmt: skip


def snapshot(*tests):
    return {"metrics": [{"id": "m1", "metric_name": "DriftedColumnsCount()", "value": {}}], "tests": list(tests)}


def test_a_snapshot_by_metric_and_test():
    failed, passed, warned = read(
        snapshot(
            evidently_test(),
            evidently_test(test="gt", status="SUCCESS"),
            evidently_test("m2", test_config={"is_critical": False}),
        )
    )
    assert failed.key == "evidently/m1/lt"
    assert failed.title == "Share of Drifted Columns: Less 0.500 fails"
    assert failed.labels == {"tool": "evidently", "metric": "DriftedColumnsCount()", "test": "lt", "column": "income"}
    assert [finding.failing for finding in (failed, passed, warned)] == [True, False, True]
    assert [finding.minor for finding in (failed, passed, warned)] == [False, False, True]


def test_a_test_that_was_skipped_says_nothing_and_one_in_error_fails():
    assert read(snapshot(evidently_test(status="SKIPPED"))) == []
    assert [finding.failing for finding in read(snapshot(evidently_test(status="ERROR")))] == [True]


def test_two_tests_of_one_key_are_one_signal_and_the_worse_counts():
    for order in (("SUCCESS", "FAIL"), ("FAIL", "SUCCESS")):
        (signal,) = signals(read(snapshot(*(evidently_test(status=status) for status in order))))
        assert signal["status"] == "firing"


class Frame:
    def __init__(self, rows):
        self.columns = list(rows[0]) if rows else []
        self.rows = rows

    def to_dict(self, orient):
        assert orient == "records"
        return self.rows


class Result:
    """A stand-in for the shape alone; the real library is in tests/peers."""

    def __init__(self, *rows):
        self.rows = list(rows)

    def filter(self, period):
        assert period == "analysis"
        return self

    def to_df(self, multilevel):
        assert multilevel is False
        return Frame(self.rows)


def chunk(alert, number=0, **more):
    return {
        "chunk_key": f"[{number}:9]", "chunk_start_date": datetime(2026, 3, 1 + number),  # noqa: DTZ001  pandas gives them so
        "chunk_end_date": datetime(2026, 3, 2 + number),  # noqa: DTZ001  as above
        "income_wasserstein_value": 12.5, "income_wasserstein_upper_threshold": 4.0,
        "income_wasserstein_lower_threshold": None, "income_wasserstein_alert": alert, **more,
    }  # fmt: skip


def test_the_last_chunk_decides_and_its_times_are_kept():
    (fails,) = read(Result(chunk(False), chunk(True, 1)))
    assert (fails.key, fails.failing) == ("nannyml/income_wasserstein", True)
    assert fails.description == "Last chunk: 12.5, expected at most 4. 1 of 2 chunks alert"
    assert fails.at == datetime(2026, 3, 3, tzinfo=UTC)
    assert fails.labels["chunk_start"] == "2026-03-02T00:00:00+00:00"
    (fine,) = read(Result(chunk(True), chunk(False, 1)))
    assert not fine.failing


def test_a_result_without_times_chunks_or_thresholds():
    assert read(Result()) == []
    (finding,) = read(Result({"roc_auc_value": float("nan"), "roc_auc_alert": None}))
    assert (finding.failing, finding.at, finding.description) == (False, None, "0 of 1 chunks alert")


@pytest.mark.parametrize("name", ["dbt.json", "great-expectations.json", "soda.json"])
def test_a_path_a_text_path_and_a_dictionary_are_one(tmp_path, name):
    path = tmp_path / name
    path.write_bytes((SAMPLES / name).read_bytes())
    assert read(path) == read(str(path)) == read(json.loads(path.read_text())) != []


def test_a_checkpoint_has_several_validations_bare_or_wrapped():
    validation = json.loads((SAMPLES / "great-expectations.json").read_text())
    assert (
        read({"run_results": {"a": validation}})
        == read({"run_results": {"a": {"validation_result": validation}}})
        == read(validation)
    )


def test_an_expectation_is_known_again_by_what_it_expects_not_by_its_id():
    validation = json.loads((SAMPLES / "great-expectations.json").read_text())
    (one, _) = read(validation)
    config = validation["results"][0]["expectation_config"]
    config["id"], config["kwargs"]["batch_id"] = "another", "another"
    (again, _) = read(validation)
    config["kwargs"]["mostly"] = 0.9
    (other, _) = read(validation)
    assert one.key == again.key != other.key


def test_a_scan_that_broke_is_a_finding_of_its_own():
    broken = {
        "scanStartTimestamp": "2026-03-02T02:00:00+00:00",
        "definitionName": "nightly",
        "hasErrors": True,
        "checks": [],
    }
    (finding,) = read(broken)
    assert (finding.title, finding.failing) == ("Soda scan nightly ended in an error", True)
    (fine,) = read({**broken, "hasErrors": False})
    assert (fine.key, fine.failing) == (finding.key, False)


def test_a_run_of_dbt_in_which_nothing_ran():
    assert read({"metadata": {"dbt_schema_version": "v6"}, "results": []}) == []


def test_values_of_people_are_never_read():
    validation = json.loads((SAMPLES / "great-expectations.json").read_text())
    validation["results"][0]["result"] |= {"partial_unexpected_list": ["Jane Roe"], "observed_value": ["Jane Roe"]}
    assert "Jane Roe" not in str(read(validation))


def test_an_object_that_can_say_itself_in_json():
    validation = json.loads((SAMPLES / "great-expectations.json").read_text())
    says = type("Validation", (), {"to_json_dict": lambda _: validation})()
    assert read(says) == read(validation)
    text = type("Snapshot", (), {"json": lambda _: json.dumps(snapshot(evidently_test()))})()
    assert [finding.key for finding in read(text)] == ["evidently/m1/lt"]


@pytest.mark.parametrize(
    "source", [{}, {"results": []}, {"checks": []}, {"tests": [], "metrics": {}}, 7, None, [], {"run_results": {}}]
)
def test_anything_else_is_not_recognised(source):
    with pytest.raises(NotRecognised):
        read(source)


def test_a_file_that_is_not_json(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(NotRecognised, match="not JSON"):
        read(tmp_path / "a.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
odd_results = st.dictionaries(
    st.sampled_from(["unique_id", "status", "expectation_config", "success", "result"]), json_values
)
odd_checks = st.dictionaries(
    st.sampled_from(["outcome", "name", "table", "identity", "diagnostics", "definition"]), json_values
)
odd_tests = st.fixed_dictionaries(
    {
        "id": json_values,
        "status": st.sampled_from(["FAIL", "SUCCESS", None, 7]),
        "metric_config": st.just({"metric_id": "m"}) | json_values,
    },
    optional={"test_config": json_values, "bound_test": json_values, "name": json_values},
)


@given(
    document=st.fixed_dictionaries(
        {"results": st.lists(odd_results, min_size=1, max_size=3)},
        optional={"metadata": json_values, "meta": json_values},
    )
    | st.fixed_dictionaries({"checks": st.lists(odd_checks, min_size=1, max_size=3)})
    | st.fixed_dictionaries({"tests": st.lists(odd_tests, max_size=3), "metrics": st.lists(json_values, max_size=2)})
)
def test_odd_results_are_read_or_refused_and_never_a_crash(document):
    try:
        found = read(document)
    except NotRecognised:
        return
    assert all(isinstance(finding.key, str) and finding.title for finding in found)
    json.dumps(signals(found, system="s"), default=str)


def test_signals_carry_system_severity_and_time():
    at = datetime(2026, 3, 2, 2, 5, tzinfo=UTC)
    found = [
        Finding("a", "A fails", failing=True),
        Finding("b", "B warns", failing=True, minor=True),
        Finding("c", "C", failing=False),
    ]
    one, two, three = signals(
        found,
        system="credit-scorer",
        severity="S2",
        type="safety",
        link="https://x.example.org",
        labels={"run": 7},
        at=at,
    )
    assert one == {
        "id": "credit-scorer/a", "status": "firing", "title": "A fails", "description": "", "severity": "S2",
        "labels": {"run": 7}, "system": "credit-scorer", "type": "safety", "url": "https://x.example.org", "starts_at": at.isoformat(),
    }  # fmt: skip
    assert two["severity"] == "S4"
    assert three["status"] == "ok"


def test_a_severity_that_is_none_is_refused():
    with pytest.raises(ValueError, match="S1, S2"):
        signals([], severity="high")
