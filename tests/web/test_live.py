"""The event streams, through the whole ASGI application where it matters."""

import asyncio

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from andon.incidents import actions
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.web.live import LiveApp
from tests.support import scenes
from tests.support.asgi import Exchange, meanwhile, run, serving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cookie(signed_in):
    """The Cookie header of a browser in which a person has signed in."""

    def make(person: Person) -> dict[str, str]:
        return {"Cookie": f"theme=x; {settings.SESSION_COOKIE_NAME}={signed_in(person).session.session_key}"}

    return make


@pytest.fixture
def app():
    """The real router with the streams looking often."""
    from andon.site.asgi import Router

    router = Router()
    router.live = LiveApp(look_every=0.05, check_every=0.2, heartbeat=0.3)
    return router


def test_an_incidents_stream_says_when_it_changed_and_the_lamps_too(cast, cookie, app):
    incident = scenes.declared(cast)
    headers = cookie(cast.vera)

    async def story():
        async with serving(app):
            stream = Exchange(app, f"/live/incidents/{incident.number}", headers=headers)
            assert await stream.status() == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            await stream.until("retry: ")
            await meanwhile(actions.add_note, incident, text="v6 is back", by=Actor.of(cast.lena))
            said = await stream.until("data: 2\n\n")
            assert "event: lamps\ndata: " in said
            assert "event: incident\nid: 2\n" in said
            assert "v6" not in said  # a stream says that, never what
            assert "event" not in await stream.silent_for(0.2)  # and once
            await stream.hang_up()

    run(story())


def test_the_stream_of_a_list_hears_of_the_lamps_alone(cast, cookie, app):
    incident = scenes.declared(cast)
    headers = cookie(cast.vera)

    async def story():
        async with serving(app):
            stream = Exchange(app, "/live/", headers=headers)
            assert await stream.status() == 200
            await stream.until("retry: ")
            await meanwhile(actions.add_note, incident, text="x", by=Actor.of(cast.lena))
            assert "event: lamps" in await stream.until("data: ")
            assert "event: incident" not in await stream.silent_for(0.2)
            await stream.hang_up()

    run(story())


def test_silence_is_broken_by_a_comment(cast, cookie, app):
    headers = cookie(cast.vera)

    async def story():
        async with serving(app):
            stream = Exchange(app, "/live/", headers=headers)
            assert await stream.status() == 200
            await stream.until(": still here")
            await stream.until(": still here")
            await stream.hang_up()

    run(story())


def test_what_happened_between_a_page_and_its_stream_is_made_up_for(cast, cookie, app):
    incident = scenes.acknowledged(cast)
    count = incident.timeline.count()
    headers = cookie(cast.vera)

    async def story():
        async with serving(app):
            url = f"/live/incidents/{incident.number}"
            for path, more in [(f"{url}?seen={count - 1}", {}), (f"{url}?seen={count}", {"Last-Event-ID": "1"})]:
                late = Exchange(app, path, headers=headers | more)
                assert await late.status() == 200
                assert "event: incident" in await late.until(f"data: {count}\n\n")
                await late.hang_up()
            present = Exchange(app, f"{url}?seen={count}", headers=headers)
            assert await present.status() == 200
            assert "event" not in await present.silent_for(0.2)
            await present.hang_up()

    run(story())


def test_who_is_answered_and_how(cast, cookie, app):
    open_one = scenes.declared(cast)
    secret = scenes.declared(cast, "Secret", restricted=True)
    own = scenes.declared(cast, "Own", by=Actor.of(cast.rui), system=None)
    cases = [
        (None, "/live/", 401),
        ({"Cookie": "sessionid=nonsense"}, f"/live/incidents/{open_one.number}", 401),
        (cookie(cast.vera), f"/live/incidents/{open_one.number}", 200),
        (cookie(cast.vera), f"/live/incidents/{secret.number}", 404),
        (cookie(cast.sam), f"/live/incidents/{secret.number}", 404),
        (cookie(cast.omar), f"/live/incidents/{secret.number}", 200),
        (cookie(cast.nadia), f"/live/incidents/{secret.number}", 200),
        (cookie(cast.rui), f"/live/incidents/{open_one.number}", 404),
        (cookie(cast.rui), f"/live/incidents/{own.number}", 200),
        (cookie(cast.vera), "/live/incidents/99999", 404),
        (cookie(cast.vera), "/live/elsewhere", 404),
    ]

    async def story():
        async with serving(app):
            for headers, path, status in cases:
                exchange = Exchange(app, path, headers=headers)
                assert await exchange.status() == status, path
                if status == 200:
                    await exchange.hang_up()
                else:
                    assert (await exchange.rest()).strip()
            post = Exchange(app, "/live/", method="POST", headers=cases[2][0])
            assert await post.status() == 405

    run(story())


def test_a_restricted_incident_gives_no_sign_to_whoever_may_not_see_it(cast, cookie, app):
    secret = scenes.declared(cast, "Secret", restricted=True)
    stranger, owner, reporter = cookie(cast.sam), cookie(cast.omar), cookie(cast.rui)

    async def story():
        async with serving(app):
            streams = [Exchange(app, "/live/", headers=headers) for headers in (stranger, owner, reporter)]
            for stream in streams:
                assert await stream.status() == 200
                await stream.until("retry: ")
            await meanwhile(actions.add_note, secret, text="x", by=Actor.of(cast.lena))
            await streams[1].until("event: lamps")
            assert "event" not in await streams[0].silent_for(0.3)
            assert "event" not in await streams[2].silent_for(0.1)
            for stream in streams:
                await stream.hang_up()

    run(story())


