"""What browser push needs: one pair of keys for the whole installation, which Andon makes itself (RFC 8292)."""

from cryptography.hazmat.primitives import serialization
from py_vapid import Vapid02

from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.paging.adapters.push.subscription import encode
from andon.paging.setup import Setup
from andon.people.ways import Way

_HELP = "Turn it on under “This browser” on your account page, in each browser that should show pages."


def make(settings: Settings) -> Settings:
    """The keys by which push services recognise this installation, where there are none yet.

    Never made twice: every browser is subscribed under the public one, and a new pair would silence them all.
    """
    if settings.get("private_key"):
        return {}
    keys = Vapid02()
    keys.generate_keys()
    point = keys.public_key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {"private_key": keys.private_pem().decode(), "public_key": encode(point)}


def not_typed(_address: str) -> str:
    """Refuse an address that somebody typed: without the browser's keys nothing could be read there."""
    raise Invalid(f"A browser is not added by its address. {_HELP}")


SETUP = Setup(
    what="Pages as notifications of the browsers in which people turn them on, phones included.",
    way=Way(
        label="Browser",
        help=_HELP,
        check=not_typed,
        typed=False,
    ),
    fields=(
        Field("private_key", "Private key", secret=True, made=True),
        Field("public_key", "Public key", made=True),
    ),
    make=make,
)
