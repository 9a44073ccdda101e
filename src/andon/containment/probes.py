"""Looking at the data plane by HTTP: a request whose answer must have a status, a value in its JSON, or a header.

Any lever can have one instead of what its adapter sees by itself: the surest probe asks what a customer would ask. It
is kept as texts by the names in `FIELDS`. One look makes `times` requests, and holds only if every one of them does: a
balancer with four replicas behind it answers for one of them at a time.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from andon.containment import rest
from andon.containment.lever import LeverFault, Seen, call, web_address
from andon.kit import clock, outbound
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings

DEADLINE: Final = 5.0
"""Seconds for one request of a look."""
MOST_TIMES: Final = 20
LONGEST: Final = 60.0
"""Seconds for all requests of one look; what the rest would show is then not known."""
_SHOWN: Final = 120
_NAME: Final = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")  # a header's name (RFC 9110, 5.6.2)
_NOTHING: Final = object()


def times(value: str) -> str:
    """A number of requests, as a field's `check`."""
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MOST_TIMES:
        raise Invalid(f"A number of requests from 1 to {MOST_TIMES}.")
    return value


def longest(settings: Settings) -> float:
    """Seconds that the requests of one look may take, by these settings of a probe or of a lever."""
    return min(LONGEST, int(settings.get("times", "1")) * rest.DEADLINE)


def turns(asked: int) -> Iterator[int]:
    """The numbers of a look's requests, from 1. Raises `LeverFault`, surely, where they take too long altogether."""
    ends = clock.monotonic() + LONGEST
    for number in range(1, asked + 1):
        if number > 1 and clock.monotonic() > ends - rest.DEADLINE:
            raise LeverFault(f"{number - 1} of {asked} requests took so long that the rest was not made.", sure=True)
        yield number


def _status(value: str) -> str:
    if not re.fullmatch(r"[1-5][0-9][0-9]", value):
        raise Invalid("A status of HTTP, as 200 or 503.")
    return value


def _pointer(value: str) -> str:
    if value and not value.startswith("/"):
        raise Invalid("A JSON pointer begins with a slash, as /model/version (RFC 6901).")
    return value


def _lines(value: str) -> str:
    for number, line in enumerate(value.splitlines(), start=1):
        name, colon, _ = line.partition(":")
        if line.strip() and (not colon or not _NAME.match(name.strip())):
            raise Invalid(f"Line {number} is no header. One a line, as Authorization: Bearer …")
    return value.strip()


