"""What an export of logs holds, as far as it is read: from JSON, or from protobuf (see `protobuf` beside)."""

import msgspec


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
    time_unix_nano: str | int | float | None = None
    observed_time_unix_nano: str | int | float | None = None
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
