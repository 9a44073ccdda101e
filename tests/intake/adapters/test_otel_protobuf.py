"""OTLP in protobuf says what it says in JSON, and a body that is none is refused in words."""

import json
import subprocess
import sys
from contextlib import suppress
from traceback import walk_tb

import pytest
from google.protobuf.json_format import MessageToDict, Parse
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request

OF_TYPE = {"content-type": "application/x-protobuf"}
TRACE = bytes.fromhex("5b8efff798038103d269b633813fc60c")


def request(body, path="", **headers):
    return Request(body, OF_TYPE | headers, path=path)


def parse(body, options=None, path=""):
    return adapters()["otel"].parse(request(body, path), options or {})


def exported(*records, service="support-assistant"):
    """An export of evaluations: each a mapping of attributes, or a function that fills a record."""
    message = ExportLogsServiceRequest()
    source = message.resource_logs.add()
    said_of(source.resource.attributes, {"service.name": service})
    for each in records:
        record = source.scope_logs.add().log_records.add(event_name="gen_ai.evaluation.result", trace_id=TRACE)
        each(record) if callable(each) else said_of(record.attributes, each)
    return message


def said_of(attributes, named):
    fields = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    for key, value in named.items():
        setattr(attributes.add(key=key).value, fields[type(value)], value)


def evaluation(label="fail", score=0.21, name="Groundedness"):
    return {
        "gen_ai.evaluation.name": name,
        "gen_ai.evaluation.score.label": label,
        "gen_ai.evaluation.score.value": score,
    }


def sample_as_protobuf():
    """The JSON sample by the library's own reading; its ids are base64 where OTLP has them in hexadecimal."""
    sample = samples("otel")["failing.json"].body.decode()
    ids = {"5b8efff798038103d269b633813fc60c": "W47/95gDgQPSabYzgT/GDA==", "eee19b7ec3c1b174": "7uGbfsPBsXQ="}
    for hexadecimal, base64 in ids.items():
        sample = sample.replace(hexadecimal, base64)
    return Parse(sample, ExportLogsServiceRequest()).SerializeToString()


def test_the_sample_says_the_same_in_both_encodings():
    in_json = adapters()["otel"].parse(samples("otel")["failing.json"], {})
    assert parse(sample_as_protobuf()) == in_json
    assert parse(sample_as_protobuf(), path="v1/logs") == in_json


def test_it_is_shown_as_the_json_that_could_have_been_sent():
    shown = adapters()["otel"].shown(request(sample_as_protobuf()), 64 * 1024)
    assert json.loads(shown) == json.loads(samples("otel")["failing.json"].body)


@pytest.mark.parametrize(
    ("score", "fails"),
    [(0.69, True), (0.7, False), (0, True), (1, False), (float("nan"), False), (float("-inf"), True), ("0.1", True)],
)
def test_a_score_under_its_limit_fails(score, fails):
    body = exported(evaluation("", score, "Relevance")).SerializeToString()
    events = parse(body, {"limits": "relevance < 0.7"}).events
    assert bool(events) is fails
    if fails:
        in_json = adapters()["otel"].shown(request(body), 64 * 1024)
        assert events == adapters()["otel"].parse(Request(in_json), {"limits": "relevance < 0.7"}).events


def test_the_older_way_to_name_an_event_and_other_logs():
    def older(record):
        record.event_name = ""
        said_of(record.attributes, evaluation() | {"event.name": "gen_ai.evaluation.result"})

    def another(record):
        record.event_name = "gen_ai.client.inference.operation.details"
        said_of(record.attributes, evaluation())

    def text(record):
        record.ClearField("event_name")
        record.body.string_value = "hello"

    assert len(parse(exported(older).SerializeToString()).events) == 1
    assert parse(exported(another, text).SerializeToString()).events == []


def test_an_export_of_nothing_is_understood():
    assert parse(b"").events == []


def test_values_that_are_no_text_or_number_say_nothing():
    def nested(record):
        said_of(record.attributes, evaluation())
        record.attributes.add(key="gen_ai.response.id").value.array_value.values.add().string_value = "a"
        record.attributes.add(key="gen_ai.response.model").value.bytes_value = b"\xff"
        record.attributes.add(key="andon.system")

    (event,) = parse(exported(nested).SerializeToString()).events
    assert set(event.labels) == {"evaluation", "service", "label", "score", "trace"}


def varint(number):
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def within(tag, body):
    """A field that holds so many bytes."""
    return bytes([tag]) + varint(len(body)) + body


def in_a_record(body):
    return within(0x0A, within(0x12, within(0x12, body)))


def nested_values(depth):
    body = b""
    for _ in range(depth):
        body = within(0x2A, within(0x0A, body))  # an array of one value
    return in_a_record(within(0x2A, body))


