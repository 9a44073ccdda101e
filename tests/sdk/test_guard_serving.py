"""A guarded function, block and application: who decides in each mode, and what answers instead."""

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import andon
from andon.practice.switching import STALE_MODES as SERVERS
from andon.practice.words import SwitchMode
from andon.sdk import guard as guards
from andon.sdk import timing
from andon.sdk.guard import Contained, Guard, GuardASGI, GuardWSGI, Limit, Mode, State
from andon.sdk.guard.deciding import Meter
from andon.sdk.guard.sealing import Snapshot, Token, seal
from andon.sdk.guard.words import STALE_MODES

TOKEN = Token("credit-scorer", "andon_guard.credit-scorer.0123", b"a key that never travels")


class Switch(Guard):
    """A guard that the test itself sets, in place of Andon."""

    def __init__(self, **given):
        super().__init__(TOKEN, "", background=False, **given)
        self.sets = 0

    def set(self, mode, limit=None):
        self.sets += 1
        snapshot = Snapshot("credit-scorer", self.sets, "m", Mode(mode), limit, 60.0, Mode.SAFE, "nonce-nonce", 0.0)
        assert self.take(seal(TOKEN.key, snapshot), "nonce-nonce", timing.since_boot())


@pytest.fixture
def switch():
    made = Switch()
    made.set("on")
    return made


def test_both_sides_know_the_same_modes():
    assert [mode.value for mode in Mode] == [mode.value for mode in SwitchMode]
    assert [mode.value for mode in STALE_MODES] == [mode.value for mode in SERVERS]
    assert [mode for mode in Mode if mode.contains] == [mode for mode in SwitchMode if mode.contains]


def test_a_function_decides_while_it_may_and_is_stood_in_for_otherwise(switch):
    @switch.protect(safe=lambda who: f"rules for {who}", review=lambda who: f"a person for {who}")
    def score(who):
        """Score somebody."""
        return f"model for {who}"

    assert (score("a"), score.__doc__) == ("model for a", "Score somebody.")
    switch.set("safe")
    assert score("a") == "rules for a"
    switch.set("review")
    assert score("a") == "a person for a"
    switch.set("off")
    with pytest.raises(Contained, match=r"credit-scorer is contained \(mode off, revision 4\)") as refused:
        score("a")
    assert refused.value.reading.mode is Mode.OFF
    switch.set("limit", Limit(share=0.0))
    assert score("a") == "rules for a"  # beyond the limit
    switch.set("limit", Limit(share=1.0))
    assert score("a") == "model for a"


def test_an_async_function_too_and_what_stands_in_may_be_either(switch):
    async def person(who):
        return f"a person for {who}"

    @switch.protect(safe=lambda who: f"rules for {who}", review=person)
    async def score(who):
        return f"model for {who}"

    async def story():
        told = []
        for mode in ("on", "safe", "review"):
            switch.set(mode)
            told.append(await score("a"))
        switch.set("off")
        with pytest.raises(Contained):
            await score("a")
        with pytest.raises(Contained):
            async with switch:
                raise AssertionError
        switch.set("on")
        async with switch as reading:
            assert reading.mode is Mode.ON
        return told

    assert asyncio.run(story()) == ["model for a", "rules for a", "a person for a"]


def test_a_method_a_generator_and_what_raises_inside(switch):
    class Scorer:
        @switch.protect(safe=lambda self, who: f"rules of {self.name} for {who}")
        def score(self, who):
            return f"{self.name} for {who}"

        @classmethod
        @switch.protect(safe=lambda cls, who: f"rules for {who}")
        def score_all(cls, who):
            return cls.__name__ + who

        name = "model"

    @switch.protect(safe=lambda: iter(["rules"]))
    def parts():
        yield "a"
        yield "b"

    @switch.protect(safe=lambda: "rules")
    def broken():
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):  # what goes wrong inside is nobody's fallback
        broken()
    begun = parts()
    assert (Scorer().score("a"), Scorer.score_all("a"), next(begun)) == ("model for a", "Scorera", "a")
    switch.set("safe")
    assert (Scorer().score("a"), Scorer.score_all("a"), list(parts())) == (
        "rules of model for a",
        "rules for a",
        ["rules"],
    )
    assert (list(begun), broken()) == (["b"], "rules")  # what has begun is not cut off
    switch.set("on")
    with pytest.raises(ZeroDivisionError), switch:
        _ = 1 / 0


