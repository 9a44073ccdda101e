"""The other side of levers: models in memory that take an act, refuse it, lose the answer, ignore it, are slow, or see
whoever acts die; and what is served shows them, late, or not at all."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from andon.containment import adapters
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind
from tests.simulation.chance import Chance, Crash

if TYPE_CHECKING:
    from tests.simulation.processes import EngineProcess

KIND = "memory"
GOOD, BAD = "v6", "v7"
"""What a lever rolls back to, and what is served on the day on which it is needed."""


ODDS = {
    "crash_before_act": 0.06, "crash_after_act": 0.06, "act_slow": 0.08, "act_refused": 0.06, "act_never_came": 0.06,
    "act_lost": 0.08, "act_ignored": 0.06, "act_fault": 0.06, "state_down": 0.06, "look_slow": 0.06, "look_fault": 0.06,
    "look_unclear": 0.08, "look_late": 0.15,
}  # fmt: skip
"""How likely each fault of a target is where it can strike."""


class SideError(Exception):
    """A bug in an adapter, as far as Andon can tell."""


@dataclass
class Targets:
    """Every target of a run, as it is whatever Andon's tables say.

    Attributes:
        rng: Dice of its own.
        begin: Called when an engine begins to act, with the key; judges it.
        took: Called when an act takes effect, which may be long after it began.
        models: What each serves.
        effected: Keys of acts that took effect.
        shown: By target and model: how many looks of Andon's were shown that it serves it.
    """

    chance: Chance
    rng: random.Random
    begin: Callable[[str], None]
    took: Callable[[str], None]
    engines: "dict[str, EngineProcess]" = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    effected: set[str] = field(default_factory=set)
    shown: dict[tuple[str, str], int] = field(default_factory=dict)

    def set(self, target: str, model: str, key: str) -> None:
        """An act arrives."""
        self.begin(key)
        self._may_die("crash_before_act")
        self._may_hang("act_slow")
        if self._strikes("act_refused"):
            raise LeverFault("The target refused.", sure=True)
        if self._strikes("act_never_came"):
            raise LeverFault("The target did not answer.", sure=False)
        if not self._strikes("act_ignored"):
            self.models[target] = model
            self.effected.add(key)
            self.took(key)
        self._may_hang("act_slow")
        self._may_die("crash_after_act")
        if self._strikes("act_lost"):
            raise LeverFault("The target did not answer in full.", sure=False)
        if self._strikes("act_fault"):
            raise SideError

    def serves(self, target: str) -> str:
        """What is served, to whoever asks the control plane."""
        if self._strikes("state_down"):
            raise LeverFault("The control plane is down.", sure=True)
        return self.models.get(target, BAD)

    def shows(self, target: str, model: str) -> Seen:
        """One look where decisions are made."""
        self._may_hang("look_slow")
        if self._strikes("look_fault"):
            raise SideError
        if self._strikes("look_unclear"):
            return Seen.unclear("The target answered nonsense.")
        found = self.models.get(target, BAD)
        if found != model or self._strikes("look_late"):
            return Seen.no(f"{BAD if model == GOOD else GOOD} is served.")
        self.shown[target, model] = self.shown.get((target, model), 0) + 1
        return Seen.yes(f"{model} is served.")

    def _strikes(self, fault: str) -> bool:
        if self.chance.quiet or self.rng.random() >= ODDS[fault]:
            return False
        self.chance.struck[fault] += 1
        return True

    def _may_hang(self, fault: str) -> None:
        engine = self.engines.get(threading.current_thread().name)
        if engine is not None and self._strikes(fault):
            engine.worker.pause()

    def _may_die(self, crash: str) -> None:
        engine = self.engines.get(threading.current_thread().name)
        if engine is not None and self._strikes(crash):
            engine.worker.line.faults += 1
            engine.worker.line.dead = True
            raise Crash


class MemoryAdapter(LeverAdapter):
    """The lever. It is asked inside the thread that collects evidence, so that a seed is one course of events."""

    kind = KIND
    title = "Memory"
    line = "Sets a model in memory."
    does = frozenset(ContainmentKind)
    inside = True
    fields = (Field("target", "Target"),)
    present: ClassVar[Targets]

    def state(self, settings: Settings) -> State:
        """What is served."""
        return {"model": self.present.serves(settings["target"])}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The good one."""
        return Plan({"model": GOOD}, f"{prior['model']} goes to {GOOD}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Set it."""
        self.present.set(settings["target"], plan.expected["model"], key)
        return Done("Taken.")

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Bring back what was."""
        self.present.set(settings["target"], prior["model"], key)
        return Done("Taken.")

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Look."""
        return self.present.shows(settings["target"], plan.expected["model"])


def plug_in() -> None:
    """Let Andon find this kind of lever beside its own."""
    adapters.__path__.append(str(Path(__file__).parent / "sides"))
    adapters.kinds.cache_clear()
    adapters.find.cache_clear()


def present(targets: Targets) -> None:
    """From now on these are the targets that levers act on."""
    found: Any = adapters.find(KIND)
    type(found).present = targets
