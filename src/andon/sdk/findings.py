"""What a check has found, in one shape whatever the library; and that as a signal of Andon's plain JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

SEVERITIES = ("S1", "S2", "S3", "S4", "S5")


@dataclass(frozen=True)
class Finding:
    """One check of one run.

    Attributes:
        key: What makes it the same check again in the next run.
        title: One line for a person.
        failing: Whether it found something wrong.
        description: Figures and reasons. Never rows of the data that were checked: those may be about people.
        labels: What else is known, by name.
        minor: Whether the library itself calls it a warning.
        url: A web address for people; empty where the result has none.
        at: When the run was, aware; None if the result does not say.
    """

    key: str
    title: str
    failing: bool
    description: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    minor: bool = False
    url: str = ""
    at: datetime | None = None


def worst_by_key(findings: Iterable[Finding]) -> list[Finding]:
    """One finding a key: of several, the first that fails, else the first."""
    kept: dict[str, Finding] = {}
    for finding in findings:
        before = kept.get(finding.key)
        if before is None or (finding.failing and not before.failing):
            kept[finding.key] = finding
    return list(kept.values())


def signals(
    findings: Iterable[Finding],
    *,
    system: str = "",
    severity: str = "S3",
    type: str = "",  # noqa: A002  the field's name in the JSON
    link: str = "",
    labels: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> list[dict[str, Any]]:
    """The findings in Andon's plain JSON.

    What fails fires. What passes is `ok`: it ends what fired before under the same id, and leaves no trace otherwise.

    Args:
        findings: Of one run.
        system: Short name of the system that they are about; it is part of each id.
        severity: `S1` to `S5` for what fails; a warning of the library's own is at most S4.
        type: One of Andon's five incident types; empty leaves it to the integration.
        link: A web address for people, such as the run's page, for findings that have none.
        labels: More labels for all of them.
        at: When the run was, for results that do not say.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"There is no severity {severity!r}; there are {', '.join(SEVERITIES)}.")
    found = []
    for finding in worst_by_key(findings):
        when = finding.at or at
        signal: dict[str, Any] = {
            "id": f"{system}/{finding.key}" if system else finding.key,
            "status": "firing" if finding.failing else "ok",
            "title": finding.title,
            "description": finding.description,
            "severity": max(severity, "S4") if finding.minor else severity,
            "labels": {
                name: value for name, value in {**(labels or {}), **finding.labels}.items() if value is not None
            },
        }
        more = {
            "system": system,
            "type": type,
            "url": finding.url or link,
            "starts_at": aware(when).isoformat() if when else "",
        }
        found.append(signal | {name: value for name, value in more.items() if value})
    return found


def aware(at: datetime) -> datetime:
    """A time with its zone; UTC where it has none."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def instant(text: Any) -> datetime | None:
    """A time as results write it; None for anything that is no time."""
    if not isinstance(text, str):
        return None
    try:
        return aware(datetime.fromisoformat(text))
    except ValueError:
        return None
