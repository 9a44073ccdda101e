"""Amazon SNS on loopback: a certificate of its own, a host that serves it, messages signed with it.

The adapter's code is the real one throughout; what a test puts in place is the way to `sns.<region>.amazonaws.com`,
which leads to a listener here.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from andon.kit import outbound
from tests.support.listener import Listener

CERTIFICATE_URL = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE_URL = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=abc"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:andon"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    *, begins: datetime = datetime(2020, 1, 1, tzinfo=UTC), days: int = 36_500, key: rsa.RSAPrivateKey = _KEY
) -> bytes:
    """A self-signed certificate in PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), begins, begins + timedelta(days=days)
    )
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def signed(message: dict[str, Any], version: str = "2") -> dict[str, Any]:
    """A message with SNS's signature of it, as Amazon's documentation says it is made."""
    message = {"SignatureVersion": version, "SigningCertURL": CERTIFICATE_URL, **message}
    if message["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    mark = _KEY.sign(text.encode(), PKCS1v15(), SHA1() if version == "1" else SHA256())
    return {**message, "Signature": b64encode(mark).decode()}


def notification(message: Any, **more: Any) -> dict[str, Any]:
    """A notification, not yet signed."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
        "Message": text, "Timestamp": "2026-03-02T02:05:01.000Z", **more,
    }  # fmt: skip


def confirmation(**more: Any) -> dict[str, Any]:
    """A request to confirm a subscription, not yet signed."""
    return {
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "TopicArn": TOPIC,
        "Token": "abc", "Message": "You have chosen to subscribe.", "SubscribeURL": SUBSCRIBE_URL,
        "Timestamp": "2026-03-02T02:00:00.000Z", **more,
    }  # fmt: skip


@dataclass
class Host:
    """SNS's host, played by a listener; `fetch` is the way there."""

    listener: Listener
    pem: bytes = b""

    def __post_init__(self) -> None:
        self.pem = self.pem or certificate()
        self.listener.answer = lambda handler: self.listener.say(handler, 200, self.pem)

    def fetch(self, url: str) -> outbound.Answer:
        """The same path, on loopback."""
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return outbound.request("GET", f"{self.listener.url}{parts.path}{query}", allow_private=True)
