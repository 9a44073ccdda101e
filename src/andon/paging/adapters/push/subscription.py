"""What a browser gives out so that it can be pushed to: an address at its push service, and keys (RFC 8291, 3.2)."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from andon.kit.errors import Invalid

LONGEST_ENDPOINT = 2000
_POINT_BYTES = 65  # an uncompressed point of P-256
_AUTH_BYTES = 16
_AGAIN = "Reload the page and turn it on again."


@dataclass(frozen=True)
class Subscription:
    """One browser of one person.

    Attributes:
        endpoint: Where messages for it are posted. Whoever knows it can send there, so it is treated as a secret.
        key: The browser's public key (`p256dh`), an uncompressed point of P-256.
        auth: The browser's authentication secret, 16 bytes.
    """

    endpoint: str
    key: bytes
    auth: bytes

    @classmethod
    def given(cls, *, endpoint: str, p256dh: str, auth: str) -> Self:
        """As a browser posts it; raises `Invalid` in words for what no browser gives."""
        made = cls(_usable(endpoint.strip()), _bytes(p256dh), _bytes(auth))
        if len(made.key) != _POINT_BYTES or len(made.auth) != _AUTH_BYTES or not _on_the_curve(made.key):
            raise Invalid(f"The browser's keys are not what Web Push keys look like. {_AGAIN}")
        return made

    @classmethod
    def kept(cls, address: str, secret: str) -> Self:
        """As a contact point keeps it; raises `ValueError` when its keys are not there (an erased person's)."""
        keys = json.loads(secret)
        return cls(address, _decode(keys["p256dh"]), _decode(keys["auth"]))

    @property
    def secret(self) -> str:
        """The keys as a contact point keeps them, in the browser's own form."""
        return json.dumps({"p256dh": encode(self.key), "auth": encode(self.auth)})

    @property
    def origin(self) -> str:
        """Scheme, host and port of the push service: whom the VAPID token is for (RFC 8292, 2)."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}"


def encode(data: bytes) -> str:
    """base64url without padding, as Web Push writes keys."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _bytes(text: str) -> bytes:
    try:
        return _decode(text.strip().rstrip("="))
    except (binascii.Error, ValueError):
        raise Invalid(f"The browser's keys could not be read. {_AGAIN}") from None


def _usable(endpoint: str) -> str:
    """An address of a push service: https, and http too where private addresses are allowed (one in the house)."""
    schemes = {"https", "http"} if settings.ALLOW_PRIVATE_TARGETS else {"https"}
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in schemes and bool(parts.hostname) and not parts.username
    except ValueError:
        usable = False
    if not usable or len(endpoint) > LONGEST_ENDPOINT:
        raise Invalid(f"The browser gave no usable address of a push service. {_AGAIN}")
    return endpoint


def _on_the_curve(key: bytes) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        return False
    return True
