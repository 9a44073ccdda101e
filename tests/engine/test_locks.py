"""Two versions of Andon on one database: the newer takes a module over, the older leaves it alone, nothing is mixed."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from andon.engine import beats, locks
from andon.engine.loop import Engine, build
from andon.engine.models import ModuleLock
from andon.kit import fence
from andon.kit.clock import FixedClock
from andon.kit.outdated import OUTDATED
from andon.paging.models import Page
from andon.paging.recording import RecordingChannel
from tests.support.cast import Cast
from tests.support.paging import open_incident

NEWER = {**locks.RULES, "escalation": locks.RULES["escalation"] + 1}


def engine(channel: RecordingChannel, rules: object = locks.RULES) -> Engine:
    one = build(find=channel, senders=0, rules=rules)
    one._stand()
    return one


def test_every_module_has_a_version(db: None):
    assert {module.name for module in build(senders=0).modules} == set(locks.RULES)


def test_the_first_engine_takes_every_module_and_the_next_of_its_version_shares_them(db: None):
    assert locks.take(locks.RULES, "one") == {}
    assert locks.take(locks.RULES, "two") == {}
    assert dict(ModuleLock.objects.values_list("module", "version")) == dict(locks.RULES)
    assert set(ModuleLock.objects.values_list("taken_by", flat=True)) == {"one"}


def test_an_older_engine_leaves_a_module_to_the_newer_and_goes_on_with_the_rest(cast: Cast, time: FixedClock):
    old_channel, new_channel = RecordingChannel(), RecordingChannel()
    old = engine(old_channel)
    new = engine(new_channel, NEWER)
    open_incident(cast.credit_scorer, cast.vera)
    old.run_until_idle(time.now())
    assert not Page.objects.exists()  # it found out by itself, in the transaction that would have taken the step
    assert not old.failing
    assert old.left == {"escalation": {"version": 1, "newer": 2}}
    new.modules[1].run_once(time.now(), 100)
    old.run_until_idle(time.now())
    assert [message.to for message in old_channel.attempts] == ["Lena"]  # delivery is still its own
    assert new_channel.attempts == []


def test_what_an_older_engine_has_on_the_wire_is_settled_by_the_newer(cast: Cast, time: FixedClock):
    open_incident(cast.credit_scorer, cast.vera)
    wire = threading.Event()
    channel = RecordingChannel()
    old = build(find=channel, senders=0)
    old._stand()
    newer = {**locks.RULES, "delivery": 2}

    def upgraded_meanwhile(message: object, destination: object) -> object:
        wire.set()
        locks.take(newer, "the newer one")
        return real(message, destination)

    real, channel.answers = channel.answers, upgraded_meanwhile
    old.run_until_idle(time.now())
    assert wire.is_set()
    assert Page.objects.get().state == "sending"  # not written under rules that may have changed
    channel.answers = real
    new = engine(channel, newer)
    time.forward(timedelta(seconds=30))
    new.run_until_idle(time.now())
    assert Page.objects.get().state == "sent"
    assert len({message.key for message in channel.attempts}) == 1
    assert len(channel.attempts) == 2


def test_a_version_is_never_taken_back(db: None):
    locks.take(NEWER, "new")
    assert locks.take(locks.RULES, "old") == {"escalation": 2}
    assert ModuleLock.objects.get(module="escalation").version == 2


def test_it_says_that_an_older_engine_runs_beside_and_that_nobody_is_left(cast: Cast, time: FixedClock):
    old, new = engine(RecordingChannel()), engine(RecordingChannel(), NEWER)
    for one in (new, old):
        one._stand()
        one._beat()
    both = beats.status(time.now(), NEWER)
    assert both.healthy
    assert "older version" in both.sentence
    assert "escalation" in both.sentence
    assert beats.status(time.now()).sentence == OUTDATED  # who asks is old itself
    new._forget()
    alone = beats.status(time.now())
    assert not alone.healthy
    assert alone.undone == ("escalation",)
    assert "Start the newer version" in alone.sentence


@pytest.mark.django_db(transaction=True)
def test_taking_over_waits_for_the_transactions_of_the_old_and_comes_before_their_next(time: FixedClock):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's transactions exclude each other by themselves")
    locks.take(locks.RULES, "old")
    inside, go_on, taken = threading.Event(), threading.Event(), threading.Event()
    refused: list[str] = []

    def in_thread(do: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                do()
            finally:
                connections.close_all()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def old() -> None:
        with transaction.atomic():
            locks.check("escalation", 1)
            inside.set()
            assert go_on.wait(20)
            assert not taken.is_set()
        try:
            with transaction.atomic():
                locks.check("escalation", 1)
        except fence.Closed as closed:
            refused.append(str(closed))

    def new() -> None:
        locks.take(NEWER, "new")
        taken.set()

    first = in_thread(old)
    assert inside.wait(20)
    second = in_thread(new)
    assert not taken.wait(0.3)
    go_on.set()
    first.join(20)
    second.join(20)
    assert taken.is_set()
    with transaction.atomic(), pytest.raises(fence.Closed):
        locks.check("escalation", 1)
    assert refused == ["The rules of escalation are at version 2, and this engine knows version 1."]
