"""The group commit: one thread writes what many requests brought, in one transaction.

They are answered when it is on disk. While one batch is being flushed the next one gathers and is written, so the batch
grows with the load: it is waited for what the event loop has before it already, and for no timer. What cannot be
written now is refused with `Unavailable` (503: the sender tries again); never is anything answered as taken that is not
on disk.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeAlias

import structlog
from django.db import DataError, IntegrityError, connection
from django.db import Error as DatabaseProblem

from andon.intake import recording
from andon.intake.recording import Heard
from andon.kit import db
from andon.kit.sqlite.file import File, Identity, copy_log

log = structlog.get_logger(__name__)

MAX_BATCH = 512  # deliveries in one transaction
MAX_BATCH_EVENTS = 5_000
MAX_WAITING = 8_192  # deliveries
MAX_WAITING_BYTES = 64 * 1024 * 1024
MAX_UNFLUSHED = 2_048  # deliveries that are committed and not on disk yet
LOOP_ROUND_SECONDS = 0.005  # at most, should something hold the event loop up
FLUSHES_AT_ONCE = 3  # of one process: what is committed meanwhile need not wait for the end of one that is slow
COPY_LOG_EVERY = 24 * 1024 * 1024  # bytes of bodies and signals, roughly
BYTES_OF_A_SIGNAL = 1_500
TRIES_AFTER_A_RACE = 5
TOO_BUSY = "The database is busy."
BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)

Record: TypeAlias = Callable[[Sequence[Heard]], bool]


class Unavailable(Exception):  # noqa: N818  reads as what it is
    """It cannot be written now; the sender should try again in a moment."""


class Unstorable(Exception):  # noqa: N818  as above
    """This one delivery cannot be written, while others can: something in it the database does not take."""


class Answer(Protocol):
    """Where a sender waits; told in its own event loop. A future is one."""

    def done(self) -> bool:
        """Whether nobody waits there any more."""

    def set_result(self, result: None, /) -> object:
        """It is on disk."""

    def set_exception(self, exception: Exception, /) -> object:
        """It is not: `Unavailable` or `Unstorable`."""


class _Waiting:
    """A delivery in the queue, and where its sender waits."""

    __slots__ = ("answer", "heard", "loop")

    def __init__(self, heard: Heard, loop: asyncio.AbstractEventLoop, answer: Answer) -> None:
        self.heard, self.loop, self.answer = heard, loop, answer


class Writer:
    """The one thread of this process that writes deliveries.

    Attributes:
        record: Writes a batch in one transaction; `recording.record` but in tests.
        file: The embedded database's file, which is brought to disk after the commit.
    """

    def __init__(self, record: Record = recording.record, file: File | None = None) -> None:
        self.record = record
        self.file = file or File()
        self._flusher = _Flusher(self.file)
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._state = threading.Condition()
        self._stopping = False
        self._down = False
        self._round_over = False
        self._stopped: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, name="intake-writer", daemon=True)

    def start(self) -> None:
        """Start the threads."""
        self._flusher.start()
        self._thread.start()

    async def stop(self) -> None:
        """Take nothing more, write what was taken, end the thread."""
        with self._state:
            self._stopping = True
            self._state.notify()
        await asyncio.wrap_future(self._stopped)

    async def write(self, heard: Heard) -> None:
        """Return once the delivery is on disk; raises `Unavailable` or `Unstorable`."""
        answer = asyncio.get_running_loop().create_future()
        self.take(heard, answer)
        await answer

    def take(self, heard: Heard, answer: Answer) -> None:
        """As `write`, for somebody who is told: in the running event loop, and not before this has returned.

        Raises `Unavailable` at once, and tells nobody, where it is not even taken into the queue.
        """
        waiting = _Waiting(heard, asyncio.get_running_loop(), answer)
        size = len(heard.body)
        with self._state:
            if self._down or self._stopping:
                raise Unavailable("The database cannot be reached." if self._down else "Andon is stopping.")
            if len(self._queue) >= MAX_WAITING or self._bytes + size > MAX_WAITING_BYTES:
                raise Unavailable("More signals are coming in than can be written.")
            self._queue.append(waiting)
            self._bytes += size
            if len(self._queue) == 1:
                self._state.notify()

    def _run(self) -> None:
        try:
            while self._wait():
                self._write(self._take())
        finally:
            with self._state:
                self._stopping = True
            self._refuse_waiting("Andon is stopping.")
            self._flusher.stop()  # its log is there as long as this connection
            connection.close()
            self._stopped.set_result(None)

    def _wait(self) -> bool:
        """Wait for deliveries; whether there are any, and not only time to stop."""
        with self._state:
            while not self._queue and not self._stopping:
                self._state.wait()
            if not self._stopping:
                self._let_more_come()
            return bool(self._queue)

    def _take(self) -> list[_Waiting]:
        """What is there, within bounds."""
        with self._state:
            batch: list[_Waiting] = []
            events = 0
            while self._queue and len(batch) < MAX_BATCH and events < MAX_BATCH_EVENTS:
                waiting = self._queue.popleft()
                self._bytes -= len(waiting.heard.body)
                events += len(waiting.heard.events)
                batch.append(waiting)
            return batch

    def _let_more_come(self) -> None:
        """Wait until the event loop has read what lies there already: a batch costs more than what is in it.

        Both would only take Python's lock from each other. Called with the state held.
        """
        self._round_over = False
        with suppress(RuntimeError):  # the loop is closed: nothing more comes
            self._queue[0].loop.call_soon_threadsafe(self._end_round)
            self._state.wait_for(lambda: self._round_over or self._stopping, LOOP_ROUND_SECONDS)

    def _end_round(self) -> None:
        with self._state:
            self._round_over = True
            self._state.notify()

    def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            self._record_deciding_again([waiting.heard for waiting in batch])
        except Exception as error:  # noqa: BLE001  every sender must get an answer, whatever went wrong
            self._failed(batch, error)
        else:
            if self.file.late:
                self._flusher.flush(batch, self.file.opened)
            else:
                _answer(batch, None)

    def _record_deciding_again(self, batch: Sequence[Heard]) -> bool:
        """Write; if another replica was quicker with a fingerprint, decide the whole batch again."""
        self.file.check()
        for _ in range(TRIES_AFTER_A_RACE):
            try:
                return self.record(batch)
            except DatabaseProblem as error:
                if not db.lost_a_race(error):
                    raise
        return self.record(batch)

    def _failed(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Tell a database that is away from a delivery that cannot be stored; isolate the latter."""
        if isinstance(error, DatabaseProblem) and not isinstance(error, DataError | IntegrityError):
            log.warning("intake.unavailable", deliveries=len(batch), error=str(error))
            _answer(batch, Unavailable("The database is busy or cannot be reached."))
            self._recover()
        elif len(batch) > 1:
            for waiting in batch:
                self._write([waiting])
        else:
            log.error("intake.unstorable", delivery=str(batch[0].heard.delivery), exc_info=error)
            _answer(batch, Unstorable(str(error)))

    def _recover(self) -> None:
        """Refuse at once, in place of letting senders wait, until the database answers again."""
        with self._state:
            self._down = True
        tries = 0
        while not self._database_answers():
            self._refuse_waiting("The database cannot be reached.")
            with self._state:
                if self._stopping:
                    return
                self._state.wait(BACKOFF_SECONDS[min(tries, len(BACKOFF_SECONDS) - 1)])
            tries += 1
        with self._state:
            self._down = False

    def _database_answers(self) -> bool:
        """Whether a connection, made anew if the old one is broken, answers."""
        try:
            self.file.check()
            connection.close_if_unusable_or_obsolete()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseProblem:
            connection.close()
            return False
        return True

    def _refuse_waiting(self, why: str) -> None:
        with self._state:
            refused = list(self._queue)
            self._queue.clear()
            self._bytes = 0
        _answer(refused, Unavailable(why))


