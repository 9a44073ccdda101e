"""The intake's answers: 200 only for what is on disk, and for everything else an answer that says what to do."""

import asyncio
import base64
import json
import re
import threading
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection

from andon.intake import asgi, doors, writer
from andon.intake.actions import create_integration, disable_integration, enable_integration, rotate_token
from andon.intake.adapters import adapters
from andon.intake.asgi import IntakeApp
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.recording import record
from andon.intake.writer import Writer
from andon.kit import ids, wake
from andon.people.policy import Actor
from tests.support.peers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


class Answer:
    """What an ASGI application sent."""

    def __init__(self, messages) -> None:
        self.sent = bool(messages)
        self.status = messages[0]["status"] if messages else None
        self.headers = {k.decode(): v.decode() for k, v in messages[0]["headers"]} if messages else {}
        self.raw = b"".join(m.get("body", b"") for m in messages[1:])
        self.body = json.loads(self.raw or b"null") if "json" in self.headers.get("content-type", "") else None


@pytest.fixture
def sender():
    integration, token = create_integration(slug="curl", name="Curl", kind="generic", by=Actor.operator())
    integration.token = token
    return integration


async def post(app, sender=None, body=b'{"title": "Errors"}', *, token=None, path="", query="", method="POST", **how):
    """One request; `pieces` are ASGI messages in place of a body that comes whole."""
    headers = {"authorization": f"Bearer {token or sender.token}"} if token or sender else {}
    headers |= {"content-type": "application/json"} | how.get("headers", {})
    pieces = how.get("pieces") or [{"type": "http.request", "body": body, "more_body": False}]
    left, sent = iter(pieces), []

    async def receive():
        piece = next(left, None)
        if piece is None:
            await asyncio.Event().wait()  # nothing more comes
        return piece

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path or "/intake/generic/curl",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    return Answer(sent)


async def elsewhere(action, *args, **kwargs):
    """Do something in another thread, as a page would, and leave no connection behind."""

    def act():
        try:
            return action(*args, **kwargs)
        finally:
            connection.close()

    return await asyncio.to_thread(act)


@asynccontextmanager
async def running(writer=None):
    app = IntakeApp(writer)
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


def ask(*requests, with_writer=None):
    """Run requests (functions of the app) at once against a fresh application."""

    async def all_of_them():
        async with running(with_writer) as app:
            return await asyncio.gather(*(request(app) for request in requests))

    return asyncio.run(all_of_them())


def test_an_accepted_signal_is_in_the_database_and_wakes_the_engine(sender):
    wake.engine.clear()
    (answer,) = ask(lambda app: post(app, sender, b'[{"title": "Errors"}, {"title": "More", "severity": "S2"}]'))

    assert answer.status == 200
    assert answer.body == {"status": "accepted", "signals": 2, "delivery": str(Delivery.objects.get().pk)}
    assert {signal.title for signal in Signal.objects.all()} == {"Errors", "More"}
    assert wake.engine.is_set()


def test_the_token_may_stand_in_a_header_a_password_or_the_address(sender):
    password = base64.b64encode(f"andon:{sender.token}".encode()).decode()
    answers = ask(
        lambda app: post(app, sender),
        lambda app: post(app, headers={"authorization": f"Basic {password}"}),
        lambda app: post(app, query=f"token={sender.token}"),
    )
    assert [answer.status for answer in answers] == [200, 200, 200]


def test_a_wrong_token_and_a_wrong_name_get_the_same_answer(sender):
    answers = ask(
        lambda app: post(app, token="andon_in_wrong"),
        post,
        lambda app: post(app, headers={"authorization": "Basic !"}),
        lambda app: post(app, headers={"authorization": "Basic \xff\xfe"}),
        lambda app: post(app, sender, path="/intake/generic/nobody"),
        lambda app: post(app, sender, path="/intake/alertmanager/curl"),
    )
    assert {answer.status for answer in answers} == {401}
    assert all(answer.body == answers[0].body for answer in answers)
    assert answers[0].headers["www-authenticate"].startswith("Bearer")


