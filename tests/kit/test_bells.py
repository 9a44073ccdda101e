"""Processes that share one SQLite file ring each other's bells; a dead one's bell is taken down."""

import threading
import time

from andon.kit.sqlite import bells


def hear_in_a_thread(database, heard, done):
    thread = threading.Thread(
        target=bells.listen,
        args=(database, lambda: heard.append(time.monotonic())),
        kwargs={"until": done.is_set, "silence": 0.05},
        daemon=True,
    )
    thread.start()
    return thread


def until(what):
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_ring_reaches_everyone_who_listens_for_that_database_and_nobody_else(tmp_path):
    done, one, two, other = threading.Event(), [], [], []
    mine, elsewhere = str(tmp_path / "a.sqlite3"), str(tmp_path / "b.sqlite3")
    threads = [
        hear_in_a_thread(mine, one, done), hear_in_a_thread(mine, two, done), hear_in_a_thread(elsewhere, other, done)
    ]  # fmt: skip
    until(lambda: one and two and other)  # each hears once when its bell hangs
    bells.ring(mine)
    until(lambda: len(one) == 2 and len(two) == 2)
    assert len(other) == 1
    done.set()
    for thread in threads:
        thread.join(10)


def test_a_bell_without_anybody_is_taken_down(tmp_path):
    database = str(tmp_path / "a.sqlite3")
    bells.ring(database)  # nobody has ever listened
    with bells._hung(database) as bell:
        folder = bells._folder(database)
        (name,) = [entry.name for entry in folder.iterdir()]
        bell.close()  # as a process that is killed does: the file stays
        bells.ring(database)
        assert not (folder / name).exists()