class _Flusher:
    """The threads that bring to disk what was committed, and answer it: many batches by one flush, if they wait.

    They take no turn at the database, so that the next batch is written meanwhile, and what is committed while one of
    them flushes does not wait for the end of that. Without threads (before `start`, and in a simulation) whoever brings
    a batch waits for the disk.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._queue: deque[tuple[Sequence[_Waiting], Identity | None]] = deque()
        self._waiting = 0
        self._state = threading.Lock()
        self._more = threading.Condition(self._state)  # one for each side: each batch would wake all threads
        self._room = threading.Condition(self._state)
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"intake-flusher-{number}", daemon=True)
            for number in range(FLUSHES_AT_ONCE)
        ]
        self._copier: ThreadPoolExecutor | None = None
        self._copying: Future[None] | None = None
        self._uncopied = 0

    def start(self) -> None:
        """Start the threads."""
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="intake-log-copier")
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Flush and answer what is waiting, and end."""
        if self._copier is None:
            return
        with self._state:
            self._stopping = True
            self._more.notify_all()
        for thread in self._threads:
            thread.join()
        self._copier.submit(_hang_up)
        self._copier.shutdown()

    def flush(self, batch: Sequence[_Waiting], opened: Identity | None) -> None:
        """See to it that a batch that was committed to a file is answered once it is on disk."""
        if self._copier is None:
            self._settle([batch], opened)
            return
        with self._state:
            while self._waiting > MAX_UNFLUSHED:
                self._room.wait()
            self._queue.append((batch, opened))
            self._waiting += len(batch)
            self._more.notify()

    def _run(self) -> None:
        try:
            while taken := self._take():
                self._settle(*taken)
        finally:
            self._file.close()

    def _take(self) -> tuple[list[Sequence[_Waiting]], Identity | None] | None:
        """Wait for batches and take all that went to the same file; None when it is time to stop."""
        with self._state:
            while not self._queue and not self._stopping:
                self._more.wait()
            if not self._queue:
                return None
            batches, opened = [], self._queue[0][1]
            while self._queue and self._queue[0][1] == opened:
                batches.append(self._queue.popleft()[0])
            self._waiting -= sum(map(len, batches))
            self._room.notify()
            return batches, opened

    def _settle(self, batches: Sequence[Sequence[_Waiting]], opened: Identity | None) -> None:
        """One flush for all that was committed before it begins."""
        error: Exception | None = None
        try:
            self._file.sync(opened)
        except Exception:
            log.exception("intake.not_flushed", deliveries=sum(map(len, batches)))
            error = Unavailable("What was written could not be brought to disk.")
        together = [waiting for batch in batches for waiting in batch]
        _answer(together, error)
        self._copy_log(together)

    def _copy_log(self, written: Sequence[_Waiting]) -> None:
        """Have the log copied into the database now and then, in a thread of its own, since it may take long."""
        size = sum(len(one.heard.body) + BYTES_OF_A_SIGNAL * len(one.heard.events) for one in written)
        with self._state:
            self._uncopied += size
            idle = self._copying is None or self._copying.done()
            if self._copier is not None and idle and self._uncopied > COPY_LOG_EVERY:
                self._uncopied = 0
                self._copying = self._copier.submit(copy_log)


def _hang_up() -> None:
    """Close the connection of the thread that runs this."""
    connection.close()


def _answer(batch: Sequence[_Waiting], error: Exception | None) -> None:
    """Let the senders go on, in their own event loops: one call a loop, however many wait."""
    loops: dict[asyncio.AbstractEventLoop, list[Answer]] = {}
    for waiting in batch:
        loops.setdefault(waiting.loop, []).append(waiting.answer)
    for loop, answers in loops.items():
        try:
            loop.call_soon_threadsafe(_set, answers, error)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.info("intake.nobody_waits", deliveries=len(answers))


def _set(answers: Sequence[Answer], error: Exception | None) -> None:
    for answer in answers:
        if answer.done():  # the sender is gone
            continue
        try:
            if error is None:
                answer.set_result(None)
            else:
                answer.set_exception(error)
        except Exception:  # it is one sender's trouble: the others of the batch are told all the same
            log.exception("intake.not_told")
