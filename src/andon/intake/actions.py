"""Writes of this slice. What senders bring is written by `recording`; here is what people and the engine decide."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from andon.intake import own, queries
from andon.intake.adapters import adapters
from andon.intake.events import Malformed
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.policy import must_manage
from andon.kit import clock, db, ids
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.practice.words import IncidentType
from andon.registry.models import System

TOKEN_PREFIX = "andon_in"  # noqa: S105  the readable part that every token shares
RESERVED = frozenset({"new", own.ITSELF.slug, own.WATCHES.slug})  # the page that sets one up; Andon's own voices
_ADDRESS = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
LONGEST_SECRET, LONGEST_OPTION = 500, 500
KEPT = {
    Delivery.Outcome.ACCEPTED: timedelta(days=7),
    Delivery.Outcome.PARTLY: timedelta(days=30),
    Delivery.Outcome.REJECTED: timedelta(days=30),
}
"""How long a request's raw body is kept: longer where somebody has something to look at."""


@dataclass(frozen=True, slots=True)
class ByRules:
    """What rules did to a signal; `held_by` and `again_at` together, while one keeps it from opening an incident."""

    told: Sequence[Mapping[str, Any]] = ()
    held_by: str | None = None
    again_at: datetime | None = None
    again_count: int | None = None
    close_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a signal goes, and why. Keys, because many signals share few incidents and systems."""

    signal: Signal
    incident: UUID | None
    system: UUID | None
    reason: str
    by_rules: ByRules | None = None  # None = no rule has anything to do with it, and none had


_ROUTED = ["incident", "system", "reason_joined", "leased_until", "route_at"]
_RULED = ["rules", "held_by", "look_at_count", "close_at"]
_AS_READ = ["id", "route_at", "status"]


def routed(decided: Sequence[Routed]) -> int:
    """Write where signals went and why; how many are no longer due. The caller holds them (see `due_for_routing`).

    A signal that brought news after it was read (it resolved, it got worse) stays due and is routed again.
    """
    plain, ruled = [], []
    for one in decided:
        rules = one.by_rules
        went = (one.incident, one.system, one.reason, None, rules.again_at if rules else None)
        as_read = (one.signal.pk, one.signal.route_at, one.signal.status)
        if rules is None:
            plain.append((*went, *as_read))
        else:
            told = [dict(each) for each in rules.told] or None
            ruled.append((*went, told, rules.held_by, rules.again_count, rules.close_at, *as_read))
    done = db.update_each(Signal, _ROUTED, plain, where=_AS_READ)
    return done + db.update_each(Signal, [*_ROUTED, *_RULED], ruled, where=_AS_READ)


def rest(signals: Iterable[Signal], until: datetime) -> None:
    """Leave signals alone for a while that could not be routed; they stay due."""
    Signal.objects.filter(pk__in=[signal.pk for signal in signals], route_at__isnull=False).update(leased_until=until)


@transaction.atomic
def create_integration(
    *,
    slug: str,
    name: str,
    kind: str,
    by: Actor,
    system: System | None = None,
    type_: str = "",
    resolves_incidents: bool = False,
    secret: str = "",
    options: Mapping[str, str] | None = None,
) -> tuple[Integration, str]:
    """A new sender; returns it with its token, which is not kept and cannot be shown again.

    Without a `slug` one is made of the name. With a `secret` a signature that fits is demanded in place of the token;
    `options` are what this kind of sender asks for beside (its adapter's `fields`).
    """
    must_manage(by, "set up integrations")
    slug = slug.strip() or slugify(name)[:60].strip("-")
    if not _ADDRESS.fullmatch(slug):
        raise Invalid("Use small letters, digits and hyphens, such as prometheus-eu; at most 60.", field="slug")
    if slug in RESERVED:
        raise Invalid(f"Andon uses the address {slug!r} itself. Choose another.", field="slug")
    if kind not in adapters():
        raise Invalid(f"There is no adapter {kind!r}; there are {', '.join(adapters())}.", field="kind")
    token = _new_token(kind)
    try:
        with transaction.atomic():
            integration = Integration.objects.create(
                slug=slug,
                name=_named(name),
                kind=kind,
                token_digest=ids.digest(token),
                system=system,
                secret=_secret(kind, secret),
                settings=_settings(kind, {}, type_, options or {}),
                resolves_incidents=resolves_incidents,
            )
    except IntegrityError as error:
        raise Invalid(f"Another integration has the address {slug!r} already.", field="slug") from error
    return integration, token


@transaction.atomic
def change_integration(
    integration: Integration,
    *,
    name: str,
    by: Actor,
    system: System | None,
    type_: str = "",
    resolves_incidents: bool,
    secret: str | None = None,
    options: Mapping[str, str] | None = None,
) -> Integration:
    """Change what an integration is called, stands for and may do; address and token stay.

    A `secret` that is None stays, an empty one is taken away: then the token is demanded again.
    """
    must_manage(by, "change integrations")
    held = db.lock(Integration.objects.filter(pk=integration.pk)).get()
    held.name = _named(name)
    held.system = system
    held.settings = _settings(held.kind, held.settings, type_, options)
    held.resolves_incidents = resolves_incidents
    if secret is not None:
        held.secret = _secret(held.kind, secret)
    held.save(update_fields=["name", "system", "settings", "resolves_incidents", "secret"])
    return held


@transaction.atomic
def rotate_token(integration: Integration, *, by: Actor) -> str:
    """A new token; the old one stops within a few seconds (see `doors`)."""
    must_manage(by, "replace tokens")
    if integration.kind == own.KIND:
        raise Conflict(f"{integration.name} is Andon's own voice: nothing is sent to it, so it needs no token.")
    token = _new_token(integration.kind)
    Integration.objects.filter(pk=integration.pk).update(token_digest=ids.digest(token))
    return token


@transaction.atomic
def disable_integration(integration: Integration, *, by: Actor) -> Integration:
    """Take no more from this sender, within a few seconds; what was heard stays."""
    must_manage(by, "disable integrations")
    changed = Integration.objects.filter(pk=integration.pk, disabled_at__isnull=True).update(disabled_at=clock.now())
    if changed != 1:
        raise Conflict(f"{integration.name} is disabled already.")
    integration.refresh_from_db()
    return integration


@transaction.atomic
def enable_integration(integration: Integration, *, by: Actor) -> Integration:
    """Listen to this sender again, with the same token."""
    must_manage(by, "enable integrations")
    if Integration.objects.filter(pk=integration.pk, disabled_at__isnull=False).update(disabled_at=None) != 1:
        raise Conflict(f"{integration.name} is not disabled.")
    integration.refresh_from_db()
    return integration


def prune_deliveries(now: datetime, limit: int) -> int:
    """Forget raw bodies that are older than they are kept: accepted ones a week, others 30 days.

    The newest of each integration stays, and the newest of which anything was taken, which says when the sender was
    last heard. At most `limit` of each integration
    go at once, found by its own index; returns how many went.
    """
    return sum(_prune(integration, now, limit) for integration in Integration.objects.values_list("pk", flat=True))


def _prune(integration: UUID, now: datetime, limit: int) -> int:
    each = {outcome: queries.newest_first(integration, outcome) for outcome in Delivery.Outcome}
    found = {outcome: rows.values_list("created_at", "pk").first() for outcome, rows in each.items()}
    newest = {outcome: one for outcome, one in found.items() if one is not None}
    taken = [one for outcome, one in newest.items() if outcome in queries.TAKEN]
    stay = {max(among)[1] for among in (newest.values(), taken) if among}
    keys = list[UUID]()
    for outcome, rows in each.items():
        old = rows.filter(created_at__lt=now - KEPT[outcome]).exclude(pk__in=stay).order_by("created_at")
        keys += old.values_list("pk", flat=True)[: limit - len(keys)]
    return Delivery.objects.filter(pk__in=keys).delete()[0] if keys else 0


def _named(name: str) -> str:
    if not name.strip():
        raise Invalid("Give it a name that people will recognise.", field="name")
    return name.strip()


def _new_token(kind: str) -> str:
    adapter = adapters().get(kind)
    return ids.new_short_token() if adapter and adapter.short_token else ids.new_token(TOKEN_PREFIX)


def _secret(kind: str, secret: str) -> str:
    secret = secret.strip()
    adapter = adapters().get(kind)
    if secret and not (adapter and adapter.signed_by):
        raise Invalid("This kind of sender signs nothing: leave the secret empty, the token is enough.", field="secret")
    if len(secret) > LONGEST_SECRET:
        raise Invalid(f"A secret has at most {LONGEST_SECRET} characters.", field="secret")
    return secret


def _settings(kind: str, settings: Mapping[str, Any], type_: str, options: Mapping[str, str] | None) -> dict[str, Any]:
    """The settings with the type that signals count as when they name none, and the kind's own."""
    if type_ and type_ not in set(IncidentType):
        raise Invalid(f"There is no incident type {type_!r}.", field="type")
    now = {name: value for name, value in settings.items() if name != "type"} | ({"type": type_} if type_ else {})
    return now if options is None else now | _options(kind, options)


def _options(kind: str, options: Mapping[str, str]) -> dict[str, str]:
    """The settings of the kind's own, each checked; `Invalid` names one that is missing or that it does not know."""
    adapter = adapters().get(kind)
    fields = {field.name: field for field in adapter.fields} if adapter else {}
    for name in options:
        if name not in fields:
            raise Invalid(f"This kind of sender has no setting {name!r}.", field=name)
    given = {name: options.get(name, "").strip() for name in fields}
    for name, value in given.items():
        if fields[name].required and not value:
            raise Invalid("This kind of sender cannot do without it.", field=name)
        if fields[name].choices and value not in dict(fields[name].choices):
            raise Invalid(f"Give one of {', '.join(key or '(empty)' for key, _ in fields[name].choices)}.", field=name)
        if len(value) > LONGEST_OPTION:
            raise Invalid(f"It has at most {LONGEST_OPTION} characters.", field=name)
    if adapter:
        try:
            adapter.check(given)
        except Malformed as error:
            raise Invalid(error.what, field=error.field) from error
    return given