def metrics():
    message = ExportMetricsServiceRequest()
    message.resource_metrics.add().scope_metrics.add().metrics.add(name="tokens").sum.data_points.add(as_int=2**60)
    return message


def spans(name="chat"):
    message = ExportTraceServiceRequest()
    span = message.resource_spans.add().scope_spans.add().spans.add
    span(name=name, trace_id=TRACE, span_id=TRACE[:8], parent_span_id=TRACE[8:], kind=3, start_time_unix_nano=7)
    return message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda: sample_as_protobuf()[:-3], "ExportLogsServiceRequest"),
        (lambda: sample_as_protobuf()[:100], "ExportLogsServiceRequest"),
        (lambda: b"\xff" * 40, "ExportLogsServiceRequest"),
        (lambda: samples("otel")["failing.json"].body, "looks like JSON"),
        (lambda: nested_values(60), "ExportLogsServiceRequest"),
        (lambda: nested_values(3_000), "ExportLogsServiceRequest"),
        (lambda: b"\x0a\x00" * 600_000, "send less at once"),
        (lambda: within(0x0A, within(0x12, b"\x12\x00" * 600_000)), "send less at once"),
        (lambda: in_a_record(b"\x32\x00" * 600_000), "send less at once"),
        (lambda: in_a_record(within(0x2A, within(0x0A, b"x" * 2**22))), "more than 4194304 bytes"),
        (lambda: b"payload=abc", "no resource_logs"),
        (lambda: within(0x0A, b"\x78\x01"), "no ResourceLogs"),
        (lambda: within(0x0A, within(0x12, b"\x10\x01")), "no ScopeLogs"),
        (lambda: metrics().SerializeToString(), "no LogRecord"),
        (lambda: spans().SerializeToString(), "ExportLogsServiceRequest"),
        (lambda: spans("").SerializeToString(), "no LogRecord"),
    ],
    ids=["cut off", "cut in the middle", "no protobuf", "json", "deep", "very deep", "empty resources", "empty records", "empty attributes",
         "large", "a form", "no resource", "no scope", "metrics", "spans", "spans without a name"],
)  # fmt: skip
def test_what_is_no_export_of_logs_is_refused_in_words_and_shown_bounded(body, words):
    with pytest.raises(Malformed, match=words):
        parse(body())
    shown = adapters()["otel"].shown(request(body()), 1_000)
    assert shown is None or len(shown) <= 1_000


def test_so_deep_as_the_library_reads_is_taken_and_shown():
    body = nested_values(40)
    assert parse(body).events == []
    shown = adapters()["otel"].shown(request(body), 64 * 1024)
    assert shown.count(b"arrayValue") == 40
    assert json.loads(shown)


@pytest.mark.parametrize(("path", "message"), [("v1/traces", spans), ("v1/metrics", metrics)])
def test_other_things_than_logs_are_refused_by_their_path_and_shown_as_what_they_are(path, message):
    body = message().SerializeToString()
    with pytest.raises(Malformed, match="OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"):
        parse(body, path=path)
    shown = json.loads(adapters()["otel"].shown(request(body, path), 64 * 1024))
    assert {"v1/traces": "resourceSpans", "v1/metrics": "resourceMetrics"}[path] in shown
    if path == "v1/traces":
        (span,) = shown["resourceSpans"][0]["scopeSpans"][0]["spans"]
        assert (span["traceId"], span["parentSpanId"]) == (TRACE.hex(), TRACE[8:].hex())
        assert (span["kind"], span["startTimeUnixNano"]) == (3, "7")


def test_an_ordinary_batch_of_a_collector_is_taken():
    """It sends 8,192 records at once if nobody says otherwise."""
    more = {f"http.attribute.{place}": "a value" for place in range(9)}
    message = exported(evaluation())
    (source,) = message.resource_logs
    source.scope_logs[0].log_records.extend(
        [exported(evaluation() | more).resource_logs[0].scope_logs[0].log_records[0]] * 8_191
    )
    (event,) = parse(message.SerializeToString()).events
    assert event.description.startswith("8192 in this batch")


@pytest.mark.parametrize("cut", [b"caf\xc3", b"\xff\xfe", b"\xf0\x9f\x98"])
def test_a_text_that_was_cut_in_the_middle_of_a_character_loses_nothing(cut):
    """Every text of OTLP that is read or shown: a key, a value, an event's name, a log's body."""

    def another(record):
        record.event_name = mark
        record.body.string_value = mark
        record.attributes.add(key=mark)

    mark = "~" * len(cut)
    body = exported(evaluation() | {"gen_ai.evaluation.explanation": mark, mark: "a"}, another, service=mark)
    broken = body.SerializeToString().replace(mark.encode(), cut)
    (event,) = parse(broken).events
    whole = cut.decode(errors="replace")
    assert "\ufffd" in whole
    assert event.labels["service"] == whole
    assert event.description.endswith("\n" + whole)
    shown = adapters()["otel"].shown(request(broken), 64 * 1024)
    assert json.loads(shown)["resourceLogs"][0]["scopeLogs"][1]["logRecords"][0]["body"] == {"stringValue": whole}
    assert adapters()["otel"].parse(Request(shown), {}).events == [event]


