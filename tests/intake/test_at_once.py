"""Signals on the short way: the same answers as on the long one, whatever way a request takes through the protocol."""

import asyncio
import json
import threading
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from django.db import DataError, OperationalError
from uvicorn.server import ServerState

from andon.intake import asgi
from andon.intake.actions import create_integration
from andon.intake.asgi import IntakeApp
from andon.intake.models import Delivery, Signal
from andon.intake.recording import Heard, record
from andon.intake.writer import Writer
from andon.kit import ids
from andon.people.policy import Actor
from andon.site.protocol import Protocol

pytestmark = pytest.mark.django_db(transaction=True)
ENOUGH = 30


@pytest.fixture
def token():
    return create_integration(slug="curl", name="Curl", kind="generic", by=Actor.operator())[1]


class Counting(IntakeApp):
    """Counts what it takes at once, and what it is called for."""

    def __init__(self, writer=None):
        super().__init__(writer)
        self.ways = []
        self.taken = asyncio.Event()

    def take_at_once(self, *args):
        taken = super().take_at_once(*args)
        if taken:
            self.ways.append("at once")
            self.taken.set()
        return taken

    async def __call__(self, scope, receive, send):
        self.ways.append("called for")
        await super().__call__(scope, receive, send)


@asynccontextmanager
async def served(writer=None):
    """The intake behind the protocol, on a port of loopback's own choice."""
    app = Counting(writer)
    await app.start()
    state = ServerState()
    config = uvicorn.Config(app, log_config=None, lifespan="off", interface="asgi3")

    class Here(Protocol):
        intake = app

    server = await asyncio.get_running_loop().create_server(lambda: Here(config, state, {}), "127.0.0.1", 0)
    try:
        yield app, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(state.connections):
            connection.transport.close()
        await app.stop()


