"""A probe asks a real server on loopback, and says what it saw: it holds, it does not, or it could not be told."""

import json
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from andon.containment import probes
from andon.containment.probes import Probe, look, point, same
from andon.kit import outbound
from tests.support import sns
from tests.support.listener import Listener, listening


@pytest.fixture
def server():
    with listening() as one:
        yield one


def answering(server, status=200, body=b"", **headers):
    server.answer = lambda handler: Listener.say(handler, status, body, **headers)
    return server


def serving(server, document, status=200, **headers):
    return answering(server, status, json.dumps(document).encode(), **headers)


def kept(server, **more):
    """A probe as a form keeps it."""
    return {"url": server.url, **more}


def seen(server, **more):
    return look(probes.read(kept(server, **more)))


@pytest.mark.parametrize(
    ("status", "expected", "holds"), [(200, "200", True), (503, "503", True), (200, "503", False), (302, "200", False)]
)
def test_a_status(server, status, expected, holds):
    found = seen(answering(server, status, Location="http://127.0.0.1:9/"), status=expected)
    assert found.holds is holds
    assert found.facts == {"status": status}
    assert str(status) in found.text


def test_a_redirect_is_an_answer_and_is_not_followed(server):
    assert seen(answering(server, 302, Location=f"{server.url}/elsewhere"), status="302").holds is True
    assert [heard.path for heard in server.heard] == ["/"]


@pytest.mark.parametrize(
    ("document", "pointer", "equals", "holds"),
    [
        ({"model": {"version": "v6"}}, "/model/version", '"v6"', True),
        ({"model": {"version": "v6"}}, "/model/version", "v6", True),
        ({"model": {"version": "v7"}}, "/model/version", "v6", False),
        ({"version": 6}, "/version", "6", True),
        ({"version": "6"}, "/version", "6", True),
        ({"share": 0.25}, "/share", "0.25", True),
        ({"on": True}, "/on", "true", True),
        ({"on": True}, "/on", "1", False),
        ({"on": 1}, "/on", "true", False),
        ({"on": None}, "/on", "null", True),
        ({"on": None}, "/on", "None", False),
        ({"replicas": [{"v": "a"}, {"v": "b"}]}, "/replicas/1/v", "b", True),
        ({"a/b": {"c~d": 1}}, "/a~1b/c~0d", "1", True),
        ({"modes": ["x"]}, "/modes", '["x"]', True),
        ({"text": "x" * 500}, "/text", "y", False),
    ],
)
def test_a_value_in_the_json(server, document, pointer, equals, holds):
    found = seen(serving(server, document), pointer=pointer, equals=equals)
    assert found.holds is holds, found.text
    assert len(found.text) < 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>Bad gateway</html>", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 30_000, "is not JSON"),
        (b'{"model": "v6"}', "has nothing at /version"),
        (b'["v6"]', "has nothing at /version"),
        (b"6", "has nothing at /version"),
    ],
)
def test_nonsense_is_never_taken_for_an_answer(server, body, says):
    found = seen(answering(server, 200, body), pointer="/version", equals="v6")
    assert found.holds is None
    assert says in found.text


def test_a_body_beyond_the_limit_is_read_no_further_and_said_to_be_too_large(server):
    whole = json.dumps({"version": "v6", "filler": "x" * 4_000_000}).encode()
    found = seen(answering(server, 200, whole), pointer="/version", equals="v6")
    assert found.holds is None
    assert f"{outbound.LARGEST_ANSWER // 1024} KB" in found.text
    assert seen(answering(server, 200, whole), status="200").holds is True, "nobody asked for what is in it"


@pytest.mark.parametrize(
    ("given_", "holds"), [({"X_Model_Version": "v6"}, True), ({"X_Model_Version": " v6 "}, True),
                          ({"X_Model_Version": "v7"}, False), ({}, None)],
)  # fmt: skip
def test_a_header_of_the_answer(server, given_, holds):
    found = seen(answering(server, 200, **given_), header="x-model-version", header_equals="v6")
    assert found.holds is holds


def test_everything_that_was_asked_for_must_hold(server):
    serving(server, {"version": "v6"}, X_Model="v6")
    whole = {"status": "200", "header": "X-Model", "header_equals": "v6", "pointer": "/version", "equals": "v6"}
    assert seen(server, **whole).holds is True
    for one in ({"status": "201"}, {"header_equals": "v5"}, {"equals": "v5"}):
        assert seen(server, **whole | one).holds is False, one


