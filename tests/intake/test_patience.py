"""Senders that wait for less than others: they are answered within that, and what they sent is not lost."""

import asyncio
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection

from andon.intake.actions import create_integration
from andon.intake.adapters import adapters
from andon.intake.asgi import WRITE_SECONDS
from andon.intake.at_once import seconds_to_write
from andon.intake.models import Delivery, Signal
from andon.people.policy import Actor
from tests.intake.test_at_once import ENOUGH, Line, request, served

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "what-sentry-signs-with"
ISSUE = b'{"action": "created", "data": {"issue": {"id": "%d", "title": "Issue %d", "level": "error"}}}'


@contextmanager
def somebody_else_writes():
    """The database's turn to write is another connection's until the block ends."""
    other = connection.copy()
    other.inc_thread_sharing()
    with ThreadPoolExecutor(1) as thread:  # Django lets no event loop ask a database
        begin = "BEGIN IMMEDIATE" if other.vendor == "sqlite" else "BEGIN; LOCK TABLE intake_delivery IN EXCLUSIVE MODE"
        thread.submit(lambda: other.cursor().execute(begin)).result()
        try:
            yield
        finally:
            thread.submit(lambda: other.cursor().execute("ROLLBACK")).result()
            thread.submit(other.close).result()


def issue(number):
    body = ISSUE % (number, number)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    told = {"sentry-hook-resource": "issue", "sentry-hook-signature": signature}
    return request("", body, path="/intake/sentry/ours", **told)


@pytest.fixture
def token():
    create_integration(slug="ours", name="Sentry", kind="sentry", secret=SECRET, by=Actor.operator())
    return create_integration(slug="curl", name="Curl", kind="generic", by=Actor.operator())[1]


@pytest.mark.parametrize("known", [True, False], ids=["at once", "the long way"])
def test_sentry_is_told_503_while_others_wait_on_for_the_database_and_its_issue_is_written_once(token, known):
    """Who came before it, and waits for longer, sees the end of it: so no clock says which was sooner."""

    async def story():
        async with served() as (app, port):
            others, ours = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
            try:
                await others.send(request(token))
                assert (await others.answer())[0] == 200
                if known:
                    await ours.send(issue(1))
                    assert (await ours.answer())[0] == 200
                app.ways.clear()
                with somebody_else_writes():
                    await others.send(request(token, b'{"title": "Meanwhile"}'))
                    waiting = asyncio.create_task(others.answer())
                    await ours.send(issue(2))
                    status, headers, told = await ours.answer()
                    assert (status, headers["content-type"]) == (503, "application/problem+json")
                    assert headers["retry-after"]
                    assert told["title"] == "Try again"
                    assert not waiting.done()
                assert (await asyncio.wait_for(waiting, ENOUGH))[0] == 200
                ways = list(app.ways)
                await ours.send(issue(2))  # by hand, say: it is the same again
                assert (await ours.answer())[0] == 200
                return ways
            finally:
                for line in (others, ours):
                    line.writer.close()

    assert asyncio.run(story()) == ["at once", "at once" if known else "called for"]
    mine = Signal.objects.get(title="Issue 2")
    assert (mine.status, Signal.objects.filter(title="Meanwhile").count()) == ("firing", 1)
    assert Delivery.objects.filter(integration__slug="ours", body=ISSUE % (2, 2)).count() == 2
    assert Delivery.objects.filter(integration__slug="ours", outcome="rejected").count() == 0


def test_sentry_is_answered_within_the_second_that_it_waits():
    assert 0 < seconds_to_write(adapters()["sentry"], WRITE_SECONDS) < 1
    assert seconds_to_write(adapters()["alertmanager"], WRITE_SECONDS) == WRITE_SECONDS
