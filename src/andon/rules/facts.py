"""What a rule says, checked once for pages, API and files: its expressions can be read, its figures are possible."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from andon.kit import expressions
from andon.kit.errors import Invalid
from andon.practice.rules import RuleKind
from andon.practice.walltime import zone
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.rules.settings import (
    HeartbeatSettings,
    InhibitionSettings,
    MaintenanceSettings,
    MappingSettings,
    SilenceSettings,
    plain,
    shaped,
)

NAME_LIMIT: Final = 120
COMMENT_LIMIT: Final = 2000
TIMED: Final = frozenset({RuleKind.SILENCE, RuleKind.MAINTENANCE})
"""The kinds that begin and end by themselves."""


@dataclass(frozen=True)
class RuleFacts:
    """What a rule says. `settings` are what its kind needs beside its condition (see `andon.rules.settings`)."""

    kind: RuleKind
    name: str
    expression: str = ""
    system: System | None = None
    comment: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def as_kept(self) -> dict[str, Any]:
        """As a version keeps it."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "expression": self.expression,
            "system": self.system.slug if self.system else "",
            "comment": self.comment,
            "starts_at": self.starts_at.astimezone(UTC).isoformat() if self.starts_at else None,
            "ends_at": self.ends_at.astimezone(UTC).isoformat() if self.ends_at else None,
            "settings": dict(self.settings),
        }


def checked(facts: RuleFacts) -> RuleFacts:
    """The facts, trimmed and complete. Raises `Invalid`, naming the field, for what cannot be a rule."""
    name, comment = _words(facts)
    settings = shaped(facts.kind, facts.settings)
    expression = facts.expression.strip()
    if expression:
        expressions.condition(expression)
    elif facts.system is None or facts.kind in {RuleKind.MAPPING, RuleKind.HEARTBEAT}:
        raise Invalid("Say which signals it is about; true stands for all of them.", field="expression")
    if facts.kind not in TIMED and (facts.starts_at or facts.ends_at):
        raise Invalid("Only silences and maintenance windows have times; end this one by hand.", field="ends_at")
    if facts.starts_at and facts.ends_at and facts.starts_at >= facts.ends_at:
        raise Invalid("It would end before it begins.", field="ends_at")
    if (said := getattr(settings, "type", "")) and said not in set(IncidentType):
        raise Invalid(f"There is no incident type {said!r}.", field="type")
    _of_its_kind(facts, settings, comment)
    return RuleFacts(
        facts.kind, name, expression, facts.system, comment, facts.starts_at, facts.ends_at, plain(settings)
    )


def _words(facts: RuleFacts) -> tuple[str, str]:
    name, comment = " ".join(facts.name.split()), facts.comment.strip()
    if not name:
        raise Invalid("Give it a name that says what it is for.", field="name")
    if len(name) > NAME_LIMIT:
        raise Invalid(f"The name is longer than {NAME_LIMIT} characters.", field="name")
    if len(comment) > COMMENT_LIMIT:
        raise Invalid(f"The comment is longer than {COMMENT_LIMIT} characters.", field="comment")
    return name, comment


def _of_its_kind(facts: RuleFacts, settings: Any, comment: str) -> None:
    """What one kind of rule needs and others do not."""
    match settings:
        case MappingSettings():
            _mapping(facts, settings)
        case MaintenanceSettings():
            _maintenance(facts, settings)
        case InhibitionSettings():
            expressions.condition(settings.source, field="source")
            settings.equal = list(dict.fromkeys(label.strip() for label in settings.equal if label.strip()))
        case HeartbeatSettings() if facts.system is None:
            raise Invalid("Say which system nobody watches any more when it stays away.", field="system")
        case SilenceSettings():
            _silence(facts, comment)


def _silence(facts: RuleFacts, comment: str) -> None:
    if facts.ends_at is None:
        raise Invalid("A silence ends by itself: say when.", field="ends_at")
    if not comment:
        raise Invalid("Say why: whoever wonders at the silence reads it here.", field="comment")


def _mapping(facts: RuleFacts, settings: MappingSettings) -> None:
    if facts.system is not None:
        raise Invalid("A mapping gives signals their system; name it as what it sets.", field="system")
    if settings.set_system and settings.system_from:
        raise Invalid("Name the system, or the expression that gives it, not both.", field="system_from")
    if not (settings.set_system or settings.system_from or settings.type or settings.severity):
        raise Invalid("Say what the signals count as: a system, a type or a severity.", field="set_system")
    if settings.system_from:
        expressions.read(settings.system_from, field="system_from")
    if settings.set_system and not System.objects.filter(slug=settings.set_system).exists():
        raise Invalid(f"There is no system {settings.set_system!r} in the register.", field="set_system")


def _maintenance(facts: RuleFacts, settings: MaintenanceSettings) -> None:
    week = settings.weekly
    if week is None:
        if facts.starts_at is None or facts.ends_at is None:
            lacking = "ends_at" if facts.starts_at else "starts_at"
            raise Invalid("Say from when until when, or on which days of the week.", field=lacking)
        return
    if not week.weekdays or not set(week.weekdays) <= set(range(7)):
        raise Invalid("Choose at least one day of the week, from 0 (Monday) to 6.", field="weekdays")
    try:
        window = week.window
    except ValueError:
        raise Invalid("Give the times as hours and minutes, such as 22:00.", field="window_starts") from None
    if window.starts == window.ends:
        raise Invalid("It would begin and end at the same time.", field="window_ends")
    if window.starts.tzinfo or window.ends.tzinfo:
        raise Invalid("Give the times without a zone; the window has its own.", field="window_starts")
    try:
        zone(week.zone)
    except ValueError as error:
        raise Invalid(str(error), field="zone") from None
