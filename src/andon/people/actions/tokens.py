"""Personal tokens: made, shown once, revoked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import transaction

from andon.kit import clock, ids
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.api_auth import SCOPES, TOKEN_PREFIX
from andon.people.models import ApiToken
from andon.people.policy import Actor
from andon.practice.words import OrgRole

MOST_DAYS: Final = 3650


@dataclass(frozen=True)
class Minted:
    """A token's row and the token itself, which is kept nowhere: show it once."""

    row: ApiToken
    token: str


@transaction.atomic
def make_token(*, name: str, scopes: Iterable[str], days: int | None, by: Actor) -> Minted:
    """A personal token for the person who acts; `days` until it expires, None for one that does not.

    Raises `Invalid` naming the field.
    """
    person = by.must_be_person("make a personal token")
    if not name.strip():
        raise Invalid("Say what the token is for.", field="name")
    chosen = sorted(set(scopes))
    if not chosen:
        raise Invalid("Choose at least one scope.", field="scopes")
    if unknown := [scope for scope in chosen if scope not in SCOPES]:
        raise Invalid(f"There is no scope {unknown[0]}. Scopes are: {', '.join(SCOPES)}.", field="scopes")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise Invalid(f"A token lasts 1 to {MOST_DAYS} days.", field="days")
    token = ids.new_token(TOKEN_PREFIX)
    row = ApiToken.objects.create(
        person=person,
        name=name.strip()[:80],
        prefix=token[:16],
        digest=ids.digest(token),
        scopes=chosen,
        expires_at=clock.now() + timedelta(days=days) if days else None,
    )
    return Minted(row, token)


def revoke_token(token: ApiToken, *, by: Actor) -> None:
    """Make a token stop working at once; its person's to do, and an administrator's."""
    if (by.person is None or by.person.pk != token.person_id) and not by.may(OrgRole.ADMIN):
        raise Forbidden("You can only revoke your own tokens.")
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.now()) != 1:
        raise Conflict("This token was revoked already.")
