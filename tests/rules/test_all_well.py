"""`ok` is a sign of life: what a check says with every run that finds nothing wrong counts as a heartbeat, and leaves no signal."""

import asyncio
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction

from andon.engine.auditor import audit
from andon.intake import own
from andon.intake.actions import create_integration
from andon.intake.events import event
from andon.intake.models import Delivery, Signal
from andon.intake.trying import try_signal
from andon.kit import db
from andon.people.policy import Actor
from andon.practice.grouping import SignalStatus
from andon.rules import actions, clockwork, queries
from andon.rules.models import Heartbeat, Rule
from tests.intake.test_asgi import ask, post
from tests.intake.test_overtaken import Asker
from tests.rules.test_clockwork import look, missing

pytestmark = pytest.mark.django_db(transaction=True)
WELL = b'{"id": "nightly", "title": "alive", "status": "ok"}'


@pytest.fixture
def beat(rule):
    return rule("heartbeat", 'signal.title == "alive"', name="Watchdog", every_minutes=5, grace_minutes=1)


@pytest.fixture
def curl(cast):
    made, token = create_integration(slug="curl", name="Curl", kind="generic", by=Actor.operator())
    made.token = token
    return made


def say(sender, body=WELL):
    (answer,) = ask(lambda app: post(app, sender, body))
    assert answer.status == 200


def test_a_check_that_says_ok_with_every_run_is_not_missed_until_it_stays_away(curl, beat, time):
    for _ in range(5):
        say(curl)
        look(time, minutes=5)
    assert queries.last_heard(beat) == time.now() - timedelta(minutes=5)
    assert not missing().exists()
    assert not Signal.objects.exists(), "it leaves no signal"
    look(time, minutes=2)
    assert missing().exists()


def test_one_that_was_missed_ends_by_it(curl, beat, time):
    look(time, minutes=6)
    assert missing().exists()
    say(curl)
    look(time, minutes=1)
    assert not missing().exists()
    assert not audit(time.now()).findings


def test_it_counts_on_the_short_way_and_in_the_other_forms(curl, beat, time):
    async def both(app):
        assert (await post(app, curl, b'{"title": "Errors"}')).status == 200
        asker, headers = Asker(), {"authorization": f"Bearer {curl.token}", "content-type": "application/json"}
        assert app.take_at_once("/intake/generic/curl", b"", headers, WELL, asker)
        return await asyncio.wait_for(asker.answered, 30)

    assert ask(both) == [200]
    assert queries.last_heard(beat) == time.now()

    time.forward(timedelta(minutes=1))
    _, token = create_integration(slug="ce", name="CE", kind="cloudevents", by=Actor.operator())
    said = {"specversion": "1.0", "id": "1", "source": "/jobs", "type": "x.ran", "subject": "n"}
    body = json.dumps(said | {"data": {"status": "ok", "title": "alive"}}).encode()
    (answer,) = ask(lambda app: post(app, body=body, path="/intake/cloudevents/ce", token=token))
    assert (answer.status, queries.last_heard(beat)) == (200, time.now())


def test_only_what_the_rule_is_about_counts_as_its_mappings_leave_it(curl, cast, rule, time):
    one = rule("heartbeat", f'signal.system == "{cast.credit_scorer.slug}"', every_minutes=5)
    say(curl)
    assert queries.last_heard(one) is None
    rule("mapping", 'signal.title == "alive"', set_system=cast.credit_scorer.slug)
    say(curl)
    assert queries.last_heard(one) == time.now()


def test_what_andon_says_itself_and_a_test_signal_are_no_heartbeat(curl, beat, cast, time):
    well = event(fingerprint="stale:1", episode="", status=SignalStatus.RESOLVED, title="alive", passing=True)
    with transaction.atomic():
        own.say(well)
    try_signal(curl, by=Actor.of(cast.omar), body=WELL.decode())
    assert queries.last_heard(beat) is None


def test_a_rule_that_fails_costs_no_signal(curl, beat, time, monkeypatch):
    monkeypatch.setattr(actions, "Book", None)
    say(curl, b'[{"id": "a", "status": "ok"}, {"id": "b", "title": "Errors"}]')
    assert (Signal.objects.get().title, Delivery.objects.get().outcome) == ("Errors", "accepted")


def test_of_a_rule_that_has_ended_or_cannot_be_read_nothing_is_noted(curl, beat, cast, time):
    Rule.objects.filter(pk=beat.pk).update(settings={"from": "another version"})
    say(curl)
    Rule.objects.filter(pk=beat.pk).update(ended_at=time.now())
    say(curl)
    assert Heartbeat.objects.get().heard_at is None


def test_an_engine_that_says_at_that_moment_that_it_is_missing_and_the_intake_wait_for_each_other_once(
    curl, beat, time
):
    """Whoever holds the heartbeat may say something as Andon, and whoever says something may note a heartbeat."""
    look(time, minutes=5)
    time.forward(timedelta(minutes=1))
    held, failures = threading.Event(), []

    def looks():
        try:
            with transaction.atomic():
                list(db.lock(Heartbeat.objects.filter(pk=beat.pk)))
                held.set()
                with suppress(TimeoutError):
                    answered.result(2)  # it has to wait: the time is how long this engine takes
                clockwork.heartbeats_due(time.now(), 100)
        except Exception as error:  # noqa: BLE001  shown below
            failures.append(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        answered = Future()
        running = pool.submit(looks)
        assert held.wait(30)
        say(curl)
        answered.set_result(None)
        running.result(60)
    assert failures == []
    assert queries.last_heard(beat) == time.now()
