"""Words that the pages of on call need."""

from datetime import UTC, datetime

from django import template

from andon.oncall import queries
from andon.oncall.models import Layer

register = template.Library()


@register.filter
def unlocal(value: float) -> str:
    """A position in a drawing, with a point whatever the language."""
    return f"{value:g}"


@register.filter
def minute_utc(at: datetime) -> str:
    """An instant in UTC to the minute: "2 Mar 08:00"."""
    local = at.astimezone(UTC)
    return f"{local.day} {local:%b %H:%M}"


@register.filter
def wall_text(at: datetime) -> str:
    """Wall time as people say it: "Wed 4 Mar 20:00"."""
    return f"{at:%a} {at.day} {at:%b %H:%M}"


@register.filter
def layer_words(layer: Layer) -> str:
    """A layer in one line."""
    return queries.describe(layer)