def test_a_request_with_a_wrong_token_is_said_on_the_page_now_and_then_and_nothing_of_it_is_kept(sender, time):
    async def story():
        async with running() as app:
            for _ in range(3):
                await post(app, body=b"from a stranger", token="andon_in_wrong")
            await post(app, sender, path="/intake/generic/nobody")
            await post(app, sender, path="/intake/alertmanager/curl")
            time.forward(timedelta(minutes=6))
            await post(app, token="andon_in_other")

    asyncio.run(story())
    kept = list(Delivery.objects.order_by("pk"))
    assert [(row.outcome, bytes(row.body), row.integration) for row in kept] == [("rejected", b"", sender)] * 2
    assert "without the integration's token" in kept[0].error
    assert not Signal.objects.exists()


def test_the_docs_show_the_refusal_that_comes(sender):
    page = (ROOT / "docs/how-to/connect-anything.md").read_text(encoding="utf-8")
    (shown,) = (
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if '"title": "Not' in block
    )
    (answer,) = ask(lambda app: post(app, sender, b'{"title": "Errors", "severity": "bad"}'))
    assert answer.body | {"delivery": ""} == shown | {"delivery": ""}
    assert len(shown["delivery"]) == len(answer.body["delivery"])


def test_what_is_not_understood_is_answered_by_its_field_and_kept(sender):
    body = b'[{"title": "Errors", "severity": "high"}]'
    (answer,) = ask(lambda app: post(app, sender, body))

    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["field"] == "[0].severity"
    assert "give one of S1, S2, S3, S4, S5" in answer.body["detail"]
    kept = Delivery.objects.get()
    assert (str(kept.pk), kept.outcome, bytes(kept.body)) == (answer.body["delivery"], "rejected", body)
    assert kept.error.startswith("[0].severity: ")
    assert not Signal.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"null", b"[" * 100_000, b'{"title": "\\ud8"}', b"[[]]"])
def test_no_body_whatever_brings_it_down(sender, body):
    (answer,) = ask(lambda app: post(app, sender, body))
    assert answer.status == 400
    assert Delivery.objects.get().outcome == "rejected"


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_an_empty_body_is_said_to_be_empty_and_what_to_send(sender, body):
    (answer,) = ask(lambda app: post(app, sender, body))
    assert answer.body["detail"] == "The body is empty; send what the integration's page shows."


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        (rb"Errors \ud83d", "Errors \ufffd"),
        (rb"\ude00 Errors", "\ufffd Errors"),
        (rb"\ud83d\ud83d\ude00\uD83D\u0041\\ud83d \"\u00e9", '\ufffd\U0001f600\ufffdA\\ud83d "é'),
        ("Ausfälle".encode("latin-1"), "Ausf\ufffdlle"),
        (b"cut \xf0\x9f\x98", "cut \ufffd"),
    ],
)
def test_half_a_character_in_a_text_loses_no_alert(sender, title, kept):
    body = b'\xef\xbb\xbf{"title": "' + title + b'"}'
    (answer,) = ask(lambda app: post(app, sender, body))
    assert answer.status == 200
    assert Signal.objects.get().title == kept


def test_a_nul_in_a_text_loses_no_alert(sender):
    (answer,) = ask(lambda app: post(app, sender, b'{"title": "a\\u0000b", "labels": {"x\\u0000": "y\\u0000"}}'))
    assert answer.status == 200
    assert Signal.objects.get().title == "a\ufffdb"


def test_a_body_that_says_it_is_too_large_is_not_waited_for(sender, monkeypatch):
    monkeypatch.setattr(asgi, "DROP_SECONDS", 0.05)
    never = [{"type": "http.request", "body": b"x", "more_body": True}]
    (answer,) = ask(lambda app: post(app, sender, pieces=never, headers={"content-length": str(1024 * 1024 + 1)}))
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert bytes(Delivery.objects.get().body) == b"x"
    assert Delivery.objects.get().outcome == "rejected"


def test_a_body_that_turns_out_too_large_is_cut_off(sender):
    endless = [{"type": "http.request", "body": b"x" * 400_000, "more_body": True}] * 5
    (answer,) = ask(lambda app: post(app, sender, pieces=endless))
    assert answer.status == 413


def test_a_body_in_pieces_is_put_together(sender):
    pieces = [
        {"type": "http.request", "body": b'{"title": ', "more_body": True},
        {"type": "http.request", "body": b'"Errors"}', "more_body": False},
    ]
    (answer,) = ask(lambda app: post(app, sender, pieces=pieces))
    assert answer.status == 200


def test_a_sender_that_hangs_up_in_the_middle_gets_no_answer_and_leaves_nothing(sender):
    pieces = [{"type": "http.request", "body": b'{"tit', "more_body": True}, {"type": "http.disconnect"}]
    (answer,) = ask(lambda app: post(app, sender, pieces=pieces))
    assert not answer.sent
    assert not Delivery.objects.exists()


