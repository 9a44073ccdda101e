"""Proposed watches are made: those that somebody chose, all of them or none."""

from collections.abc import Collection

from django.db import transaction

from andon.kit.errors import Invalid
from andon.people.policy import Actor
from andon.watch.actions.watches import create_watch
from andon.watch.models import Log, Watch
from andon.watch.policy import must_manage
from andon.watch.suggestions import suggest


@transaction.atomic
def create_proposed(log: Log, keys: Collection[str] | None = None, *, by: Actor) -> list[Watch]:
    """Make watches that are proposed for a log: the named ones, or all; those that there are already are passed over.

    Raises `Invalid` for a name that is not among the proposals.
    """
    must_manage(by, "make watches")
    offers = suggest(log, by=by, measured=False).offers
    known = {offer.key for offer in offers}
    if keys is not None and (unknown := sorted(set(keys) - known)):
        raise Invalid(
            f"{', '.join(unknown)} is not proposed for “{log}”. There are: {', '.join(sorted(known))}.", field="keys"
        )
    chosen = [offer for offer in offers if offer.made is None and (keys is None or offer.key in keys)]
    return [create_watch(offer.facts, by=by) for offer in chosen]
