"""Setting channels up for the whole installation: administrators only, and secrets go in and never out."""

from collections.abc import Mapping

from django.db import transaction

from andon.kit import clock, db
from andon.kit.crypto import readable
from andon.kit.errors import Conflict, Invalid
from andon.kit.fields import checked, secrets_stay
from andon.paging import adapters
from andon.paging.models import Provider
from andon.paging.providers import queries
from andon.paging.setup import Setup
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from andon.practice.words import OrgRole


@transaction.atomic
def set_up(kind: ChannelKind, given: Mapping[str, str], *, by: Actor) -> Provider:
    """Keep the settings of a channel and switch it on.

    What is not in `given` stays as it is; an empty value empties its setting. Raises `Invalid` naming the field.
    """
    by.must_be(OrgRole.ADMIN, "set up channels")
    setup = _settable(kind)
    if unknown := sorted(set(given) - {field.name for field in setup.typed}):
        raise Invalid(f"{kind.label} has no setting {unknown[0]!r}.", field=unknown[0])
    row = _held(kind)
    before = _readable(row)
    after = before | {field.name: checked(field, given[field.name]) for field in setup.typed if field.name in given}
    secrets_stay(setup.typed, before, after, given)
    for field in setup.typed:
        if field.required and not (after.get(field.name) or field.default):
            raise Invalid(f"Give the {field.label}.", field=field.name)
    if setup.make:
        after |= setup.make(after)
    row.settings, row.disabled_at, row.changed_at = {k: v for k, v in after.items() if v}, None, clock.now()
    row.save(update_fields=["settings", "disabled_at", "changed_at"])
    queries.forget()
    return row


@transaction.atomic
def disable(kind: ChannelKind, *, by: Actor) -> None:
    """Send nothing over a channel any more; its settings stay. Pages that wait for it are given up as they are due."""
    by.must_be(OrgRole.ADMIN, "switch channels off")
    row = _held(kind)
    if row.disabled_at:
        raise Conflict(f"{kind.label} is switched off already.")
    if queries.standing(kind) is queries.Standing.NOT_SET_UP:
        raise Conflict(f"{kind.label} is not set up, so that there is nothing to switch off.")
    now = clock.now()
    Provider.objects.filter(pk=row.pk).update(disabled_at=now, changed_at=now)
    queries.forget()


@transaction.atomic
def enable(kind: ChannelKind, *, by: Actor) -> None:
    """Use a channel again, with the settings that it had."""
    by.must_be(OrgRole.ADMIN, "switch channels on")
    row = _held(kind)
    if not row.disabled_at:
        raise Conflict(f"{kind.label} is switched on already.")
    Provider.objects.filter(pk=row.pk).update(disabled_at=None, changed_at=clock.now())
    queries.forget()


def _settable(kind: ChannelKind) -> Setup:
    setup = adapters.setup(kind)
    if setup.same_as:
        raise Invalid(f"{kind.label} uses the settings of {ChannelKind(setup.same_as).label}: set up that one.")
    if not setup.fields and not setup.make:
        raise Invalid(f"{kind.label} has nothing to set up here.")
    return setup


def _held(kind: ChannelKind) -> Provider:
    """The row of a channel, made if it is not there, and held until the transaction is over. Its settings wait."""
    Provider.objects.defer("settings").get_or_create(kind=kind, defaults={"settings": {}, "changed_at": clock.now()})
    return db.lock(Provider.objects.filter(kind=kind).defer("settings")).get()


def _readable(row: Provider) -> dict[str, str]:
    """The settings as they are; none where no key opens them, so that they can be given again."""
    return dict(row.settings) if readable(row.settings) else {}