def test_it_asks_as_a_customer_would(server):
    serving(server, {"decision": "review"})
    found = seen(
        server, method="POST", body='{"income": 1}', headers="Authorization: Bearer t0k3n\n\nX-Who: probe",
        pointer="/decision", equals="review",
    )  # fmt: skip
    assert found.holds is True
    (heard,) = server.heard
    assert (heard.command, heard.body) == ("POST", b'{"income": 1}')
    assert heard.headers["content-type"] == "application/json"
    assert (heard.headers["authorization"], heard.headers["x-who"]) == ("Bearer t0k3n", "probe")
    assert "t0k3n" not in found.text + json.dumps(found.facts)


def test_each_of_several_requests_must_hold_for_a_balancer_answers_for_one_replica_at_a_time(server):
    replicas = iter(["v6", "v6", "v7", "v6"])
    server.answer = lambda handler: Listener.say(handler, 200, json.dumps({"v": next(replicas)}).encode())
    found = seen(server, pointer="/v", equals="v6", times="4")
    assert (found.holds, len(server.heard)) == (False, 3)
    assert found.text.startswith("Request 3: ")
    serving(server, {"v": "v6"})
    assert seen(server, pointer="/v", equals="v6", times="4").text.startswith("4 requests: ")


def test_a_look_whose_requests_take_too_long_altogether_cannot_be_told(server, monkeypatch):
    monkeypatch.setattr(probes, "LONGEST", 0.0)
    found = seen(serving(server, {"v": "v6"}), pointer="/v", equals="v6", times="3")
    assert found.holds is None
    assert "1 of 3 requests took so long that the rest was not made" in found.text
    assert len(server.heard) == 1


def test_an_answer_that_is_slow_to_come_or_to_end_cannot_be_told(server, monkeypatch):
    monkeypatch.setattr(probes, "DEADLINE", 0.3)
    over = threading.Event()

    def never(handler):
        over.wait(60)

    def begins(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"version": ')
        handler.wfile.flush()
        over.wait(60)

    try:
        for server.answer in (never, begins):
            found = seen(server, status="200", pointer="/version", equals="v6")
            assert found.holds is None
            assert "0.3 seconds" in found.text
    finally:
        over.set()


def test_what_breaks_off_cannot_be_told(server):
    def breaks(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.close_connection = True

    server.answer = breaks
    assert seen(server, pointer="/version", equals="v6").holds is None
    server.answer = lambda handler: setattr(handler, "close_connection", True)
    assert seen(server, status="200").holds is None


def test_nobody_there_cannot_be_told_and_is_never_success():
    with listening() as gone:
        url = gone.url
    found = look(Probe(url, status=200))
    assert found.holds is None
    assert "could not be reached" in found.text


def test_a_certificate_that_nobody_vouches_for_cannot_be_told(server, tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "cert.pem").write_bytes(sns.certificate(key=key))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    plain = server.server.socket
    # The handshake belongs to the request's own thread: a client that breaks it off must not end the server's loop.
    server.server.socket = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
    server.server.handle_error = lambda *_: None
    found = look(Probe(f"https://127.0.0.1:{server.port}/", status=200))
    assert found.holds is None
    assert "CERTIFICATE" in found.text.upper()
    assert server.heard == []


def test_an_address_that_is_never_called_is_not_called(settings):
    settings.ALLOW_PRIVATE_TARGETS = False
    found = look(Probe("http://127.0.0.1:9/", status=200))
    assert found.holds is None
    assert "private address" in found.text
    assert "metadata" in look(Probe("http://169.254.169.254/", status=200)).text


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({}, "needs an address"),
        ({"url": "http://x.example"}, "expects nothing sees nothing"),
        ({"url": "http://x.example", "pointer": "/v"}, "which value /v"),
        ({"url": "http://x.example", "status": "200"}, ""),
    ],
)
def test_what_cannot_be_meant_is_said(given_, says):
    found = probes.complaints(given_)
    assert (says in found[0]) if says else not found


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def ways(document, way=""):
    """Every pointer of a document, with the value that it leads to."""
    yield way, document
    if isinstance(document, dict):
        for name, value in document.items():
            yield from ways(value, f"{way}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield from ways(value, f"{way}/{number}")


@given(documents)
def test_every_value_of_a_document_is_where_its_pointer_leads(document):
    for way, value in ways(document):
        found = point(document, way)
        assert found is value or found == value
        assert same(found, value) or value != value  # noqa: PLR0124  nothing else differs from itself


@given(documents, documents)
def test_true_is_not_one_and_nothing_equals_nothing_else(one, other):
    assert same(one, other) == same(other, one)
    if isinstance(one, bool) != isinstance(other, bool):
        assert not same(one, other)


@given(documents, st.text(max_size=12).map(lambda text: f"/{text}"))
def test_a_pointer_that_leads_nowhere_raises_nothing(document, way):
    found = point(document, way)
    assert probes.found_nothing(found) or found is None or isinstance(found, bool | int | str | list | dict)