def test_an_async_generator_and_an_object_that_is_called(switch):
    async def rules():
        yield "rules"

    @switch.protect(safe=rules)
    async def parts():
        yield "a"

    class Model:
        async def __call__(self):
            return "model"

    model = switch.protect(safe=lambda: "rules")(Model())

    async def story():
        return [[part async for part in parts()], await model()]

    assert asyncio.run(story()) == [["a"], "model"]
    switch.set("safe")
    assert asyncio.run(story()) == [["rules"], "rules"]


async def awaited(*_):
    return "rules"


@pytest.mark.parametrize(
    ("function", "instead", "why"),
    [
        (lambda: "model", {"safe": awaited}, "would get a coroutine for an answer"),
        (lambda: "model", {"review": "rules"}, "is a str: give a function"),
        (classmethod(lambda _: "model"), {}, "below @classmethod"),
        (staticmethod(lambda: "model"), {}, "below @staticmethod"),
        ("model", {}, "cannot be guarded"),
    ],
)
def test_what_could_not_work_at_night_is_refused_where_the_program_starts(switch, function, instead, why):
    with pytest.raises(TypeError, match=why):
        switch.protect(**instead)(function)


def test_whom_a_call_is_about_is_asked_only_where_it_matters_and_may_fail(switch, caplog):
    asked_about = []

    def key(who):
        asked_about.append(who)
        return {"a": "a", "odd": "\udcff"}[who]

    @switch.protect(safe=lambda who: f"rules for {who}", key=key)
    def score(who):
        return f"model for {who}"

    assert (score("b"), asked_about) == ("model for b", [])  # in service nothing that only a limit needs breaks it
    switch.set("limit", Limit(per_second=0.0))
    assert (score("b"), asked_about) == ("rules for b", [])
    switch.set("limit", Limit(share=1.0))
    assert [score(who) for who in ("a", "b", "odd")] == ["model for a", "rules for b", "model for odd"]
    assert "whom a request is about could not be said" in " ".join(caplog.messages)


def test_plain_decorator_and_block(switch):
    @switch
    def score():
        return "model"

    with switch as reading:
        assert (score(), reading.state) == ("model", State.LIVE)
    switch.set("safe")
    with pytest.raises(Contained):
        score()
    with pytest.raises(Contained), switch:
        raise AssertionError


@given(st.lists(st.text(), unique=True, min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_whom_a_smaller_one_had(keys, one, other):
    small, large = sorted([one, other])
    meter = Meter("credit-scorer")
    inside = [key for key in keys if meter.admits(Limit(share=small), key)]
    assert all(meter.admits(Limit(share=large), key) for key in inside)
    assert inside == [key for key in keys if Meter("credit-scorer").admits(Limit(share=small), key)]


def test_a_share_is_about_that_share():
    meter = Meter("credit-scorer")
    assert 900 < sum(meter.admits(Limit(share=0.1), str(n)) for n in range(10_000)) < 1100
    assert not any(meter.admits(Limit(share=0.0), key) for key in (None, "a"))
    assert all(meter.admits(Limit(share=1.0), key) for key in (None, "a"))


def test_a_rate_admits_so_many_a_second(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing, "since_boot", lambda: now[0])
    meter, limit, admitted = Meter("credit-scorer"), Limit(per_second=5.0), 0
    for _ in range(1000):  # ten seconds
        now[0] += 0.01
        admitted += meter.admits(limit, None)
    assert 48 <= admitted <= 51
    assert not any(Meter("x").admits(Limit(per_second=0.0), None) for _ in range(3))


def asked(app, path="/", kind="http"):
    """What an ASGI application answers."""
    sent = []

    async def receive():
        return {"type": f"{kind}.connect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": kind, "path": path, "headers": []}, receive, send))
    return sent


