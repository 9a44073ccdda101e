"""The loop: every module in turn, again at once while there is work, else until something wakes it.

One module that fails stops no other: it is logged with its traceback, rests for a growing while, and shows in the
engine's health. A database that is gone closes the connection, rests, and goes on: there is nothing else to do, and
what was due is still due when it comes back.
"""

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.db import Error as DatabaseTrouble

from andon.engine import beats, lines, locks
from andon.engine.mirroring import Mirroring
from andon.engine.modules import Auditor, Delivery, Escalation, Heartbeat, Module, Promises, Retention, Routing, Rules
from andon.engine.pulling import PULLERS, Pulling
from andon.engine.telling import Telling
from andon.engine.watching import READERS, Watching
from andon.kit import clock, fence, ids, wake
from andon.paging import adapters
from andon.paging.sending import Find
from andon.slack.working import WORKERS as SLACK_WORKERS
from andon.slack.working import SlackWork

LIMIT = 100
"""Pieces of work that a module does before the next one has its turn."""
TICK = 0.5
"""Seconds between two looks when nothing wakes the loop: the most that a lost hint costs."""
BEAT_EVERY = 5.0
_RESTS = (1.0, 2.0, 5.0, 10.0, 30.0)
_log = structlog.get_logger(__name__)


@dataclass
class _Health:
    """How a module fares: failures in a row, what the last one was, and until when it rests (monotonic)."""

    failures: int = 0
    error: str = ""
    rests_until: float = 0.0


