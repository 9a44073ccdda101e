"""What each kind of rule needs beside its condition: the shapes, their bounds, and how they are read."""

from collections.abc import Mapping
from datetime import time, timedelta
from typing import Any, Final, Literal

import msgspec

from andon.kit.errors import Invalid
from andon.practice.rules import RuleKind
from andon.practice.windows import Weekly

_YEAR: Final = 366 * 24 * 60
BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "minutes": (1, _YEAR), "every_minutes": (1, _YEAR), "grace_minutes": (0, _YEAR), "hours": (1, _YEAR // 60),
    "count": (2, 10_000), "severity": (1, 5),
}  # fmt: skip
"""The lowest and highest value of each figure."""


class _Settings(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class MappingSettings(_Settings):
    """What a signal counts as: at least one of them. `system_from` is an expression that gives the short name."""

    set_system: str = ""
    system_from: str = ""
    type: str = ""
    severity: int | None = None


class SilenceSettings(_Settings):
    """Whether S1 and S2 are kept as well."""

    covers_severe: bool = False


class Week(_Settings):
    """A window that comes every week, in wall time."""

    weekdays: list[int]
    starts: str
    ends: str
    zone: str

    @property
    def window(self) -> Weekly:
        """The window as the practice reads it. Raises ValueError for times that are none."""
        return Weekly(
            frozenset(self.weekdays), time.fromisoformat(self.starts), time.fromisoformat(self.ends), self.zone
        )


class MaintenanceSettings(SilenceSettings):
    """A maintenance window: every week, or once between the rule's own times."""

    weekly: Week | None = None


class InhibitionSettings(_Settings):
    """What explains the others, and which labels have to be equal."""

    source: str
    equal: list[str] = []


class ThresholdSettings(_Settings):
    """How many, of what, within how long."""

    count: int
    minutes: int
    counting: Literal["signals", "events"] = "signals"

    @property
    def within(self) -> timedelta:
        """Within how long."""
        return timedelta(minutes=self.minutes)


class HeartbeatSettings(_Settings):
    """How often it must come, and how bad it is when it does not."""

    every_minutes: int
    grace_minutes: int = 0
    severity: int | None = None
    type: str = ""

    @property
    def waits(self) -> timedelta:
        """How long it may stay away."""
        return timedelta(minutes=self.every_minutes + self.grace_minutes)


class HoldOpenSettings(_Settings):
    """How long an incident waits after its last signal has ended."""

    minutes: int

    @property
    def waits(self) -> timedelta:
        """As a length of time."""
        return timedelta(minutes=self.minutes)


class AutoCloseSettings(_Settings):
    """After how long without a word a signal counts as ended."""

    hours: int

    @property
    def after(self) -> timedelta:
        """As a length of time."""
        return timedelta(hours=self.hours)


_SHAPES: Final[Mapping[RuleKind, type[_Settings]]] = {
    RuleKind.MAPPING: MappingSettings,
    RuleKind.SILENCE: SilenceSettings,
    RuleKind.MAINTENANCE: MaintenanceSettings,
    RuleKind.INHIBITION: InhibitionSettings,
    RuleKind.THRESHOLD: ThresholdSettings,
    RuleKind.HEARTBEAT: HeartbeatSettings,
    RuleKind.HOLD_OPEN: HoldOpenSettings,
    RuleKind.AUTO_CLOSE: AutoCloseSettings,
}


MEANINGS: Final[Mapping[str, str]] = {
    "set_system": "short name of the system that the signals are about",
    "system_from": "an expression that gives that short name, in place of `set_system`",
    "type": "an incident type, such as `fairness_violation`; of a heartbeat: when it is missing",
    "severity": "1 (S1, worst) to 5; of a heartbeat: when it is missing",
    "covers_severe": "whether signals that say S1 or S2 are kept quiet as well",
    "weekly": (
        "a window that comes every week: `weekdays` (0 is Monday), `starts`, `ends`, `zone`; without it the rule's own "
        "`starts_at` and `ends_at` are the window"
    ),
    "source": "an expression: what explains the others while it fires",
    "equal": (
        "labels that have to be equal on both; `system` and `integration` mean the signal's own; a label that is not "
        "there counts as empty"
    ),
    "count": "how many it takes",
    "minutes": "within how many minutes; of holding open: how many minutes to wait",
    "counting": "`signals`: different ones of one system; `events`: how often one signal is heard",
    "every_minutes": "how often it comes",
    "grace_minutes": "how late it may be",
    "hours": "after how many hours without a word a signal counts as ended",
}
"""What each setting means."""


def names(kind: RuleKind) -> tuple[str, ...]:
    """The settings of a kind."""
    return tuple(field.name for field in msgspec.structs.fields(_SHAPES[kind]))


def shaped(kind: RuleKind, settings: Mapping[str, Any]) -> Any:
    """The settings in the shape of their kind. Raises `Invalid`, naming the field, for what does not fit."""
    try:
        found = msgspec.convert(dict(settings), _SHAPES[kind])
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$.")
        raise Invalid(f"{said}.", field=place.rstrip("`").split(".")[0].split("[")[0] or "settings") from None
    for name, (low, high) in BOUNDS.items():
        value = getattr(found, name, None)
        if value is not None and not low <= value <= high:
            raise Invalid(f"It must be from {low} to {high}, not {value}.", field=name)
    return found


def plain(settings: Any) -> dict[str, Any]:
    """The settings as they are kept."""
    kept: dict[str, Any] = msgspec.to_builtins(settings)
    return kept
