"""Webhooks that Andon sends, signed by the Standard Webhooks scheme, so that any of its libraries verifies them.

Headers: `webhook-id` (the message's key: the same on every attempt), `webhook-timestamp` (this attempt, Unix seconds),
`webhook-signature` (`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body` under the secret).
"""

import base64
import binascii
import hashlib
import hmac

from andon.kit import clock

_PREFIX = "whsec_"


def headers(key: str, body: bytes, secret: str) -> dict[str, str]:
    """The headers of one attempt at sending a JSON body, made now."""
    timestamp = int(clock.now().timestamp())
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(key, timestamp, body, secret),
    }


def sign(key: str, timestamp: int, body: bytes, secret: str) -> str:
    """The signature header's value. A secret in the scheme's form, `whsec_` and base64, is decoded first."""
    signed = b".".join([key.encode(), str(timestamp).encode(), body])
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    """The bytes to sign with; a secret that is not in the scheme's form is taken as it stands."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()