class Line:
    """One connection of a client."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def send(self, *pieces):
        for number, piece in enumerate(pieces):
            if number:
                await self.writer.drain()
                await asyncio.sleep(0.05)  # so that it comes in a read of its own; whether it does changes no answer
            self.writer.write(piece)

    async def answer(self):
        status, names, body = await self.raw_answer()
        return status, names, json.loads(body)

    async def raw_answer(self):
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), ENOUGH)
        names = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n")[1:])
        body = await self.reader.readexactly(int(names["content-length"]))
        return int(head.split()[1]), names, body

    async def ended(self):
        return await asyncio.wait_for(self.reader.read(), ENOUGH) == b""


def request(token, body=b'{"title": "Errors"}', *, version="1.1", path="/intake/generic/curl", **headers):
    told = {"authorization": f"Bearer {token}", "content-length": len(body)} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/{version}\r\nhost: here\r\n{head}\r\n".encode() + body


def talk(story, writer=None):
    """Tell a story with a line on which the integration is known already."""

    async def all_of_it():
        async with served(writer) as (app, port):
            line = Line(*await asyncio.open_connection("127.0.0.1", port))
            try:
                return await story(app, line)
            finally:
                line.writer.close()
                with suppress(ConnectionError):
                    await line.writer.wait_closed()

    return asyncio.run(all_of_it())


async def known(line, token):
    """Send one, so that the integration is remembered."""
    await line.send(request(token, b'{"title": "Known"}'))
    assert (await line.answer())[0] == 200


def test_what_is_known_and_whole_is_taken_at_once_and_is_in_the_database_when_it_is_answered(token):
    async def story(app, line):
        await known(line, token)
        await line.send(request(token))
        answer = await line.answer()
        return app.ways, answer, await asyncio.to_thread(kept)

    ways, (status, headers, body), rows = talk(story)
    assert ways == ["called for", "at once"]
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body["status"] == "accepted"
    assert body["signals"] == 1
    assert body["delivery"] in rows


def kept():
    from django.db import connection

    try:
        return {str(pk) for pk in Delivery.objects.values_list("pk", flat=True)}
    finally:
        connection.close()


@pytest.mark.parametrize("cut", [30, -1, -5])
def test_a_request_in_two_reads_is_taken_all_the_same(token, cut):
    async def story(_, line):
        await known(line, token)
        whole = request(token)
        await line.send(whole[:cut], whole[cut:])
        return await line.answer()

    assert talk(story)[0] == 200
    assert {signal.title for signal in Signal.objects.all()} == {"Known", "Errors"}


def test_requests_one_behind_the_other_are_answered_in_their_order(token):
    async def story(app, line):
        await known(line, token)
        bodies = [b'[{"title": "One"}]', b'[{"title": "Two"}, {"title": "Three"}]', b"[]", b'[{"title": "Four"}]']
        await line.send(b"".join(request(token, body) for body in bodies))
        return [(await line.answer())[2]["signals"] for _ in bodies], app.ways

    signals, ways = talk(story)
    assert signals == [1, 2, 0, 1]
    assert ways[:2] == ["called for", "at once"]


@pytest.mark.parametrize(("version", "headers"), [("1.0", {}), ("1.1", {"connection": "close"})])
def test_a_sender_that_wants_the_connection_closed_has_it_closed(token, version, headers):
    async def story(_, line):
        await known(line, token)
        await line.send(request(token, version=version, **headers))
        return (await line.answer())[0], await line.ended()

    assert talk(story) == (200, True)


def test_what_is_not_as_usual_goes_the_long_way_to_the_same_answers(token):
    async def story(app, line):
        await known(line, token)
        answers = []
        for odd in (
            request(token, b"nonsense"),
            request("andon_in_wrong"),
            request(token, path="/intake/generic/%63url"),
            request(token, path="/intake/generic/nobody"),
            request(token, path="/intake/nothing"),
            request(token).replace(b"POST", b"PUT", 1),
        ):
            await line.send(odd)
            answers.append((await line.answer())[0])
        return answers, app.ways

    answers, ways = talk(story)
    assert answers == [400, 401, 200, 401, 404, 405]
    assert ways == ["called for"] * 7
    assert Delivery.objects.filter(outcome="rejected", body=b"nonsense").exists()


def test_a_sender_that_waits_to_be_told_to_go_on_is_told(token):
    async def story(_, line):
        await known(line, token)
        head, _, body = request(token, expect="100-continue").partition(b"\r\n\r\n")
        await line.send(head + b"\r\n\r\n")
        go_on = await asyncio.wait_for(line.reader.readuntil(b"\r\n\r\n"), ENOUGH)
        await line.send(body)
        return go_on.split()[1], (await line.answer())[0]

    assert talk(story) == (b"100", 200)


def test_a_body_that_was_sent_in_chunks_is_taken(token):
    async def story(_, line):
        await known(line, token)
        head = request(token, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
        body = b'{"title": "Errors"}'
        await line.send(head + b"5\r\n" + body[:5] + b"\r\n" + b"%x\r\n" % len(body[5:]) + body[5:] + b"\r\n0\r\n\r\n")
        return (await line.answer())[0]

    assert talk(story) == 200
    assert Signal.objects.filter(title="Errors").exists()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_gets_its_answer_and_is_kept_by_its_beginning(token, chunked):
    """Closed on a sender that still sends, the connection was reset, and the answer lost."""
    body = b'{"title": "' + b"x" * 3_000_000 + b'"}'
    sent = request(token, body)
    if chunked:
        head = sent.partition(b"\r\n\r\n")[0].replace(b"content-length: 3000013", b"transfer-encoding: chunked")
        sent = head + b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    async def story(_, line):
        await known(line, token)
        await line.send(sent)
        status, headers, told = await line.answer()
        assert (status, headers["connection"]) == (413, "close")
        assert await line.ended()
        return told["delivery"]

    kept = Delivery.objects.get(pk=talk(story))
    assert (bytes(kept.body), kept.outcome) == (body[: asgi.BODY_KEPT], "rejected")


def test_a_body_that_is_announced_too_large_is_not_asked_for(token):
    async def story(_, line):
        await known(line, token)
        await line.send(request(token, b"", expect="100-continue").replace(b"length: 0", b"length: 3000000"))
        status, headers, _ = await line.answer()
        assert (status, headers["connection"]) == (413, "close")
        assert await line.ended()

    talk(story)


def test_a_body_that_does_not_come_is_told_on_the_page(token, monkeypatch):
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.2)

    async def story(_, line):
        await known(line, token)
        await line.send(request(token)[:-5])
        status, headers, told = await line.answer()
        assert (status, headers["connection"]) == (408, "close")
        return told["delivery"]

    kept = Delivery.objects.get(pk=talk(story))
    assert bytes(kept.body) == b'{"title": "Err'
    assert "did not arrive" in kept.error


UPGRADES = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk"}


@pytest.mark.parametrize("cut", [None, 0, -5])
def test_a_sender_that_would_rather_speak_another_protocol_is_heard_in_this_one(token, cut):
    """As Java's client does, whose first POST came without its body; whole, head and body apart, and cut in the body."""

    async def story(_, line):
        await known(line, token)
        body = b'{"title": "By Java"}'
        asked = request(token, body, **UPGRADES)
        at = len(asked) - len(body) if cut == 0 else cut
        await line.send(*([asked] if at is None else [asked[:at], asked[at:]]))
        assert (await line.answer())[0] == 200
        await line.send(asked + request(token) + request(token, **(UPGRADES | {"Connection": "upgrade, close"})))
        assert [(await line.answer())[0] for _ in range(3)] == [200, 200, 200]
        assert await line.ended()

    talk(story)
    assert Signal.objects.filter(title="By Java").exists()


