"""A 2xx comes after the flush and not after the commit: batches are written meanwhile, and share one."""

import asyncio
import errno
import shutil
import sqlite3
import threading
import time

import pytest
from django.db import OperationalError, connection, transaction

from andon.intake import writer
from andon.intake.models import Delivery, Signal
from andon.intake.recording import Heard, record
from andon.intake.writer import FLUSHES_AT_ONCE, Writer
from andon.kit import db, ids
from andon.kit.sqlite import file
from andon.kit.sqlite.file import File, copy_log
from tests.intake.test_asgi import ask, elsewhere, post, running, sender  # noqa: F401  a fixture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _embedded():
    if not db.is_sqlite():
        pytest.skip("PostgreSQL brings its commits to disk itself")


class Disk(File):
    """A file whose flush waits until it is let go, and counts.

    Attributes:
        opened_to: A folder into which what is on disk after a flush is copied.
    """

    def __init__(self, copies=None) -> None:
        super().__init__()
        self.go, self.flushes, self._copies = threading.Event(), 0, copies
        self._alone = threading.Lock()

    def sync(self, opened) -> None:
        assert self.go.wait(60)
        super().sync(opened)
        with self._alone:
            self.flushes += 1
            if self._copies:
                for ending in ("", "-wal"):
                    shutil.copy(f"{connection.settings_dict['NAME']}{ending}", self._copies / f"disk{ending}")