async def application(scope, _receive, send):
    mode = scope["andon.reading"].mode if "andon.reading" in scope else "unguarded"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"served {mode}".encode()})


def test_in_front_of_an_asgi_application(switch):
    app = GuardASGI(application, switch, handles={"safe"}, exempt={"/healthz"})
    start, body = asked(app)
    assert (start["status"], body["body"]) == (200, b"served on")
    assert start["headers"] == [(b"andon-mode", b"on"), (b"andon-revision", b"1")]
    switch.set("safe")
    assert asked(app)[1]["body"] == b"served safe"
    switch.set("off")
    start, body = asked(app)
    assert (start["status"], dict(start["headers"])[b"andon-mode"]) == (503, b"off")
    assert dict(start["headers"])[b"retry-after"] == b"30"
    assert json.loads(body["body"])["mode"] == "off"
    assert asked(app, "/healthz")[0]["status"] == 200
    assert asked(app, kind="websocket") == [{"type": "websocket.close", "code": 1013, "reason": "contained: off"}]
    assert asked(app, kind="lifespan")[1]["body"] == b"served unguarded"


def test_an_open_websocket_is_closed_by_the_first_message_that_may_not_be_decided(switch):
    app, sent, heard = GuardASGI(chat, switch, handles={"review"}), [], []

    async def chatting(modes, scope=()):
        sent.clear(), heard.clear()
        coming = iter([("connect", None), *(("receive", mode) for mode in modes)])

        async def receive():
            kind, mode = next(coming)
            if mode:
                switch.set(mode, Limit(share=0.0) if mode == "limit" else None)
            return {"type": f"websocket.{kind}", "text": mode}

        async def send(message):
            sent.append(message)

        given = {"type": "websocket", "path": "/", "headers": [], "heard": heard} | dict(scope)
        await app(given, receive, send)

    asyncio.run(chatting(["on", "review", "limit", "safe", "on"]))  # a limit counts connections
    assert sent[0] == {"type": "websocket.accept", "headers": [(b"andon-mode", b"on"), (b"andon-revision", b"1")]}
    assert [message["text"] for message in heard[:-1]] == ["on", "review", "limit"]
    assert heard[-1] == {"type": "websocket.disconnect", "code": 1013, "reason": "contained: safe"}
    assert sent[-1] == {"type": "websocket.close", "code": 1013, "reason": "contained: safe"}
    asyncio.run(chatting([], {"extensions": {"websocket.http.response": {}}}))
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 503


async def chat(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        scope["heard"].append(message)
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": f"answer to {message['text']}"})


def test_with_an_asgi_application_that_ends_the_guard_says_so_before_the_server_does(switch, monkeypatch):
    said = []
    monkeypatch.setattr(switch, "close", lambda: said.append("good bye"))

    async def ending(_scope, _receive, send):
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def send(message):
        said.append(message["type"])

    asyncio.run(GuardASGI(ending, switch)({"type": "lifespan"}, None, send))
    assert said == ["lifespan.startup.complete", "good bye", "lifespan.shutdown.complete"]


def test_an_application_that_is_started_anew_in_its_process_is_guarded_again(switch):
    async def living(_scope, receive, send):
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})

    async def life():
        coming = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive():
            return {"type": next(coming)}

        async def send(message):
            told.append((message["type"], switch._closing.is_set()))

        await GuardASGI(living, switch)({"type": "lifespan"}, receive, send)

    told, first = [], switch.instance
    for _ in range(2):
        asyncio.run(life())
    assert told == [("lifespan.startup.complete", False), ("lifespan.shutdown.complete", True)] * 2
    assert switch.instance != first
    assert switch.mode() is Mode.ON