def test_a_tunnel_is_not_dug(token):
    async def story(_, line):
        await line.send(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")
        assert b" 40" in await asyncio.wait_for(line.reader.readline(), ENOUGH)

    talk(story)


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_a_sender_that_closes_its_side_after_its_request_gets_the_answer(token, pieces):
    """Taken at once, in several reads, and one behind another."""

    async def story(_, line):
        await known(line, token)
        asked = request(token)
        await line.send(*{1: [asked], 2: [asked[:-5], asked[-5:]], 3: [asked + asked]}[pieces])
        line.writer.write_eof()
        for _ in range(2 if pieces == 3 else 1):
            assert (await line.answer())[0] == 200
        assert await line.ended()

    talk(story)


def test_a_sender_that_closes_its_side_in_the_middle_of_a_request_is_gone(token):
    async def story(_, line):
        await known(line, token)
        await line.send(request(token)[:-5])
        line.writer.write_eof()
        assert await line.ended()

    talk(story)
    assert Delivery.objects.count() == 1  # the one by which the integration is known


def test_what_is_no_http_is_400_and_nothing_of_it_is_taken(token):
    async def story(app, line):
        await known(line, token)
        await line.send(request(token)[:-3] + b"\x00\r\n\r\nGARBAGE\x00" * 3)
        answer = await asyncio.wait_for(line.reader.read(), ENOUGH)
        return answer.count(b"HTTP/1.1 400"), app.ways

    refused, _ = talk(story)
    assert refused == 1


def test_while_the_database_is_away_it_is_503_and_nothing_is_called_taken(token):
    away = threading.Event()

    def record_or_not(batch):
        if away.is_set():
            raise OperationalError("gone")
        return record(batch)

    async def story(app, line):
        await known(line, token)
        away.set()
        await line.send(request(token))
        refused = await line.answer()
        away.clear()
        while True:
            await line.send(request(token, b'{"title": "Again"}'))
            if (await line.answer())[0] == 200:
                return refused, app.ways[1]

    (status, headers, problem), way = talk(story, Writer(record_or_not))
    assert way == "at once"
    assert (status, headers["content-type"], headers["retry-after"]) == (503, "application/problem+json", "2")
    assert "Send it again" in problem["detail"]
    assert {signal.title for signal in Signal.objects.all()} == {"Known", "Again"}


def test_a_write_that_takes_too_long_is_503(token, monkeypatch):
    go, slow = threading.Event(), threading.Event()

    def slowly(batch):
        if slow.is_set():
            go.wait(ENOUGH)
        return record(batch)

    async def story(app, line):
        await known(line, token)
        monkeypatch.setattr(asgi, "WRITE_SECONDS", 0.05)
        slow.set()
        await line.send(request(token))
        answer = await line.answer()
        go.set()
        return answer[0], app.ways

    assert talk(story, Writer(slowly)) == (503, ["called for", "at once"])


def test_what_the_database_does_not_take_is_400_and_its_body_is_kept(token):
    def picky(batch):
        if any(event.title == "poison" for heard in batch for event in heard.events):
            raise DataError("value out of range")
        return record(batch)

    async def story(app, line):
        await known(line, token)
        await line.send(request(token, b'{"title": "poison"}'))
        return await line.answer(), app.ways

    (status, _, problem), ways = talk(story, Writer(picky))
    assert (status, ways) == (400, ["called for", "at once"])
    assert "value out of range" in problem["detail"]
    assert bytes(Delivery.objects.get(outcome="rejected").body) == b'{"title": "poison"}'


def test_a_sender_that_hangs_up_before_its_answer_harms_nobody(token):
    go, slow = threading.Event(), threading.Event()

    def slowly(batch):
        if slow.is_set():
            go.wait(ENOUGH)
        return record(batch)

    async def story(app, line):
        await known(line, token)
        slow.set()
        await line.send(request(token))
        await asyncio.wait_for(app.taken.wait(), ENOUGH)
        line.writer.close()
        await line.writer.wait_closed()
        go.set()

    talk(story, Writer(slowly))
    assert Signal.objects.filter(title="Errors").exists()


class Unreachable:
    """Somebody who cannot be told."""

    def done(self):
        return False

    def set_result(self, result):
        raise RuntimeError("The line is broken.")

    set_exception = set_result


def test_who_cannot_be_told_keeps_nobody_else_of_the_batch_waiting():
    begun, go, batches = threading.Event(), threading.Event(), []

    def in_two_batches(batch):
        batches.append(len(batch))
        begun.set()
        return go.wait(ENOUGH)

    async def story():
        writer, first, last = Writer(in_two_batches), *(asyncio.get_running_loop().create_future() for _ in range(2))
        writer.start()
        for answer in (first, Unreachable(), last):
            writer.take(Heard(ids.new(), ids.new(), b"", "", []), answer)
            await asyncio.to_thread(begun.wait, ENOUGH)  # the first is being written: the others wait together
        go.set()
        await asyncio.wait_for(asyncio.gather(first, last), ENOUGH)
        await writer.stop()

    asyncio.run(story())
    assert batches == [1, 2]
