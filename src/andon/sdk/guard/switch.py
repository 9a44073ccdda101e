"""`Guard`: one system's switch in this process. `mode()` reads what two threads of its own keep up to date."""

import atexit
import logging
import os
import platform
import random
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final
from uuid import uuid4
from weakref import WeakSet

import httpx

from andon.sdk import logs, timing
from andon.sdk.guard.deciding import F, Meter, Who, guarded
from andon.sdk.guard.hearing import FIRST_REST, NOTED, Hearing, client, forget_all, prepare
from andon.sdk.guard.holding import Held, Taken, View
from andon.sdk.guard.keeping import Copy
from andon.sdk.guard.saying import Voice
from andon.sdk.guard.sealing import Forged, Snapshot, Token, unseal
from andon.sdk.guard.words import STALE_MODES, Contained, Mode, Reading

log = logs.of("andon.sdk.guard")

TELL_EVERY: Final = 10.0
"""Seconds after which a process says again what it applies, so that Andon knows that it is still there."""
SPREAD: Final = 0.3
"""Seconds over which a system's processes spread what follows from a new revision: the copy, then the word to Andon.

All hear of it at one moment. What follows must not hold up, on a machine that they share or at Andon, those who have
not heard of it yet; and of those who share a copy one writes it, and the others find it there.
"""
TELL_WITHIN: Final = 5.0
LAST_WORDS: Final = 1.0
"""Seconds that the end of the process may be held up for."""
_OK, _ABOVE = 200, 300

_NEVER: Final = float("-inf")
Changed = Callable[[Reading], None]


