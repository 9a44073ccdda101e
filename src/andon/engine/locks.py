"""Versioned locks of the engine's modules: two versions of Andon on one database stop each other, and corrupt nothing.

For each module a row says by which version of its rules the rows of the database are to be read and written. An engine
that is newer takes the module over by compare-and-set. An engine that is older does nothing of that module any more:
every transaction of the engine begins by holding the module's lock and looking at the row (`kit.fence`), so that none
that began under the old rules can end under the new ones. See docs/adr/0014.
"""

from collections.abc import Mapping
from typing import Final

import structlog
from django.db import transaction

from andon.engine.models import ModuleLock
from andon.kit import clock, db, fence

RULES: Final[Mapping[str, int]] = {
    "routing": 2,  # a tally keeps the times of events; version 1 knows only when it began
    "escalation": 1,
    "promises": 1,
    "delivery": 1,
    "rules": 1,
    "auditor": 1,
    "retention": 1,
    "heartbeat": 1,
    "slack": 1,
    "mirroring": 1,
    "telling": 1,
    "watches": 1,
    "pulling": 1,
}
"""The version of each module's rules. Raise it when rows come to mean something that older code would get wrong."""
_log = structlog.get_logger(__name__)


def newer(rules: Mapping[str, int] = RULES) -> dict[str, int]:
    """The modules whose rules are newer in the database than here, with their version there: this process is older."""
    held = dict(ModuleLock.objects.values_list("module", "version"))
    return {module: held[module] for module, version in rules.items() if held.get(module, 0) > version}


def take(rules: Mapping[str, int], engine: str) -> dict[str, int]:
    """Take over what is older than these rules; returns the modules that are newer, with their version."""
    found = dict(ModuleLock.objects.values_list("module", "version"))
    for module, version in rules.items():
        if found.get(module, 0) < version:
            found[module] = _take_over(module, version, engine)
    return {module: found[module] for module, version in rules.items() if found[module] > version}


@transaction.atomic
def _take_over(module: str, version: int, engine: str) -> int:
    """Set a module's version, once all transactions of older engines are over; returns the one that now holds."""
    db.hold_name(_name(module), alone=True)
    row, made = ModuleLock.objects.get_or_create(
        module=module, defaults={"version": version, "taken_at": clock.now(), "taken_by": engine}
    )
    if made or row.version >= version:
        return row.version
    ModuleLock.objects.filter(module=module, version=row.version).update(
        version=version, taken_at=clock.now(), taken_by=engine
    )
    _log.warning(
        "the engine takes a module over from an older version", module=module, version=version, was=row.version
    )
    return version


def check(module: str, version: int) -> None:
    """Hold a module's lock until the running transaction ends; raises `fence.Closed` if a newer version has it."""
    db.hold_name(_name(module), alone=False)
    held = ModuleLock.objects.filter(module=module).values_list("version", flat=True).first()
    if held is not None and held > version:
        raise fence.Closed(f"The rules of {module} are at version {held}, and this engine knows version {version}.")


def _name(module: str) -> str:
    return f"engine.{module}"
