"""The judge of promise 7: a lever acts once for each approval, no pull is lost, and what is said of it is true.

What was acted and what was shown it knows from the targets; the rest it reads in the tables, in SQL of its own.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.simulation.rows import Raw, Rows
from tests.simulation.store import Store, at, key
from tests.simulation.targets import Targets

PULLS = (
    "SELECT pull.id, pull.number, pull.key, pull.state, pull.incident_id, pull.rehearsal_id, pull.undoes_id, "
    "pull.next_at, pull.lease_until, lever.id, system.slug FROM containment_pull pull "
    "JOIN containment_lever lever ON lever.id = pull.lever_id JOIN registry_system system ON system.id = lever.system_id "
    "ORDER BY pull.number"
)
REHEARSALS = "SELECT id, state FROM containment_rehearsal"
WAY = ("asked", "approved", "preserved", "prepared", "acting", "acted")
ENDS = {"verified", "unverified", "failed", "withdrawn"}
SAID = {
    "verified": "lever_verified", "unverified": "lever_unverified", "failed": "lever_failed",
    "withdrawn": "lever_withdrawn",
}  # fmt: skip


@dataclass
class Pull:
    id: str
    number: int
    key: str
    state: str
    incident: str
    rehearsal: str
    undoes: str
    next_at: datetime | None
    lease_until: datetime | None
    lever: str
    target: str

    @classmethod
    def of(cls, row: Raw) -> "Pull":
        return cls(
            key(row[0]), row[1], row[2], row[3], key(row[4]), key(row[5]), key(row[6]), at(row[7]), at(row[8]),
            key(row[9]), row[10],
        )  # fmt: skip

    @property
    def ref(self) -> str:
        return f"PULL-{self.number}"

    @property
    def over(self) -> bool:
        return self.state in ENDS

    @property
    def due_at(self) -> datetime | None:
        """When an engine can take it up."""
        if self.next_at is None or self.lease_until is None:
            return self.next_at
        return max(self.next_at, self.lease_until)


@dataclass
class Levers:
    """Reads and judges.

    Attributes:
        break_: Called with what is wrong.
        targets: The other side.
        paged: Whether an incident has a page, or an entry that nobody can be reached, that names a pull.
        said: By pull: the kinds of entries about it on timelines.
        contained: The pulls by which timelines call an incident contained.
        stranded: The groups of incidents, which name the undo of a rehearsal that was not seen to hold.
    """

    store: Store
    break_: Callable[[str], None]
    paged: Callable[[Pull], bool]
    targets: Targets = field(init=False)
    rows: Rows[Pull] = field(default_factory=lambda: Rows(Pull.of))
    said: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    contained: set[str] = field(default_factory=set)
    _begun: dict[str, str] = field(default_factory=dict)
    _shown: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    """By pull: what had been shown when it was first seen acting."""

    def read(self) -> None:
        """Take over what the tables say now."""
        self.rows.look(self.store.read(PULLS))
        for pull, old in self.rows.changed.values():
            if pull.state == "acting" and (old is None or old.state != "acting"):
                self._shown[pull.id] = dict(self.targets.shown)

    def heard(self, kind: str, body: dict[str, Any]) -> None:
        """An entry of a timeline."""
        if kind.startswith("lever_"):
            self.said[body["pull"]].add(kind)
        if kind == "contained" and "(PULL-" in body.get("note", ""):
            self.contained.add(body["note"].partition("(")[2].partition(")")[0])

    # What is seen from outside

    def begins(self, act: str) -> None:
        """An engine begins to act; the tables have just been read."""
        pull = self._of(act)
        if pull is None:
            return self.break_(f"something acted under the key {act}, which no pull has")
        if act in self._begun:
            self.break_(f"{pull.ref} was acted twice, for one approval")
        self._begun[act] = pull.id
        if pull.state != "acting":
            self.break_(f"{pull.ref} acted while it was {pull.state} on disk: after a crash nobody would know")
        if pull.rehearsal and pull.undoes:
            self._judge_turn(pull)
        return None

    def takes_effect(self, act: str) -> None:
        """An act takes effect on the other side."""
        pull = self._of(act)
        if pull is not None and pull.state in {"failed", "withdrawn"}:
            self.break_(f"{pull.ref} took effect after it was said that nothing was changed")

    def _of(self, act: str) -> Pull | None:
        return next((pull for pull in self.rows.values() if pull.key == act), None)

    def _judge_turn(self, undo: Pull) -> None:
        """A rehearsal does not undo what somebody pulled for an incident meanwhile."""
        first = self.rows[undo.undoes]
        for pull in self.rows.values():
            later = pull.lever == undo.lever and not pull.rehearsal and pull.number > first.number
            if later and pull.key in self._begun and pull.state != "failed":
                self.break_(f"{undo.ref}, of a rehearsal, undid {pull.ref}, which was pulled for an incident")

    # What the tables say

    def judge(self) -> None:
        """Every change; timelines and pages have been read."""
        for pull, old in self.rows.changed.values():
            if old is not None and old.state != pull.state:
                self._judge_step(pull, old)
            if old is None and pull.state not in {"asked", "approved"}:
                self.break_(f"{pull.ref} began {pull.state}")
            if pull.over != (pull.next_at is None):
                self.break_(f"{pull.ref} is {pull.state} and has {pull.next_at or 'no time'}")
            if pull.over and (old is None or not old.over):
                self._judge_end(pull)
        if self.rows.gone:
            self.break_(f"pulls vanished: {sorted(self.rows.gone)}")
        for ref in sorted(self.contained):
            states = {pull.state for pull in self.rows.values() if pull.ref == ref}
            if states != {"verified"}:
                self.break_(f"an incident is contained by {ref}, which is {states}")

    def _judge_step(self, pull: Pull, old: Pull) -> None:
        if old.over:
            self.break_(f"{pull.ref} had ended {old.state} and is {pull.state}")
        elif not pull.over and WAY.index(pull.state) < WAY.index(old.state):
            self.break_(f"{pull.ref} went back from {old.state} to {pull.state}")
        if pull.state == "withdrawn" and WAY.index(old.state) >= WAY.index("acting"):
            self.break_(f"{pull.ref} was withdrawn while it was {old.state}")

    def _judge_end(self, pull: Pull) -> None:
        """What its end says is true, and those hear of it who must."""
        if pull.state in {"failed", "withdrawn"} and pull.key in self.targets.effected:
            self.break_(f"{pull.ref} is {pull.state}, which says that nothing was changed, and it took effect")
        if pull.state == "verified" and not self._was_shown(pull):
            self.break_(f"{pull.ref} is verified, and no look has seen it since it acted")
        if not pull.incident:
            return self._judge_rehearsed(pull)
        if SAID[pull.state] not in self.said[pull.ref] and "lever_declined" not in self.said[pull.ref]:
            self.break_(f"{pull.ref} is {pull.state}; its timeline says {sorted(self.said[pull.ref])}")
        if pull.state in {"unverified", "failed"} and not self.paged(pull):
            self.break_(f"{pull.ref} is {pull.state}, and nobody was paged")
        return None

    def _was_shown(self, pull: Pull) -> bool:
        before = self._shown.get(pull.id, {})
        return any(count > before.get(what, 0) for what, count in self.targets.shown.items() if what[0] == pull.target)

    def _judge_rehearsed(self, pull: Pull) -> None:
        """A rehearsal that may have left its target pulled is an incident, and has not passed."""
        troubled = pull.state in {"unverified", "failed"}
        if troubled and pull.undoes:
            groups = self.store.read(
                "SELECT count(*) FROM incidents_incident WHERE substr(group_key, 1, 10) = 'rehearsal:'"
            )
            undone = sum(
                bool(one.rehearsal and one.undoes) and one.state in {"unverified", "failed"}
                for one in self.rows.values()
            )
            if groups[0][0] != undone:
                self.break_(f"{pull.ref}, the undo of a rehearsal, is {pull.state}, and no incident was opened")
        states = {key(row[0]): row[1] for row in self.store.read(REHEARSALS)}
        if troubled and states[pull.rehearsal] == "passed":
            self.break_(f"a rehearsal passed of which {pull.ref} is {pull.state}")

    def after_quiet(self, now: datetime) -> None:
        """Everything that was due has been done."""
        for pull in self.rows.values():
            if not pull.over and pull.state != "asked":
                self.break_(f"{pull.ref} is still {pull.state} after a quiet time")
            if pull.state == "asked" and pull.next_at and pull.next_at <= now:
                self.break_(f"{pull.ref} waits for a word, and nobody was asked for it")
        for row in self.store.read("SELECT id FROM containment_rehearsal WHERE state = 'running'"):
            self.break_(f"the rehearsal {key(row[0])} is still under way after a quiet time")