def test_a_body_that_does_not_come_is_not_waited_for(sender, monkeypatch):
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.05)
    pieces = [{"type": "http.request", "body": b"{", "more_body": True}]
    (answer,) = ask(lambda app: post(app, sender, pieces=pieces))
    assert answer.status == 408


def test_bodies_on_their_way_in_are_bounded_together(sender, monkeypatch):
    monkeypatch.setattr(asgi, "MAX_HELD", 1_000)
    pieces = [{"type": "http.request", "body": b"x" * 2_000, "more_body": True}]
    (answer,) = ask(lambda app: post(app, sender, pieces=pieces))
    assert answer.status == 503
    assert not Delivery.objects.exists()


def test_other_methods_and_addresses_are_told_so(sender):
    put, missing, deep = ask(
        lambda app: post(app, sender, method="GET"),
        lambda app: post(app, sender, path="/intake/nothing/curl"),
        lambda app: post(app, sender, path="/intake/generic/curl/more"),
    )
    assert (put.status, put.headers["allow"]) == (405, "POST")
    assert (missing.status, deep.status) == (404, 404)


def test_before_it_is_started_it_says_try_again(sender):
    assert asyncio.run(post(IntakeApp(), sender)).status == 503


def test_what_an_adapter_did_not_foresee_is_500_and_kept_for_a_person_to_see(sender, monkeypatch):
    def broken(*_):
        raise TypeError("nobody thought of this")

    monkeypatch.setattr(adapters()["generic"], "parse", broken)
    (answer,) = ask(lambda app: post(app, sender))
    assert (answer.status, answer.body["title"]) == (500, "A fault of Andon's own")
    kept = Delivery.objects.get()
    assert (kept.outcome, bytes(kept.body)) == ("rejected", b'{"title": "Errors"}')
    assert "nobody thought" not in answer.body["detail"]


def test_a_database_that_fails_is_503_and_never_200(sender):
    failing = threading.Event()
    failing.set()

    def sometimes(batch):
        if failing.is_set():
            raise OperationalError("disk I/O error")
        return record(batch)

    async def story():
        async with running(Writer(sometimes)) as app:
            first = await post(app, sender)
            failing.clear()
            await asyncio.sleep(0.05)
            return first, await post(app, sender)

    first, second = asyncio.run(story())
    assert (first.status, first.headers["retry-after"]) == (503, "2")
    assert second.status == 200
    assert Delivery.objects.count() == 1


def test_a_full_queue_is_503_and_what_was_taken_before_is_written(sender, monkeypatch):
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    go = threading.Event()

    def slowly(batch):
        go.wait(10)
        return record(batch)

    async def story():
        async with running(Writer(slowly)) as app:
            first = asyncio.create_task(post(app, sender))
            await asyncio.sleep(0.1)  # the writer has it in hand
            more = [asyncio.create_task(post(app, sender)) for _ in range(5)]
            await asyncio.sleep(0.1)
            go.set()
            return await asyncio.gather(first, *more)

    statuses = [answer.status for answer in asyncio.run(story())]
    assert sorted(statuses) == [200] * 4 + [503] * 2
    assert Delivery.objects.count() == 4


def test_a_write_that_takes_too_long_is_503(sender, monkeypatch):
    monkeypatch.setattr(asgi, "WRITE_SECONDS", 0.05)
    go = threading.Event()

    def slowly(batch):
        go.wait(10)
        return record(batch)

    async def story():
        async with running(Writer(slowly)) as app:
            answer = await post(app, sender)
            go.set()
            return answer

    assert asyncio.run(story()).status == 503


def test_one_delivery_that_cannot_be_stored_fails_alone_and_its_body_is_kept(sender):
    def picky(batch):
        if any(event.title == "poison" for heard in batch for event in heard.events):
            raise DataError("value out of range")
        return record(batch)

    titles = ["one", "poison", "two", "three"]
    answers = ask(
        *(lambda app, title=title: post(app, sender, json.dumps({"title": title}).encode()) for title in titles),
        with_writer=Writer(picky),
    )
    assert [answer.status for answer in answers] == [200, 400, 200, 200]
    assert {signal.title for signal in Signal.objects.all()} == {"one", "two", "three"}
    kept = Delivery.objects.get(outcome="rejected")
    assert bytes(kept.body) == b'{"title": "poison"}'
    assert "value out of range" in kept.error