class Engine:
    """One engine of one process; any number may run beside each other on one database."""

    def __init__(
        self,
        modules: Sequence[Module],
        *,
        name: str,
        tick: float = TICK,
        auditor: Auditor | None = None,
        rules: Mapping[str, int] = locks.RULES,
    ) -> None:
        self.name = name
        self.modules = modules
        self._auditor = auditor
        self._tick = tick
        self._stopping = threading.Event()
        self._health = {module.name: _Health() for module in modules}
        self._started_at = clock.now()
        self._beat_due = 0.0
        self._rules = {module.name: rules[module.name] for module in modules if module.name in rules}
        self._newer: dict[str, int] = {}

    def run(self) -> None:
        """Go round until `stop`; then let work on the wire end."""
        _log.info("the engine starts", engine=self.name, modules=[module.name for module in self.modules])
        try:
            while not self._stopping.is_set():
                wake.engine.clear()  # before the look: what is written during it wakes the next round
                beats_now = clock.monotonic() >= self._beat_due
                if beats_now:
                    self._beat_due = clock.monotonic() + BEAT_EVERY
                    self._stand()
                worked = self.run_once()
                if beats_now:
                    self._beat()
                if not worked and not self._stopping.is_set():
                    wake.engine.wait(self._tick)
        finally:
            for module in self.modules:
                self._stop(module)
            self._forget()
            lines.drop()
            _log.info("the engine has stopped", engine=self.name)

    def run_once(self, now: datetime | None = None, limit: int = LIMIT) -> int:
        """Every module once, in order; returns how much was done. A module that rests is passed over.

        Without `now` each looks at the clock itself, so that what one made due is done by the next.
        """
        return sum(self._run(module, now or clock.now(), limit) for module in self.modules)

    def run_until_idle(self, now: datetime, rounds: int = 1000) -> int:
        """Go round until there is nothing left to do at `now`: for tests, simulations and the demo."""
        done = 0
        for _ in range(rounds):
            worked = self.run_once(now)
            if not worked:
                break
            done += worked
        return done

    def stop(self) -> None:
        """End after the present round. May be called from any thread or a signal handler."""
        self._stopping.set()
        wake.engine.set()

    @property
    def failing(self) -> dict[str, dict[str, Any]]:
        """The modules that fail at present, with what they said."""
        return {
            name: {"failures": health.failures, "error": health.error}
            for name, health in self._health.items()
            if health.failures
        }

    @property
    def left(self) -> dict[str, dict[str, Any]]:
        """The modules that a newer engine has taken over, with both versions."""
        return {name: {"version": self._rules[name], "newer": newer} for name, newer in self._newer.items()}

    def _run(self, module: Module, now: datetime, limit: int) -> int:
        """One module, its failure contained; nothing of one that a newer engine has taken over."""
        health = self._health[module.name]
        if clock.monotonic() < health.rests_until or module.name in self._newer:
            return 0
        try:
            lines.freshen()
            with fence.around(partial(self._may, module)):
                done = module.run_once(now, limit)
        except fence.Closed:
            self._leave()
            return 0
        except Exception as error:  # noqa: BLE001  one module's failure, whatever it is, must not stop the others
            self._failed(module, health, error)
            return 0
        if health.failures:
            _log.info("an engine module works again", module=module.name, after_failures=health.failures)
            self._health[module.name] = _Health()
        return done

    def _failed(self, module: Module, health: _Health, error: Exception) -> None:
        rest = _RESTS[min(health.failures, len(_RESTS) - 1)]
        health.failures += 1
        health.error = f"{type(error).__name__}: {error}"[:300]
        health.rests_until = clock.monotonic() + rest
        _log.exception("an engine module failed", module=module.name, failures=health.failures, rests_seconds=rest)
        if isinstance(error, DatabaseTrouble):
            lines.drop()

    def _may(self, module: Module) -> None:
        """What each transaction of a module begins with."""
        if module.name in self._rules:
            locks.check(module.name, self._rules[module.name])

    def _stand(self) -> None:
        """See which modules are this engine's to do."""
        try:
            self._leave()
        except DatabaseTrouble:
            _log.warning("the modules' locks could not be looked at", exc_info=True)
            lines.drop()

    def _beat(self) -> None:
        """Say where every process can read it that this engine goes round."""
        try:
            beats.beat(
                self.name,
                started_at=self._started_at,
                audit=self._auditor.last if self._auditor else None,
                modules=self.failing | self.left,
            )
        except DatabaseTrouble:
            _log.warning("the engine's beat could not be written", exc_info=True)
            lines.drop()

    def _leave(self) -> None:
        """Take over what is older than this engine, and leave alone what is newer."""
        before, self._newer = self._newer, locks.take(self._rules, self.name)
        for module in self._newer.keys() - before.keys():
            _log.error(
                "a newer version of Andon has taken this module over; this engine leaves it alone",
                module=module,
                ours=self._rules[module],
                newer=self._newer[module],
            )

    def _stop(self, module: Module) -> None:
        """Let a module's work on the wire end; what became of it is not ours to write if a newer engine has it."""
        try:
            with fence.around(partial(self._may, module)):
                module.stop()
        except fence.Closed:
            _log.warning("a newer engine has taken over; what is on the wire is settled by it", module=module.name)

    def _forget(self) -> None:
        """An engine that stops in order leaves no row behind that would look like a dead one."""
        try:
            beats.forget(self.name)
        except DatabaseTrouble:
            _log.warning("the engine's beat could not be removed", exc_info=True)


def build(
    *,
    find: Find = adapters.find,
    senders: int | None = None,
    tick: float = TICK,
    rules: Mapping[str, int] = locks.RULES,
) -> Engine:
    """The engine with all its modules. `senders=0` sends in the loop's own thread (tests, simulations)."""
    name = f"{socket.gethostname()[:30]}:{os.getpid()}:{ids.new().hex[-6:]}"
    watcher = Auditor()
    delivery = Delivery(name, find=find) if senders is None else Delivery(name, find=find, senders=senders)
    slack = SlackWork(name) if senders is None else SlackWork(name, workers=min(senders, SLACK_WORKERS))
    mirrors = Mirroring(name, find=find) if senders is None else Mirroring(name, find=find, tellers=senders)
    heartbeat = Heartbeat(lambda: watcher.last, beside=senders != 0)
    telling = Telling(name, find=find, beside=senders != 0)
    pulling = Pulling() if senders is None else Pulling(pullers=min(senders, PULLERS))
    watching = Watching() if senders is None else Watching(readers=min(senders, READERS))
    modules: list[Module] = [
        Routing(),
        Escalation(),
        delivery,
        pulling,
        Rules(),
        Promises(),
        slack,
        mirrors,
        telling,
        watching,
        watcher,
        heartbeat,
        Retention(),
    ]
    return Engine(modules, name=name, tick=tick, auditor=watcher, rules=rules)
