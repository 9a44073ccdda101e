"""Writers of one SQLite file take turns: none waits long beside a busy one, and a dead one holds nobody up."""

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
