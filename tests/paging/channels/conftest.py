"""What tests of channels share: messages, a listener on loopback, and hostile answers."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler

import pytest

from andon.kit import outbound
from andon.paging.channel import Outcome, Receipt
from andon.paging.message import About, Also, Message
from tests.support.listener import Listener, listening


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        yield one


def about(number: int = 42, severity: str = "S2", title: str = "Approvals fell by half") -> About:
    return About(
        ref=f"INC-{number}",
        title=title,
        severity=severity,
        type="fairness violation",
        system="Credit scorer",
        kind="real",
        url=f"http://testserver/incidents/{number}",
        opened_at=datetime(2026, 3, 2, 3, 12, tzinfo=UTC),
    )


PAGE = Message(
    key="0123456789abcdef0123456789abcdef",
    kind="page",
    at=datetime(2026, 3, 2, 3, 12, tzinfo=UTC),
    to="Lena",
    headline="[S2] INC-42 Credit scorer: Approvals fell by half",
    why="You are paged because: step 1: on call in Credit models.",
    first=("Preserve the decision log", "Roll back to v6"),
    link="http://testserver/a/token.signature",
    link_label="Look and acknowledge",
    about=about(),
    thread="incident-42",
)
TEST = replace(PAGE, kind="test", headline="Andon: does this reach you?", first=(), about=None, thread="",
               link="http://testserver/contact/token:signature", link_label="Yes, it reached me")  # fmt: skip
SEVERAL = replace(
    PAGE,
    headline="2 incidents wait for you: [S4] INC-42, [S5] INC-43",
    about=about(42, "S4"),
    thread="",
    also=(
        Also("[S5] INC-43 Credit scorer: Drift", "You are paged because: step 1.", "http://testserver/a/other.signature",
             "Look at INC-43", about(43, "S5", "Drift")),
    ),
)  # fmt: skip


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Says that much is coming, and sends a byte now and then."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    import threading

    gone = threading.Event()
    with contextlib.suppress(ConnectionError):
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            gone.wait(0.05)


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Answers 500 with a body that does not end by itself."""
    handler.send_response(500)
    handler.end_headers()
    with contextlib.suppress(ConnectionError):
        while True:
            handler.wfile.write(b"x" * 65536)


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    """Speaks no HTTP."""
    handler.wfile.write(b"\x00\xff220 smtp.example.org ESMTP\r\n\r\n")
    handler.close_connection = True


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    """Takes the request and closes the line."""
    handler.close_connection = True


HOSTILE: dict[str, Callable[[Listener], None]] = {
    "500": lambda one: one.always(500),
    "429 for ever": lambda one: one.always(429, Retry_After="31536000"),
    "a redirect to the metadata address": lambda one: one.always(
        302, Location="http://169.254.169.254/latest/meta-data"
    ),
    "an endless error": lambda one: setattr(one, "answer", endless),
    "nonsense": lambda one: setattr(one, "answer", nonsense),
    "a closed line": lambda one: setattr(one, "answer", hangs_up),
    "a trickle": lambda one: setattr(one, "answer", trickle),
}
hostile = pytest.mark.parametrize("hostility", HOSTILE.values(), ids=HOSTILE.keys())


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline of an exchange, short enough for a test to see it pass."""
    monkeypatch.setattr(outbound, "DEADLINE", 0.5)
    monkeypatch.setattr(outbound.post, "__kwdefaults__", {"deadline": 0.5})


def is_another_try(receipt: Receipt) -> None:
    """Whatever is wrong may pass: the page stays in the outbox, and waits no longer than a minute for anybody."""
    assert receipt.outcome is Outcome.RETRY, receipt
    assert receipt.reason
    assert receipt.after.total_seconds() <= 60
