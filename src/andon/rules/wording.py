"""What a rule says, in a sentence for a person."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from andon.practice.rules import Counting, RuleKind
from andon.practice.severity import Severity
from andon.practice.words import IncidentType

DOES: Final[Mapping[RuleKind, str]] = {
    RuleKind.MAPPING: "Says what signals count as: their system, type and severity.",
    RuleKind.SILENCE: "Keeps signals from opening an incident for a while; you say why.",
    RuleKind.MAINTENANCE: "The same for planned work, once or every week.",
    RuleKind.INHIBITION: "While one thing fires that explains others, the others open no incident.",
    RuleKind.THRESHOLD: "It takes several signals, or several times of one, to open an incident.",
    RuleKind.HEARTBEAT: "A signal that has to come; when it stays away, an incident opens.",
    RuleKind.HOLD_OPEN: "An incident waits a while after its last signal ended, so that what flaps stays one.",
    RuleKind.AUTO_CLOSE: "A signal whose sender never says that it is over ends after some hours of quiet.",
}
"""What each kind is for."""

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def summary(kind: RuleKind, settings: Mapping[str, Any]) -> str:
    """What a rule does to the signals that it is about."""
    return _SAYS[kind](settings)


def _mapping(settings: Mapping[str, Any]) -> str:
    parts = []
    if settings.get("set_system"):
        parts.append(f"about the system {settings['set_system']}")
    if settings.get("system_from"):
        parts.append(f"about the system that {settings['system_from']} gives")
    if settings.get("type"):
        parts.append(IncidentType(settings["type"]).words)
    if settings.get("severity"):
        parts.append(Severity(settings["severity"]).name)
    return f"count as {' and '.join(parts)}"


def _severe(settings: Mapping[str, Any]) -> str:
    return ", S1 and S2 as well" if settings.get("covers_severe") else "; S1 and S2 open theirs"


def _maintenance(settings: Mapping[str, Any]) -> str:
    when = ""
    if week := settings.get("weekly"):
        days = ", ".join(_DAYS[day] for day in sorted(week["weekdays"]))
        when = f" on {days} {week['starts']} to {week['ends']} ({week['zone']})"
    return f"open no incident{when}{_severe(settings)}"


def _inhibition(settings: Mapping[str, Any]) -> str:
    equal = settings.get("equal") or []
    same = f" with the same {', '.join(equal)}" if equal else ""
    return f"open no incident while a signal{same} fires that meets {settings['source']}"


def _threshold(settings: Mapping[str, Any]) -> str:
    what = Counting(settings.get("counting", Counting.SIGNALS)).words
    return f"open an incident from {settings['count']} {what} within {settings['minutes']} min on"


def _heartbeat(settings: Mapping[str, Any]) -> str:
    late = settings.get("grace_minutes", 0)
    return f"have to come every {settings['every_minutes']} min{f', {late} min late at most' if late else ''}"


_SAYS: Final[Mapping[RuleKind, Callable[[Mapping[str, Any]], str]]] = {
    RuleKind.MAPPING: _mapping,
    RuleKind.SILENCE: lambda settings: f"open no incident{_severe(settings)}",
    RuleKind.MAINTENANCE: _maintenance,
    RuleKind.INHIBITION: _inhibition,
    RuleKind.THRESHOLD: _threshold,
    RuleKind.HEARTBEAT: _heartbeat,
    RuleKind.HOLD_OPEN: lambda s: f"leave their incident open for {s['minutes']} min after the last of them has ended",
    RuleKind.AUTO_CLOSE: lambda s: f"count as ended after {s['hours']} h without a word",
}
