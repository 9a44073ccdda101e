"""What Amazon SNS wraps a message into, and how it vouches for it.

The signature covers certain fields in a fixed order (docs.aws.amazon.com, SNS, verifying the signatures of messages):
RSA with SHA-1 (version 1) or SHA-256 (version 2), by a certificate that SNS serves itself. Whose certificate it is
follows from its address alone, so that must be SNS's own host, over https. It is fetched once and remembered.

A message may be an hour old and more: SNS goes on trying with the same time in it, and what it brings after an outage
must not be turned away. So age is no reason to refuse; that an alarm is old news is seen from the time of its change
of state.
"""

import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_pem_x509_certificate

from andon.intake.events import Malformed, Unsigned
from andon.kit import clock, outbound

REMEMBERED = 32
"""Certificates kept: one a region, and their successors."""

_HOST = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")
_CERTIFICATE = re.compile(r"/[\w-]+\.pem")
_HASHES = {"1": SHA1, "2": SHA256}

Fetch = Callable[[str], outbound.Answer]


class Envelope(msgspec.Struct, rename="pascal"):
    """One message as SNS posts it. Names are SNS's own, in capitals in the body."""

    type: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    signature_version: Literal["1", "2"] = "1"
    subject: str | None = None
    subscribe_url: str | None = msgspec.field(default=None, name="SubscribeURL")
    token: str | None = None

    def signed_text(self) -> bytes:
        """What the signature covers: names and values, each on a line of its own, in the order of the names."""
        if self.type == "Notification":
            named = [("Message", self.message), ("MessageId", self.message_id), ("Subject", self.subject)]
            named += [("Timestamp", self.timestamp), ("TopicArn", self.topic_arn), ("Type", self.type)]
        else:
            named = [("Message", self.message), ("MessageId", self.message_id), ("SubscribeURL", self.subscribe_url)]
            named += [("Timestamp", self.timestamp), ("Token", self.token), ("TopicArn", self.topic_arn)]
            named += [("Type", self.type)]
        return "".join(f"{name}\n{value}\n" for name, value in named if value is not None).encode()


def must_be_amazons(url: str, field: str) -> str:
    """The address, if it is one of SNS itself. Raises `Malformed`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Malformed("This is not a web address.", field=field) from error
    # `urlsplit` drops line breaks; a caller further on might not.
    plain = url.isprintable() and parts.username is None and parts.password is None and port in {None, 443}
    if parts.scheme != "https" or not plain or not _HOST.fullmatch(parts.hostname or ""):
        raise Malformed("The address must be https and of the host sns.<region>.amazonaws.com.", field=field)
    return url


class Certificates:
    """SNS's certificates, fetched when first named.

    Args:
        fetch: How to get one: `andon.kit.outbound.get`, but in tests that play SNS's host on loopback.
    """

    def __init__(self, fetch: Fetch = outbound.get) -> None:
        self._fetch = fetch
        self._known: OrderedDict[str, Certificate] = OrderedDict()
        self._lock = Lock()

    def verify(self, envelope: Envelope) -> None:
        """Return if SNS signed it. Raises `Unsigned`, `Malformed`, or `Unreachable` where it cannot be told now."""
        url = must_be_amazons(envelope.signing_cert_url, "SigningCertURL")
        if not _CERTIFICATE.fullmatch(urlsplit(url).path) or "?" in url:
            raise Malformed("The address must be that of a certificate, which ends in .pem.", field="SigningCertURL")
        certificate = self._get(url)
        now = clock.now()
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Unsigned("The certificate that SNS names is not valid at this time.")
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise Unsigned("The certificate that SNS names holds no RSA key.")
        try:
            signature = b64decode(envelope.signature, validate=True)
            key.verify(signature, envelope.signed_text(), PKCS1v15(), _HASHES[envelope.signature_version]())
        except (ValueError, InvalidSignature) as error:
            raise Unsigned("The signature does not fit: this is not what SNS sent.") from error

    def _get(self, url: str) -> Certificate:
        with self._lock:
            if known := self._known.get(url):
                return known
        try:
            answer = self._fetch(url)
        except outbound.TargetRefused as error:
            raise Unsigned(f"The certificate that SNS names cannot be fetched: {error}") from error
        if not answer.ok:
            raise outbound.Unreachable(f"SNS answered {answer.status} when asked for its certificate.")
        try:
            certificate = load_pem_x509_certificate(answer.body)
        except ValueError as error:
            raise Unsigned("What SNS's address holds is no certificate.") from error
        with self._lock:
            self._known[url] = certificate
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return certificate
