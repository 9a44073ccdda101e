"""TLS, and the deadline at every place where the other side can keep a caller waiting."""

import contextlib
import ipaddress
import socket
import ssl
import threading
import time as wall
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from andon.kit import outbound
from andon.kit.outbound import NotConnected, TargetRefused, Unreachable
from tests.support.certificate import certificate

Answering = Callable[[socket.socket], None]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def served(answering: Answering, backlog: int = 8) -> Iterator[int]:
    """A server on loopback that does with each connection as it is told."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the server is closed, and the test is over
                while True:
                    line, _ = server.accept()
                    with line, contextlib.suppress(OSError):
                        answering(line)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@contextmanager
def answered(said: bytes = ANSWER) -> Iterator[tuple[int, list[bytes]]]:
    """A server that says the same to everybody, and what it heard."""
    heard: list[bytes] = []

    def answering(line: socket.socket) -> None:
        heard.append(line.recv(65536))
        line.sendall(said)

    with served(answering) as port:
        yield port, heard


def tls(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """What a server of this name shows, and the same certificate for whoever trusts it."""
    public, key = certificate(folder, name)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(public, key)
    return shown, public.read_text()


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of `.example` lead to loopback."""
    real = socket.getaddrinfo

    def found(host: str, *rest: object, **more: object) -> object:
        return real("127.0.0.1" if str(host).endswith(".example") else host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.usefixtures("named")
def test_tls_speaks_of_the_name_while_the_judged_address_is_called(tmp_path: Path):
    shown, authority = tls(tmp_path, "pages.example")
    asked: list[object] = []
    shown.sni_callback = lambda _line, name, _context: asked.append(name)

    def answering(line: socket.socket) -> None:
        with shown.wrap_socket(line, server_side=True) as safe:
            asked.append(safe.recv(65536).split(b"\r\n")[0])
            safe.sendall(ANSWER)

    with served(answering) as port:
        answer = outbound.request("GET", f"https://pages.example:{port}/a?b=c", authority=authority)
    assert (answer.status, answer.body) == (200, b"ok")
    assert asked == ["pages.example", b"GET /a?b=c HTTP/1.1"]


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("trusts", [True, False])
def test_a_certificate_of_another_name_or_of_nobody_trusted_gets_no_request(tmp_path: Path, trusts: bool):
    shown, authority = tls(tmp_path, "other.example")
    heard: list[bytes] = []

    def answering(line: socket.socket) -> None:
        with shown.wrap_socket(line, server_side=True) as safe:
            heard.append(safe.recv(65536))

    with served(answering) as port, pytest.raises(NotConnected, match="CERTIFICATE_VERIFY_FAILED"):
        outbound.request("GET", f"https://pages.example:{port}/", authority=authority if trusts else "")
    assert not any(heard)


def test_where_the_machine_has_no_ipv6_the_other_address_is_called(monkeypatch: pytest.MonkeyPatch):
    class WithoutIPv6(socket.socket):
        def __init__(self, family: int = -1, *rest: object, **more: object) -> None:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *rest, **more)  # type: ignore[arg-type]

    with answered() as (port, _):
        both = [(socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        monkeypatch.setattr(socket, "socket", WithoutIPv6)
        assert outbound.get(f"http://two.example:{port}/").ok
        both.pop()
        with pytest.raises(NotConnected, match="not supported"):
            outbound.get(f"http://two.example:{port}/")


def test_a_header_that_comes_twice_is_both_of_them():
    said = "HTTP/1.1 200 OK\r\nX-V: a\r\nX-V: b\r\nX-Size: größe\r\nContent-Length: 0\r\n\r\n"
    with answered(said.encode()) as (port, _):
        headers = outbound.get(f"http://127.0.0.1:{port}/").headers
    assert (headers["x-v"], headers["x-size"]) == ("a, b", "größe")


@pytest.mark.parametrize(
    ("url", "headers"), [("http://\u2603.example/", {}), ("http://127.0.0.1:9/", {"X-A": "\u2603"})]
)
def test_what_http_cannot_say_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, url: str, headers: dict[str, str]):
    loopback = [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 9))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: loopback)
    with pytest.raises(TargetRefused, match="characters"):
        outbound.request("get", url, headers=headers)


def silent(line: socket.socket) -> None:
    """Take the connection and say nothing."""
    wall.sleep(5)


def deaf(line: socket.socket) -> None:
    """Read nothing but a byte now and then, so that every write of the other side goes on a little."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    for _ in range(100):
        wall.sleep(0.05)
        line.recv(1024)


@pytest.mark.parametrize(
    ("scheme", "answering", "error"),
    [("http", silent, Unreachable), ("https", silent, NotConnected), ("http", deaf, Unreachable)],
)
def test_the_deadline_holds_wherever_the_other_side_hangs(scheme: str, answering: Answering, error: type[Exception]):
    started = wall.monotonic()
    with served(answering) as port, pytest.raises(error):
        outbound.request("POST", f"{scheme}://127.0.0.1:{port}/", body=b"x" * 20_000_000, deadline=0.5)
    assert wall.monotonic() - started < 2


def test_an_answer_of_a_server_that_does_not_read_the_whole_body_is_heard():
    def answering(line: socket.socket) -> None:
        line.recv(1024)
        line.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        line.shutdown(socket.SHUT_WR)
        wall.sleep(0.2)

    with served(answering) as port:
        assert outbound.post(f"http://127.0.0.1:{port}/", b"x" * 1_000_000, {}, deadline=2).status == 413


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"])
def test_what_is_no_whole_answer_is_unreachable(said: bytes):
    with answered(said) as (port, _), pytest.raises(Unreachable):
        outbound.get(f"http://127.0.0.1:{port}/")


def test_a_body_of_nothing_is_said_to_be_none_and_a_get_has_none():
    with answered() as (port, heard):
        outbound.post(f"http://127.0.0.1:{port}/", b"", {})
        outbound.get(f"http://127.0.0.1:{port}/")
    assert b"content-length: 0" in heard[0].lower()
    assert b"content-length" not in heard[1].lower()


def test_given_headers_stand_in_the_place_of_andons_own_but_never_of_the_host():
    with answered() as (port, heard):
        outbound.post(f"http://127.0.0.1:{port}/", b"x", {"user-agent": "other", "host": "elsewhere.example"})
    said = heard[0].lower()
    assert said.count(b"user-agent:") == said.count(b"host:") == 1
    assert b"user-agent: other" in said
    assert f"host: 127.0.0.1:{port}".encode() in said


def test_ipv6_is_called():
    if not _has_ipv6():
        pytest.skip("This machine has no IPv6 on loopback.")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(65536)
                line.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        assert outbound.get(f"http://[{ipaddress.ip_address('::1')}]:{port}/").ok


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