def test_a_number_no_database_holds_does_not_take_the_others_down(sender):
    answers = ask(
        lambda app: post(app, sender, b'{"title": "big", "id": 99999999999999999999999999}'),
        lambda app: post(app, sender, b'{"title": "ok", "labels": {"n": 1e308}}'),
    )
    assert answers[1].status == 200


def test_a_lost_race_is_decided_again(sender):
    lost = iter([True, True, False])

    def racing(batch):
        if next(lost):
            raise IntegrityError("one_firing_signal_a_fingerprint")
        return record(batch)

    (answer,) = ask(lambda app: post(app, sender), with_writer=Writer(racing))
    assert answer.status == 200
    assert Signal.objects.count() == 1


def test_a_new_token_works_at_once_and_the_old_one_stops_within_seconds(sender, monkeypatch):
    monkeypatch.setattr(doors, "REMEMBERED_SECONDS", 0.3)

    async def story():
        async with running() as app:
            before = await post(app, sender)
            new = await elsewhere(rotate_token, sender, by=Actor.operator())
            return before, await post(app, token=new), (await asyncio.sleep(0.4), await post(app, sender))[1]

    assert [answer.status for answer in asyncio.run(story())] == [200, 200, 401]


def test_a_disabled_integration_stops_within_seconds_and_comes_back(sender, monkeypatch):
    monkeypatch.setattr(doors, "REMEMBERED_SECONDS", 0.2)

    async def story():
        async with running() as app:
            before = await post(app, sender)
            await elsewhere(disable_integration, sender, by=Actor.operator())
            await asyncio.sleep(0.3)
            while_disabled = await post(app, sender)
            await elsewhere(enable_integration, sender, by=Actor.operator())
            await asyncio.sleep(0.3)
            return before, while_disabled, await post(app, sender)

    assert [answer.status for answer in asyncio.run(story())] == [200, 401, 200]


def test_a_flood_of_one_wrong_token_reads_the_database_once(sender, monkeypatch):
    looked = []
    monkeypatch.setattr(asgi, "find_door", lambda slug, _digest: looked.append(slug))

    async def story():
        async with running() as app:
            return [(await post(app, token="wrong")).status for _ in range(20)]

    assert asyncio.run(story()) == [401] * 20
    assert looked == ["curl"]


def test_a_sender_that_hangs_up_after_its_body_does_not_lose_the_signal(sender):
    async def story():
        async with running() as app:
            await post(app, sender)  # the integration is known from now on
            request = asyncio.create_task(post(app, sender, b'{"title": "Hung up"}'))
            await asyncio.sleep(0)
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

    asyncio.run(story())
    assert Signal.objects.filter(title="Hung up").exists()


def test_stopping_writes_what_was_taken(sender):
    async def story():
        app = IntakeApp()
        await app.start()
        await post(app, sender)
        tasks = [asyncio.create_task(post(app, sender, b'{"title": "Late %d"}' % n)) for n in range(20)]
        await asyncio.sleep(0)
        await app.stop()
        return [answer.status for answer in await asyncio.gather(*tasks)]

    statuses = asyncio.run(story())
    assert set(statuses) <= {200, 503}
    assert Signal.objects.filter(title__startswith="Late").count() == statuses.count(200)


def test_twenty_five_keys_eight_times_at_once_make_twenty_five_signals(sender):
    answers = ask(
        *(
            lambda app, key=key: post(app, sender, json.dumps({"id": f"key-{key}", "title": "Same"}).encode())
            for _ in range(8)
            for key in range(25)
        )
    )
    assert [answer.status for answer in answers] == [200] * 200
    assert Signal.objects.count() == 25
    assert sum(signal.count for signal in Signal.objects.all()) == 200
    assert Delivery.objects.count() == 200


def test_tokens_are_kept_as_digests_only(sender):
    stored = Integration.objects.get()
    assert stored.token_digest == ids.digest(sender.token)
    assert sender.token not in str(vars(stored))


def test_the_clock_of_the_house_says_when_it_was_heard(sender, time):
    ask(lambda app: post(app, sender))
    assert Signal.objects.get().first_at == time.now()
    time.forward(timedelta(minutes=5))
    ask(lambda app: post(app, sender))
    assert Signal.objects.get().last_at == time.now()
