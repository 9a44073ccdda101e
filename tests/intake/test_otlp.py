"""OTLP over HTTP as its specification asks for it: answered in the encoding of the request, whatever becomes of it."""

import gzip
import json

import pytest
from django.db import OperationalError
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from andon.intake.actions import create_integration
from andon.intake.adapters import samples
from andon.intake.events import MAX_BODY
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.recording import record
from andon.intake.trying import try_signal
from andon.intake.writer import Writer
from andon.people.policy import Actor
from tests.intake.adapters.test_otel_protobuf import evaluation, exported, in_a_record, sample_as_protobuf
from tests.intake.test_asgi import ask, post
from tests.intake.test_at_once import request, talk

pytestmark = pytest.mark.django_db(transaction=True)

PROTOBUF = {"content-type": "application/x-protobuf"}
PACKED = PROTOBUF | {"content-encoding": "gzip"}


@pytest.fixture
def token():
    return create_integration(slug="evals", name="Evals", kind="otel", by=Actor.operator())[1]


def send(token, body, headers=PROTOBUF, below="/v1/logs", **how):
    """The answer to one export."""
    with_writer = how.pop("with_writer", None)
    (answer,) = ask(
        lambda app: post(app, body=body, token=token, path=f"/intake/otel/evals{below}", headers=headers, **how),
        with_writer=with_writer,
    )
    return answer


def status_of(answer):
    """What a refusal in protobuf says."""
    assert answer.headers["content-type"] == "application/x-protobuf"
    return Status.FromString(answer.raw)


