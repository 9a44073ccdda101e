"""OTLP's other encoding, protobuf: requests read, shown as OTLP's JSON, and answered.

Imported when the first such request comes: the library takes a tenth of a second to load.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from math import isfinite
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from andon.intake.adapters.otel.shapes import Attribute, Body, Record, Resource, Scope, Source, Value
from andon.intake.events import Malformed

LARGEST = 4 * 1024 * 1024
"""Bytes of a body, unpacked: it is two to three times denser than JSON, and empty records take seventy times as much
memory as they are long."""
MOST = 500_000
"""Resources, scopes, records and attributes of one request, together: of empty ones a body can hold millions, and to go
through those holds up everybody else (500,000 empty attributes take 0.15 s, so many empty records 0.7 s). What the
Collector sends at once if nobody says otherwise, 8,192 records, has a hundred thousand with a dozen attributes each."""
_WEIGHT = 5
"""As how many of them a resource or scope counts: so much longer it takes."""

_REQUESTS = {
    path: (f"opentelemetry.proto.collector.{name}.v1.{name}_service_pb2", f"Export{name.title()}ServiceRequest")
    for path, name in (("v1/traces", "trace"), ("v1/metrics", "metrics"))
}
"""What is refused here, and shown to whoever has to see why."""
_TEXT, _BYTES = FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES
_HEXADECIMAL = {"trace_id", "span_id", "parent_span_id"}
"""Bytes that OTLP's JSON spells so; others are base64, as protobuf's JSON has them."""
_AS_TEXT = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
"""Numbers that JSON readers would round."""

_spelt = msgspec.json.Encoder().encode


def read(body: bytes, event: str) -> Body:
    """An export of logs. Records of another event than this one are left empty. Raises `Malformed`."""
    if len(body) > LARGEST:
        raise Malformed(f"Unpacked, the body has more than {LARGEST} bytes; send less at once.")
    try:
        message: Any = _lenient(ExportLogsServiceRequest).FromString(body)
    except (DecodeError, RecursionError) as error:
        raise Malformed(_not_protobuf(body, str(error).rpartition(": ")[2].rstrip("."))) from error
    if body and not message.resource_logs:
        raise Malformed(_not_protobuf(body, "It has no resource_logs"))
    try:
        return _body(message, event.encode())
    except Malformed as error:
        why = error.what
    del message  # an error that is raised while it is gone through keeps it, by its traceback, until all is answered
    raise Malformed(why)


def as_json(body: bytes, path: str, most: int) -> bytes | None:
    """The beginning of a body as OTLP's JSON has it, for a person; None where it cannot be read."""
    try:
        message = _lenient(_request(path)).FromString(body)
    except (DecodeError, RecursionError):
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

    def all(self, parts: Any, *, weight: int = 1) -> Any:
        """The parts. Raises `Malformed`."""
        self._left -= len(parts) * weight
        if self._left < 0:
            raise Malformed(f"The body has more than {MOST} resources, records and attributes; send less at once.")
        return parts


def _body(message: Any, event: bytes) -> Body:
    _of_logs(message)
    counted = _Counted()
    return Body([_source(source, event, counted) for source in counted.all(message.resource_logs, weight=_WEIGHT)])


def _source(source: Any, event: bytes, counted: _Counted) -> Source:
    scopes = [
        Scope([_record(record, event, counted) for record in counted.all(scope.log_records)])
        for scope in counted.all(source.scope_logs, weight=_WEIGHT)
    ]
    return Source(Resource(_attributes(counted.all(source.resource.attributes))), scopes)


def _of_logs(message: Any) -> None:
    """Raise `Malformed` if the first record, or what it stands in, is none of logs.

    It is none if nothing in it is known. Exports of metrics and spans look the same down to a record, which is none if
    a field has another form than here, as a metric's name where a record has its time; a metric without a name cannot
    be told from a record. Fields that a later version of OTLP adds to known ones do not matter.
    """
    part, foreign = message, False
    for name in ("resource_logs", "scope_logs", "log_records"):
        if foreign or not (parts := getattr(part, name)):
            break
        part = parts[0]
        foreign = part.ByteSize() > 0 and not part.ListFields()
        if name == "log_records" and part.ByteSize() <= _LOOKED_INTO and len(unknown := UnknownFieldSet(part)):
            foreign = foreign or unknown[0].field_number in part.DESCRIPTOR.fields_by_number
    if foreign:
        raise Malformed(_not_protobuf(b"", f"What stands there is no {part.DESCRIPTOR.name}"))


_LOOKED_INTO = 256 * 1024
"""Bytes of a record up to which it is looked for unknown fields: the library goes through all of them first."""


def _record(record: Any, event: bytes, counted: _Counted) -> Record:
    attributes = counted.all(record.attributes)
    if record.event_name != event and not any(each.key == b"event.name" for each in attributes):
        return _OTHER
    return Record(
        event_name=_text(record.event_name),
        time_unix_nano=record.time_unix_nano,
        observed_time_unix_nano=record.observed_time_unix_nano,
        trace_id=record.trace_id.hex(),
        attributes=_attributes(attributes),
    )


_OTHER = Record()


def _attributes(attributes: Iterable[Any]) -> list[Attribute]:
    return [Attribute(_text(each.key), _value(each.value)) for each in attributes]


def _value(value: Any) -> Value | None:
    match value.WhichOneof("value"):
        case "string_value":
            return Value(string_value=_text(value.string_value))
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


def _text(said: bytes) -> str:
    return said.decode(errors="replace")


@cache
def _lenient(kind: Any) -> Any:
    """The same message with bytes where it has texts: one that was cut in the middle of a character loses no alert.

    The library refuses a whole body for one such text (and so do Collectors: open-telemetry/opentelemetry-collector
    #11449). Here only what is needed is made a text, and what is no character in it is U+FFFD, as in JSON.
    """
    pool = DescriptorPool()
    added = set[str]()

    def loosen(message: DescriptorProto, within: str) -> None:
        name = f"{within}.{message.name}"
        for field in message.field:
            if field.type == _TEXT:
                _TEXTS.add(f"{name}.{field.name}")
                field.type = _BYTES
        for inner in message.nested_type:
            loosen(inner, name)

    def add(file: FileDescriptor) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for needed in file.dependencies:
            add(needed)
        copy = FileDescriptorProto()
        file.CopyToProto(copy)
        for message in copy.message_type:
            loosen(message, copy.package)
        pool.Add(copy)

    add(kind.DESCRIPTOR.file)
    return GetMessageClass(pool.FindMessageTypeByName(kind.DESCRIPTOR.full_name))


_TEXTS = set[str]()
"""Full names of fields that are texts in truth."""


def _not_protobuf(body: bytes, why: str) -> str:
    hint = " It looks like JSON, which has Content-Type: application/json." if body.lstrip()[:1] in {b"{", b"["} else ""
    return f"The body is no export of logs in protobuf (ExportLogsServiceRequest): {why}.{hint}"


def _request(path: str) -> Any:
    """What is sent to a path; logs where it says nothing."""
    if where := _REQUESTS.get(path):
        module, name = where
        return getattr(import_module(module), name)
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
        case bytes() if field.full_name in _TEXTS:
            yield _spelt(_text(value))
        case bytes():
            yield _spelt(value.hex() if field.name in _HEXADECIMAL else b64encode(value).decode())
        case float():
            yield _spelt(_number(value))
        case int() if field.cpp_type in _AS_TEXT:
            yield _spelt(str(value))
        case _:
            yield _spelt(value)
