"""Outbound HTTP: which addresses are called, and that a bad one on the other side costs a bounded time and memory."""

import contextlib
import ipaddress
import socket
import time as wall
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from andon.kit import outbound
from andon.kit.outbound import TargetRefused, Unreachable
from tests.support.listener import Listener, listening


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        yield one


def test_a_post_arrives_with_its_body_and_headers(listener: Listener):
    answer = outbound.post(f"{listener.url}/hook?a=1", b'{"x":1}', {"Content-Type": "application/json"})
    assert answer.ok
    heard = listener.heard[0]
    assert (heard.command, heard.path, heard.body) == ("POST", "/hook?a=1", b'{"x":1}')
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["host"] == listener.url.removeprefix("http://")
    assert heard.headers["user-agent"].startswith("Andon/")


def test_the_name_stays_in_the_host_header_while_the_checked_address_is_called(listener: Listener):
    outbound.get(f"http://localhost:{listener.port}/")
    assert listener.heard[0].headers["host"] == f"localhost:{listener.port}"


def test_a_redirect_is_an_answer_and_is_not_followed(listener: Listener):
    listener.always(302, Location=f"{listener.url}/elsewhere")
    assert outbound.get(listener.url).status == 302
    assert len(listener.heard) == 1


def test_an_endless_answer_is_cut_at_the_limit(listener: Listener):
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                handler.wfile.write(b"x" * 65536)

    listener.answer = flood
    assert len(outbound.get(listener.url).body) == outbound.LARGEST_ANSWER


def test_a_server_that_drips_is_cut_at_the_deadline_whatever_it_drips(listener: Listener):
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100):
                handler.wfile.write(b"X-A: b\r\n")
                handler.wfile.flush()
                wall.sleep(0.05)

    listener.answer = drip
    with pytest.raises(Unreachable, match="No complete answer within"):
        outbound.get(listener.url, deadline=0.4)


def test_nobody_listening_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="ConnectError"):
        outbound.get(f"http://127.0.0.1:{port}/")


def test_a_name_that_does_not_exist_is_unreachable(monkeypatch: pytest.MonkeyPatch):
    def no_such_name(*_: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    with pytest.raises(Unreachable, match="could not be looked up"):
        outbound.get("http://no-such-name.invalid/")


def test_a_name_that_changes_its_address_between_check_and_call_is_called_where_it_was_checked(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def rebinding(host: str, port: int, *_: object) -> list[object]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **_: rebinding(str(host), *rest))
    assert outbound.get(f"http://rebind.example:{listener.port}/").ok
    assert asked[0] == "rebind.example"
    assert "rebind.example" not in asked[1:]  # the second look-up, if any, is of the literal address


def test_the_second_address_is_tried_when_nobody_listens_on_the_first(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
):
    port = listener.port
    both = [(socket.AF_INET6, 1, 6, "", ("::1", port, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **kw: both if host == "two.example" else real(host, *rest, **kw),
    )
    assert outbound.get(f"http://two.example:{port}/").ok


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
    ],
)
def test_some_addresses_are_never_called(address: str):
    assert outbound.refusal(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fc00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"],
)  # fmt: skip
def test_private_addresses_are_called_only_where_that_is_allowed(address: str):
    assert "ANDON_ALLOW_PRIVATE_TARGETS" in outbound.refusal(ipaddress.ip_address(address), allow_private=False)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "fc00::1", "::ffff:10.0.0.1"])
def test_private_addresses_pass_where_allowed(address: str):
    assert outbound.refusal(ipaddress.ip_address(address), allow_private=True) == ""


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "8.8.8.8"])
def test_public_addresses_pass(address: str):
    assert outbound.refusal(ipaddress.ip_address(address), allow_private=False) == ""


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "//example.org/",
        "http://user:password@example.org/",
        "http://example.org:99999/",
        "http://exa mple.org/",
        "http://example.org/\r\nX: y",
        "http://[::1",
        "http://example.org\\@127.0.0.1/",
        "https://example.org/" + "a" * 2000,
    ],
)
def test_what_is_no_plain_web_address_is_refused_in_words(url: str):
    with pytest.raises(TargetRefused) as refused:
        outbound.check(url)
    assert "address" in refused.value.what


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"])
def test_loopback_is_refused_however_it_is_written(host: str):
    with pytest.raises(TargetRefused):
        outbound.check(f"http://{host}/", allow_private=False)


def test_one_bad_address_of_a_name_refuses_the_name(monkeypatch: pytest.MonkeyPatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answers)
    with pytest.raises(TargetRefused, match=r"10\.0\.0\.1"):
        outbound.check("http://mixed.example/", allow_private=False)


def test_the_setting_decides_when_nobody_else_does(settings: object):
    settings.ALLOW_PRIVATE_TARGETS = False
    with pytest.raises(TargetRefused):
        outbound.get("http://127.0.0.1:1/")