@pytest.mark.parametrize("below", ["", "/v1/logs", "/v1/logs/"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_export_becomes_a_signal_and_is_answered_in_protobuf(token, below, packed):
    body = sample_as_protobuf()
    answer = send(token, gzip.compress(body) if packed else body, PACKED if packed else PROTOBUF, below)

    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert not ExportLogsServiceResponse.FromString(answer.raw).HasField("partial_success")
    assert Signal.objects.get().title == "Evaluation Groundedness fails in support-assistant"
    kept = Delivery.objects.get()
    assert (kept.outcome, kept.content_type) == ("accepted", "application/x-protobuf")
    assert json.loads(kept.body) == json.loads(samples("otel")["failing.json"].body)


def test_the_other_name_of_protobuf_is_understood_and_answered_with(token):
    named = {"content-type": "application/protobuf; charset=utf-8"}
    taken, refused = send(token, sample_as_protobuf(), named), send(token, b"\xff", named)
    assert (taken.status, taken.headers["content-type"], taken.raw) == (200, "application/protobuf", b"")
    assert (refused.status, refused.headers["content-type"]) == (400, "application/protobuf")
    assert "no export of logs" in Status.FromString(refused.raw).message
    assert Signal.objects.count() == 1


def test_json_is_answered_in_json(token):
    answer = send(token, samples("otel")["failing.json"].body, {"content-type": "application/json"})
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "application/json", {})
    assert Signal.objects.count() == 1


def test_an_export_of_nothing_is_a_success(token):
    answer = send(token, b"")
    assert (answer.status, answer.raw) == (200, b"")
    assert not Signal.objects.exists()


def test_what_has_no_name_is_left_out_and_the_rest_is_taken(token):
    body = exported(evaluation(name=""), evaluation(), evaluation(name="")).SerializeToString()
    answer = send(token, body)

    assert answer.status == 200
    said = ExportLogsServiceResponse.FromString(answer.raw).partial_success
    assert said.rejected_log_records == 2
    assert "resourceLogs[0].scopeLogs[0].logRecords[0].attributes" in said.error_message
    assert Signal.objects.get().labels["evaluation"] == "Groundedness"
    kept = Delivery.objects.get()
    assert (kept.outcome, kept.signals, kept.error) == ("partly", 1, said.error_message)

    trial = try_signal(Integration.objects.get(), by=Actor.operator(), body=bytes(kept.body).decode())
    assert (trial.left_out, len(trial.signals), trial.problem) == (said.error_message, 1, "")


def test_what_has_no_name_beside_other_logs_is_a_partial_success(token):
    def text(record):
        record.ClearField("event_name")
        record.body.string_value = "hello"

    answer = send(token, exported(evaluation(name=""), text).SerializeToString())
    assert answer.status == 200
    assert ExportLogsServiceResponse.FromString(answer.raw).partial_success.rejected_log_records == 1


@pytest.mark.parametrize(
    ("body", "headers", "below", "words"),
    [
        (lambda: sample_as_protobuf()[:-3], PROTOBUF, "/v1/logs", "no export of logs in protobuf"),
        (lambda: gzip.compress(sample_as_protobuf())[:-9], PACKED, "/v1/logs", "breaks off"),
        (sample_as_protobuf, PACKED, "/v1/logs", "is said to be gzip and is not"),
        (lambda: gzip.compress(b"\x00" * (9 * MAX_BODY)), PACKED, "/v1/logs", "more than 8388608 bytes"),
        (lambda: samples("otel")["failing.json"].body, PROTOBUF, "/v1/logs", "looks like JSON"),
        (sample_as_protobuf, PROTOBUF, "/v1/traces", "Only logs are taken here, not v1/traces"),
        (lambda: exported(evaluation(name="")).SerializeToString(), PROTOBUF, "/v1/logs", "without gen_ai.evaluation.name"),
        (lambda: gzip.compress(in_a_record(b"\x32\x00" * 2_000_000)), PACKED, "/v1/logs", "send less at once"),
        (lambda: gzip.compress(in_a_record(b"\x32\x00" * 2_200_000)), PACKED, "/v1/logs", "more than 4194304 bytes"),
    ],
    ids=["cut off", "gzip cut off", "no gzip", "a bomb", "json", "traces", "no name", "empty attributes", "large"],
)  # fmt: skip
def test_bad_data_is_400_with_a_status_in_protobuf_and_is_kept_bounded(token, body, headers, below, words):
    answer = send(token, body(), headers, below)

    assert answer.status == 400
    said = status_of(answer)
    assert words in said.message
    bad = BadRequest()
    assert said.details[0].Unpack(bad)
    kept = Delivery.objects.get()
    assert words in kept.error
    assert words in bad.field_violations[0].description
    assert kept.outcome == "rejected"
    assert len(kept.body) <= 65_536
    assert not Signal.objects.exists()


def test_a_refused_export_is_kept_as_json(token):
    assert send(token, exported(evaluation(name="")).SerializeToString()).status == 400
    kept = json.loads(Delivery.objects.get().body)
    assert kept["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["eventName"] == "gen_ai.evaluation.result"


def test_of_a_long_export_the_beginning_is_kept_as_json(token):
    body = exported(*[evaluation(label="l" * 900)] * 1_000).SerializeToString()
    assert send(token, gzip.compress(body), PACKED).status == 200
    kept = bytes(Delivery.objects.get().body)
    assert len(kept) == 65_536
    assert kept.startswith(b'{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name"')


def test_a_body_that_is_too_large_or_a_token_that_nobody_has_is_told_in_protobuf(token):
    large = send(token, b"\x00" * (MAX_BODY + 1))
    assert large.status == 413
    assert "at most 1048576 bytes" in status_of(large).message
    stranger = send("andon_in_nobody", sample_as_protobuf())
    assert stranger.status == 401
    assert not status_of(stranger).details


def test_without_a_database_it_is_503_with_a_time_to_try_again(token):
    def away(_):
        raise OperationalError("the database is away")

    answer = send(token, sample_as_protobuf(), with_writer=Writer(away))
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert "Send it again" in status_of(answer).message


def test_on_the_short_way_too_the_answers_are_in_protobuf(token):
    away = []

    def write(batch):
        if away:
            raise OperationalError("the database is away")
        return record(batch)

    async def story(app, line):
        def sent(body):
            return line.send(request(token, body, path="/intake/otel/evals/v1/logs", **PROTOBUF))

        answers = []
        for body in (b"", sample_as_protobuf(), exported(evaluation(name=""), evaluation()).SerializeToString()):
            await sent(body)
            answers.append(await line.raw_answer())
        away.append(True)
        await sent(sample_as_protobuf())
        return app.ways, [*answers, await line.raw_answer()]

    ways, answers = talk(story, Writer(write))
    assert ways == ["called for", "at once", "at once", "at once"]
    assert [status for status, _, _ in answers] == [200, 200, 200, 503]
    assert {headers["content-type"] for _, headers, _ in answers} == {"application/x-protobuf"}
    assert [body for _, _, body in answers[:2]] == [b"", b""]
    assert ExportLogsServiceResponse.FromString(answers[2][2]).partial_success.rejected_log_records == 1
    assert answers[3][1]["retry-after"] == "2"
    assert list(Delivery.objects.order_by("pk").values_list("outcome", flat=True)) == ["accepted", "accepted", "partly"]
    assert "Send it again" in Status.FromString(answers[3][2]).message


def test_a_failure_in_json_has_the_message_that_otlp_asks_for(token):
    answer = send(token, b'{"resourceLogs": 1}', {"content-type": "application/json"})
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.body["message"] == answer.body["detail"]
    assert answer.body["field"] == "resourceLogs"
