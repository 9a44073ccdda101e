"""OpenTelemetry: evaluations of generative AI (`gen_ai.evaluation.result`), as OTLP logs in JSON or protobuf.

The event is experimental (opentelemetry.io, semantic conventions for generative AI): `gen_ai.evaluation.name`,
`.score.value`, `.score.label`, `.explanation`. An evaluation that fails is a signal of its service and name; the many
of one request are one event, with their number. That one answer passes is no proof that it is over, so nothing ends it
but silence. Other log records are taken and say nothing.

Failing is a label in the setting `failing`, or a score beyond a limit in the setting `limits`, such as
`relevance < 0.7, toxicity > 0.5`. Resource attributes `andon.system`, `andon.type` and `andon.severity` give the hints.

A request is answered in its own encoding, with what OTLP calls a success, a partial success or a failure. A sender
tries again after 503 (and 429, 502, 504); of what is partly taken it sends nothing again.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from andon.intake.adapters.otel.shapes import Attribute, Body, Record, Value
from andon.intake.decoding import decode, unpacked
from andon.intake.events import JSON, Event, Field, Malformed, Request, Said, Sender, event
from andon.intake.forgiving import LeftOut
from andon.intake.naming import from_epoch, labels_of, plain, severity_in, system_in, type_in
from andon.practice.grouping import SignalStatus

EVENT, NAME = "gen_ai.evaluation.result", "gen_ai.evaluation.name"
FAILING = "fail, failed, incorrect, not_relevant, irrelevant, unsafe, toxic, hallucinated, ungrounded"
"""Labels that count as failing when the integration says nothing."""
LARGEST = 8 * 1024 * 1024  # bytes, of a body that came compressed
PROTOBUF = {"application/x-protobuf", "application/protobuf"}  # OTLP's own name, and what some write

_LIMIT = re.compile(r"(?P<name>[^<>]+?)\s*(?P<how>[<>])\s*(?P<limit>-?\d+(?:\.\d+)?)")


class Limit(NamedTuple):
    """From where on a score fails."""

    below: bool
    at: float


class Found(NamedTuple):
    """An evaluation that fails, with what it says and what is said of its source."""

    record: Record
    said: dict[str, Any]
    resource: dict[str, Any]
    at: datetime | None


_decoder = msgspec.json.Decoder(Body)


class Adapter(Sender):
    """OTLP over HTTP, logs in JSON or protobuf."""

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
            raise Malformed(
                f"Only logs are taken here, not {request.path}. To send nothing else, give an SDK this address as "
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT, not as OTEL_EXPORTER_OTLP_ENDPOINT."
            )
        body = _read(request)
        labels = settings.get("failing", "").strip() or FAILING
        bad = {label.strip().lower() for label in labels.split(",") if label.strip()}
        limits = _limits(settings.get("limits", ""))
        failed: dict[tuple[str, str], list[Found]] = {}
        left_out = LeftOut("log record")
        for place, record, said, resource in _evaluations(body):
            try:
                if _fails(said, bad, limits, place):
                    key = (plain(resource.get("service.name", "")), plain(said[NAME]))
                    failed.setdefault(key, []).append(Found(record, said, resource, _at(record)))
            except Malformed as error:
                left_out.add(error)
        events = [_event(service, name, found) for (service, name), found in failed.items()]
        return left_out.tell(Said(events), of=_length(body))

    def answer(self, said: Said, delivery: UUID) -> tuple[int, object]:  # noqa: ARG002  OTLP has an answer of its own
        """What OTLP expects: everything was taken, or how much was not and why."""
        if not said.left_out:
            return 200, {}
        return 200, {"partialSuccess": {"rejectedLogRecords": str(said.left_out), "errorMessage": said.why}}

    def refuse(self, problem: dict[str, Any]) -> dict[str, Any]:
        """With the one member that OTLP's `Status` has of it."""
        return problem | {"message": problem["detail"]}

    def spoken(self, answer: Any, of_type: str, *, refused: bool = False) -> tuple[bytes, bytes]:
        """In the encoding of the request, a refusal too."""
        if not _is_protobuf(of_type):
            return JSON, msgspec.json.encode(answer)
        from andon.intake.adapters.otel import protobuf

        return _media(of_type).encode(), protobuf.refused(answer) if refused else protobuf.accepted(answer)

    def shown(self, request: Request, most: int) -> bytes | None:
        """Protobuf as JSON, which may be pasted as a test signal."""
        if not _is_protobuf(request.headers.get("content-type", "")):
            return None
        from andon.intake.adapters.otel import protobuf

        try:
            return protobuf.as_json(unpacked(request, protobuf.LARGEST).body, request.path, most)
        except Malformed:
            return None


def _is_protobuf(content_type: str) -> bool:
    return _media(content_type) in PROTOBUF


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _read(request: Request) -> Body:
    """The export that was sent, in either encoding. Raises `Malformed`."""
    if not _is_protobuf(request.headers.get("content-type", "")):
        return decode(_decoder, request.body)
    from andon.intake.adapters.otel import protobuf

    return protobuf.read(request.body, EVENT)


def _length(body: Body) -> int:
    """How many log records it has, of whatever event."""
    return sum(len(scope.log_records) for source in body.resource_logs for scope in source.scope_logs)


def _evaluations(body: Body) -> Iterator[tuple[str, Record, dict[str, Any], dict[str, Any]]]:
    """Every evaluation with its place, what it says and what is said of its source."""
    for one, source in enumerate(body.resource_logs):
        resource = _values(source.resource.attributes if source.resource else [])
        for two, scope in enumerate(source.scope_logs):
            for three, record in enumerate(scope.log_records):
                said = _values(record.attributes)
                if EVENT in {record.event_name, said.get("event.name")}:
                    yield f"resourceLogs[{one}].scopeLogs[{two}].logRecords[{three}]", record, said, resource


def _values(attributes: list[Attribute]) -> dict[str, Any]:
    found = {}
    for attribute in attributes:
        value = attribute.value or Value()
        each = (value.string_value, value.bool_value, value.int_value, value.double_value)
        first = next((one for one in each if one is not None), None)
        if first is not None:
            found[attribute.key] = first
    return found


def _fails(said: Mapping[str, Any], bad: set[str], limits: Mapping[str, Limit], place: str) -> bool:
    """Whether an evaluation is one that fails. Raises `Malformed`, naming the place, if it has no name."""
    if not said.get(NAME):
        raise Malformed(f"An evaluation without {NAME}.", field=f"{place}.attributes")
    if plain(said.get("gen_ai.evaluation.score.label", "")).strip().lower() in bad:
        return True
    limit = limits.get(plain(said[NAME]).lower())
    score = _number(said.get("gen_ai.evaluation.score.value"))
    return limit is not None and score is not None and (score < limit.at if limit.below else score > limit.at)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
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


def _event(service: str, name: str, found: list[Found]) -> Event:
    record, said, resource, at = found[-1]  # the newest: exporters send in order
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
        starts_at=at,
    )  # fmt: skip


def _at(record: Record) -> datetime | None:
    """When it was, by the first of its times that can be read: an evaluation must not be lost for its time."""
    for nanoseconds in (record.time_unix_nano, record.observed_time_unix_nano):
        at = from_epoch(nanoseconds or 0, per_second=1_000_000_000)
        if at and at > _NEVER:
            return at
    return None


_NEVER = datetime.fromtimestamp(0, tz=UTC)
