"""`report`: read a result, send what it says, and stay out of the way of the pipeline that called it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Required, TypedDict

from andon.sdk import logs, timing
from andon.sdk.findings import Finding, signals
from andon.sdk.reading import NotRecognised, read
from andon.sdk.sending import NotTaken, send

log = logs.of("andon.sdk")

PATIENCE = 60.0
"""Seconds for which delivery is tried unless said otherwise."""


class Where(TypedDict, total=False):
    """The arguments that `report` and the helpers of orchestrators share; see `report`."""

    system: Required[str]
    url: Required[str]
    token: Required[str]
    severity: str
    type: str
    link: str
    labels: Mapping[str, Any]
    at: datetime
    patience: float
    raising: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a report.

    Attributes:
        delivered: Whether Andon has it on disk.
        signals: How many checks were reported.
        failing: How many of them fail.
        error: Why it was not delivered, in words; empty if it was.
    """

    delivered: bool
    signals: int = 0
    failing: int = 0
    error: str = ""


def report(
    source: Any,
    *,
    system: str,
    url: str,
    token: str,
    severity: str = "S3",
    type: str = "",  # noqa: A002  the field's name in Andon
    link: str = "",
    labels: Mapping[str, Any] | None = None,
    at: datetime | None = None,
    patience: float = PATIENCE,
    raising: bool = False,
) -> Outcome:
    """Tell Andon what a check has found: what fails fires, what passes ends what fired before.

    Args:
        source: See `andon.sdk.read`.
        system: Short name of the system in Andon's register.
        url: Address of an integration of the kind *Plain JSON*.
        token: Its token.
        severity: `S1` to `S5` for what fails; what the library calls a warning is at most S4.
        type: `technical_failure`, `performance_degradation`, `fairness_violation`, `safety` or `ethical`; empty leaves
            it to the integration.
        link: A web address for people, such as the run's page.
        labels: More to know, by name.
        at: When the run was, if the result does not say; otherwise now.
        patience: Seconds for which delivery is tried.
        raising: Raise `NotTaken`, `NotRecognised`, `OSError` or `ValueError` in place of logging a warning.
    """
    return tell_findings(
        lambda: read(source),
        system=system,
        url=url,
        token=token,
        severity=severity,
        type=type,
        link=link,
        labels=labels or {},
        patience=patience,
        raising=raising,
        **({"at": at} if at else {}),
    )


def tell_findings(
    find: Callable[[], Sequence[Finding]],
    *,
    url: str,
    token: str,
    patience: float = PATIENCE,
    raising: bool = False,
    **said: Any,
) -> Outcome:
    """Send what `find` finds; whatever goes wrong in finding or sending stays here, unless `raising`."""
    try:
        found = signals(find(), **{"at": timing.now(), **said})
        send(found, url=url, token=token, patience=patience)
    except Exception as error:
        if raising:
            raise
        return _failed(error)
    return Outcome(delivered=True, signals=len(found), failing=sum(signal["status"] == "firing" for signal in found))


def _failed(error: Exception) -> Outcome:
    """The pipeline goes on; what nobody thought of is logged whole."""
    expected = isinstance(error, NotTaken | NotRecognised | OSError | ValueError)
    log.warning("Nothing was reported to Andon: %s", error, exc_info=None if expected else error)
    return Outcome(delivered=False, error=str(error) if expected else f"{type(error).__name__}: {error}")