def test_in_front_of_a_wsgi_application(switch):
    def wsgi(environ, start_response):
        start_response("200 OK", [])
        return [f"served {environ['andon.reading'].mode}".encode()]

    app = GuardWSGI(wsgi, switch, handles={"review"}, exempt={"/healthz"}, key=lambda environ: environ.get("WHO"))
    told = []

    def call(path="/", **environ):
        told.clear()
        return b"".join(app({"PATH_INFO": path} | environ, lambda *given: told.extend(given)))

    assert (call(), told) == (b"served on", ["200 OK", [("andon-mode", "on"), ("andon-revision", "1")]])
    switch.set("review")
    assert call() == b"served review"
    switch.set("safe")
    assert json.loads(call())["title"] == "Contained"
    assert (told[0], dict(told[1])["andon-mode"]) == ("503 Service Unavailable", "safe")
    assert call("/healthz") == b"served safe"
    assert call(REQUEST_METHOD="HEAD") == b""
    switch.set("limit", Limit(share=0.5))
    served = {who: call(WHO=who).startswith(b"served") for who in map(str, range(40))}
    assert set(served.values()) == {True, False}
    assert served == {who: call(WHO=who).startswith(b"served") for who in served}


def test_what_is_called_on_a_change_may_fail(switch, caplog):
    heard = []
    switch.on_change(lambda _: 1 / 0)
    switch.on_change(heard.append)
    switch.set("off")
    assert [reading.mode for reading in heard] == [Mode.OFF]
    assert "what is called on a change of mode failed" in " ".join(caplog.messages)


def test_many_threads_read_while_it_is_set(switch):
    wrong = []
    stop = threading.Event()

    def read():
        while not stop.is_set():
            reading = switch.reading()
            if (reading.revision % 2 == 1) is not (reading.mode is Mode.ON):
                wrong.append(reading)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(200):
        switch.set("on" if turn % 2 else "off")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.fixture
def forgotten(monkeypatch):
    monkeypatch.setattr(guards, "_guards", {})


def test_a_guard_is_made_once_and_takes_its_token_from_the_environment(forgotten, monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("ANDON_GUARD_TOKEN", "andon_guard.other.1.k, andon_guard.credit-scorer.2.k")
    monkeypatch.delenv("ANDON_BASE_URL", raising=False)
    made = andon.guard("credit-scorer", folder=tmp_path, on_stale="review")
    assert made is andon.guard("credit-scorer")
    assert (made.mode(), made.reading().state, made._token.sent) == (
        Mode.REVIEW, State.NO_STATE, "andon_guard.credit-scorer.2",
    )  # fmt: skip
    assert "it is not said where Andon is" in " ".join(caplog.messages)
    assert andon.guard("fraud-detector", folder=tmp_path).mode() is Mode.SAFE
    assert "there is no guard token for it" in " ".join(caplog.messages)


def test_a_guard_that_cannot_be_meant_is_refused(forgotten, tmp_path):
    with pytest.raises(ValueError, match="is for other, not for credit-scorer"):
        andon.guard("credit-scorer", token="andon_guard.other.1.k", folder=tmp_path)
    for url in (
        "andon.example.org",
        "https://",
        "ftp://andon.example.org",
        "https://a:b",
        "https://a?b",
        "https://[::1",
    ):
        with pytest.raises(ValueError, match="Where Andon is"):
            andon.guard("credit-scorer", url=url, token="andon_guard.credit-scorer.1.k", folder=tmp_path)
    with pytest.raises(ValueError, match="on_stale is one of on, safe, review, off"):
        andon.guard("credit-scorer", on_stale="limit", folder=tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_holds_what_its_parent_held_and_is_a_replica_of_its_own(switch):
    switch.set("off")
    assert switch.mode() is Mode.OFF
    answers = multiprocessing.get_context("fork").SimpleQueue()

    def child():
        before = switch._asked
        answers.put((before, switch.mode().value, switch._asked, switch.instance))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    before, mode, after, instance = answers.get()
    assert (before, mode, after) == (False, "off", True)
    assert instance != switch.instance


def test_importing_andon_loads_nothing_of_the_guard():
    code = "import sys, andon; print([name for name in sys.modules if name.startswith(('andon.', 'httpx'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_andon_does_not_have_is_said():
    with pytest.raises(AttributeError, match="no attribute 'gard'"):
        _ = andon.gard