def test_what_was_gone_through_in_vain_is_not_kept_by_its_refusal():
    """Whoever answers holds the error, and shows the body: two such messages at once are too large."""
    body = within(0x0A, within(0x12, b"\x12\x00" * 600_000))
    with pytest.raises(Malformed) as refused:
        parse(body)
    held, error = set(), refused.value
    while error is not None:
        for frame, _ in walk_tb(error.__traceback__):
            held |= {type(each).__name__ for each in frame.f_locals.values() if isinstance(each, Message)}
        error = error.__cause__ or error.__context__
    assert held == set()


def test_fields_of_a_later_version_beside_known_ones_do_not_matter():
    message = exported(evaluation())
    later = b"\xfa\x06\x01a"  # field 111
    record = message.resource_logs[0].scope_logs[0].log_records[0]
    record.MergeFromString(later)
    message.resource_logs[0].MergeFromString(later)
    assert len(parse(message.SerializeToString() + later).events) == 1


def test_logs_on_the_path_of_traces_are_refused_too():
    with pytest.raises(Malformed, match="Only logs"):
        parse(sample_as_protobuf(), path="v1/traces")


values = st.recursive(
    st.fixed_dictionaries({}, optional={"stringValue": st.text(max_size=9)})
    | st.fixed_dictionaries({"boolValue": st.booleans()})
    | st.fixed_dictionaries({"intValue": st.integers(-(2**63), 2**63 - 1).map(str)})
    | st.fixed_dictionaries({"doubleValue": st.floats(allow_nan=False, allow_infinity=False)})
    | st.sampled_from([{"doubleValue": odd} for odd in ("NaN", "Infinity", "-Infinity")])
    | st.fixed_dictionaries({"bytesValue": st.just("/+8=")}),
    lambda inner: st.fixed_dictionaries({"arrayValue": st.fixed_dictionaries({"values": st.lists(inner, min_size=1)})}),
    max_leaves=5,
)
attributes = st.lists(st.fixed_dictionaries({"key": st.text(min_size=1, max_size=9), "value": values}), min_size=1)
exports = st.fixed_dictionaries({
    "resourceLogs": st.lists(st.fixed_dictionaries({"scopeLogs": st.lists(st.fixed_dictionaries({
        "logRecords": st.lists(st.fixed_dictionaries({
            "attributes": attributes, "body": values, "severityNumber": st.integers(1, 24),
            "observedTimeUnixNano": st.integers(1, 2**64 - 1).map(str), "flags": st.integers(1, 2**32 - 1),
        }), min_size=1, max_size=3),
    }), min_size=1, max_size=2)}), max_size=2),
})  # fmt: skip


@given(export=exports, most=st.integers(1, 200))
@settings(max_examples=60)
def test_what_is_shown_is_what_the_library_makes_of_it_and_its_beginning_where_it_is_long(export, most):
    body = Parse(json.dumps(export), ExportLogsServiceRequest()).SerializeToString()
    whole = adapters()["otel"].shown(request(body), 1_000_000)
    message = ExportLogsServiceRequest.FromString(body)
    assert json.loads(whole or b"{}") == MessageToDict(message, use_integers_for_enums=True)
    assert adapters()["otel"].shown(request(body), most) == whole[:most]


@given(cut=st.integers(0, 800), place=st.integers(0, 800), byte=st.integers(0, 255), path=st.sampled_from(["", "v1/traces"]))  # fmt: skip
@settings(max_examples=150)
def test_any_body_that_is_nearly_right_is_understood_or_refused_in_words(cut, place, byte, path):
    body = bytearray(sample_as_protobuf())
    body[place % len(body)] = byte
    with suppress(Malformed):
        said = parse(bytes(body[: len(body) - cut]))
        assert all(event.fingerprint for event in said.events)
    shown = adapters()["otel"].shown(request(bytes(body), path), 500)
    assert shown is None or len(shown) <= 500


@pytest.mark.heavy
def test_who_sends_json_pays_nothing_for_it():
    """The library takes long to load; it is loaded when protobuf comes."""
    code = (
        "import sys, django; django.setup()\n"
        "from andon.intake.adapters import adapters, samples\n"
        "import andon.site.asgi\n"
        "otel, request = adapters()['otel'], samples('otel')['failing.json']\n"
        "assert otel.parse(request, {}).events and otel.shown(request, 9) is None\n"
        "assert otel.spoken(otel.refuse({'detail': 'd', 'status': 400}), 'application/json', refused=True)\n"
        "assert not [name for name in sys.modules if name.startswith(('google.', 'opentelemetry'))]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