FIELDS: Final = (
    Field("url", "Address to ask", "Of what serves decisions, not of what manages it.", check=web_address, target=True),
    Field(
        "method", "Method", "POST where a decision is asked for.", required=False, default="GET",
        choices=(("GET", "GET"), ("POST", "POST"), ("HEAD", "HEAD"), ("PUT", "PUT")),
    ),
    Field("headers", "Headers", "One a line, as Authorization: Bearer …", secret=True, required=False, long=True,
          check=_lines),
    Field("body", "Body", "Sent as it stands, as application/json.", required=False, long=True),
    Field("status", "Expected status", "As 200, or 503 where the system is to be off.", required=False, check=_status),
    Field("pointer", "Value in the JSON", "A JSON pointer, as /model/version.", required=False, check=_pointer),
    Field("equals", "Which value it has", 'JSON or text, as "v6", 0.25, true.', required=False),
    Field("header", "Header of the answer", "As X-Model-Version.", required=False),
    Field("header_equals", "What the header says", "Compared as text.", required=False),
    Field("times", "Requests in one look", "Each must answer as expected.", required=False, default="1", check=times),
)  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """A request, and what its answer must have; what is None is not looked at. At least one is given."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int | None = None
    pointer: str | None = None
    equals: Any = None
    header: str | None = None
    header_equals: str = ""
    times: int = 1


def read(kept: Settings) -> Probe:
    """The probe that was kept as texts (see `complaints` for what cannot be meant)."""
    if wrong := complaints(kept):
        raise Invalid(wrong[0])
    lines = [line.partition(":") for line in kept.get("headers", "").splitlines() if line.strip()]
    body = kept.get("body", "").encode()
    plain = {"Content-Type": "application/json"} if body else {}
    return Probe(
        url=kept["url"],
        method=kept.get("method", "GET"),
        headers=plain | {name.strip(): value.strip() for name, _, value in lines},
        body=body,
        status=int(kept["status"]) if "status" in kept else None,
        pointer=kept.get("pointer"),
        equals=_value(kept.get("equals", "")),
        header=kept.get("header"),
        header_equals=kept.get("header_equals", ""),
        times=int(kept.get("times", "1")),
    )


def complaints(kept: Settings) -> Sequence[str]:
    """What is wrong with a probe as a whole, in words."""
    if not kept.get("url"):
        return ("A probe needs an address to ask.",)
    if not any(kept.get(name) for name in ("status", "pointer", "header")):
        return ("A probe that expects nothing sees nothing: give a status, a value in the JSON, or a header.",)
    if kept.get("pointer") and "equals" not in kept:
        return (f"Say which value {kept['pointer']} is to have.",)
    return ()


def look(probe: Probe) -> Seen:
    """Ask as often as the probe says, and compare. The first answer that is not as expected is what was seen."""
    seen = Seen.unclear("Nothing was asked.")
    try:
        for number in turns(probe.times):
            seen = _look_once(probe)
            if not seen.holds:
                return seen if probe.times == 1 else Seen(seen.holds, f"Request {number}: {seen.text}", seen.facts)
    except LeverFault as fault:
        return Seen.unclear(fault.text)
    return seen if probe.times == 1 else Seen.yes(f"{probe.times} requests: {seen.text}", seen.facts)


def _look_once(probe: Probe) -> Seen:
    try:
        answer = call(
            "The probed address", probe.method, probe.url, body=probe.body, headers=probe.headers, deadline=DEADLINE,
            changes=False,
        )  # fmt: skip
    except LeverFault as fault:
        return Seen.unclear(fault.text)
    facts: dict[str, Any] = {"status": answer.status}
    met: list[str] = []
    if probe.status is not None:
        if answer.status != probe.status:
            return Seen.no(f"It answers {answer.status}, not {probe.status}.", facts)
        met.append(f"status {answer.status}")
    if probe.header is not None:
        value = answer.headers.get(probe.header.lower())
        facts["header"] = value
        if value is None:
            return Seen.unclear(f"The answer ({answer.status}) has no header {probe.header}.", facts)
        if value.strip() != probe.header_equals.strip():
            return Seen.no(f"{probe.header} is {_short(value)}, not {_short(probe.header_equals)}.", facts)
        met.append(f"{probe.header} is {_short(value)}")
    if probe.pointer is not None:
        return _in_json(probe, answer.status, answer.body, facts, met)
    return Seen.yes(f"As expected: {', '.join(met)}.", facts)


def _in_json(probe: Probe, status: int, body: bytes, facts: dict[str, Any], met: list[str]) -> Seen:
    try:
        value = point(json.loads(body), probe.pointer or "")
    except (ValueError, RecursionError):
        if len(body) >= outbound.LARGEST_ANSWER:
            limit = outbound.LARGEST_ANSWER // 1024
            return Seen.unclear(f"The answer ({status}) is larger than {limit} KB, so its JSON cannot be read.", facts)
        return Seen.unclear(f"The answer ({status}) is not JSON.", facts)
    if value is _NOTHING:
        return Seen.unclear(f"The answer ({status}) has nothing at {probe.pointer}.", facts)
    facts["value"] = value if len(json.dumps(value)) <= _SHOWN else _short(value)
    if not same(value, probe.equals):
        return Seen.no(f"{probe.pointer} is {_short(value)}, not {_short(probe.equals)}.", facts)
    return Seen.yes(f"As expected: {', '.join([*met, f'{probe.pointer} is {_short(value)}'])}.", facts)


def point(document: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to; a mark of its own, `found_nothing`, where it leads nowhere."""
    here = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and key.isascii() and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        else:
            return _NOTHING
    return here


def found_nothing(value: Any) -> bool:
    """Whether `point` led nowhere."""
    return value is _NOTHING


def same(value: Any, expected: Any) -> bool:
    """Whether a value of JSON is the expected one; `true` is not 1, and a number may stand as text on one side."""
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    if isinstance(value, str) != isinstance(expected, str):
        return str(value) == str(expected) and not isinstance(value, dict | list) and value is not None
    return bool(value == expected)


def _value(text: str) -> Any:
    """JSON, or else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
