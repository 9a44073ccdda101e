"""OpenTelemetry: evaluations of generative AI (`gen_ai.evaluation.result`), as OTLP logs in JSON.

The event is experimental (opentelemetry.io, semantic conventions for generative AI): `gen_ai.evaluation.name`,
`.score.value`, `.score.label`, `.explanation`. An evaluation that fails is a signal of its service and name; the many
of one request are one event, with their number. That one answer passes is no proof that it is over, so nothing ends it
but silence. Other log records are taken and say nothing.

Failing is a label in the setting `failing`, or a score beyond a limit in the setting `limits`, such as
`relevance < 0.7, toxicity > 0.5`. Resource attributes `andon.system`, `andon.type` and `andon.severity` give the hints.

OTLP's other encoding, protobuf, is refused in words. A sender tries again after 503 (and 429, 502, 504).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from andon.intake.decoding import decode
from andon.intake.events import Event, Field, Malformed, Request, Said, Sender, event
from andon.intake.naming import from_epoch, labels_of, plain, severity_in, system_in, type_in
from andon.practice.grouping import SignalStatus

EVENT = "gen_ai.evaluation.result"
FAILING = "fail, failed, incorrect, not_relevant, irrelevant, unsafe, toxic, hallucinated, ungrounded"
"""Labels that count as failing when the integration says nothing."""
LARGEST = 8 * 1024 * 1024  # bytes, of a body that came compressed

_LIMIT = re.compile(r"(?P<name>[^<>]+?)\s*(?P<how>[<>])\s*(?P<limit>-?\d+(?:\.\d+)?)")


class Value(msgspec.Struct, rename="camel"):
    """One value; exactly one field is set."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: str | int | None = None
    double_value: float | str | None = None


class Attribute(msgspec.Struct):
    """A name and its value."""

    key: str
    value: Value | None = None


class Record(msgspec.Struct, rename="camel"):
    """One log record."""

    event_name: str = ""
    time_unix_nano: str | int = ""
    observed_time_unix_nano: str | int = ""
    trace_id: str = ""
    attributes: list[Attribute] = []


class Scope(msgspec.Struct, rename="camel"):
    """The records of one instrumentation."""

    log_records: list[Record] = []


class Resource(msgspec.Struct):
    """Who speaks."""

    attributes: list[Attribute] = []


class Source(msgspec.Struct, rename="camel"):
    """Everything of one resource."""

    resource: Resource | None = None
    scope_logs: list[Scope] = []


class Body(msgspec.Struct, rename="camel"):
    """One export."""

    resource_logs: list[Source]


class Limit(NamedTuple):
    """From where on a score fails."""

    below: bool
    at: float


_decoder = msgspec.json.Decoder(Body)


class Adapter(Sender):
    """OTLP over HTTP, logs in JSON."""

    kind = "otel"
    title = "OpenTelemetry"
    line = "Evaluations of generative AI that fail (gen_ai.evaluation.result)."
    group = "AI platforms"
    auto_close = timedelta(hours=1)
    most_unpacked = LARGEST
    takes_paths = True  # exporters put /v1/logs behind the address that they are given
    fields = (
        Field("failing", "Labels that fail", f"Separated by commas. Without any: {FAILING}."),
        Field("limits", "Limits of scores", "Such as: relevance < 0.7, toxicity > 0.5"),
    )

    def check(self, options: Mapping[str, str]) -> None:
        """The limits must be readable."""
        _limits(options.get("limits", ""))

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:
        """One event for each service and evaluation that fails."""
        if request.path not in {"", "v1/logs"}:
            raise Malformed(f"Only logs are taken here, not {request.path}.")
        if "protobuf" in request.headers.get("content-type", ""):
            raise Malformed("This is protobuf. Set the exporter to JSON: `encoding: json`, or protocol `http/json`.")
        body = decode(_decoder, request.body)
        labels = settings.get("failing", "").strip() or FAILING
        bad = {label.strip().lower() for label in labels.split(",") if label.strip()}
        limits = _limits(settings.get("limits", ""))
        failed: dict[tuple[str, str], list[tuple[Record, dict[str, Any], dict[str, Any]]]] = {}
        for record, said, resource in _evaluations(body):
            if _fails(said, bad, limits):
                key = (plain(resource.get("service.name", "")), plain(said["gen_ai.evaluation.name"]))
                failed.setdefault(key, []).append((record, said, resource))
        return Said([_event(service, name, found) for (service, name), found in failed.items()])

    def answer(self, said: Said, delivery: UUID) -> tuple[int, object]:  # noqa: ARG002  OTLP has an answer of its own
        """What OTLP expects: everything was taken."""
        return 200, {"partialSuccess": {}}


