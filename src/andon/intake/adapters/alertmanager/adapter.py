"""Alertmanager's webhook, version 4 (also what other senders of that format post).

Labels that Andon reads; everything stays a label as well:

| label | meaning |
|---|---|
| `severity` | critical = S2, error = S3, warning = S4, info = S5, or `S1` to `S5` outright |
| `andon_system`, else `system` | the system's short name in the register |
| `andon_type` | one of the five types |

Annotations: `summary` is the title (else the alert's name), `description` (else `message`) the text; others, such as
`runbook_url`, are kept beside the labels. The episode is `startsAt`: Alertmanager keeps it for one firing.

An alert that cannot be read is left out, and the others are taken: refused, Alertmanager would drop all of them, and
again with each time that it sends the group. Of alerts that Alertmanager itself left out (`truncatedAlerts`, by its
setting `max_alerts`) nothing is known but how many they are. The delivery says both.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, TypeVar

import msgspec

from andon.intake.decoding import decode
from andon.intake.events import Event, Malformed, Request, Said, Sender, event
from andon.intake.forgiving import LeftOut, read
from andon.practice.grouping import SignalStatus

SEVERITIES = {
    "critical": 2, "error": 3, "warning": 4, "info": 5,
    "s1": 1, "s2": 2, "s3": 3, "s4": 4, "s5": 5,
}  # fmt: skip
REMEMBERED_BYTES = 32 * 1024 * 1024  # in a process, of bodies and of what was read of them, roughly
BYTES_OF_AN_EVENT = 2_000
MARKS = 32_768
COUNTS = 2**31  # what is no count of alerts any more
_SHOWN = {"summary", "description", "message"}
_STATUSES = {status.value: status for status in SignalStatus}


class Alert(msgspec.Struct, gc=False):
    """One alert of a webhook body."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    startsAt: datetime | None = None  # noqa: N815  the sender's spelling
    generatorURL: str = ""  # noqa: N815  as above
    fingerprint: str = ""


class Body(msgspec.Struct, gc=False):
    """The webhook body; what Andon does not use is not looked at."""

    alerts: list[Alert]
    truncatedAlerts: Any = 0  # noqa: N815  the sender's spelling


class Parts(msgspec.Struct):
    """The same body, each alert as it stands there."""

    alerts: list[msgspec.Raw]
    truncatedAlerts: Any = 0  # noqa: N815  as above


A = TypeVar("A", bound=Alert)

_decoder = msgspec.json.Decoder(Body)
_one = msgspec.json.Decoder(Alert)
_parts = msgspec.json.Decoder(Parts)
_TRUNCATED = "Raise max_alerts in Alertmanager's receiver (0 sends all), or split the groups of its route by group_by."


class _Memory:
    """What bodies said: a group of alerts that fire on is sent again and again in the same bytes.

    It takes what comes a second time. Of a storm of new alerts, each of which is sent once so, it keeps only marks.
    Threads may use it at once: at worst it forgets a little too early or too late.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Said] = {}
        self._bytes = 0
        self._met: set[int] = set()

    def read(self, body: bytes) -> Said:
        """One event an alert; raises `Malformed`."""
        if (known := self._known.get(body)) is not None:
            return _again(known)
        said = said_in(body, _decoder, _one, event_of, truncated=_TRUNCATED)
        size = len(body) + BYTES_OF_AN_EVENT * len(said.events)
        if size <= REMEMBERED_BYTES // 64:
            self._meet(body, said, size)
        return said

    def _meet(self, body: bytes, said: Said, size: int) -> None:
        if (mark := hash(body)) not in self._met:
            if len(self._met) >= MARKS:
                self._met.clear()
            self._met.add(mark)
            return
        if self._bytes + size > REMEMBERED_BYTES:
            self._known.clear()
            self._bytes = 0
        self._known[body] = _again(said)
        self._bytes += size


class Adapter(Sender):
    """Alertmanager webhooks."""

    kind = "alertmanager"
    title = "Prometheus Alertmanager"
    line = "Alerts that fire and end, by its webhook."
    group = "Alerts"

    def __init__(self) -> None:
        self._memory = _Memory()

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One event an alert."""
        return self._memory.read(request.body)


def _again(said: Said) -> Said:
    """The same with a list of its own."""
    return Said([*said.events], left_out=said.left_out, why=said.why)


def said_in(
    body: bytes,
    whole: msgspec.json.Decoder[Any],
    one: msgspec.json.Decoder[A],
    of: Callable[[A], Event],
    *,
    truncated: str,
) -> Said:
    """One event an alert that can be read. Raises `Malformed` where none can.

    Args:
        body: As it came, or unpacked.
        whole: Reads a body as `Body` has it, with the sender's own alerts.
        one: Reads one of them.
        of: Makes one of them an event.
        truncated: What to do about alerts that the sender left out by a limit, as a sentence.
    """
    try:
        heard = decode(whole, body)
    except Malformed:
        parts = decode(_parts, body)
        said, left_by = _one_by_one(parts.alerts, one, of), parts.truncatedAlerts
    else:
        said, left_by = Said([of(alert) for alert in heard.alerts]), heard.truncatedAlerts
    if left_by and type(left_by) is int and 0 < left_by < COUNTS:
        alerts = "1 alert was" if left_by == 1 else f"{left_by} alerts were"
        said.left_out += left_by
        said.why = (
            f"{said.why} {alerts} left out by the sender itself, by its limit of alerts a request: which of them fire "
            f"and which have ended is not known here. {truncated}"
        ).lstrip()
    return said


def _one_by_one(alerts: list[msgspec.Raw], one: msgspec.json.Decoder[A], of: Callable[[A], Event]) -> Said:
    """What can be read of a body that cannot be read as a whole."""
    said, left_out = Said(), LeftOut("alert")
    for place, raw in enumerate(alerts):
        try:
            said.events.append(of(read(one, raw, at=f"alerts[{place}]")))
        except Malformed as error:
            left_out.add(error)
    return left_out.tell(said, of=len(alerts))


def event_of(alert: Alert, *, url: str = "", more: Mapping[str, str] | None = None) -> Event:
    """One alert; `url` where there is a better place to look than the rule, `more` what else stands beside labels."""
    labels, notes = alert.labels, alert.annotations
    extra = {name: text for name, text in notes.items() if name not in _SHOWN}
    if more:
        extra |= more
    return event(
        fingerprint=alert.fingerprint or _of_labels(labels),
        status=_STATUSES[alert.status],
        title=notes.get("summary") or labels.get("alertname") or "Alert without a name",
        description=notes.get("description") or notes.get("message") or "",
        url=url or alert.generatorURL,
        labels={**extra, **labels} if extra else labels,
        system_hint=labels.get("andon_system") or labels.get("system") or "",
        type_hint=labels.get("andon_type", ""),
        severity_hint=SEVERITIES.get(labels.get("severity", "").strip().lower()),
        starts_at=alert.startsAt,
    )


def _of_labels(labels: Mapping[str, str]) -> str:
    """What stands in for the fingerprint that some senders of this format leave out."""
    return sha256(msgspec.json.encode(sorted(labels.items()))).hexdigest()[:32]
