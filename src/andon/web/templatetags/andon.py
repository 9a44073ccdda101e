"""Andon's own template tags and filters, loaded everywhere."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django import template
from django.template.context import Context
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

from andon.kit import clock, spans
from andon.kit.crypto import unless_sealed
from andon.practice.words import OrgRole
from andon.web import icons

register = template.Library()

# The index in four groups: respond, cover, learn, set up. Name of the page, its path until it exists, label.
NAVIGATION: Final = (
    (("home", "/", "Home"), ("incidents", "/incidents", "Incidents"), ("signals", "/signals", "Signals")),
    (
        ("systems", "/systems", "Systems"),
        ("levers", "/levers", "Levers"),
        ("watches", "/watches", "Watches"),
        ("schedules", "/schedules", "Schedules"),
        ("chains", "/chains", "Chains"),
        ("people", "/people", "People"),
        ("teams", "/teams", "Teams"),
    ),
    (
        ("runbooks", "/runbooks", "Runbooks"),
        ("reviews", "/reviews", "Reviews"),
        ("actions", "/actions", "Actions"),
    ),
    (
        ("integrations", "/integrations", "Integrations"),
        ("rules", "/rules", "Rules"),
        ("handbook", "/handbook", "Handbook"),
        ("channels", "/settings/channels", "Channels"),
    ),
)
FOR_ADMINISTRATORS: Final = frozenset({"channels"})

SEVERITY_WORDS: Final = {1: "critical", 2: "severe", 3: "serious", 4: "limited", 5: "near miss"}

# What htmx may do under our content policy: no eval, no style of its own, no request elsewhere, and no copy of pages
# in the browser's storage (a restricted incident must not outlive the session).
HTMX: Final = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
    "scrollIntoViewOnBoost": False,
    "selfRequestsOnly": True,
}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """One of our signs, inline. Give a `label` only where no words stand beside it."""
    return mark_safe(icons.svg(name, conditional_escape(label)))  # noqa: S308  our own drawing; label escaped


@register.simple_tag
def severity_sign(level: int) -> SafeString:
    """The outline of S1 to S5: octagon, triangle, diamond, square, circle."""
    return mark_safe(icons.svg(f"s{int(level)}"))  # noqa: S308  our own drawing


@register.simple_tag
def htmx_config() -> str:
    """The settings of htmx as JSON, for its meta element."""
    return json.dumps(HTMX)


@register.simple_tag(takes_context=True)
def navigation(context: Context) -> list[list[dict[str, Any]]]:
    """The groups of the index: each entry with `url`, `label`, `name` and whether it is the `current` one."""
    request = context.get("request")
    path = request.path if request else ""
    shut = frozenset() if getattr(context.get("user"), "role", "") == OrgRole.ADMIN else FOR_ADMINISTRATORS
    return [
        [{"name": n, "url": url, "label": label, "current": _is_at(path, url)} for n, url, label in resolved]
        for resolved in (
            [(n, address(n, or_path=p), label) for n, p, label in group if n not in shut] for group in NAVIGATION
        )
    ]


@register.simple_tag
def address(name: str, *args: Any, or_path: str = "") -> str:
    """The address of a page by name, or `or_path` where no page has that name."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return or_path


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """The viewer's choice, from its cookie: "light", "dark", or nothing to follow the system."""
    request = context.get("request")
    chosen = request.COOKIES.get("andon_theme", "") if request else ""
    return chosen if chosen in {"light", "dark"} else ""


@register.filter
def severity_word(level: int) -> str:
    """The word that stands beside S1 to S5."""
    return SEVERITY_WORDS[int(level)]


@register.filter
def pairs(named: Mapping[Any, Any] | None) -> list[tuple[Any, Any]]:
    """Names with their values. A template that asks for `.items` gets the entry of that name, where there is one."""
    return list(unless_sealed(named, {}).items()) if named else []


@register.filter
def at(values: Sequence[Any], place: int) -> Any:
    """The value at a place counted from 0; None beyond the end."""
    return values[place] if 0 <= place < len(values) else None


@register.filter
def narrowed(filters: Sequence[Mapping[str, Any]]) -> bool:
    """Whether any of these filters is on anything but its first option."""
    return any(option["on"] for one in filters for option in one["options"][1:])


@register.filter
def ago(when: datetime | None) -> str:
    """How long ago or how far ahead: "12 min ago", "in 2 h"."""
    return spans.relative(when, clock.now()) if when else ""


@register.filter
def wall(at: datetime | None) -> str:
    """The time on the viewer's wall clock with its zone: "03:00 CEST", with the date unless it is today."""
    if not at:
        return ""
    zone = timezone.get_current_timezone()
    return f"{spans.clock_time(at, zone, beside=clock.now())} {at.astimezone(zone).tzname()}"


@register.filter
def hour(at: datetime | None) -> str:
    """Hour and minute on the viewer's wall clock, where the date stands elsewhere: "03:00"."""
    return f"{at.astimezone(timezone.get_current_timezone()):%H:%M}" if at else ""


@register.filter
def day(at: datetime | None) -> str:
    """The viewer's date: "Today", "Yesterday", "Monday 4 May", with the year when it is another."""
    if not at:
        return ""
    zone, now = timezone.get_current_timezone(), clock.now()
    local = at.astimezone(zone)
    behind = (now.astimezone(zone).date() - local.date()).days
    return {0: "Today", 1: "Yesterday"}.get(behind) or f"{local:%A} {spans.day(at, zone, beside=now)}"


@register.filter
def iso(at: datetime | None) -> str:
    """For a machine: RFC 3339 in UTC, seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


@register.filter
def utc_words(at: datetime | None) -> str:
    """For a tooltip: date and time in UTC, seconds, said so."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


@register.filter
def long(value: timedelta | None) -> str:
    """A length of time in at most two units: "1 h 50 min"."""
    return spans.span(value) if value is not None else ""


@register.filter
def is_past(at: datetime | None) -> bool:
    """Whether that time has come."""
    return at is not None and at <= clock.now()


@register.filter
def left(at: datetime | None) -> str:
    """How long until `at`, or how far over: "37 min", "12 min over"."""
    if not at:
        return ""
    ahead = at - clock.now()
    return spans.span(ahead) + ("" if ahead > timedelta(0) else " over")


def _is_at(path: str, url: str) -> bool:
    return path == url if url == "/" else path == url or path.startswith(f"{url}/")
