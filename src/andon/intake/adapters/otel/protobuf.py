"""OTLP's other encoding, protobuf: requests read, shown as OTLP's JSON, and answered.

Imported when the first such request comes: the library takes a tenth of a second to load.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from math import isfinite
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from andon.intake.adapters.otel.shapes import Attribute, Body, Record, Resource, Scope, Source, Value
from andon.intake.events import Malformed

MOST = 100_000
"""Resources, scopes, records and attributes of one request, together: of empty ones a body can hold millions, and to go
through those holds up everybody else. The largest body of real ones is far below."""

_REQUESTS = {
    path: (f"opentelemetry.proto.collector.{name}.v1.{name}_service_pb2", f"Export{name.title()}ServiceRequest")
    for path, name in (("v1/traces", "trace"), ("v1/metrics", "metrics"))
}
"""What is refused here, and shown to whoever has to see why."""
_HEXADECIMAL = {"trace_id", "span_id", "parent_span_id"}
"""Bytes that OTLP's JSON spells so; others are base64, as protobuf's JSON has them."""
_AS_TEXT = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
"""Numbers that JSON readers would round."""

_spelt = msgspec.json.Encoder().encode


def read(body: bytes, event: str) -> Body:
    """An export of logs. Records of another event than this one are left empty. Raises `Malformed`."""
    try:
        message = ExportLogsServiceRequest.FromString(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(_not_protobuf(body, error)) from error
    counted = _Counted()
    return Body([_source(source, event, counted) for source in counted.all(message.resource_logs)])


def as_json(body: bytes, path: str, most: int) -> bytes | None:
    """The beginning of a body as OTLP's JSON has it, for a person; None where it cannot be read."""
    try:
        message = _request(path).FromString(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None
    shown: list[bytes] = []
    length = 0
    for piece in _pieces(message):
        shown.append(piece)
        length += len(piece)
        if length >= most:
            break
    return b"".join(shown)[:most]


def accepted(answer: Mapping[str, Any]) -> bytes:
    """The answer in JSON's form as protobuf."""
    said: bytes = ParseDict(answer, ExportLogsServiceResponse()).SerializeToString()
    return said


def refused(problem: Mapping[str, Any]) -> bytes:
    """A problem (RFC 9457) as OTLP wants one told. It has no use for `code`: the HTTP status says what to do."""
    status = Status(message=problem["detail"])
    if problem["status"] == 400:  # noqa: PLR2004  as the specification spells it
        violation = BadRequest.FieldViolation(field=problem.get("field", ""), description=problem["detail"])
        status.details.add().Pack(BadRequest(field_violations=[violation]))
    said: bytes = status.SerializeToString()
    return said


class _Counted:
    """Goes through parts of a message, and through no more than `MOST` of all."""

    def __init__(self) -> None:
        self._left = MOST

    def all(self, parts: Any) -> Any:
        """The parts. Raises `Malformed`."""
        self._left -= len(parts)
        if self._left < 0:
            raise Malformed(f"The body has more than {MOST} resources, records and attributes; send less at once.")
        return parts


def _source(source: Any, event: str, counted: _Counted) -> Source:
    scopes = [
        Scope([_record(record, event, counted) for record in counted.all(scope.log_records)])
        for scope in counted.all(source.scope_logs)
    ]
    return Source(Resource(_attributes(counted.all(source.resource.attributes))), scopes)


def _record(record: Any, event: str, counted: _Counted) -> Record:
    attributes = counted.all(record.attributes)
    if record.event_name != event and not any(each.key == "event.name" for each in attributes):
        return _OTHER
    return Record(
        event_name=record.event_name,
        time_unix_nano=record.time_unix_nano,
        observed_time_unix_nano=record.observed_time_unix_nano,
        trace_id=record.trace_id.hex(),
        attributes=_attributes(attributes),
    )


_OTHER = Record()


def _attributes(attributes: Iterable[Any]) -> list[Attribute]:
    return [Attribute(each.key, _value(each.value)) for each in attributes]


def _value(value: Any) -> Value | None:
    match value.WhichOneof("value"):
        case "string_value":
            return Value(string_value=value.string_value)
        case "bool_value":
            return Value(bool_value=value.bool_value)
        case "int_value":
            return Value(int_value=value.int_value)
        case "double_value":
            return Value(double_value=_number(value.double_value))
    return None


def _number(number: float) -> float | str:
    """A number as JSON can say it."""
    if isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"  # noqa: PLR0124  how NaN is known


def _not_protobuf(body: bytes, error: Exception) -> str:
    why = str(error).rpartition(": ")[2].rstrip(".")
    hint = " It looks like JSON, which has Content-Type: application/json." if body.lstrip()[:1] in {b"{", b"["} else ""
    return f"The body is no export of logs in protobuf (ExportLogsServiceRequest): {why}.{hint}"


def _request(path: str) -> type[Message]:
    """What is sent to a path; logs where it says nothing."""
    if where := _REQUESTS.get(path):
        module, name = where
        found: type[Message] = getattr(import_module(module), name)
        return found
    return ExportLogsServiceRequest


def _pieces(message: Message) -> Iterator[bytes]:
    """A message as JSON, in pieces: whoever shows the beginning of a large one needs no more than that."""
    yield b"{"
    comma = b""
    for field, value in message.ListFields():
        yield comma + _spelt(field.json_name) + b":"
        comma = b","
        if isinstance(value, (Message, str, bytes, int, float)):
            yield from _piece(field, value)
            continue
        yield b"["
        for place, one in enumerate(value):
            if place:
                yield b","
            yield from _piece(field, one)
        yield b"]"
    yield b"}"


def _piece(field: FieldDescriptor, value: Any) -> Iterator[bytes]:
    match value:
        case Message():
            yield from _pieces(value)
        case bytes():
            yield _spelt(value.hex() if field.name in _HEXADECIMAL else b64encode(value).decode())
        case float():
            yield _spelt(_number(value))
        case int() if field.cpp_type in _AS_TEXT:
            yield _spelt(str(value))
        case _:
            yield _spelt(value)
