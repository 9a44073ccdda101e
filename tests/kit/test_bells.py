"""Processes that share one SQLite file ring each other's bells; a dead one's bell is taken down."""

import threading
import time

from andon.kit.sqlite import bells


def hear_in_a_thread(database, channel, heard, done):
    thread = threading.Thread(
        target=bells.listen,
        args=(database, channel, lambda: heard.append(time.monotonic())),
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


def test_a_ring_reaches_everyone_who_listens_there_and_nobody_else(tmp_path):
    done, one, two, other, third = threading.Event(), [], [], [], []
    mine, elsewhere = str(tmp_path / "a.sqlite3"), str(tmp_path / "b.sqlite3")
    threads = [
        hear_in_a_thread(mine, "engine", one, done), hear_in_a_thread(mine, "engine", two, done),
        hear_in_a_thread(elsewhere, "engine", other, done), hear_in_a_thread(mine, "switch", third, done),
    ]  # fmt: skip
    until(lambda: one and two and other and third)  # each hears once when its bell hangs
    bells.ring(mine, "engine")
    until(lambda: len(one) == 2 and len(two) == 2)
    assert len(other) == len(third) == 1
    done.set()
    for thread in threads:
        thread.join(10)


def test_a_bell_without_anybody_is_taken_down(tmp_path):
    database = str(tmp_path / "a.sqlite3")
    bells.ring(database, "engine")  # nobody has ever listened
    with bells._hung(database, "engine") as bell:
        folder = bells._folder(database, "engine")
        (name,) = [entry.name for entry in folder.iterdir()]
        bell.close()  # as a process that is killed does: the file stays
        bells.ring(database, "engine")
        assert not (folder / name).exists()
