"""One run: a seed, a scheduler that says whose turn it is, and the judge after every step."""

import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connections

from andon.incidents.timeline import verify_all
from andon.kit import clock
from andon.paging.message import Message
from tests.simulation import people, pullers, words
from tests.simulation.chance import STARTS, Chance, Crash, Time, governed
from tests.simulation.facts import Violation
from tests.simulation.line import STRUCK
from tests.simulation.oracle import FAR, Oracle
from tests.simulation.playing import HANGS_FROM, LEVERS_FROM, WORDS_FROM
from tests.simulation.processes import Desk, EngineProcess, Process, Server
from tests.simulation.provider import Attempt, Providers
from tests.simulation.pulls import PULLS
from tests.simulation.rows import INCIDENTS, PAGES, SIGNALS, TIMELINES
from tests.simulation.senders import Monitors, Post
from tests.simulation.store import Store
from tests.simulation.targets import Targets, present
from tests.simulation.words import Word, Words
from tests.simulation.world import LONGEST_DELAY_MINUTES, World

STEPS = 500
SHOWN = 40
"""Events before a failure that are shown."""
QUIET = FAR + timedelta(minutes=LONGEST_DELAY_MINUTES + 1)
"""Virtual time without faults after which everybody who is to be paged has been."""
LEFT_WAITING = 8
AT_LEVERS = 0.35
"""How often it is a lever that somebody is at."""
HANGING = 0.25
"""How often a provider hangs, where they do."""
WHOLE = 0.7
"""How often a request comes in one read, so that it may go the short way."""
FROZEN_SECONDS = 60.0
LONGEST_TICK = timedelta(seconds=60)


