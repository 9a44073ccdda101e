"""What the account page needs to turn pages on in this browser."""

from dataclasses import dataclass

from django import template
from django.urls import reverse

from andon.kit import ids
from andon.kit.crypto import readable
from andon.paging.providers import queries as providers
from andon.people.models import ChannelKind, Person
from andon.people.queries import own_contact_points

register = template.Library()


@dataclass(frozen=True)
class Browser:
    """A browser of the person. Its address stays here: the script knows its own by the digest."""

    digest: str
    remove_url: str


@dataclass(frozen=True)
class Push:
    """The public key to subscribe under, or why there is none; and the person's browsers."""

    key: str
    missing: str
    points: list[Browser]


@register.simple_tag
def browsers(person: Person) -> Push:
    """How browser push stands for a person."""
    missing = providers.missing(ChannelKind.PUSH)
    key = "" if missing else providers.settings_of(ChannelKind.PUSH)["public_key"]
    points = own_contact_points(person).filter(kind=ChannelKind.PUSH)
    return Push(
        key=key,
        missing=missing,
        points=[
            Browser(ids.digest(point.address), reverse("own_contact_point_remove", args=[point.pk]))
            for point in points
            if readable(point.address)
        ],
    )
