"""What guarded processes hear and say, through the whole ASGI application."""

import asyncio
import json
from datetime import timedelta

import pytest

from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.words import SwitchMode
from andon.sdk.guard.sealing import Token, unseal
from andon.sdk.guard.words import Limit, Mode
from andon.switch import actions, told
from andon.switch.actions import Setting
from andon.switch.asgi import GuardApp
from andon.switch.models import Acknowledgement, Replica
from andon.switch.ofrep import OfrepApp
from tests.support.asgi import Exchange, meanwhile, run, serving

pytestmark = pytest.mark.django_db(transaction=True)

NONCE = "made-up-for-this"


@pytest.fixture
def app():
    """The real router, whose streams speak often."""
    from andon.site.asgi import Router

    router = Router()
    router.guard = GuardApp(beat=0.1)
    router.ofrep = OfrepApp(router.guard)
    return router


@pytest.fixture
def token(cast):
    return Token.read(actions.make_token(cast.credit_scorer, name="production", by=Actor.of(cast.omar)).token)


def switch(cast, mode, reason="Because.", **more):
    return actions.set_mode(cast.credit_scorer, Setting(SwitchMode(mode), reason, **more), by=Actor.of(cast.omar))


async def asked(app, path, token, method="GET", content=b"", **headers):
    """Status, headers and body of one answer."""
    given = {"Authorization": f"Bearer {token.sent if isinstance(token, Token) else token}"} | headers
    exchange = Exchange(app, path, method=method, headers=given)
    exchange._received.get_nowait()
    exchange._received.put_nowait({"type": "http.request", "body": content, "more_body": False})
    status = await exchange.status()
    return status, exchange.headers, await exchange.rest()


async def heard(stream, token, nonce=NONCE):
    """The next snapshot of a stream, unsealed."""
    said = await stream.until("\n\n")
    return unseal(token.key, said.removeprefix("data: "), system="credit-scorer", nonce=nonce)


async def opened(app, token, nonce=NONCE):
    stream = Exchange(
        app, f"/guard/credit-scorer/stream?nonce={nonce}", headers={"Authorization": f"Bearer {token.sent}"}
    )
    assert await stream.status() == 200
    return stream


def test_a_stream_says_what_holds_again_and_again_and_at_once_what_is_new(cast, token, app):
    async def story():
        async with serving(app):
            stream = await opened(app, token)
            first = await heard(stream, token)
            assert (first.revision, first.mode, first.on_stale, first.max_stale) == (1, Mode.ON, Mode.SAFE, 60.0)
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert "no-transform" in stream.headers["cache-control"]
            while (await heard(stream, token)).elapsed == first.elapsed:
                pass
            await meanwhile(switch, cast, "limit", limit=Limit(share=0.1))
            while (found := await heard(stream, token)).revision == 1:
                pass
            assert (found.revision, found.mode, found.limit) == (2, Mode.LIMIT, Limit(share=0.1))
            await stream.hang_up()

    run(story())


def test_a_question_is_answered_with_what_is_so_now(cast, token, app):
    async def story():
        async with serving(app):
            for number, mode in enumerate(["on", "safe", "off"], start=1):
                if number > 1:
                    await meanwhile(switch, cast, mode)
                status, headers, said = await asked(app, f"/guard/credit-scorer?nonce=nonce-number-{number}", token)
                assert (status, headers["cache-control"]) == (200, "no-store")
                found = unseal(token.key, said, system="credit-scorer", nonce=f"nonce-number-{number}")
                assert (found.revision, found.mode) == (number, mode)

    run(story())


def test_who_is_answered_and_how(cast, token, app):
    other = actions.make_token(cast.credit_scorer, name="old", by=Actor.of(cast.omar))
    actions.revoke_token(other.row, by=Actor.of(cast.omar))
    whole = f"{token.sent}.{token.key.decode()}"
    path = f"/guard/credit-scorer?nonce={NONCE}"
    cases = [
        (path, "", "GET", 401, "No guard token that works"),
        (path, "andon_guard.credit-scorer.none", "GET", 401, "No guard token"),
        (path, other.sent, "GET", 401, "No guard token"),
        (path, whole, "GET", 400, "never leaves you"),
        (f"/guard/fraud-detector?nonce={NONCE}", token, "GET", 403, "for credit-scorer alone"),
        ("/guard/credit-scorer", token, "GET", 400, "nonce="),
        ("/guard/credit-scorer?nonce=short", token, "GET", 400, "nonce="),
        (path, token, "POST", 405, "takes GET"),
        ("/guard/credit-scorer/replicas", token, "GET", 405, "takes POST"),
        ("/guard/credit-scorer/else", token, "GET", 404, "Nothing is guarded"),
        ("/guard/", token, "GET", 404, "Nothing"),
    ]

    async def story():
        async with serving(app):
            for where, who, method, status, says in cases:
                found = await asked(app, where, who, method)
                assert (found[0], says in found[2]) == (status, True), (where, found)
                assert whole not in found[2]
        assert (await asked(app, path, token))[0] == 503

    run(story())