class Guard:
    """One system's kill switch in this process; see `andon.guard`, which makes and remembers them.

    Args:
        token: The system's guard token.
        url: Where Andon is, without a path.
        on_stale: What holds until Andon has been heard of for the first time.
        version: Which version of your software this is; Andon shows it beside the replica.
        folder: Where the copy on disk lies; None for no copy.
        background: Whether threads keep it up to date; without them only `take` does.
    """

    def __init__(
        self,
        token: Token | None,
        url: str,
        *,
        system: str = "",
        on_stale: Mode = Mode.SAFE,
        version: str = "",
        folder: Path | None = None,
        background: bool = True,
    ) -> None:
        if on_stale not in STALE_MODES:
            raise ValueError(f"on_stale is one of {', '.join(STALE_MODES)}.")
        self.system = token.system if token else system
        self._voice = Voice(self.system)
        self._token, self._url, self._version = token, url.rstrip("/"), version
        self._clock = timing.since_boot
        self._background = background and token is not None and bool(url)
        self._copy = Copy(folder, self._url, token) if folder and token else None
        self._held = Held.nothing(on_stale)
        self._listeners: list[Changed] = []
        self._applied_at = self._clock()
        self._refused: Snapshot | None = None
        self._begin()
        self._read_copy()
        if self._background:
            self._start()
        _all.add(self)

    def _begin(self) -> None:
        """Afresh, with what is held: at the start, and in a process that was forked."""
        self.instance = f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid4().hex[:12]}"
        self._lock, self._meter = threading.Lock(), Meter(self.system)
        self._closing, self._news, self._heard = threading.Event(), threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._changes: SimpleQueue[Reading | None] = SimpleQueue()
        self._caller: threading.Thread | None = None
        self._unkept: tuple[str, Snapshot] | None = None
        self._asked = self._told = False
        self._view = self._shown()

    # What a guarded system asks

    def mode(self) -> Mode:
        """What the system may do now. A plain read: no lock, no I/O, and it raises nothing."""
        view = self._view
        return view.mode if self._clock() < view.until else self._late()

    def reading(self) -> Reading:
        """Mode, state, revision and limit of one instant."""
        if not self._asked:
            self._ask_first()
        return self._held.reading(self._clock())

    def admits(self, key: str | None = None, reading: Reading | None = None) -> bool:
        """Whether the system decides this request: always while it is on, some of them while it is limited.

        Args:
            key: Whom it is about; of a limited share the same ones are always in. Without it, chance decides.
            reading: One that was taken already; else one is taken now.
        """
        reading = reading or self.reading()
        if reading.limit is not None:
            return self._meter.admits(reading.limit, key)
        return not reading.mode.contains

    def admits_of(self, who: Who, reading: Reading) -> bool:
        """As `admits`, for whoever `who()` says; it is asked only where that matters, and may fail.

        While the system is in service nothing that only a limit needs may break it. Limited, it does not decide about
        those of whom nobody can say who they are.
        """
        if reading.limit is None or reading.limit.share is None or who is None:
            return self.admits(None, reading)
        try:
            key = who()
        except Exception:
            log.exception("%s: whom a request is about could not be said; it is beyond the limit", self.system)
            return False
        return self.admits(key, reading)

    def protect(
        self,
        *,
        off: Callable[..., Any] | None = None,
        safe: Callable[..., Any] | None = None,
        review: Callable[..., Any] | None = None,
        limit: Callable[..., Any] | None = None,
        key: Who = None,
    ) -> Callable[[F], F]:
        """A decorator: the function is called while the system decides, and in each mode what is given for it instead.

        What is given takes the same arguments. `limit` is for requests beyond the limit; without it `safe` answers
        those. Where nothing is given, `Contained` is raised. Functions may be plain or `async`. What is decided is
        whether a call begins; one that runs, or a generator that has begun, is not cut off.

        Args:
            off: Answers while it is switched off.
            safe: The fallback.
            review: Hands it to people.
            limit: Answers what is beyond the limit.
            key: Gives whom a call is about, from its arguments. It is asked while the system is limited to a share.
        """
        given = {Mode.OFF: off, Mode.SAFE: safe, Mode.REVIEW: review, Mode.LIMIT: limit or safe}
        instead = {mode: function for mode, function in given.items() if function is not None}

        def decorate(function: F) -> F:
            return guarded(function, self._held_back, self.system, instead, key)

        return decorate

    def __call__(self, function: F) -> F:
        """As `protect()`: a plain decorator that raises `Contained` unless the system decides."""
        return self.protect()(function)

    def __enter__(self) -> Reading:
        """Go on only while the system decides; raises `Contained` otherwise."""
        reading = self.reading()
        if not self.admits(None, reading):
            raise Contained(self.system, reading)
        return reading

    def __exit__(self, *_: object) -> None:
        """Nothing: what has begun is not cut off."""

    async def __aenter__(self) -> Reading:
        """As `with`: it waits for nothing."""
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        """Nothing, as above."""

    def _held_back(self, who: Who) -> Reading | None:
        reading = self.reading()
        return None if self.admits_of(who, reading) else reading

    def wait(self, seconds: float = 5.0) -> bool:
        """Wait until Andon has been heard, at a start; whether it was. Blocks: not in an event loop."""
        return self._heard.wait(seconds)

    def on_change(self, call: Changed) -> None:
        """Call this, from a thread of the guard's, when Andon's word has changed the mode, or brought a revision.

        The calls wait for each other and hold up nothing else. That `on` has gone stale is not told: nothing comes in.
        """
        self._listeners.append(call)

    def _late(self) -> Mode:
        """The rest of `mode()`: the first time that it is asked, and when `on` has gone stale."""
        if not self._asked:
            self._ask_first()
        view = self._held.view()
        return view.mode if self._clock() < view.until else view.late

    def _ask_first(self) -> None:
        """From now on this process is a replica: it tells Andon what it applies (a parent that only forks does not)."""
        self._asked = True
        if (children := sys.modules.get("multiprocessing.util")) is not None:  # its children end without `atexit`
            children.Finalize(None, self.close, exitpriority=0)
        self._view = self._shown()
        if self._background and not self._threads and not self._closing.is_set():
            self._start()
        self._news.set()

    def _shown(self) -> View:
        """What `mode()` looks at; until it is asked for the first time it shall look further."""
        return self._held.view() if self._asked else View(Mode.ON, _NEVER, Mode.ON)

    # What Andon says

    def take(self, line: str, nonce: str, asked_at: float) -> bool:
        """Take a sealed line that answers the request with this nonce, sent at `asked_at`; whether it was believed."""
        if self._token is None:
            return False
        try:
            snapshot = unseal(self._token.key, line, system=self.system, nonce=nonce)
        except Forged as error:
            self._voice.say(f"A snapshot is refused: {error}", level=logging.ERROR)
            return False
        now = self._clock()
        with self._lock:
            before = self._held.reading(now)
            self._held, taken = self._held.take(snapshot, min(asked_at + snapshot.elapsed, now))
            self._view = self._shown()
            reading = self._held.reading(now)
            if taken is Taken.NEW:
                self._applied_at, self._refused, self._unkept = now, None, (line, snapshot)
        if not taken.refused:
            self._heard.set()
        if taken is Taken.NEW or reading.mode is not before.mode:
            self._tell_all(reading)
            self._news.set()
        elif taken.refused and self._refused != snapshot:
            self._refuse(snapshot)
        if not self._threads:
            self._keep()
        return True

    def _refuse(self, snapshot: Snapshot) -> None:
        """Andon is behind of what it has said itself, as after a restored backup: it should hear of that."""
        held = self._held.snapshot
        if held is None or (self._refused is not None and self._refused.revision == snapshot.revision):
            return
        self._refused = snapshot
        self._voice.say(
            f"Revision {snapshot.revision} is refused, for revision {held.revision} was heard before. "
            "Was Andon's database restored? Set the mode there again.",
            level=logging.ERROR,
        )
        self._news.set()

    def _tell_all(self, reading: Reading) -> None:
        log.warning("%s is now %s (revision %s)", self.system, reading.mode, reading.revision)
        if not self._listeners:
            return
        if not self._background:
            self._call_all(reading)
            return
        if self._caller is None:  # whoever is called may never return: hearing must go on
            self._caller = threading.Thread(target=self._calling, name="andon-guard-calls", daemon=True)
            self._caller.start()
        self._changes.put(reading)

    def _calling(self) -> None:
        changes = self._changes
        while (reading := changes.get()) is not None:
            self._call_all(reading)

    def _call_all(self, reading: Reading) -> None:
        for call in list(self._listeners):
            try:
                call(reading)
            except Exception:
                log.exception("%s: what is called on a change of mode failed", self.system)

    def _keep(self) -> None:
        """Write the copy, if something is new. Not where Andon is heard: a disk that hangs must hold nothing up."""
        with self._lock:
            unkept, self._unkept = self._unkept, None
        if self._copy is None or unkept is None:
            return
        try:
            self._copy.write(*unkept)
        except OSError as error:
            with self._lock:  # a disk that is full now may have room at the next turn
                self._unkept = self._unkept or unkept
            self._voice.say(
                f"The copy {self._copy.path} cannot be written ({error.strerror or error}). "
                "A containment will not outlive a restart while Andon is away.",
                level=logging.ERROR,
            )

    def _read_copy(self) -> None:
        if self._copy is None:
            return
        try:
            snapshot = self._copy.read()
        except (Forged, OSError) as error:
            self._voice.say(f"The copy {self._copy.path} is not believed: {error}", level=logging.ERROR)
            snapshot = None
        if snapshot is not None:
            self._held, _ = self._held.take(snapshot, _NEVER)
        elif (earlier := self._copy.earlier()) is not None and earlier.mode.contains:
            self._held = self._held.told(earlier)
            self._voice.say(
                f"The last word that was kept is {earlier.mode}, sealed for an earlier token. It holds until then"
            )

    # The threads

    def _start(self) -> None:
        with self._lock:
            if self._threads or self._token is None:
                return
            prepare()
            self._hearing = Hearing(self._url, self._token, self.take, self._closing)
            self._threads = [
                threading.Thread(target=self._hearing.run, name="andon-guard-hears", daemon=True),
                threading.Thread(target=self._telling, name="andon-guard-tells", daemon=True),
            ]
        for thread in self._threads:
            thread.start()

    def _telling(self) -> None:
        """Say what is applied: at once when that is new, and now and then so that Andon knows of this process."""
        if self._token is None:
            return
        while not self._closing.is_set():
            try:
                with client(self._token, TELL_WITHIN) as line:
                    self._tell_on(line)
            except Exception:
                log.exception("%s: what is applied could not be told; it is tried again", self.system)
                self._closing.wait(TELL_EVERY)
        self._keep()

    def _tell_on(self, line: httpx.Client) -> None:
        rest = FIRST_REST
        while not self._closing.is_set():
            self._news.wait(TELL_EVERY * random.uniform(0.8, 1.2))  # noqa: S311  so that not all speak at once
            if self._closing.wait(random.uniform(0.0, SPREAD)):  # noqa: S311  as above
                break
            self._news.clear()
            self._keep()
            if not self._asked:
                continue
            if self._tell(line):
                rest = FIRST_REST
            else:
                self._closing.wait(rest)
                rest = min(rest * 2, TELL_EVERY)
                self._news.set()
        self._keep()
        if self._told:
            self._tell(line, ended=True)

    def _tell(self, line: httpx.Client, *, ended: bool = False) -> bool:
        try:
            said = self._acknowledgement(ended=ended)
            answer = line.post(f"{self._url}/guard/{self.system}/replicas", json=said, extensions=NOTED)
        except (httpx.HTTPError, OSError) as error:
            log.debug("%s: what is applied could not be told: %s", self.system, error)
            return False
        self._told = self._told or _OK <= answer.status_code < _ABOVE
        return _OK <= answer.status_code < _ABOVE

    def _acknowledgement(self, *, ended: bool) -> dict[str, Any]:
        """What this process applies now, and for how long; ages in place of times, for clocks differ."""
        with self._lock:
            held, applied_at, refused = self._held, self._applied_at, self._refused
        reading = held.reading(self._clock())
        return {
            "instance": self.instance,
            "host": socket.gethostname()[:200],
            "version": self._version[:80],
            "runtime": f"python {platform.python_version()}",
            "revision": reading.revision,
            "mark": held.snapshot.mark if held.snapshot else "",
            "mode": reading.mode.value,
            "state": reading.state.value,
            "applied_ago": round(max(0.0, self._clock() - applied_at), 3),
            "refused": refused.revision if refused else None,
            "ended": ended,
        }

    def close(self) -> None:
        """Hear nothing more, and tell Andon that this process ends. What holds goes on holding."""
        _close([self])

    def open(self) -> None:
        """Listen again after `close`, as another replica: for an application that is started anew in its process."""
        if self._closing.is_set():
            self._begin()
            if self._background:
                self._start()

    def _hang_up(self) -> threading.Thread | None:
        """Let the threads end; the one that says so to Andon, if there is something to say, and it has not ended."""
        self._closing.set()
        self._news.set()
        self._changes.put(None)
        return self._threads[-1] if self._threads and (self._told or self._unkept) else None


_all: "WeakSet[Guard]" = WeakSet()


def _close(guards: Iterable[Guard]) -> None:
    """Hang up, and wait for the last words, all together for no longer than the end of a process may be held up."""
    speaking = [thread for one in guards if (thread := one._hang_up())]  # noqa: SLF001  its own module
    ends = timing.monotonic() + LAST_WORDS
    for thread in speaking:
        if thread is not threading.current_thread():
            thread.join(max(0.0, ends - timing.monotonic()))


def _close_all() -> None:
    _close(list(_all))


def _after_fork() -> None:
    """In the child: threads, locks and lines are the parent's; what is held is as good here as there."""
    forget_all()
    for guard in list(_all):
        guard._begin()  # noqa: SLF001  its own module


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
