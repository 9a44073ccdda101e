"""What is put on the wire: a small JSON for the service worker, encrypted for one browser, and signed headers.

RFC 8291 says how it is encrypted, RFC 8292 how the sender is told, RFC 8030 what the other headers mean.
"""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from py_vapid import Vapid02

from andon.kit import clock
from andon.paging.adapters.push.subscription import Subscription
from andon.paging.message import Message

RECORD = 4096
"""Bytes of a whole message that every push service takes (RFC 8030, 7.2)."""
LARGEST = RECORD - 86 - 17
"""Bytes of text in it: without the header (RFC 8188, 2.1, with a P-256 key), the delimiter and the tag."""
SHORT = 1000
"""Bytes of text for a push service that calls the usual size too large."""
KEPT = timedelta(hours=4)
"""How long a push service keeps a page for a browser that is away. A night later it would page about the past."""
_TOKEN_LASTS = timedelta(hours=12)  # the most that RFC 8292, 2 allows is 24 h


def text(message: Message, largest: int = LARGEST) -> bytes:
    """The JSON that the service worker shows; words are cut, body before title, until it fits `largest` bytes."""
    lines = [f"{n}. {step}" for n, step in enumerate(message.first, 1)]
    lines += [f"{one.headline}\n{one.link}" for one in message.also]
    facts: dict[str, Any] = {
        "key": message.key,
        "kind": message.kind,
        "at": int(message.at.timestamp() * 1000),
        "title": message.subject,
        "body": "\n".join([message.why, *lines, *(one.headline for one in message.also)]),
        "link": _path(message.link),
        "take": "I have it" if message.kind == "page" and not message.also else "",
        "act": message.link_label,
        "tag": topic(message),
    }
    for name in ("body", "title"):
        over = len(_json(facts)) - largest
        if over > 0:
            facts[name] = _cut(facts[name], over)
    return _json(facts)


def topic(message: Message) -> str:
    """What replaces an earlier message that the browser has not seen: one incident, or one test (RFC 8030, 5.4).

    At most 32 characters of base64url: 32 hexadecimal digits are.
    """
    return (message.thread.rpartition("-")[2] or message.key)[-32:]


def sealed(plain: bytes, to: Subscription) -> bytes:
    """Encrypted for one browser, with a key pair and a salt of this message alone."""
    body: bytes = http_ece.encrypt(
        plain, private_key=ec.generate_private_key(ec.SECP256R1()), dh=to.key, auth_secret=to.auth, rs=RECORD
    )
    return body


def headers(message: Message, to: Subscription, keys: Vapid02) -> dict[str, str]:
    """How long to keep it, how urgent it is, what it replaces, and who sends it."""
    kept = KEPT if message.kind == "page" else timedelta(minutes=10)
    claims = {"aud": to.origin, "exp": int((clock.now() + _TOKEN_LASTS).timestamp()), "sub": _contact()}
    return {
        **keys.sign(claims),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(int(kept.total_seconds())),
        "Urgency": "high",
        "Topic": topic(message),
    }


def _contact() -> str:
    """Where a push service finds whoever runs this (RFC 8292, 2.1). Without https only this machine's browsers push."""
    base = urlsplit(settings.BASE_URL)
    return f"https://{base.hostname}" if base.scheme == "https" else "mailto:andon@localhost"


def _path(link: str) -> str:
    """The link as the browser knows this Andon, whose origin it was subscribed at."""
    return link.removeprefix(settings.BASE_URL)


def _json(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def _cut(words: str, over: int) -> str:
    """The words without at least `over` bytes of their end as JSON writes them, with a sign that they were cut."""
    keep = len(_json_string(words)) - over - len("…".encode())
    short = words
    while short and len(_json_string(short)) > max(0, keep):
        short = short[: len(short) - max(1, (len(_json_string(short)) - keep) // 6)]
    return f"{short}…"


def _json_string(words: str) -> bytes:
    return json.dumps(words, ensure_ascii=False).encode()
