"""Batches are decided before it is their turn to write: whoever is overtaken meanwhile decides again, and nothing is lost."""

import fcntl
import os
import threading
import time

import pytest
from django.db import connection, transaction

from andon.intake.events import event
from andon.intake.models import Integration, Signal
from andon.intake.own import end_quiet
from andon.intake.recording import Heard, record
from andon.kit import clock, db, ids
from andon.practice.grouping import SignalStatus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

EARLY, LATE = "2026-03-02T03:00:00+00:00", "2026-03-02T05:00:00+00:00"


@pytest.fixture
def sender():
    return Integration.objects.create(slug="prometheus", name="Prometheus", kind="alertmanager", token_digest="x")


def fires(episode=EARLY, fingerprint="a", **facts):
    return event(fingerprint=fingerprint, episode=episode, status=SignalStatus.FIRING, **{"title": "Errors", **facts})


def ends(episode=EARLY, fingerprint="a"):
    return event(fingerprint=fingerprint, episode=episode, status=SignalStatus.RESOLVED, title="Errors")


def say(sender, *events):
    return record([Heard(ids.new(), sender.pk, b"{}", "application/json", list(events))])


def overtaken(sender, *events, by):
    """Say something, while somebody else, whose turn it is, does something that is committed before one's own turn."""
    failures = []

    def speak():
        try:
            say(sender, *events)
        except BaseException as error:  # noqa: BLE001  shown below
            failures.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=speak)
    with transaction.atomic():
        if not db.is_sqlite():  # there the one who is waited for holds the sender
            list(db.lock_for_writers(Integration.objects.filter(pk=sender.pk)).values_list("pk"))
        by()
        thread.start()
        if db.is_sqlite():
            _until_somebody_waits_for_the_turn()
    thread.join(60)
    assert not thread.is_alive()
    assert failures == []


def _until_somebody_waits_for_the_turn():
    """Whoever waits holds the head of the queue; by then its batch is decided."""
    place = os.open(f"{connection.settings_dict['NAME']}-queue", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            fcntl.flock(place, fcntl.LOCK_UN)
            time.sleep(0.002)
        raise AssertionError("nobody came")
    finally:
        os.close(place)


def told():
    return [
        (signal.status, signal.episode, signal.count, signal.dedup_reason)
        for signal in Signal.objects.order_by("first_at", "pk")
    ]


def test_what_two_hear_first_at_once_is_one_signal_and_both_count(sender):
    overtaken(sender, fires(), by=lambda: say(sender, fires()))
    assert told() == [("firing", EARLY, 2, "first_heard")]


def test_repeats_of_two_are_both_counted_and_the_worse_severity_stays(sender):
    say(sender, fires(severity_hint=4))
    overtaken(sender, fires(severity_hint=3), by=lambda: say(sender, fires(severity_hint=2), fires(severity_hint=4)))
    assert told() == [("firing", EARLY, 4, "first_heard")]
    assert Signal.objects.get().severity_hint == 2


def test_a_repeat_that_is_overtaken_by_the_end_is_late(sender):
    say(sender, fires())
    overtaken(sender, fires(), by=lambda: say(sender, ends()))
    assert told() == [("resolved", EARLY, 1, "ended")]


def test_a_beginning_that_is_overtaken_by_its_own_end_opens_nothing(sender):
    overtaken(sender, fires(), by=lambda: say(sender, ends()))
    assert told() == [("resolved", EARLY, 0, "nothing_open")]


def test_an_end_that_is_overtaken_by_its_beginning_ends_it(sender):
    overtaken(sender, ends(), by=lambda: say(sender, fires()))
    assert told() == [("resolved", EARLY, 1, "ended")]


def test_an_end_that_is_overtaken_by_the_next_firing_does_not_end_that_one(sender):
    say(sender, fires())
    overtaken(sender, ends(EARLY), by=lambda: say(sender, ends(EARLY), fires(LATE)))
    assert told() == [("resolved", EARLY, 1, "ended"), ("firing", LATE, 1, "new_episode")]


def test_the_next_firing_that_is_overtaken_by_itself_is_one(sender):
    say(sender, fires(), ends())
    overtaken(sender, fires(LATE), by=lambda: say(sender, fires(LATE)))
    assert told() == [("resolved", EARLY, 1, "ended"), ("firing", LATE, 2, "new_episode")]


def test_a_repeat_of_what_counted_as_quiet_meanwhile_is_a_new_signal(sender):
    say(sender, fires(""))
    quiet = Signal.objects.get()
    overtaken(sender, fires(""), by=lambda: end_quiet(quiet, clock.now()))
    assert told() == [("resolved", "", 1, "gone_quiet"), ("firing", "", 1, "no_episode")]


def test_of_a_large_batch_everything_is_decided_again(sender):
    many = [fires(fingerprint=str(number)) for number in range(300)]
    say(sender, *many[:150])
    overtaken(sender, *many, by=lambda: say(sender, *many[140:160]))
    counts = dict(Signal.objects.values_list("fingerprint", "count"))
    assert len(counts) == 300
    assert {int(key) for key, count in counts.items() if count == 3} == set(range(140, 150))
    assert {int(key) for key, count in counts.items() if count == 2} == {*range(140), *range(150, 160)}


def test_writers_without_end_at_the_same_alerts_lose_none(sender):
    writers, rounds, alerts = 4, 15, 12
    failures = []

    def write(number):
        try:
            for turn in range(rounds):
                say(sender, *[fires(fingerprint=str((turn + number + n) % alerts)) for n in range(6)])
        except BaseException as error:  # noqa: BLE001  shown below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert failures == []
    assert sum(Signal.objects.values_list("count", flat=True)) == writers * rounds * 6
    assert Signal.objects.count() == alerts
