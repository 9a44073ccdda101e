"""Setting channels up over the API. Secrets go in and never come out."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema

from andon.kit.shapes import Given
from andon.paging import adapters
from andon.paging.channel import Outcome
from andon.paging.providers import actions, queries, trying
from andon.paging.providers.queries import Standing
from andon.people.api_auth import caller
from andon.people.models import ChannelKind
from andon.practice.words import OrgRole

channels = Router(tags=["channels"])


class SettingOut(Schema):
    """One setting of a channel. `value` is empty for a secret; `is_set` says whether one is kept."""

    name: str
    label: str
    help: str
    secret: bool
    required: bool
    made_by_andon: bool
    is_set: bool
    value: str


class ChannelOut(Schema):
    """A channel, what it needs for the whole installation, and whether it can be used."""

    kind: ChannelKind
    what: str
    standing: Standing
    missing: str
    same_as: str
    changed_at: datetime | None
    settings: list[SettingOut]

    @classmethod
    def of(cls, kind: ChannelKind) -> "ChannelOut":
        """As it stands now."""
        setup, kept = adapters.setup(kind), queries.kept(kind)
        return cls(
            kind=kind,
            what=setup.what,
            standing=queries.standing(kind),
            missing=queries.missing(kind),
            same_as=setup.same_as,
            changed_at=kept.changed_at,
            settings=[
                SettingOut(
                    name=one.name,
                    label=one.label,
                    help=one.help,
                    secret=one.secret,
                    required=one.required,
                    made_by_andon=one.made,
                    is_set=bool(kept.settings.get(one.name)),
                    value="" if one.secret else kept.settings.get(one.name) or one.default,
                )
                for one in setup.fields
            ],
        )


class SettingsIn(Given):
    """Settings by name. One that is left out stays as it is; an empty text empties it."""

    settings: dict[str, str]


class ProviderTestOut(Schema):
    """What became of a test message."""

    outcome: Outcome
    reason: str


@channels.get("", response=list[ChannelOut])
def list_channels(request: HttpRequest) -> list[ChannelOut]:
    """List every channel and how it stands; for administrators."""
    caller(request, "people:read").must_be(OrgRole.ADMIN, "see how channels are set up")
    return [ChannelOut.of(kind) for kind in queries.known()]


@channels.get("/{kind}", response=ChannelOut)
def get_channel(request: HttpRequest, kind: str) -> ChannelOut:
    """Read how a channel stands; for administrators."""
    caller(request, "people:read").must_be(OrgRole.ADMIN, "see how channels are set up")
    return ChannelOut.of(queries.find(kind))


@channels.put("/{kind}", response=ChannelOut)
def set_up_channel(request: HttpRequest, kind: str, body: SettingsIn) -> ChannelOut:
    """Keep the settings of a channel and switch it on."""
    by = caller(request, "people:write")
    which = queries.find(kind)
    actions.set_up(which, body.settings, by=by)
    return ChannelOut.of(which)


@channels.post("/{kind}/disable", response=ChannelOut)
def disable_channel(request: HttpRequest, kind: str) -> ChannelOut:
    """Send nothing over a channel any more; its settings stay."""
    by = caller(request, "people:write")
    which = queries.find(kind)
    actions.disable(which, by=by)
    return ChannelOut.of(which)


@channels.post("/{kind}/enable", response=ChannelOut)
def enable_channel(request: HttpRequest, kind: str) -> ChannelOut:
    """Use a channel again."""
    by = caller(request, "people:write")
    which = queries.find(kind)
    actions.enable(which, by=by)
    return ChannelOut.of(which)


@channels.post("/{kind}/test", response=ProviderTestOut)
def try_channel(request: HttpRequest, kind: str) -> ProviderTestOut:
    """Send a test message to one's own contact point of this kind."""
    receipt = trying.try_channel(queries.find(kind), by=caller(request, "people:write"))
    return ProviderTestOut(outcome=receipt.outcome, reason=receipt.reason)
