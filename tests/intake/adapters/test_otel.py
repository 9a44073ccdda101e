"""OpenTelemetry's evaluations as OTLP logs in JSON; test_otel_protobuf.py has the other encoding."""

import json

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request, Said
from andon.kit import ids


def value(of):
    return (
        {"boolValue": of}
        if isinstance(of, bool)
        else {"doubleValue": of}
        if isinstance(of, float)
        else {"stringValue": of}
    )


def record(name="Groundedness", score=None, label=None, **more):
    named = {
        "gen_ai.evaluation.name": name,
        "gen_ai.evaluation.score.value": score,
        "gen_ai.evaluation.score.label": label,
    }
    attributes = [{"key": key, "value": value(of)} for key, of in named.items() if of is not None]
    return {"eventName": "gen_ai.evaluation.result", "attributes": attributes, **more}


def export(*records, service="support-assistant"):
    resource = {"attributes": [{"key": "service.name", "value": value(service)}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": list(records)}]}]}


def parse(body, settings=None, *, path="", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return adapters()["otel"].parse(Request(raw, named, path=path), settings or {}).events


def test_the_sample_has_one_that_fails_and_one_that_does_not():
    (event,) = adapters()["otel"].parse(samples("otel")["failing.json"], {}).events
    assert event.title == "Evaluation Groundedness fails in support-assistant"
    assert (event.status, event.severity_hint, event.system_hint, event.episode) == (
        "firing",
        3,
        "support-assistant",
        "",
    )
    assert event.description == "1 in this batch; the last: fail, 0.21\nTwo claims are not in the retrieved passages."
    assert event.labels["trace"] == "5b8efff798038103d269b633813fc60c"
    assert event.starts_at.isoformat() == "2026-03-02T02:05:00+00:00"


def test_a_batch_is_one_event_for_each_service_and_evaluation():
    events = parse(export(*[record(label="fail")] * 40, record("Toxicity", label="toxic"), record(label="pass")))
    assert [(event.labels["evaluation"], event.description.split()[0]) for event in events] == [
        ("Groundedness", "40"),
        ("Toxicity", "1"),
    ]


@pytest.mark.parametrize(
    ("score", "fails"), [(0.69, True), (0.7, False), (0.71, False), (None, False), ("0.1", True), ("none", False)]
)
def test_a_score_under_its_limit_fails(score, fails):
    assert bool(parse(export(record("Relevance", score)), {"limits": "relevance < 0.7, Toxicity > 0.5"})) is fails


@pytest.mark.parametrize(("score", "fails"), [(0.5, False), (0.51, True)])
def test_a_score_over_its_limit_fails(score, fails):
    assert bool(parse(export(record("Toxicity", score)), {"limits": "relevance<0.7\ntoxicity>0.5\n"})) is fails


def test_labels_of_the_integrations_own():
    assert parse(export(record(label="FAIL")), {"failing": "wrong, bad"}) == []
    assert len(parse(export(record(label="Wrong")), {"failing": "wrong, bad"})) == 1


def test_the_older_way_to_name_an_event_and_other_logs():
    old = record(label="fail", eventName="")
    old["attributes"].append({"key": "event.name", "value": value("gen_ai.evaluation.result")})
    assert len(parse(export(old))) == 1
    assert parse(export({"body": {"stringValue": "hello"}, "attributes": []})) == []


def test_paths_that_exporters_add():
    assert len(parse(export(record(label="fail")), path="v1/logs")) == 1
    with pytest.raises(Malformed, match="Only logs"):
        parse(export(record(label="fail")), path="v1/traces")


def test_the_answer_is_that_of_otlp():
    assert adapters()["otel"].answer(Said(), ids.new()) == (200, {})


def test_an_evaluation_without_a_name_takes_no_other_with_it():
    bad = export(record(name=None), record(label="fail"), record(name=""), record())
    said = adapters()["otel"].parse(Request(json.dumps(bad).encode()), {})
    assert [event.labels["evaluation"] for event in said.events] == ["Groundedness"]
    why = "2 log records were not taken. resourceLogs[0].scopeLogs[0].logRecords[0].attributes: An evaluation without gen_ai.evaluation.name."
    partial = {"rejectedLogRecords": "2", "errorMessage": why}
    assert adapters()["otel"].answer(said, ids.new()) == (200, {"partialSuccess": partial})


@pytest.mark.parametrize(
    ("body", "settings", "field"),
    [
        ({}, {}, "resourceLogs"),
        ({"resourceLogs": [{"scopeLogs": 1}]}, {}, "resourceLogs[0].scopeLogs"),
        (export(record(name=None)), {}, "resourceLogs[0].scopeLogs[0].logRecords[0].attributes"),
        (export(), {"limits": "relevance is low"}, "limits"),
    ],
)
def test_what_is_wrong_is_named(body, settings, field):
    with pytest.raises(Malformed) as refused:
        parse(body, settings)
    assert refused.value.field == field


def test_nanoseconds_keep_their_microseconds():
    (event,) = parse(export(record(label="fail", timeUnixNano="1772417100123456789")))
    assert event.starts_at.isoformat() == "2026-03-02T02:05:00.123457+00:00"


@pytest.mark.parametrize("unreadable", ["9" * 40, "soon", "-5", 10**40, 1e300, None, "9" * 5_000])
def test_a_time_that_cannot_be_read_loses_no_evaluation(unreadable):
    (event,) = parse(export(record(label="fail", timeUnixNano=unreadable)))
    assert event.starts_at is None
    observed = {"timeUnixNano": unreadable, "observedTimeUnixNano": "1772417100000000000"}
    (event,) = parse(export(record(label="fail", **observed)))
    assert event.starts_at.isoformat() == "2026-03-02T02:05:00+00:00"


def test_a_score_that_is_no_number_of_this_world_is_beyond_no_limit():
    large = record("Toxicity")
    large["attributes"].append({"key": "gen_ai.evaluation.score.value", "value": {"intValue": 10**400}})
    assert parse(export(large), {"limits": "toxicity > 0.5"}) == []
    large["attributes"].append({"key": "gen_ai.evaluation.score.label", "value": {"stringValue": "toxic"}})
    assert len(parse(export(large), {"limits": "toxicity > 0.5"})) == 1


def test_an_evaluation_without_a_name_beside_other_logs_is_left_out_alone():
    body = json.dumps(export(record(name=None), {"body": {"stringValue": "hello"}})).encode()
    said = adapters()["otel"].parse(Request(body), {})
    assert (said.events, said.left_out) == ([], 1)