@dataclass
class Outcome:
    """What became of a run."""

    seed: int
    steps: int = 0
    trace: str = ""
    """A digest of all events, and of every signal, incident, page, entry and pull there is at the end."""
    violation: Violation | None = None
    at_step: int = 0
    events: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class Run:
    """One seed's life of an installation."""

    def __init__(self, seed: int, store: Store, world: World, *, steps: int = STEPS) -> None:
        self.seed, self._steps, self._world = seed, steps, world
        self.chance = Chance(seed)
        self.rng = self.chance.rng
        self.time = Time(self.rng.choice(STARTS))
        self.step = 0
        self._store = store
        self._trace = hashlib.sha256()
        self._events: deque[str] = deque(maxlen=SHOWN)
        self._counts: Counter[str] = Counter()

    def play(self) -> Outcome:
        """Play it to its end, or to the first broken promise."""
        self._store.fresh()
        with governed(self.chance, self.time):
            self._build()
            try:
                self._play()
            finally:
                self.chance.quiet = True
                for process in self._all:
                    process.end()
                connections.close_all()  # of this thread, which verifies at the end
        for table in (SIGNALS, INCIDENTS, PAGES, TIMELINES, PULLS):
            self._trace.update(repr(self._store.read(table)).encode())
        found = self.oracle.found
        self._counts["incidents"] = len(self.oracle.incidents)
        self._counts["signals"] = len(self.oracle.signals)
        self._counts["requests taken"] = self.oracle.facts.taken_posts
        self._counts["requests taken at once"] = sum(server.at_once for server in self.servers)
        self._counts["pulls"] = len(self.oracle.levers.rows)
        self._counts.update(f"pulls {pull.state}" for pull in self.oracle.levers.rows.values())
        self._counts.update(self.words.did)
        self._counts["pages"] = len(self.oracle.pages)
        self._counts["pages sent"] = len(self.oracle.facts.sent_since)
        return Outcome(
            self.seed, self.step, self._trace.hexdigest(), found, self.step, list(self._events), self._counts,
            self.chance.struck,
        )  # fmt: skip

    def _build(self) -> None:
        rng = self.rng
        self.monitors = Monitors(rng, self._world.senders, alerts=rng.choice((5, 40, 120, 240)))
        self.providers = Providers(self.chance, self._attempted)
        self.words = Words(random.Random(f"{self.seed} words"), self.time, lambda: self.step)
        self._talks = self.seed >= WORDS_FROM
        if self._talks:
            words.move_to_pagerduty()
        self.oracle = Oracle(self._store, self.monitors, self.providers.taken, self.time, self.words)
        self._hangs = random.Random(f"{self.seed} hangs") if self.seed >= HANGS_FROM else None
        self._ways = random.Random(f"{self.seed} ways")
        beside = rng.random() < 0.6 or self._hangs is not None
        self._haste = rng.choice((0.2, 0.6, 2.0))  # of providers: the slower, the more leases end meanwhile
        levers = self.oracle.levers
        dice = random.Random(f"{self.seed} levers")
        self.targets = levers.targets = Targets(self.chance, dice, self._acts, self._takes_effect)
        present(self.targets)
        self.servers = [Server(f"server-{n}", self.chance) for n in range(rng.choice((1, 2)))]
        self.engines = [
            EngineProcess(f"engine-{n}", self.chance, self.providers, beside=beside)
            for n in range(rng.choice((1, 2, 2)))
        ]
        self.targets.engines = {engine.name: engine for engine in self.engines}
        self.desks = [Desk(f"desk-{n}", self.chance) for n in range(2)]
        self._all: list[Process] = [*self.servers, *self.engines, *self.desks]
        self._underway: dict[str, list[Post]] = {}
        self._coming: dict[str, tuple[Word, int]] = {}
        self._last_commit: Counter[str] = Counter()
        for process in self._all:
            process.worker.line.on_commit = lambda process=process: self._committed(process)  # type: ignore[misc]
            process.start()
        self._say("begin", f"{self.time.now().isoformat()} engines={len(self.engines)} beside={beside}")

    def _play(self) -> None:
        middle = self._steps // 2 if self.rng.random() < 0.3 else 0
        for _ in range(self._steps):
            self.step += 1
            self._one_step()
            if self.step == middle and not self.oracle.found:
                self._quiet_time()
            if self.oracle.found:
                return
        self._quiet_time()
        if not self.oracle.found:
            self._verify()

    # Whose turn it is

    def _one_step(self) -> None:
        choices = [(weight, act) for weight, act in self._choices() if weight > 0]
        acts = [act for _, act in choices]
        self.rng.choices(acts, [weight for weight, _ in choices])[0]()
        self.oracle.after_step(self.step)

    def _choices(self) -> list[tuple[float, Callable[[], None]]]:
        """Everything that can happen now, and how likely it is."""
        paused = [one for one in self._all if one.alive and one.worker.busy]
        servers = [one for one in self.servers if one.idle]
        engines = [one for one in self.engines if one.idle]
        desks = [one for one in self.desks if one.idle]
        wires = [one for one in self.engines if one.alive and one.wire.letters]
        dead = [one for one in self._all if not one.alive]
        return [
            (3.0 * len(paused), lambda: self._turn(self.rng.choice(paused))),
            (1.2, self._speak),
            (3.0 if servers and self.monitors.on_the_way else 0, lambda: self._post(self.rng.choice(servers))),
            (
                (4.0 if self.oracle.due(self.time.now()) else 0.5) * len(engines),
                lambda: self._round(self.rng.choice(engines)),
            ),
            (self._haste * len(wires), lambda: self._arrive(self.rng.choice(wires))),
            (1.2 if desks else 0, lambda: self._act(desks)),
            (1.0 if self._talks else 0, self._say_by_channel),
            (1.2 if desks and self.words.on_the_way else 0, lambda: self._hear_by_channel(desks[0])),
            (
                0.6 if desks and self.words.too_late(self.oracle.incidents.values()) else 0,
                lambda: self._reopen(desks[0]),
            ),
            (1.5, self._tick),
            (0.8 * len(dead), lambda: self._restart(self.rng.choice(dead))),
            (1.0 if self.chance.strikes("clock_jump") else 0, self._jump),
            (1.0 if self.chance.strikes("kill") else 0, self._kill),
        ]

    def _turn(self, process: Process) -> None:
        """Let a process run until it pauses, ends what it does, or dies."""
        if isinstance(process, EngineProcess) and self.time.passed - process.round_passed > FROZEN_SECONDS:
            self.oracle.stalled_at = self.time.passed
        if not process.worker.turn():
            return self._say(process.name, f"{process.doing} …")
        error, outcome = process.worker.error, process.worker.outcome
        if isinstance(error, Crash):
            self._say(process.name, f"{process.doing}: dies")
            return self._dies(process)
        self._say(process.name, f"{process.doing}: {type(error).__name__ if error else outcome}")
        if isinstance(process, Server):
            self._answered(process, error, outcome)
        elif isinstance(process, EngineProcess):
            self._judge_health(process)
        elif process.name in self._coming:
            self._word_answered(process, outcome if error is None else "")
        if isinstance(process, Desk) and error is not None and not _database_trouble(error):
            raise error
        return None

    def _dies(self, process: Process) -> None:
        if isinstance(process, EngineProcess):
            self.providers.engine_died(process)
        if isinstance(process, Server) and process.name in self._underway:
            self._answered(process, Crash(), process.answered)
        self._word_answered(process, "")
        process.die()

    def _restart(self, process: Process) -> None:
        process.start()
        self._say(process.name, "starts")

    def _kill(self) -> None:
        """kill -9 of a process, whatever it does just now."""
        process = self.rng.choice([one for one in self._all if one.alive] or self._all)
        if not process.alive:
            return
        self._say(process.name, f"killed while {process.doing}" if process.worker.busy else "killed")
        if process.worker.busy:
            process.worker.line.dead = True
            while not process.worker.turn():
                pass
        self._dies(process)

    # Signals

    def _speak(self) -> None:
        post = self.monitors.speak(self.time.now())
        if post is not None:
            said = ", ".join(f"{one.alert.fingerprint} {one.status}" for one in post.sayings)
            self._say("monitor", f"post {post.number}: {said}")

    def _post(self, server: Server) -> None:
        posts = self.monitors.take(most=self.rng.choice((1, 1, 4)))
        self._underway[server.name] = posts
        whole = [self._ways.random() < WHOLE for _ in posts]
        server.begin(f"takes posts {[post.number for post in posts]}", lambda: server.take(posts, whole))
        self._turn(server)

    def _answered(self, server: Server, error: BaseException | None, statuses: list[int | None] | None) -> None:
        posts = self._underway.pop(server.name, [])
        if error is not None and not isinstance(error, Crash):
            raise error
        for post, status in zip(posts, statuses or [None] * len(posts), strict=True):
            again = status is not None and self.chance.strikes("duplicate")
            if self.monitors.answered(post, status, again=again):
                self.chance.struck["reorder"] += 1
            if status is not None:
                self.oracle.answered(post.sayings, status)

    # Engines

    def _round(self, engine: EngineProcess) -> None:
        limit = self.rng.choice((2, 10, 100))
        engine.round_began, engine.owes = self.step, False
        engine.round_passed, engine.round_jumps = self.time.passed, self.time.jumps
        engine.begin("goes round", lambda: engine.round(limit))
        self._turn(engine)

    def _judge_health(self, engine: EngineProcess) -> None:
        """Modules may fail where the simulation strikes, and nowhere else."""
        assert engine.engine is not None
        for module, said in engine.engine.failing.items():
            if STRUCK not in said["error"]:
                self.oracle.break_(3, f"the module {module} fails by itself: {said['error']}")

    def _arrive(self, engine: EngineProcess) -> None:
        index = self._answered_now(engine)
        if index is None:
            return self._say(engine.name, "hears nothing: a provider hangs")
        engine.wire.arrive(index)
        engine.owes = True
        return self._say(engine.name, "hears from a provider")

    def _answered_now(self, engine: EngineProcess) -> int | None:
        """Which letter is answered; none if its provider hangs, which it does until another attempt has begun."""
        letters = [attempt for attempt, _ in engine.wire.letters]
        index = self.rng.randrange(len(letters))
        if self._hangs is None or self.chance.quiet:
            return index
        newest = {attempt.key: attempt for attempt in self.providers.attempts}
        late = [place for place, one in enumerate(letters) if one.hangs and newest[one.key] is not one]
        if late:
            self.chance.struck["late_outcome"] += 1
            return late[0]
        return None if letters[index].hangs else index

    def _attempted(self, engine: EngineProcess, message: Message) -> Attempt:
        attempt = Attempt(
            message.key, message.link, message.to, engine.name, self.step, self.time.passed, engine.round_passed, engine.round_jumps,
        )  # fmt: skip
        attempt.about = tuple(one.about.url for one in (message, *message.also) if one.about)
        attempt.hangs = self._hangs is not None and not self.chance.quiet and self._hangs.random() < HANGING
        self.providers.attempts.append(attempt)
        self.oracle.attempted(engine, attempt, self.step, self._last_commit[engine.name])
        return attempt

    def _acts(self, act: str) -> None:
        self.oracle.look(self.step)
        self.oracle.levers.begins(act)

    def _takes_effect(self, act: str) -> None:
        self.oracle.look(self.step)
        self.oracle.levers.takes_effect(act)

    def _committed(self, process: Process) -> None:
        """A transaction of a process went through. Replicas race where each commits while the other is in the middle."""
        self._last_commit[process.name] = self.step
        if process.overtaken:
            self.chance.struck[f"{process.role}s_race"] += 1
            process.overtaken = False
        for other in self._all:
            if other is not process and other.role == process.role and other.worker.busy:
                other.overtaken = True
        self._counts["commits"] += 1
        self.oracle.committed()

    # People and time

    def _act(self, desks: list[Desk]) -> None:
        incidents = [one for one in self.oracle.incidents.values() if one.state != "closed" or self.rng.random() < 0.05]
        phones = [attempt for attempt in self.providers.attempts if attempt.taken]
        at_levers = self.seed >= LEVERS_FROM and self.rng.random() < AT_LEVERS
        pulls = self.oracle.levers.rows.values()
        deed = pullers.choose(self.rng, self._world, incidents, pulls) if at_levers else None
        deed = deed or people.choose(self.rng, self._world, incidents, phones)
        if deed is None:
            return
        if deed.by_link is not None:
            self.words.pressed(deed.by_link.link, words.number_of(deed.by_link.about[0]))
        for desk in desks[: self.rng.choice((1, 1, 2))]:  # two may do the same at once
            desk.begin(f"{deed.what} {deed.incident}", deed.run)
            self._turn(desk)

    def _say_by_channel(self) -> None:
        word = self.words.say(self.providers.attempts)
        if word is not None:
            how = "by link" if word.link else "in PagerDuty"
            self._say("people", f"word {word.number} {how}: {word.name} {word.did} INC-{word.incident}")

    def _hear_by_channel(self, desk: Desk) -> None:
        word = self.words.take()
        self._coming[desk.name] = word, self.step
        desk.begin(f"hears word {word.number}", word.deliver)
        self._turn(desk)

    def _reopen(self, desk: Desk) -> None:
        """Somebody reopens what is spoken of by a word that is still on the way: it was not meant so."""
        one = self.rng.choice(self.words.too_late(self.oracle.incidents.values()))
        deed = people.reopen(self.rng.choice(self._world.responders), one.id)
        desk.begin(f"{deed.what} {one.id}", deed.run)
        self._turn(desk)

    def _word_answered(self, process: Process, outcome: str) -> None:
        word, began = self._coming.pop(process.name, (None, 0))
        if word is not None:
            self.oracle.look(self.step)
            self.words.answered(word, outcome, began, self.oracle.incidents.values())

    def _tick(self) -> None:
        seconds = self.rng.choice((0.01, 1, 1, 5, 5, 31, 65, 200)) if self.rng.random() < 0.98 else 4000
        self.time.forward(timedelta(seconds=seconds))
        self._say("time", f"+{seconds} s")

    def _jump(self) -> None:
        minutes = self.rng.choice((-180, -60, -10, -1, 1, 10, 60))
        self.time.jump(timedelta(minutes=minutes))
        self._say("time", f"jumps by {minutes} min")

    # Quiet

    def _quiet_time(self) -> None:
        """No faults for a while: everything that is due must get done."""
        self.chance.quiet = True
        self._say("quiet", "begins")
        self._finish()
        for process in self._all:
            if not process.alive:
                self._restart(process)
        self._deliver_all()
        self._repair_contact_points()
        self._settle()
        self._take_up_most()
        began = self.time.passed
        seen = len(self.providers.attempts)
        while not self.oracle.found and self.time.passed - began < QUIET.total_seconds():
            self._settle()
            self.time.forward(self._to_next_due())
        self._settle()
        recent = {attempt.key for attempt in self.providers.attempts[seen:] if attempt.taken}
        if not self.oracle.found:
            self.oracle.after_quiet(recent, self.time.now())
        self._say("quiet", "ends")
        self.chance.quiet = False

    def _finish(self) -> None:
        """Let everything that is paused come to its end."""
        while not self.oracle.found and (paused := [one for one in self._all if one.worker.busy]):
            self._turn(self.rng.choice(paused))
            self.oracle.after_step(self.step)

    def _deliver_all(self) -> None:
        """Monitors try until they are answered with 2xx."""
        tries = 0
        while self.monitors.on_the_way and not self.oracle.found:
            self._post(self.servers[0])
            self._finish()
            self.oracle.after_step(self.step)
            tries += 1
            if tries > 1000:
                self.oracle.break_(1, "a server without faults does not take what it is sent")

    def _repair_contact_points(self) -> None:
        """An administrator sees to it that what providers refused works again."""
        desk = self.desks[0]
        desk.begin("repairs contact points", people.repair_contact_points)
        while not desk.worker.turn():
            pass

    def _take_up_most(self) -> None:
        """People take up what waits, but for a few incidents: these must be paged for, and few show that as well."""
        waiting = [one.id for one in self.oracle.incidents.values() if one.awaits]
        for incident in self.rng.sample(waiting, max(0, len(waiting) - LEFT_WAITING)):
            deed = people.take_up(self.rng.choice(self._world.responders), incident)
            self.desks[0].begin(f"{deed.what} {incident}", deed.run)
            self._finish()
            self.oracle.after_step(self.step)

    def _settle(self) -> None:
        """Engines go round until none has anything to do."""
        idle = 0
        for _ in range(200):
            engine = self.rng.choice(self.engines)
            self._round(engine)
            self._finish()
            while engine.wire.letters:
                self._arrive(engine)
            self.oracle.after_step(self.step)
            # What another engine has under its lease is due and cannot be taken yet.
            idle = 0 if engine.worker.outcome else idle + 1
            owed = any(one.owes for one in self.engines)
            if self.oracle.found:
                return
            # Chance may choose one that has nothing to do many times in a row, while another owes what it heard.
            if not owed and (idle > 3 * len(self.engines) or not self.oracle.due(self.time.now())):
                return
        self.oracle.break_(3, "the engines do not come to rest")

    def _to_next_due(self) -> timedelta:
        """How long until something is due; the judge's own look at the tables."""
        now = self.time.now()
        times = [one.next_page_at for one in self.oracle.incidents.values() if one.next_page_at]
        times += [page.due_at for page in self.oracle.pages.values() if page.due_at]
        times += [row.route_at for row in self.oracle.signals.values() if row.route_at]
        times += [pull.due_at for pull in self.oracle.levers.rows.values() if pull.due_at]
        ahead = [at - now for at in times if at > now]
        return min([*ahead, LONGEST_TICK])

    def _verify(self) -> None:
        """The hash chains hold."""
        for incident, broken in verify_all():
            if broken:
                self.oracle.break_(6, f"the timeline of {incident.ref} does not verify: {broken[0].problem}")

    def _say(self, who: str, what: str) -> None:
        event = f"{self.step:>4} {clock.now():%H:%M:%S.%f} {who}: {what}"
        self._events.append(event)
        self._trace.update(event.encode())


def _database_trouble(error: BaseException) -> bool:
    from django.db import Error

    return isinstance(error, Error)
