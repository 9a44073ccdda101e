"""Where engines say that they run, and where everybody else reads it: `/readyz`, the lamp bar, the home page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from andon.engine import locks
from andon.engine.auditor import Audit
from andon.engine.models import EngineBeat
from andon.kit import clock
from andon.kit.outdated import OUTDATED

ALIVE = timedelta(seconds=20)
"""An engine that has not said for this long that it runs does not."""
_FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True)
class EngineStatus:
    """The engines together, as people need to know it.

    Attributes:
        running: How many engines went round lately.
        last_beat: When any of them last did; None if none ever has.
        audited_at: When the newest audit ran.
        passed: Whether it passed; None before the first.
        findings: What it found: dicts with check, says, count, repaired.
        failing: Modules that fail at present, name to what they said.
        left: Modules that some engine leaves to a newer one, because it is older than the rules of the database.
        undone: Those of them that no engine does.
        outdated: Modules whose rules are newer in the database than in the process that asks.
    """

    running: int
    last_beat: datetime | None
    audited_at: datetime | None
    passed: bool | None
    findings: tuple[dict[str, Any], ...]
    failing: Mapping[str, str]
    left: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether pages can be relied on: an engine runs, its audit does not fail, no module does or is left undone."""
        return self.running > 0 and self.passed is not False and not self.failing and not self.undone

    @property
    def sentence(self) -> str:
        """What to say above every page while something is wrong; empty while nothing is."""
        if self.running == 0:
            return "The engine is not running: nobody is paged. Start it with andon engine, or restart andon serve."
        if self.undone:
            return (
                f"Nobody does this part of the engine: {', '.join(self.undone)}. A newer version of Andon has worked "
                "on this database, and only an older one runs now. Start the newer version."
            )
        if self.failing:
            return f"Part of the engine fails: {', '.join(self.failing)}. Pages may be late; the log says why."
        if self.passed is False:
            return " ".join(finding["says"] for finding in self.findings)
        return OUTDATED if self.outdated else self._leftover

    @property
    def _leftover(self) -> str:
        if not self.left:
            return ""
        return (
            f"An engine of an older version still runs and leaves to the newer one: {', '.join(self.left)}. "
            "Update it or stop it."
        )


def running(now: datetime) -> bool:
    """Whether any engine goes round."""
    return any(_lives(row, now) for row in EngineBeat.objects.all()[:100])


def _lives(row: EngineBeat, now: datetime) -> bool:
    return abs(now - row.beat_at) <= ALIVE  # a clock set back leaves beats of the future


def status(now: datetime, rules: Mapping[str, int] = locks.RULES) -> EngineStatus:
    """How the engines fare, as seen by a process that knows these rules. Two small tables, a query each."""
    rows = list(EngineBeat.objects.all()[:100])
    alive = [row for row in rows if _lives(row, now)]
    audits = sorted((row.audited_at, row.name) for row in alive if row.audited_at)
    audited = next((row for row in alive if audits and row.name == audits[-1][1]), None)
    left = [{name for name, said in row.modules.items() if "newer" in said} for row in alive]
    return EngineStatus(
        running=len(alive),
        last_beat=rows[0].beat_at if rows else None,
        audited_at=audited.audited_at if audited else None,
        passed=audited.audit_passed if audited else None,
        findings=tuple(audited.findings) if audited else (),
        failing={name: said["error"] for row in alive for name, said in row.modules.items() if "error" in said},
        left=tuple(sorted(set().union(*left))),
        undone=tuple(sorted(set.intersection(*left))) if left else (),
        outdated=tuple(locks.newer(rules)),
    )


def beat(name: str, *, started_at: datetime, audit: Audit | None, modules: Mapping[str, Any]) -> None:
    """Write that the engine `name` runs, and of which modules there is something to say.

    Rows of engines that died a day ago go.
    """
    now = clock.now()
    EngineBeat.objects.update_or_create(
        name=name,
        defaults={
            "started_at": started_at,
            "beat_at": now,
            "audited_at": audit.at if audit else None,
            "audit_passed": audit.passed if audit else None,
            "findings": audit.rows() if audit else [],
            "modules": dict(modules),
        },
    )
    EngineBeat.objects.filter(beat_at__lt=now - _FORGOTTEN).delete()


def forget(name: str) -> None:
    """Take the row of an engine away that stopped in order."""
    EngineBeat.objects.filter(name=name).delete()
