"""The link in a message that lets its reader acknowledge: signed, for one page and one person, for seven days.

The signature makes it unguessable; that it works once is decided on the page's row (`acknowledged_at`), where two
clicks at the same instant meet.
"""

import base64
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from andon.kit import clock
from andon.paging.models import Page

LIFETIME = timedelta(days=7)
_FORMAT = struct.Struct(">16s16sI")  # page, person, Unix seconds: compact, so that the link stays short on a phone
_signer = Signer(salt="andon.paging.links", sep=".")


class Expired(Exception):  # noqa: N818  reads as what it is
    """The link was genuine and is too old."""


@dataclass(frozen=True)
class Ticket:
    """What a link says once its signature is verified."""

    page: UUID
    person: UUID
    made_at: datetime


def make(page: Page) -> str:
    """The token for a page; the same for every attempt to send it, because it is made of the page alone."""
    packed = _FORMAT.pack(page.pk.bytes, page.person_id.bytes, int(page.created_at.timestamp()))
    return _signer.sign(base64.urlsafe_b64encode(packed).decode().rstrip("="))


def url(page: Page) -> str:
    """The whole link."""
    return settings.BASE_URL + reverse("ack_link", args=[make(page)])


def read(token: str) -> Ticket | None:
    """What the token says, or None when Andon did not sign it. Raises `Expired` when it is older than seven days."""
    try:
        value = _signer.unsign(token)
        page, person, made = _FORMAT.unpack(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    except (BadSignature, ValueError, struct.error):
        return None
    ticket = Ticket(UUID(bytes=page), UUID(bytes=person), datetime.fromtimestamp(made, tz=clock.now().tzinfo))
    if clock.now() - ticket.made_at > LIFETIME:
        raise Expired
    return ticket
