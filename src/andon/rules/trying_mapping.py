"""A draft of a mapping, tried: what signals would have counted as, and what they would have opened."""

from collections.abc import Iterator, Sequence

from andon.practice.grouping import RouteAction, route
from andon.practice.severity import Severity
from andon.practice.words import IncidentType
from andon.rules.book import Read, Standing
from andon.rules.trial import Trial


def try_mapping(trial: Trial, before: Sequence[Read], after: Sequence[Read], draft: Standing) -> None:
    """Say of each signal what it would have counted as, and whether it would have opened an incident."""
    for old, new in zip(before, after, strict=True):
        outcome = draft.ask(old.seen)
        trial.about += outcome.holds
        told = [each for each in new.told if each["rule"] == draft.rule.number]
        problems = [each["error"] for each in told if "error" in each]
        if problems:
            trial.wrong(new.signal, problems[0])
            continue
        changes = list(_changes(old, new))
        if not changes:
            continue
        was, would = (
            route(read.severity, read.system is not None, None, resolved=not read.signal.count).action
            for read in (old, new)
        )
        if was is not would and new.signal.incident_id is None and would is RouteAction.OPEN:
            trial.opened += 1
            changes.append("would have opened an incident")
        elif was is not would and would is RouteAction.RECORD:
            changes.append("would not have opened an incident by itself")
        trial.add(new.signal, "; ".join(changes))
    _unchanged(trial)


def _unchanged(trial: Trial) -> None:
    if trial.about and not trial.changed and not trial.errors:
        trial.notes.append("They count as that already, by their sender or by a mapping that is asked earlier.")


def _changes(old: Read, new: Read) -> Iterator[str]:
    if old.system != new.system:
        yield f"system: {old.system or 'none'} → {new.system or 'none'}"
    if old.type != new.type:
        yield f"type: {IncidentType(old.type).words} → {IncidentType(new.type).words}"
    if old.severity != new.severity:
        yield f"severity: {_level(old.severity)} → {_level(new.severity)}"


def _level(severity: Severity | None) -> str:
    return severity.name if severity else "not said"
