"""OpenTelemetry's own SDK for Python exports evaluations to a real Andon, as the integration's page says: in protobuf."""

import json
import re

import pytest

from andon.intake.adapters import help_text
from tests.support import peers

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("opentelemetry", "OpenTelemetry")]

HEARD = """
import logging, os, shlex
os.environ.update(dict(line.split("=", 1) for line in shlex.split(environment)))

class Kept(logging.Handler):
    said = []
    def emit(self, record):
        self.said.append(record.getMessage())

logging.getLogger().addHandler(Kept())
"""

AS_THE_PAGE_SAYS = """
exec(program)
provider.shutdown()
result = Kept.said
"""

MANY = """
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

provider = LoggerProvider(Resource.create({"service.name": "assistant"}))
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(), schedule_delay_millis=60_000, max_export_batch_size=512))
logger = provider.get_logger("evaluator")
with TracerProvider().get_tracer("app").start_as_current_span("answer") as span:
    for number in range(512):
        attributes = {"gen_ai.evaluation.name": "Relevance", "gen_ai.evaluation.score.value": number / 512}
        attributes["gen_ai.evaluation.explanation"] = f"Answer {number} " + "x" * 1_000
        attributes["passages"] = ["a", "b"]
        if number in without_name:
            del attributes["gen_ai.evaluation.name"]
        logger.emit(LogRecord(event_name="gen_ai.evaluation.result", body={"number": number}, attributes=attributes))
provider.shutdown()
result = [Kept.said, format(span.get_span_context().trace_id, "032x")]
"""

TRACES = """
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = os.environ["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"]
os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = os.environ["OTEL_EXPORTER_OTLP_LOGS_HEADERS"]
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
with provider.get_tracer("app").start_as_current_span("answer a question"):
    pass
provider.shutdown()
result = Kept.said
"""

SIGNALS = "SELECT title, status, count, system_hint, severity_hint FROM intake_signal"


def from_the_page(sender, language):
    """What the integration's page has to paste, in one language."""
    text = help_text("otel", address=sender.url, token=sender.token)
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL).group(1)


def run(sender, code, **given):
    return peers.run("opentelemetry", HEARD + code, environment=from_the_page(sender, "sh"), **given)


def body_of(andon):
    """The newest body that is kept, as a person sees it."""
    return andon.python(
        "from andon.intake.models import Delivery\n"
        "from andon.intake.queries import body_as_text\n"
        "row = Delivery.objects.latest('created_at')\n"
        "result = [row.outcome, row.error, row.signals, body_as_text(row)]"
    )


def test_what_the_page_says_is_an_evaluation_that_fails(andon):
    sender = andon.integration("otel", "evaluations")
    for _ in range(2):
        assert run(sender, AS_THE_PAGE_SAYS, program=from_the_page(sender, "python")) == []
    assert andon.sql(SIGNALS) == [
        ("Evaluation Groundedness fails in support-assistant", "firing", 2, "support-assistant", 3)
    ]
    outcome, error, signals, body = body_of(andon)
    assert (outcome, error, signals) == ("accepted", "", 1)
    (record,) = json.loads(body)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert record["eventName"] == "gen_ai.evaluation.result"


def test_a_full_batch_is_one_signal_and_what_has_no_name_is_left_out(andon):
    sender = andon.integration("otel", "evaluations")
    andon.python(
        "from andon.intake.models import Integration\n"
        "Integration.objects.update(settings={'limits': 'relevance < 0.5'})"
    )
    _, trace = run(sender, MANY, without_name=[3, 4])
    ((labels, description),) = andon.sql("SELECT labels, description FROM intake_signal")
    assert json.loads(labels)["trace"] == trace
    assert description.startswith("254 in this batch; the last: 0.498046875\nAnswer 255 ")
    outcome, error, signals, _ = body_of(andon)
    assert (outcome, signals) == ("partly", 1)
    assert error.startswith("2 log records were not taken. resourceLogs[0].scopeLogs[0].logRecords[3].attributes: ")


def test_traces_are_refused_once_and_shown_as_what_they_are(andon):
    sender = andon.integration("otel", "evaluations")
    (said,) = [line for line in run(sender, TRACES) if "400" in line]
    assert "Failed to export" in said
    assert andon.sql("SELECT count(*) FROM intake_delivery") == [(1,)], "what is refused is not sent again"
    outcome, error, _, body = body_of(andon)
    assert (outcome, error.startswith("Only logs are taken here, not v1/traces.")) == ("rejected", True)
    assert json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "answer a question"