def test_a_revoked_token_ends_its_streams_and_no_others(cast, token, app):
    minted = actions.make_token(cast.credit_scorer, name="second", by=Actor.of(cast.omar))

    async def story():
        async with serving(app):
            kept, ended = await opened(app, token), await opened(app, Token.read(minted.token))
            await meanwhile(actions.revoke_token, minted.row, by=Actor.of(cast.omar))
            await ended.rest()
            await heard(kept, token)
            await kept.hang_up()

    run(story())


def test_a_revoked_token_is_refused_from_the_next_look_on_though_it_was_known(cast, token, app):
    minted = actions.make_token(cast.credit_scorer, name="second", by=Actor.of(cast.omar))
    second, path = Token.read(minted.token), f"/guard/credit-scorer?nonce={NONCE}"

    async def story():
        async with serving(app):
            assert (await asked(app, path, second))[0] == 200
            until, found = app.guard._doors[minted.row.digest]
            app.guard._doors[minted.row.digest] = (until + 3600, found)  # else it would be forgotten by itself
            await meanwhile(actions.revoke_token, minted.row, by=Actor.of(cast.omar))
            while (await asked(app, path, second))[0] != 401:
                pass  # each answer comes with a look
            assert (await asked(app, path, token))[0] == 200

    run(story())


def test_whoever_sets_it_is_answered_once_the_streams_of_the_process_have_spoken(cast, token, app, monkeypatch):
    monkeypatch.setattr(told, "MOMENT", 60)

    async def story():
        async with serving(app):
            stream = await opened(app, token)
            await heard(stream, token)
            await meanwhile(switch, cast, "off")
            said = "".join(message["body"].decode() for message in list(stream.sent._queue))
            assert '"mode":"off"' in said
            await stream.hang_up()
            await meanwhile(switch, cast, "safe")  # and nobody is waited for who has gone

    run(story())


def test_streams_end_with_the_server_and_there_are_only_so_many(cast, token, app):
    app.guard._most = 1

    async def story():
        async with serving(app):
            stream = await opened(app, token)
            status, headers, says = await asked(app, f"/guard/credit-scorer/stream?nonce={NONCE}", token)
            assert (status, headers["retry-after"]) == (503, "5")
            assert "Ask once a second" in says
        await stream.rest()

    run(story())


def test_a_stream_ends_by_itself_after_a_while(cast, token, app):
    app.guard._lasts = 0.3

    async def story():
        async with serving(app):
            stream = await opened(app, token)
            assert (await stream.rest()).count("data: ") >= 2

    run(story())


def test_while_the_database_is_away_nothing_is_said(cast, token, app, monkeypatch):
    from django.db import OperationalError

    from andon.switch import asgi, board

    monkeypatch.setattr(asgi, "TOO_OLD", 0.3)

    def away(*_):
        raise OperationalError("away")

    async def story():
        async with serving(app):
            stream = await opened(app, token)
            await heard(stream, token)
            monkeypatch.setattr(board, "look", away)
            await asyncio.sleep(0.5)
            await stream.silent_for(0)
            stream.body = ""
            assert await stream.silent_for(0.4) == ""
            status, _, says = await asked(app, f"/guard/credit-scorer?nonce={NONCE}", token)
            assert (status, "cannot be reached" in says) == (503, True)
            monkeypatch.undo()
            assert (await heard(stream, token)).mode is Mode.ON
            await stream.hang_up()

    run(story())


def said(**given):
    facts = {
        "instance": "one:17:abc", "host": "one", "version": "v7", "runtime": "python 3.11", "revision": 1, "mark": "m",
        "mode": "on", "state": "live", "applied_ago": 0.5, "refused": None, "ended": False,
    } | given  # fmt: skip
    return json.dumps(facts).encode()


def test_what_a_process_says_is_kept_once_it_is_answered(cast, token, app, time):
    async def tell(**given):
        status, _, says = await asked(app, "/guard/credit-scorer/replicas", token, "POST", said(**given))
        assert (status, says) == (204, "")

    async def story():
        async with serving(app):
            await asyncio.gather(*(tell(instance=f"number {n}") for n in range(30)), tell(), tell(host="one\x00\n!"))
            time.forward(timedelta(seconds=5))
            await tell(revision=2, mode="safe", applied_ago=2)
            await tell(revision=2, mode="safe", applied_ago=12, ended=True)

    run(story())
    assert Replica.objects.count() == 31
    one = Replica.objects.get(instance="one:17:abc")
    assert (one.host, one.revision, one.mode, one.ended_at) == ("one", 2, "safe", clock.now())
    assert one.heard_at == clock.now()
    assert list(Acknowledgement.objects.filter(replica=one).values_list("number", flat=True)) == [2, 1]
    assert Acknowledgement.objects.get(replica=one, number=2).applied_at == clock.now() - timedelta(seconds=2)


@pytest.mark.parametrize(
    "given",
    [
        b"", b"[]", b"{", said(mode="x"), said(state="x"), said(revision=-1), said(revision=2**60), said(instance=""),
        said(instance="x" * 121), said(applied_ago=-1), said().replace(b"0.5", b"NaN"), said(host=7), b"x" * 10_000,
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(cast, token, app, given):
    async def story():
        async with serving(app):
            status, _, says = await asked(app, "/guard/credit-scorer/replicas", token, "POST", given)
            assert status in {400, 413}, says

    run(story())
    assert not Replica.objects.exists()
