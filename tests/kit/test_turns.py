"""Writers of one SQLite file take turns: none waits long beside a busy one, and a dead one holds nobody up."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from andon.kit.sqlite.turns import TooLong, Turns

HOLD = """
import sys, time
from andon.kit.sqlite.turns import Turns
turns = Turns(sys.argv[1])
turns.take(5)
print("mine", flush=True)
time.sleep(60)
"""


def test_one_at_a_time_in_threads_as_well(tmp_path):
    inside, most, done = 0, 0, []

    def work():
        nonlocal inside, most
        turns = Turns(str(tmp_path / "db"))
        for _ in range(20):
            turns.take(10)
            inside += 1
            most = max(most, inside)
            time.sleep(0.0005)
            inside -= 1
            turns.end()
        turns.close()
        done.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 4
    assert most == 1


def test_whoever_waits_comes_before_the_one_who_has_just_written(tmp_path):
    busy, patient = Turns(str(tmp_path / "db")), Turns(str(tmp_path / "db"))
    order, waiting = [], threading.Event()

    def wait():
        waiting.set()
        patient.take(10)
        order.append("patient")
        patient.end()

    busy.take(10)
    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    time.sleep(0.05)  # it holds the head of the queue by now
    busy.end()
    busy.take(10)
    order.append("busy again")
    busy.end()
    thread.join()
    assert order == ["patient", "busy again"]


def test_a_turn_that_does_not_end_is_said_and_costs_nobody_their_place(tmp_path):
    holder, other = Turns(str(tmp_path / "db")), Turns(str(tmp_path / "db"))
    holder.take(1)
    with pytest.raises(TooLong):
        other.take(0.02)
    holder.end()
    other.take(1)
    other.close()
    holder.take(1)
    holder.close()


def test_a_process_that_is_killed_holds_nobody_up(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "db"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"mine\n"
        other = Turns(str(tmp_path / "db"))
        with pytest.raises(TooLong):
            other.take(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        other.take(5)
        other.close()


WAIT = """
import sys
from andon.kit.sqlite.turns import Turns
turns = Turns(sys.argv[1])
print("comes", flush=True)
turns.take(60)
"""


def test_a_process_that_is_stopped_at_the_head_of_the_queue_holds_nobody_up(tmp_path):
    """As by Ctrl-Z, a debugger or a machine that is put to sleep: it dies not, and its places stay its own."""
    holder, other = Turns(str(tmp_path / "db")), Turns(str(tmp_path / "db"))
    holder.take(1)
    with subprocess.Popen([sys.executable, "-c", WAIT, tmp_path / "db"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"comes\n"
        place = os.open(tmp_path / "db-queue", os.O_RDWR)
        while _is_free(place):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            holder.end()
            other.take(0.5)
            other.close()
        finally:
            os.close(place)
            process.kill()


def _is_free(place):
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(place, fcntl.LOCK_UN)
    return True


@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_stopped_in_its_turn_without_a_transaction_holds_nobody_up():
    from django.db import connection, transaction

    from andon.kit import db
    from andon.people.models import Team

    if not db.is_sqlite():
        pytest.skip("PostgreSQL takes many writers at once")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, connection.settings_dict["NAME"]], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"mine\n"
        os.kill(process.pid, signal.SIGSTOP)
        try:
            connection.settings_dict["OPTIONS"]["timeout"], before = 0.5, connection.settings_dict["OPTIONS"]["timeout"]
            with transaction.atomic():
                Team.objects.create(slug="written", name="Written")
        finally:
            connection.settings_dict["OPTIONS"]["timeout"] = before
            process.kill()


@pytest.mark.django_db(transaction=True)
def test_a_transaction_ends_its_turn_however_it_ends():
    from django.db import connection, transaction

    from andon.kit import db

    if not db.is_sqlite():
        pytest.skip("PostgreSQL takes many writers at once")

    with transaction.atomic():
        other = Turns(connection.settings_dict["NAME"])
        with pytest.raises(TooLong):
            other.take(0.01)
    other.take(0.5)
    other.end()
    with pytest.raises(LookupError), transaction.atomic():
        raise LookupError
    other.take(0.5)
    other.close()