def _evaluations(body: Body) -> Iterator[tuple[Record, dict[str, Any], dict[str, Any]]]:
    """Every evaluation with what it says and what is said of its source. Raises `Malformed`."""
    for one, source in enumerate(body.resource_logs):
        resource = _values(source.resource.attributes if source.resource else [])
        for two, scope in enumerate(source.scope_logs):
            for three, record in enumerate(scope.log_records):
                said = _values(record.attributes)
                if EVENT in {record.event_name, said.get("event.name")}:
                    if not said.get("gen_ai.evaluation.name"):
                        place = f"resourceLogs[{one}].scopeLogs[{two}].logRecords[{three}].attributes"
                        raise Malformed("An evaluation without gen_ai.evaluation.name.", field=place)
                    yield record, said, resource


def _values(attributes: list[Attribute]) -> dict[str, Any]:
    found = {}
    for attribute in attributes:
        value = attribute.value or Value()
        each = (value.string_value, value.bool_value, value.int_value, value.double_value)
        first = next((one for one in each if one is not None), None)
        if first is not None:
            found[attribute.key] = first
    return found


def _fails(said: Mapping[str, Any], bad: set[str], limits: Mapping[str, Limit]) -> bool:
    if plain(said.get("gen_ai.evaluation.score.label", "")).strip().lower() in bad:
        return True
    limit = limits.get(plain(said["gen_ai.evaluation.name"]).lower())
    score = _number(said.get("gen_ai.evaluation.score.value"))
    return limit is not None and score is not None and (score < limit.at if limit.below else score > limit.at)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _limits(text: str) -> dict[str, Limit]:
    """The setting `limits`, read. Raises `Malformed`: a limit that is misspelt must be seen."""
    found = {}
    for part in re.split(r"[,\n]", text):
        if not part.strip():
            continue
        read = _LIMIT.fullmatch(part.strip())
        if read is None:
            raise Malformed(
                f"The integration's limits are not understood at {part.strip()!r}. Write: relevance < 0.7",
                field="limits",
            )
        found[read["name"].strip().lower()] = Limit(read["how"] == "<", float(read["limit"]))
    return found


def _event(service: str, name: str, found: list[tuple[Record, dict[str, Any], dict[str, Any]]]) -> Event:
    record, said, resource = found[-1]  # the newest: exporters send in order
    named = {key.replace(".", "_"): plain(value) for key, value in resource.items() if key.startswith("andon")}
    label, score = said.get("gen_ai.evaluation.score.label"), said.get("gen_ai.evaluation.score.value")
    why = plain(said.get("gen_ai.evaluation.explanation", ""))
    verdict = ", ".join(plain(value) for value in (label, score) if value is not None)
    how_many = f"{len(found)} in this batch; the last: {verdict}"
    return event(
        fingerprint=f"{service}\n{name}",
        episode="",
        status=SignalStatus.FIRING,
        title=f"Evaluation {name} fails" + (f" in {service}" if service else ""),
        description="\n".join(text for text in (how_many, why) if text),
        labels=labels_of(
            evaluation=name, service=service, label=label, score=score, trace=record.trace_id,
            model=said.get("gen_ai.response.model") or said.get("gen_ai.request.model"),
            response=said.get("gen_ai.response.id"), environment=resource.get("deployment.environment.name"),
        ),
        system_hint=system_in(named),
        type_hint=type_in(named),
        severity_hint=severity_in(named, 3),
        starts_at=_at(record),
    )  # fmt: skip


def _at(record: Record) -> datetime | None:
    nanoseconds = str(record.time_unix_nano or record.observed_time_unix_nano)
    if not (nanoseconds.isascii() and nanoseconds.isdigit()) or nanoseconds.strip("0") == "":
        return None
    return from_epoch(nanoseconds, "timeUnixNano", per_second=1_000_000_000)
