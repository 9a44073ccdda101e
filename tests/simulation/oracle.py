"""The judge: reads the tables by itself after every step, and knows from outside what must be true of them.

It shares no code with what it judges: what was answered with 2xx it knows from the senders, what was sent from the
providers, who acknowledged from the people. The promises are those of docs/promises.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, cast

from tests.simulation.chance import Time
from tests.simulation.facts import Facts, Violation
from tests.simulation.processes import EngineProcess
from tests.simulation.provider import Attempt
from tests.simulation.pulls import Levers, Pull
from tests.simulation.rows import (
    CALLED_FOR_NOTHING,
    INCIDENTS,
    MISSED,
    NEXT_LOOK,
    OWED,
    PAGES,
    RULES,
    SIGNALS,
    UNWATCHED,
    Incident,
    Page,
    Rows,
    Signal,
)
from tests.simulation.senders import Monitors, Saying
from tests.simulation.store import Store, at, decoded, key
from tests.simulation.words import Words
from tests.simulation.world import BEAT, LONGEST_WAIT_MINUTES

LEASE_SECONDS = 30.0
NOBODY_MINUTES = 5
FAR = timedelta(minutes=max(LONGEST_WAIT_MINUTES, NOBODY_MINUTES) + 1)
"""Longer than any chain here waits, or an escalation that reaches nobody."""
WAITS = {"pending", "sending"}
LOOKED_AT = timedelta(minutes=2)
"""How long after its time a promise may be looked at: what could not be looked at rests for a minute."""
QUIET_AFTER = timedelta(hours=1)
"""What the one rule that counts silence as an end says."""
SILENCED_BELOW = 2
"""A silence lets S1 and S2 through."""


class Oracle:
    """Reads and judges.

    Attributes:
        found: The first broken promise.
        stalled_at: The virtual seconds that had passed when an engine last acted in a round that had begun more than a
            minute before: frozen for so long it may take the leases of others for those of another clock, and a page
            may go out twice (see the auditor).
    """

    def __init__(self, store: Store, monitors: Monitors, taken: AbstractSet[str], time: Time, words: Words) -> None:
        self._store = store
        self._taken = taken
        self._monitors = monitors
        self._time = time
        self.facts = Facts()
        self.words = words
        words.break_ = self.break_
        self.found: Violation | None = None
        self.signals = Rows(Signal.of)
        self.incidents = Rows(Incident.of)
        self.pages = Rows(Page.of)
        self.levers = Levers(store, lambda what: self.break_(7, what), self._paged_for)
        self.messages: dict[str, list[Page]] = defaultdict(list)
        self.stalled_at = -1.0
        self._last_attempt: dict[str, Attempt] = {}
        self._pages_of: dict[str, list[str]] = defaultdict(list)
        self._fresh: list[Saying] = []
        self._stale = True
        self._heard = False
        self._next_look: datetime | None = None

    def committed(self) -> None:
        """Somebody committed: what was read is old."""
        self._stale = True

    def break_(self, promise: int, what: str) -> None:
        """Note a broken promise; the first one counts."""
        if self.found is None:
            self.found = Violation(promise, what)

    # What is seen from outside

    def answered(self, sayings: Iterable[Saying], status: int) -> None:
        """A request was answered."""
        if status == 503:
            return
        if not 200 <= status < 300:
            self.break_(1, f"a good request was answered with {status}: its sender gives up, or cannot know")
            return
        self.facts.taken_posts += 1
        self._fresh += sayings

    def attempted(self, engine: EngineProcess, attempt: Attempt, step: int, last_commit: int) -> None:
        """An engine begins to hand a page to a provider."""
        self.look(step)
        pages = self.messages.get(attempt.key)
        if not pages:
            return self.break_(4, f"a page was sent under the key {attempt.key}, which no page in the outbox has")
        page = pages[0]
        sent = self.facts.sent_since.get(attempt.key)
        if sent is not None and sent < engine.round_began:
            self.break_(4, f"page {page.id} was sent again though it had been sent and settled at step {sent}")
        before = self._last_attempt.get(attempt.key)
        # A round that read the clock before it was set back takes a lease of after it for one that has ended.
        same_clock = before is not None and before.jumps == attempt.jumps == self._time.jumps
        if before is not None and not before.refused and same_clock:
            own = attempt.passed - attempt.claimed_after  # longer than a lease: its own has ended, and it cannot know
            stalled = own >= LEASE_SECONDS or self.stalled_at >= min(before.claimed_after, attempt.claimed_after)
            since = attempt.passed - before.claimed_after
            if since < LEASE_SECONDS and not stalled:
                self.break_(4, f"page {page.id} was sent twice within {since:.1f} s, inside one lease")
        ends = [self._over_since(page) for page in pages]
        over = max(end or 0 for end in ends) if None not in ends else None
        if over is not None and over < last_commit:
            number = self.incidents[page.incident].number
            self.break_(4, f"a page of INC-{number} began to be sent after it was acknowledged or over (step {over})")
        self._last_attempt[attempt.key] = attempt
        return None

    def _over_since(self, page: Page) -> int | None:
        """Since which step nobody is to be paged any more for what a page says; of a lever somebody must always hear."""
        if page.of_lever:
            return None
        return (self.facts.resolved_since if page.called else self.facts.paged_over_since).get(page.incident)

    def _paged_for(self, pull: Pull) -> bool:
        """Whether somebody is paged for a pull, or its timeline says that nobody can be."""
        pages = (self.pages[name] for name in self._pages_of[pull.incident])
        reachable = "nobody_reachable" not in self._new_kinds.get(pull.incident, set())
        return not reachable or any(f"({pull.ref})" in page.reason for page in pages)

    def due(self, now: datetime) -> bool:
        """Whether an engine would find something to do."""
        times = (one.next_page_at for one in self.incidents.values())
        waits = (page.due_at for page in self.pages.values())
        signals = (row.route_at for row in self.signals.values())
        pulls = (pull.due_at for pull in self.levers.rows.values())
        return any(at and at <= now for at in (*times, *waits, *signals, *pulls, self._next_look))

    # What the tables say

    def look(self, step: int) -> None:
        """Read the tables if anybody has written, and judge every change."""
        if not self._stale or self.found:
            return
        self._stale = False
        self._read()
        self._judge_signals()
        self._judge_timelines()
        self._judge_incidents(step)
        self._judge_pages(step)
        self._judge_promises()
        self.levers.judge()

    def after_step(self, step: int) -> None:
        """Every promise, after every step."""
        self.look(step)
        if self._fresh:
            self._judge_taken()
        if self._heard:
            self._judge_firing()

    def _read(self) -> None:
        """Read everything; what has not changed since is not made or judged again."""
        read = self._store.read
        self.signals.look(read(SIGNALS))
        self.incidents.look(read(INCIDENTS))
        self.pages.look(read(PAGES))
        self.levers.read()
        self._next_look = at(read(NEXT_LOOK)[0][0])
        self._heard = self._heard or bool(self.signals.changed)
        for page, old in self.pages.changed.values():
            if old is None:
                self._pages_of[page.incident].append(page.id)
            if old and old.message != page.message:
                self.messages[old.message] = [one for one in self.messages[old.message] if one.id != page.id]
            self.messages[page.message] = [one for one in self.messages[page.message] if one.id != page.id] + [page]

    # Promise 5

    def _judge_promises(self) -> None:
        """What a protocol promises is looked at when it is due, and nobody is called for what was not missed."""
        for number, promise, due_at, look_at in self._store.read(UNWATCHED):
            due, looked = cast("datetime", at(due_at)), at(look_at)
            if looked is None or looked > max(due, self._time.latest) + LOOKED_AT:
                self.break_(5, f"INC-{number} promised {promise}, and nobody would look in time whether it is missed")
        for (page,) in self._store.read(CALLED_FOR_NOTHING):
            self.break_(5, f"page {key(page)} says that something was missed, and nothing was")

    def _judge_missed(self, one: Incident, old: Incident | None) -> None:
        """What is missed calls somebody more at once, though a person has the incident; else its chain goes on now."""
        if old is None or old.awaits != one.awaits or "promise_missed" not in self._new_kinds.get(one.id, set()):
            return
        fresh = [page for page, before in self.pages.changed.values() if before is None and page.incident == one.id]
        hurried = one.awaits and one.next_page_at is not None and one.next_page_at <= self._time.latest
        if not hurried and not self._excused(one) and not any(MISSED in page.reason for page in fresh):
            self.break_(5, f"INC-{one.number} missed what it had promised, and nobody was called")

    def _judge_overdue(self, now: datetime) -> None:
        """Whatever was due is kept, or somebody was called for it: after a quiet time nothing is simply late."""
        for number, promise, due_at, _ in self._store.read(OWED):
            if cast("datetime", at(due_at)) < now:
                self.break_(5, f"INC-{number} promised {promise} by {at(due_at)}, and nobody found that it was missed")

    # Promise 1

    def _judge_taken(self) -> None:
        """What was answered with 2xx is in the tables."""
        kept = self._store.read("SELECT count(*) FROM intake_delivery WHERE outcome <> 'rejected'")[0][0]
        if kept < self.facts.taken_posts:
            self.break_(1, f"{self.facts.taken_posts} requests were answered with 2xx and {kept} are on disk")
        rows = self._rows_by_key()
        for said in self._fresh:
            known = rows.get(said.key, [])
            if not known:
                self.break_(1, f"{said.alert.fingerprint} was answered with 2xx and there is no signal of it")
            if said.status != "firing" or any(row.gone_quiet_after for row in known):
                continue  # what has gone quiet is heard anew with the next repeat
            self.facts.fired.add((said.key, said.episode))
            if any(said.episode in row.names for row in known):
                continue
            open_row = next((row for row in known if row.firing), None)
            if open_row is None:
                self.break_(1, f"{said.alert.fingerprint} fired with 2xx, and no signal knows of {said.episode}")
            else:
                self.facts.swallowed.setdefault((said.key, said.episode), open_row.id)
        self._fresh = []
        self._heard = True

    def _judge_firing(self) -> None:
        """What fires and was heard is open, whatever came late or out of order since."""
        self._heard = False
        firing = {row.key: row for row in self.signals.values() if row.firing}
        for alert in self._monitors.alerts:
            where = (alert.sender.key, alert.fingerprint)
            if not alert.fires or (where, alert.newest) not in self.facts.fired:
                continue
            row = firing.get(where)
            if row is None or alert.newest not in row.names:
                self.break_(1, f"{alert.fingerprint} fires, was answered with 2xx, and no open signal says so")

    # Promise 2

    def _judge_signals(self) -> None:
        """One signal a firing, one incident a signal, for good."""
        for row, old in self.signals.changed.values():
            if old and old.incident and old.incident != row.incident:
                self.break_(2, f"signal {row.id} moved from one incident to another")
            self._judge_waiting(row)
            if row.gone_quiet_after and not (old and old.gone_quiet_after):
                self._gone_quiet(row)
        if self.signals.gone:
            self.break_(1, f"signals vanished: {sorted(self.signals.gone)}")
        if self.signals.changed:
            self._judge_firings()

    def _judge_waiting(self, row: Signal) -> None:
        """Whatever rules say, what wants somebody has an incident, or a time at which it is looked at again."""
        if row.wants_somebody and not row.incident and row.route_at is None:
            self.break_(3, f"{row.key[1]} fires, asks for a person, and has neither an incident nor a time")
        if row.key[1] == BEAT and row.incident:
            self.break_(2, "a sign of life opened an incident, or joined one")

    def _gone_quiet(self, row: Signal) -> None:
        """A rule counts it as ended: its firings are over as if their end had been said, and may come again."""
        if row.gone_quiet_after and row.gone_quiet_after < QUIET_AFTER:
            self.break_(1, f"{row.key[1]} was counted as ended {row.gone_quiet_after} after it was last heard")
        self.facts.fired = {fired for fired in self.facts.fired if fired[0] != row.key}
        self.facts.swallowed = {one: kept for one, kept in self.facts.swallowed.items() if one[0] != row.key}

    def _judge_firings(self) -> None:
        owners: dict[tuple[tuple[str, str], str], str] = {}
        firing: set[tuple[str, str]] = set()
        for row in self.signals.values():
            if row.firing:
                if row.key in firing:
                    self.break_(2, f"two signals of {row.key[1]} fire at once")
                firing.add(row.key)
            for name in row.names:
                owner = owners.setdefault((row.key, name), row.id)
                if owner != row.id:
                    self.break_(2, f"one firing of {row.key[1]} ({name}) became two signals")
                folded = self.facts.swallowed.get((row.key, name))
                if folded and folded != row.id and row.count:
                    self.break_(2, f"a firing of {row.key[1]} ({name}) was counted on one signal and opened another")

    # Promises 2 and 3

    def _judge_incidents(self, step: int) -> None:
        if not self.incidents.changed:
            return
        joined = {row.incident for row in self.signals.values()}
        open_groups = Counter(one.group for one in self.incidents.values() if one.unresolved)
        paged = Counter(page.incident for page, old in self.pages.changed.values() if old is None)
        for one, old in self.incidents.changed.values():
            name = f"INC-{one.number}"
            if open_groups[one.group] > 1 and one.unresolved:
                self.break_(2, f"{name} and another incident are open for the group {one.group}")
            if not one.declared and one.id not in joined and not one.group.startswith("rehearsal:"):
                self.break_(2, f"{name} was opened by a signal that belongs to another incident")
            self._judge_next_page(one, name, step)
            self._judge_missed(one, old)
            place = old.place if old else (0, 0, False)
            told = paged[one.id] or self._excused(one)
            if one.awaits and one.place > place and not told:
                self.break_(3, f"{name} went on to {one.place} in its chain and paged nobody")
            if old and old.awaits and one.awaits and not told and _later(one.next_page_at, old.next_page_at):
                self.break_(3, f"the next page of {name} was put off, and nobody was paged")
        if self.incidents.gone:
            self.break_(3, f"incidents vanished: {sorted(self.incidents.gone)}")

    def _judge_next_page(self, one: Incident, name: str, step: int) -> None:
        """Whoever is to be paged has a time, and nobody else has."""
        if one.unresolved:
            self.facts.resolved_since.pop(one.id, None)
        else:
            self.facts.resolved_since.setdefault(one.id, step)
        if not one.awaits:
            self.facts.paged_over_since.setdefault(one.id, step)
            if one.next_page_at is not None:
                self.break_(3, f"{name} is acknowledged or over and would page somebody at {one.next_page_at}")
            return
        self.facts.paged_over_since.pop(one.id, None)
        if one.next_page_at is None:
            self.break_(3, f"{name} is open, nobody has acknowledged it, and it has no next page")
        elif one.next_page_at > self._time.latest + FAR:
            self.break_(3, f"{name} waits until {one.next_page_at} for its next page")

    def _excused(self, one: Incident) -> bool:
        """Whether the timeline says that the step reached nobody."""
        return bool({"nobody_reachable", "step_reached_nobody", "step_failed"} & self._new_kinds.get(one.id, set()))

    # Promises 4 and 6

    def _judge_timelines(self) -> None:
        """Read what was added; what it counts is what is there."""
        self._new_kinds: dict[str, set[str]] = {}
        for one, old in self.incidents.changed.values():
            known = old.entries if old else 0
            if one.entries == known:
                continue
            rows = self._store.read(
                "SELECT kind, body FROM incidents_timelineentry WHERE incident_id = ? AND seq > ? ORDER BY seq",
                one.id, known,
            )  # fmt: skip
            if len(rows) != one.entries - known:
                self.break_(6, f"INC-{one.number} counts {one.entries} entries and has {known + len(rows)}")
            self._new_kinds[one.id] = {kind for kind, _ in rows}
            for kind, body in rows:
                self._hear(one, kind, decoded(body) or {})

    def _hear(self, one: Incident, kind: str, body: dict[str, Any]) -> None:
        self.levers.heard(kind, body)
        self.words.heard(one.number, kind, body)
        if kind in {"page_sent", "page_failed"}:
            told = self.facts.told[key(body["page"])]
            if kind in told:
                self.break_(4, f"the timeline of INC-{one.number} says {kind} of one page twice")
            told[kind] = one.id
        for page in body.get("pages", ()) if kind == "page_cancelled" else ():
            self.facts.told[key(page["page"])][kind] = one.id
        if kind == "resolved" and "rule" in body:
            fires = [row.key[1] for row in self.signals.values() if row.incident == one.id and row.firing]
            if fires:
                self.break_(3, f"INC-{one.number} was resolved by a rule while {fires} still fire")

    def _judge_pages(self, step: int) -> None:
        """No page vanishes, changes its key, or is called what it is not."""
        for page, old in self.pages.changed.values():
            if old and (old.key != page.key or (old.bundle and old.bundle != page.bundle)):
                self.break_(4, f"the key of page {page.id} changed")
            if page.state == "sent":
                self.facts.sent_since.setdefault(page.message, step)
                if page.message not in self._taken:
                    self.break_(4, f"page {page.id} is called sent, and no provider has taken it")
            elif old and old.state == "sent":
                self.break_(4, f"page {page.id} was sent and is {page.state} now")
            self._judge_settled(page, old)
            if page.state in WAITS and page.due_at is None:
                self.break_(4, f"page {page.id} waits and has no time")
        touched = {page for incident in self.incidents.changed for page in self._pages_of[incident]}
        for page in [self.pages[name] for name in sorted(touched | self.pages.changed.keys()) if name in self.pages]:
            self._judge_told(page)
            incident = self.incidents[page.incident]
            wanted = page.of_lever or (incident.unresolved if page.called else incident.awaits)
            if page.state in WAITS and not wanted:
                number = self.incidents[page.incident].number
                self.break_(4, f"INC-{number} is acknowledged or over, and a page of it still waits to be sent")
        if self.pages.gone:
            self.break_(4, f"pages vanished: {sorted(self.pages.gone)}")

    def _judge_settled(self, page: Page, old: Page | None) -> None:
        """What became of a page is what its newest attempt says, unless the lease of that has ended."""
        if old is None or old.state != "sending" or page.state not in {"pending", "failed"}:
            return
        last = self._last_attempt.get(old.message)
        if last is None or last.answered or last.lost or last.jumps != self._time.jumps:
            return
        if self._time.passed - last.claimed_after < LEASE_SECONDS and self.stalled_at < last.claimed_after:
            self.break_(4, f"page {page.id} is {page.state} by a late outcome, and a newer attempt is on the wire")

    def _judge_told(self, page: Page) -> None:
        """The timeline says what became of a page, and nothing else."""
        told = self.facts.told.get(page.id, {})
        says = {"sent": "page_sent", "failed": "page_failed", "cancelled": "page_cancelled"}.get(page.state)
        if (says and says not in told) or ("page_sent" in told) != (page.state == "sent"):
            self.break_(4, f"page {page.id} is {page.state}; its timeline says {sorted(told) or 'nothing'}")

    # After a quiet time

    def after_quiet(self, recent: set[str], now: datetime) -> None:
        """Everything that was due has been done. `recent`: keys that providers took in the quiet time."""
        self._judge_routed(now)
        self._judge_paged(recent, now)
        self._judge_overdue(now)
        self.levers.after_quiet(now)

    def _judge_routed(self, now: datetime) -> None:
        standing = self._standing(now)
        for row in self.signals.values():
            if row.route_at and row.route_at <= now:
                self.break_(3, f"a signal of {row.key[1]} was never routed")
            if row.wants_somebody and not row.incident and not self._held(row, standing):
                self.break_(3, f"{row.key[1]} fires, asks for a person, and has no incident")
        missing = any(row.firing and row.key[1].startswith("heartbeat:") for row in self.signals.values())
        if not missing and now >= self._time.latest:  # a clock that was set back has it heard in a time to come
            self.break_(3, "the heartbeat stayed away for a whole quiet time, and nobody was told")
        rows = self._rows_by_key()
        for alert in self._monitors.alerts:
            known = rows.get((alert.sender.key, alert.fingerprint), [])
            if not alert.fires and any(row.firing for row in known):
                self.break_(2, f"{alert.fingerprint} has ended, everything was heard, and a signal of it still fires")

    def _judge_paged(self, recent: set[str], now: datetime) -> None:
        paged = {page.incident for page in self.pages.values() if page.message in recent}
        held = {page.incident for page in self.pages.values() if page.state == "pending"}
        for one in self.incidents.values():
            if one.awaits and one.id not in paged and not (one.mild and one.id in held):
                self.break_(3, f"INC-{one.number} waits for somebody, and nobody was paged for it in a quiet time")
        for page in self.pages.values():
            if page.state == "sending" or (page.state == "pending" and page.due_at and page.due_at < now):
                self.break_(4, f"page {page.id} is still {page.state} after a quiet time")

    def _standing(self, now: datetime) -> dict[str, set[str]]:
        """By system: the kinds of rules that stand now."""
        standing: dict[str, set[str]] = defaultdict(set)
        for kind, system, ends_at in self._store.read(RULES):
            if ends_at is None or cast("datetime", at(ends_at)) > now:
                standing[system].add(kind)
        return standing

    def _held(self, row: Signal, standing: dict[str, set[str]]) -> bool:
        """Whether a rule that stands may keep it from opening an incident."""
        if row.key[1] == BEAT:
            return row.held
        kinds = standing[row.system]
        worst = [one for one in self.signals.values() if one.firing and one.severity == 1 and one.id != row.id]
        return row.held and bool(
            "threshold" in kinds
            or ("silence" in kinds and (row.severity is None or row.severity > SILENCED_BELOW))
            or ("inhibition" in kinds and any(one.system == row.system for one in worst))
        )

    def _rows_by_key(self) -> dict[tuple[str, str], list[Signal]]:
        rows: dict[tuple[str, str], list[Signal]] = defaultdict(list)
        for row in self.signals.values():
            rows[row.key].append(row)
        return rows


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and one > other