class OneSlow(File):
    """A file of which the first flush takes until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.first = threading.Event(), threading.Lock()

    def sync(self, opened) -> None:
        if self.first.acquire(blocking=False):
            assert self.go.wait(60)
        super().sync(opened)


class FirstFails(File):
    """A file of which the first flush fails once it is let go; the others begin when it has."""

    def __init__(self, failing) -> None:
        super().__init__()
        self.go, self.first, self.failed, self._failing = (
            threading.Event(),
            threading.Lock(),
            threading.Event(),
            failing,
        )

    def sync(self, opened) -> None:
        if not self.first.acquire(blocking=False):
            assert self.failed.wait(60)
            super().sync(opened)
            return
        assert self.go.wait(60)
        self._failing.append(True)
        try:
            super().sync(opened)
        finally:
            self._failing.clear()
            self.failed.set()


async def until(what):
    deadline = time.monotonic() + 60
    while not await elsewhere(what):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def test_what_is_committed_and_not_on_disk_is_not_answered_yet(sender):  # noqa: F811
    disk = Disk()

    async def story():
        async with running(Writer(file=disk)) as app:
            first = asyncio.create_task(post(app, sender))
            await until(lambda: Delivery.objects.count() == 1)
            assert not first.done()
            disk.go.set()
            return await first

    assert asyncio.run(story()).status == 200


def test_the_next_batches_are_written_meanwhile_and_share_a_flush(sender):  # noqa: F811
    disk = Disk()

    async def story():
        async with running(Writer(file=disk)) as app:
            waiting = []
            for number in range(6):
                waiting.append(asyncio.create_task(post(app, sender)))
                await until(lambda number=number: Delivery.objects.count() == number + 1)
            disk.go.set()
            return await asyncio.gather(*waiting)

    assert [answer.status for answer in asyncio.run(story())] == [200] * 6
    assert 2 <= disk.flushes <= FLUSHES_AT_ONCE + 1  # those that were under way, and one for all that came meanwhile


def test_what_is_committed_during_a_slow_flush_does_not_wait_for_it(sender):  # noqa: F811
    slow = OneSlow()

    async def story():
        async with running(Writer(file=slow)) as app:
            first = asyncio.create_task(post(app, sender))
            await until(slow.first.locked)
            second = await post(app, sender)
            assert second.status == 200
            assert not first.done()
            slow.go.set()
            return await first

    assert asyncio.run(story()).status == 200


def test_each_thread_that_flushes_has_a_descriptor_of_its_own():
    """The system tells each of them once of what it could not write; of a shared one only the first would hear it."""
    watched = File()
    watched.check()
    record([])
    seen = []

    def look():
        watched.sync(watched.opened)
        seen.append(watched._open_log())
        watched.sync(watched.opened)
        assert watched._open_log() == seen[-1]

    look()

    def look_and_let_go():
        look()
        watched.close()

    thread = threading.Thread(target=look_and_let_go)
    thread.start()
    thread.join(60)
    assert len(set(seen)) == 2
    watched.close()
    connection.close()


def test_whatever_was_answered_is_in_what_was_on_disk_by_then(sender, tmp_path):  # noqa: F811
    """The machine loses power right after an answer: the copy is what a flush left, opened as SQLite recovers it."""
    disk = Disk(copies=tmp_path)
    disk.go.set()
    cut = threading.Lock()

    def left():
        with cut:
            for ending in ("", "-wal"):
                shutil.copy(tmp_path / f"disk{ending}", tmp_path / f"cut{ending}")
            (tmp_path / "cut-shm").unlink(missing_ok=True)
            line = sqlite3.connect(tmp_path / "cut")
            try:
                return {key for (key,) in line.execute("SELECT id FROM intake_delivery")}
            finally:
                line.close()

    async def story():
        async with running(Writer(file=disk)) as app:
            for _ in range(8):
                answers = await asyncio.gather(*(post(app, sender) for _ in range(5)))
                kept = await elsewhere(left)
                assert {answer.body["delivery"].replace("-", "") for answer in answers} <= kept

    asyncio.run(story())


def test_a_flush_that_fails_is_503_and_nothing_is_taken_until_the_log_is_in_the_database(sender, monkeypatch):  # noqa: F811
    failing = [True]
    really = file._flush

    def flush(descriptor):
        if failing:
            raise OSError(errno.EIO, "Input/output error")
        really(descriptor)

    monkeypatch.setattr(file, "_flush", flush)
    writer = Writer()

    async def story():
        async with running(writer) as app:
            first = await post(app, sender)
            assert (first.status, first.headers["retry-after"]) == (503, "2")
            failing.clear()
            return await post(app, sender)

    assert asyncio.run(story()).status == 200
    assert not writer.file._doubtful.is_set()
    assert Delivery.objects.count() == 2  # the first one was written; whoever sent it sends it again


def test_what_was_committed_before_a_flush_failed_is_not_answered_by_a_later_one(sender, monkeypatch):  # noqa: F811
    """The system tells each descriptor once of what it could not write: the next flush says that all is well."""
    failing = []
    really = file._flush
    monkeypatch.setattr(file, "_flush", lambda descriptor: _broken(descriptor) if failing else really(descriptor))
    failed = FirstFails(failing)

    async def story():
        async with running(Writer(file=failed)) as app:
            first = asyncio.create_task(post(app, sender))
            await until(failed.first.locked)
            second = asyncio.create_task(post(app, sender))
            await until(lambda: Delivery.objects.count() == 2)
            failed.go.set()
            before = await asyncio.gather(first, second)
            return [answer.status for answer in [*before, await post(app, sender)]]

    assert asyncio.run(story()) == [503, 503, 200]
    assert Delivery.objects.count() == 3


def test_after_a_failed_flush_nothing_is_appended_behind_what_may_be_a_hole(sender, monkeypatch):  # noqa: F811
    """Somebody who reads keeps the log from beginning anew, though all of it is in the database."""
    monkeypatch.setattr(file, "_flush", _broken)
    checked = File()
    checked.check()
    Delivery.objects.create(integration=sender, body=b"", outcome="accepted")
    with pytest.raises(OperationalError, match="cannot be brought to disk"):
        checked.sync(checked.opened)
    reader = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM intake_signal").fetchone()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    try:
        with pytest.raises(OperationalError, match="not in the database yet"):
            checked.check()
    finally:
        reader.close()
    checked.check()
    assert _pages_in_the_log() == 0
    connection.close()


def test_a_log_that_cannot_be_copied_after_a_failed_flush_keeps_the_door_shut(sender, monkeypatch):  # noqa: F811
    """As while somebody reads an old state of the database for long."""
    monkeypatch.setattr(file, "_flush", _broken)
    checked = File()

    def write():
        checked.check()
        record([])

    write()
    with pytest.raises(OperationalError, match="cannot be brought to disk"):
        checked.sync(checked.opened)
    reader = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM intake_signal").fetchone()
    Delivery.objects.create(integration=sender, body=b"", outcome="accepted")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    try:
        with pytest.raises(OperationalError, match="not in the database yet"):
            checked.check()
    finally:
        reader.close()
        connection.close()
    checked.check()


def _broken(descriptor):
    raise OSError(errno.EIO, f"Input/output error {descriptor}")


def test_another_file_in_its_place_is_noticed_before_anybody_is_told(sender):  # noqa: F811
    watched = File()
    watched.check()
    record([])
    with pytest.raises(OperationalError, match="another file"):
        watched.sync((0, 0))
    connection.close()


def test_a_writers_line_leaves_the_disk_to_the_flush_and_other_lines_do_not():
    def level():
        with connection.cursor() as cursor:
            return cursor.execute("PRAGMA synchronous").fetchone()[0]

    assert level() == file.FULL
    watched = File()
    watched.check()
    assert watched.late
    assert level() == file.NORMAL
    with connection.cursor() as cursor:
        pages, size = (cursor.execute(f"PRAGMA {of}").fetchone()[0] for of in ("wal_autocheckpoint", "page_size"))
    assert size == 8192
    assert file.BYTES_IN_TURN - size < pages * size <= file.BYTES_IN_TURN
    connection.close()
    assert level() == file.FULL  # a new line, which nobody has spoken for
    watched.check()
    assert level() == file.NORMAL
    connection.close()


def test_what_comes_in_one_round_of_the_event_loop_is_one_batch(monkeypatch):
    monkeypatch.setattr(writer, "LOOP_ROUND_SECONDS", 60)
    assert _taken_together(lambda wrote: None) == [20]


def test_an_event_loop_that_is_held_up_holds_up_no_batch():
    def held_up(wrote):
        assert wrote.wait(20)  # nothing else runs in the loop meanwhile

    assert sum(_taken_together(held_up)) == 20


def _taken_together(after):
    """Sizes of the batches of twenty deliveries that come in one round of the event loop, with `after` at its end."""
    sizes, wrote = [], threading.Event()

    def note(batch):
        sizes.append(len(batch))
        wrote.set()
        return False

    def one_round(writing, answers):
        for answer in answers:
            writing.take(Heard(ids.new(), ids.new(), b"", "", []), answer)
            time.sleep(0.002)  # the writer may run
        after(wrote)

    async def come():
        writing = Writer(note)
        writing.start()
        answers = [asyncio.get_running_loop().create_future() for _ in range(20)]
        one_round(writing, answers)
        async with asyncio.timeout(20):
            await asyncio.gather(*answers)
            await writing.stop()

    asyncio.run(come())
    return sizes


def test_the_log_is_copied_and_begins_anew_though_somebody_writes(sender, monkeypatch):  # noqa: F811
    monkeypatch.setattr(file, "BYTES_LEFT", 1)
    ask(*(lambda app: post(app, sender) for _ in range(5)))
    assert _pages_in_the_log() > 1
    thread = threading.Thread(target=_copy_and_hang_up)
    thread.start()
    thread.join(60)
    with transaction.atomic():
        Signal.objects.update(title="written after the log was copied")
    assert _pages_in_the_log() < 10


def _copy_and_hang_up():
    copy_log()
    connection.close()


def _pages_in_the_log():
    with connection.cursor() as cursor:
        return cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]


def test_trouble_with_copying_the_log_is_only_noted(monkeypatch):
    monkeypatch.setattr(file, "BYTES_LEFT", -1)
    monkeypatch.setattr(file, "_flush", _broken)
    copy_log()
    assert Signal.objects.count() == 0