def test_restriction_closes_the_stream_before_anything_more_is_said(cast, cookie):
    incident = scenes.declared(cast)
    headers = cookie(cast.sam)
    app = LiveApp(look_every=0.05, check_every=60)  # found by the look itself, not by the regular check

    async def story():
        await app.start()
        stream = Exchange(app, f"/live/incidents/{incident.number}", headers=headers)
        assert await stream.status() == 200
        await stream.until("retry: ")
        await meanwhile(actions.restrict, incident, restricted=True, by=Actor.of(cast.omar))
        assert "event" not in await stream.rest()
        again = Exchange(app, f"/live/incidents/{incident.number}", headers=headers)
        assert await again.status() == 404
        await app.stop()

    run(story())


@pytest.mark.parametrize("ended", ["signed out", "deactivated", "signed out everywhere", "another role"])
def test_a_stream_ends_with_the_right_to_it(cast, cookie, app, ended):
    headers = cookie(cast.sam)
    key = headers["Cookie"].rpartition("=")[2]
    change = {
        "signed out": lambda: SessionStore(key).flush(),
        "deactivated": lambda: Person.objects.filter(pk=cast.sam.pk).update(is_active=False),
        "signed out everywhere": lambda: Person.objects.filter(pk=cast.sam.pk).update(
            sessions_ended_at="2026-03-02T03:12Z"
        ),
        "another role": lambda: Person.objects.filter(pk=cast.sam.pk).update(role=OrgRole.REPORTER),
    }[ended]

    async def story():
        async with serving(app):
            stream = Exchange(app, "/live/", headers=headers)
            assert await stream.status() == 200
            await meanwhile(change)
            await stream.rest()
            again = Exchange(app, "/live/", headers=headers)
            assert await again.status() == (200 if ended == "another role" else 401)
            if ended == "another role":
                await again.hang_up()

    run(story())


def test_there_are_only_so_many_streams(cast, cookie):
    app = LiveApp(most=2)
    first, second = cookie(cast.sam), cookie(cast.vera)

    async def story():
        await app.start()
        taken = [Exchange(app, "/live/", headers=headers) for headers in (first, second)]
        for stream in taken:
            assert await stream.status() == 200
        refused = Exchange(app, "/live/", headers=first)
        assert await refused.status() == 503
        assert refused.headers["retry-after"]
        await taken[0].hang_up()
        freed = Exchange(app, "/live/", headers=first)
        assert await freed.status() == 200
        await app.stop()
        await asyncio.gather(freed.rest(), taken[1].rest())  # the end of the server ends them in order

    run(story())


def test_one_person_does_not_take_every_stream(cast, cookie, monkeypatch):
    monkeypatch.setattr("andon.web.live.MOST_OF_ONE", 1)
    app = LiveApp()
    sams, veras = cookie(cast.sam), cookie(cast.vera)

    async def story():
        await app.start()
        assert await Exchange(app, "/live/", headers=sams).status() == 200
        assert await Exchange(app, "/live/", headers=sams).status() == 503
        assert await Exchange(app, "/live/", headers=veras).status() == 200
        await app.stop()

    run(story())


def test_before_the_start_and_after_the_stop_the_answer_is_503(cast, cookie):
    app = LiveApp()
    headers = cookie(cast.sam)

    async def story():
        assert await Exchange(app, "/live/", headers=headers).status() == 503
        await app.start()
        await app.stop()
        assert await Exchange(app, "/live/", headers=headers).status() == 503

    run(story())


def test_many_streams_cost_one_look(cast, cookie, monkeypatch):
    from andon.web import watching

    looks = []
    real = watching.look
    monkeypatch.setattr(watching, "look", lambda before: looks.append(before) or real(before))
    app = LiveApp(look_every=0.1, check_every=60)
    everyone = [cookie(person) for person in (cast.sam, cast.vera, cast.lena, cast.omar) for _ in range(3)]

    async def story():
        await app.start()
        await asyncio.sleep(0.3)
        assert not looks  # nobody watches: nobody looks
        streams = [Exchange(app, "/live/", headers=headers) for headers in everyone]
        for stream in streams:
            assert await stream.status() == 200
        looks.clear()
        await asyncio.sleep(1)
        assert 1 <= len(looks) <= 11
        await app.stop()

    run(story())


def test_a_database_that_does_not_answer_is_503_and_ends_no_stream(cast, cookie, monkeypatch):
    from django.db import OperationalError

    from andon.web import watching

    app = LiveApp(look_every=0.05, check_every=0.05, heartbeat=0.1)
    headers = cookie(cast.sam)
    incident = scenes.declared(cast)

    def gone(*_args):
        raise OperationalError("gone")

    async def story():
        await app.start()
        stream = Exchange(app, "/live/", headers=headers)
        assert await stream.status() == 200
        with monkeypatch.context() as broken:
            broken.setattr(watching, "look", gone)
            broken.setattr(watching, "who", gone)
            await stream.until(": still here")
            await stream.until(": still here")
            assert await Exchange(app, "/live/", headers=headers).status() == 503
        await meanwhile(actions.add_note, incident, text="x", by=Actor.of(cast.lena))
        await stream.until("event: lamps")
        await app.stop()

    run(story())


def test_the_page_names_its_stream(cast, signed_in):
    assert b'sse-connect="/live/"' in signed_in(cast.vera).get("/").content
    assert b"sse-connect" not in Client().get("/account/login/").content
