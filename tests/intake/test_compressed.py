"""Bodies that come compressed with gzip are taken by every intake, bounded; a signature is of what was sent."""

import gzip
import hashlib
import hmac
import json
import random

import pytest

from andon.intake.actions import create_integration
from andon.intake.adapters import adapters
from andon.intake.decoding import unpacked
from andon.intake.events import MAX_BODY, Malformed, Request
from andon.intake.models import Delivery, Signal
from andon.people.policy import Actor
from tests.intake.test_asgi import ask, post, sender  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db(transaction=True)

PACKED = {"content-encoding": "gzip"}
BODY = json.dumps({"title": "Errors", "text": "x" * 1000}).encode()


def test_a_compressed_body_is_understood_and_kept_readable(sender):  # noqa: F811
    (answer,) = ask(lambda app: post(app, sender, gzip.compress(BODY), headers=PACKED))
    assert answer.status == 200
    assert Signal.objects.get().title == "Errors"
    assert bytes(Delivery.objects.get().body) == BODY


@pytest.mark.parametrize("at", [1, 20, 500, len(BODY) - 1])
def test_of_several_members_each_is_read(sender, at):  # noqa: F811
    """Whoever compresses piece by piece sends several (RFC 1952, 2.2)."""
    packed = gzip.compress(BODY[:at]) + gzip.compress(b"") + gzip.compress(BODY[at:])
    (answer,) = ask(lambda app: post(app, sender, packed, headers=PACKED))
    assert answer.status == 200
    assert Signal.objects.get().title == "Errors"
    assert bytes(Delivery.objects.get().body) == BODY


def test_members_larger_than_what_is_read_at_once():
    text = random.Random(1).randbytes(300_000)
    packed = b"".join(gzip.compress(text[begin : begin + 7_001]) for begin in range(0, len(text), 7_001))
    request = Request(packed, PACKED)
    assert unpacked(request, len(text)).body == text
    with pytest.raises(Malformed, match="more than 299999 bytes"):
        unpacked(request, len(text) - 1)


@pytest.mark.parametrize(
    ("body", "encoding", "words"),
    [
        (lambda: gzip.compress(b" " * (MAX_BODY + 1)), "gzip", "more than 1048576 bytes"),
        (lambda: gzip.compress(b" " * (200 * MAX_BODY)), "gzip", "more than 1048576 bytes"),
        (lambda: BODY, "gzip", "is said to be gzip and is not"),
        (lambda: gzip.compress(BODY)[:-9], "x-gzip", "breaks off"),
        (lambda: BODY, "br", "gzip and none are understood"),
        (lambda: gzip.compress(b" " * MAX_BODY) + gzip.compress(b" "), "gzip", "more than 1048576 bytes"),
        (lambda: gzip.compress(BODY) + b"more", "gzip", "is not to its end"),
        (lambda: gzip.compress(BODY) + gzip.compress(BODY)[:-9], "gzip", "breaks off"),
    ],
    ids=[
        "a byte too long",
        "a bomb",
        "not packed",
        "cut off",
        "another way",
        "a byte too long in two",
        "junk behind",
        "the second cut off",
    ],
)
def test_what_cannot_be_unpacked_is_400_in_words_and_kept_bounded(sender, body, encoding, words):  # noqa: F811
    (answer,) = ask(lambda app: post(app, sender, body(), headers={"content-encoding": encoding}))
    assert answer.status == 400
    assert words in answer.body["detail"]
    kept = Delivery.objects.get()
    assert kept.outcome == "rejected"
    assert len(kept.body) <= 65_536
    assert not Signal.objects.exists()


def test_an_empty_or_plain_encoding_changes_nothing(sender):  # noqa: F811
    answers = ask(
        lambda app: post(app, sender, BODY, headers={"content-encoding": "identity"}),
        lambda app: post(app, sender, BODY, headers={"content-encoding": ""}),
    )
    assert [answer.status for answer in answers] == [200, 200]


def test_a_signature_is_of_the_body_as_it_was_sent():
    secret = "a shared secret of theirs"
    create_integration(slug="g", name="G", kind="grafana", by=Actor.operator(), secret=secret)
    alert = {"status": "firing", "labels": {"alertname": "Errors"}, "annotations": {}, "fingerprint": "f"}
    body = gzip.compress(json.dumps({"version": "1", "alerts": [alert]}).encode())
    name = "x-grafana-alerting-signature"
    signed = {name: hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()} | PACKED
    plain = {name: hmac.new(secret.encode(), gzip.decompress(body), hashlib.sha256).hexdigest()} | PACKED
    answers = ask(
        lambda app: post(app, body=body, path="/intake/grafana/g", headers=signed),
        lambda app: post(app, body=body, path="/intake/grafana/g", headers=plain),
    )
    assert [answer.status for answer in answers] == [200, 401]


def test_a_token_inside_a_compressed_body_is_found():
    kind = next(name for name, adapter in adapters().items() if adapter.token_in_body)
    assert kind == "pagerduty"
    _, token = create_integration(slug="p", name="P", kind=kind, by=Actor.operator())
    said = {
        "routing_key": token,
        "event_action": "trigger",
        "payload": {"summary": "S", "source": "s", "severity": "critical"},
    }
    packed = gzip.compress(json.dumps(said).encode())
    answers = ask(
        lambda app: post(app, body=packed, path="/v2/enqueue", headers=PACKED),
        lambda app: post(app, body=packed[:20], path="/v2/enqueue", headers=PACKED),
    )
    assert [answer.status for answer in answers] == [202, 401]
