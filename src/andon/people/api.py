"""People, teams, invitations and one's own account over the API."""

from datetime import datetime, time
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from ninja import Field, Router, Schema
from ninja.responses import Status

from andon.kit import cursor as paging
from andon.kit.errors import Forbidden, Missing
from andon.kit.outdated import go_on, when_outdated
from andon.kit.shapes import Given
from andon.people import actions, mail, queries, ties
from andon.people.api_auth import Unauthenticated, caller, who
from andon.people.models import ApiToken, ChannelKind, ContactPoint, Invitation, Membership, Person, Team
from andon.people.policy import Actor
from andon.practice.words import OrgRole

router = Router(tags=["people"])
teams = Router(tags=["teams"])
invitations = Router(tags=["invitations"])
me = Router(tags=["me"])


class PersonOut(Schema):
    """A person. `reach` names the kinds of contact points that work; empty when no page would arrive."""

    id: UUID
    name: str
    email: str
    role: OrgRole
    time_zone: str
    quiet_from: time | None
    quiet_until: time | None
    is_active: bool
    teams: list[str]
    reach: str

    @staticmethod
    def resolve_teams(person: Person) -> list[str]:
        """Their short names."""
        return [team.slug for team in person.teams.all()]


class PeopleOut(Schema):
    """A page of people."""

    items: list[PersonOut]
    next_cursor: str | None


class PersonIn(Given):
    """What to change; what is left out stays."""

    name: str | None = None
    time_zone: str | None = Field(None, description="IANA name, like Europe/Berlin.")
    role: OrgRole | None = None
    is_active: bool | None = None


class UncoveredOut(Schema):
    """What is left uncovered without a person, one sentence each."""

    uncovered: list[str]


class MemberOut(Schema):
    """A person in a team."""

    person: UUID
    name: str
    role: str


class TeamOut(Schema):
    """A team. `size` counts active people."""

    slug: str
    name: str
    size: int


class TeamDetailOut(TeamOut):
    """A team and who is in it."""

    members: list[MemberOut]


class TeamsOut(Schema):
    """A page of teams."""

    items: list[TeamOut]
    next_cursor: str | None


class TeamIn(Given):
    """A new team; without a short name it is made of the name."""

    name: str
    slug: str = ""


class TeamChangeIn(Given):
    """What to call a team."""

    name: str


class MemberIn(Given):
    """What somebody is in a team."""

    role: Membership.Role = Membership.Role.MEMBER


class InvitationOut(Schema):
    """An open invitation."""

    id: UUID
    email: str
    role: OrgRole
    team: str | None
    invited_by: UUID | None
    expires_at: datetime

    @staticmethod
    def resolve_team(invitation: Invitation) -> str | None:
        """Its short name."""
        return invitation.team.slug if invitation.team else None

    @staticmethod
    def resolve_invited_by(invitation: Invitation) -> UUID | None:
        """Who made it."""
        return invitation.invited_by_id


class InvitationsOut(Schema):
    """A page of invitations."""

    items: list[InvitationOut]
    next_cursor: str | None


class InvitationIn(Given):
    """Whom to invite."""

    email: str
    role: OrgRole = OrgRole.RESPONDER
    team: str | None = Field(None, description="Short name of a team that they join.")


class InvitedOut(Schema):
    """An invitation, and its link, which is shown this once. `not_sent` says why no message went out."""

    invitation: InvitationOut
    link: str
    not_sent: str


class ContactPointOut(Schema):
    """A way to reach somebody. `works` once its test was confirmed and while no page has bounced.

    An `address` that is itself a credential comes shortened.
    """

    id: UUID
    kind: ChannelKind
    address: str
    label: str
    delay_minutes: int
    works: bool
    verified_at: datetime | None
    broken_at: datetime | None
    broken_reason: str

    @staticmethod
    def resolve_address(point: ContactPoint) -> str:
        """As people see it."""
        return point.shown_address


class ContactPointIn(Given):
    """A new contact point. It counts once its test message was confirmed."""

    kind: ChannelKind
    address: str = ""
    label: str = ""
    delay_minutes: int = 0


class ContactPointChangeIn(Given):
    """What can change about one."""

    label: str
    delay_minutes: int


class ReachOut(Schema):
    """A new contact point; `secret` signs a webhook's messages and is shown this once."""

    contact_point: ContactPointOut
    secret: str


class TokenOut(Schema):
    """A personal token, without itself."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class TokenIn(Given):
    """A new token."""

    name: str
    scopes: list[str]
    days: int | None = Field(90, description="Days until it expires; null for until it is revoked.")


class MintedOut(Schema):
    """A new token, shown this once."""

    row: TokenOut
    token: str


class MeOut(Schema):
    """Who calls, and with which scopes; null in a signed-in browser."""

    person: PersonOut
    scopes: list[str] | None


class ProfileIn(Given):
    """What one says about oneself."""

    name: str
    time_zone: str


# People


@router.get("", response=PeopleOut)
def list_people(
    request: HttpRequest, q: str = "", is_active: bool = True, cursor: str | None = None, limit: int = paging.DEFAULT
) -> paging.Page[Person]:
    """List people, newest first; `q` looks in names and addresses."""
    by = caller(request, "people:read")
    rows = queries.people(by).filter(is_active=is_active)
    if q:
        rows = rows.filter(Q(name__icontains=q) | Q(email__icontains=q))
    return paging.page(rows, cursor=cursor, limit=limit)


@router.get("/{uuid:person_id}", response=PersonOut)
def get_person(request: HttpRequest, person_id: UUID) -> Person:
    """Show one person."""
    return queries.person(caller(request, "people:read"), person_id)


@router.get("/{uuid:person_id}/uncovered", response=UncoveredOut)
def get_uncovered(request: HttpRequest, person_id: UUID) -> dict[str, list[str]]:
    """Say what would be left uncovered without a person: chains, rotations, systems."""
    by = caller(request, "people:read")
    return {"uncovered": ties.losses(queries.person(by, person_id))}


@router.patch("/{uuid:person_id}", response=PersonOut)
def change_person(request: HttpRequest, person_id: UUID, body: PersonIn) -> Person:
    """Change a person: name and zone, role, whether they may sign in."""
    by = caller(request, "people:write")
    found = queries.person(by, person_id)
    with transaction.atomic():
        if body.name is not None or body.time_zone is not None:
            actions.change_profile(
                found, name=body.name or found.name, time_zone=body.time_zone or found.time_zone, by=by
            )
        if body.role is not None:
            actions.change_role(found, body.role, by=by)
        if body.is_active is False:
            actions.deactivate(found, by=by)
        if body.is_active is True:
            actions.reactivate(found, by=by)
    return found


@router.post("/{uuid:person_id}/sign-out", response={204: None})
@when_outdated(go_on)
def sign_out(request: HttpRequest, person_id: UUID) -> Status[None]:
    """End all of a person's sessions. Their tokens go on."""
    by = caller(request, "people:write")
    actions.sign_out_everywhere(queries.person(by, person_id), by=by)
    return Status(204, None)


@router.delete("/{uuid:person_id}", response=UncoveredOut)
def erase_person(request: HttpRequest, person_id: UUID) -> dict[str, list[str]]:
    """Erase a person for good; timelines keep what was done, without saying who."""
    by = caller(request, "people:write")
    return {"uncovered": actions.erase(queries.person(by, person_id), by=by)}


# Teams


@teams.get("", response=TeamsOut)
def list_teams(request: HttpRequest, cursor: str | None = None, limit: int = paging.DEFAULT) -> paging.Page[Team]:
    """List teams, newest first."""
    return paging.page(queries.teams(caller(request, "people:read")), cursor=cursor, limit=limit)


@teams.post("", response={201: TeamDetailOut})
def create_team(request: HttpRequest, body: TeamIn) -> Status[dict[str, object]]:
    """Create a team."""
    by = caller(request, "people:write")
    return Status(201, _team(by, actions.create_team(name=body.name, slug=body.slug, by=by).slug))


@teams.get("/{slug}", response=TeamDetailOut)
def get_team(request: HttpRequest, slug: str) -> dict[str, object]:
    """Show one team and who is in it."""
    return _team(caller(request, "people:read"), slug)


@teams.patch("/{slug}", response=TeamDetailOut)
def rename_team(request: HttpRequest, slug: str, body: TeamChangeIn) -> dict[str, object]:
    """Rename a team; its short name stays."""
    by = caller(request, "people:write")
    actions.rename_team(queries.team(by, slug), name=body.name, by=by)
    return _team(by, slug)


@teams.put("/{slug}/members/{uuid:person_id}", response=TeamDetailOut)
def put_member(request: HttpRequest, slug: str, person_id: UUID, body: MemberIn) -> dict[str, object]:
    """Take somebody into a team, or change what they are in it."""
    by = caller(request, "people:write")
    actions.add_member(queries.team(by, slug), queries.person(by, person_id), role=body.role, by=by)
    return _team(by, slug)


@teams.delete("/{slug}/members/{uuid:person_id}", response={204: None})
def remove_member(request: HttpRequest, slug: str, person_id: UUID) -> Status[None]:
    """Take somebody out of a team."""
    by = caller(request, "people:write")
    actions.remove_member(queries.team(by, slug), queries.person(by, person_id), by=by)
    return Status(204, None)


def _team(by: Actor, slug: str) -> dict[str, object]:
    found = queries.team(by, slug)
    members = found.memberships.select_related("person").order_by("person__name")
    return {
        "slug": found.slug,
        "name": found.name,
        "size": sum(1 for one in members if one.person.is_active),
        "members": [{"person": one.person_id, "name": one.person.name, "role": one.role} for one in members],
    }


# Invitations


@invitations.get("", response=InvitationsOut)
def list_invitations(
    request: HttpRequest, cursor: str | None = None, limit: int = paging.DEFAULT
) -> paging.Page[Invitation]:
    """List open invitations, newest first."""
    caller(request, "people:read").must_be(OrgRole.ADMIN, "see invitations")
    return paging.page(queries.open_invitations(), cursor=cursor, limit=limit)


@invitations.post("", response={201: InvitedOut})
def invite(request: HttpRequest, body: InvitationIn) -> Status[dict[str, object]]:
    """Invite an address for seven days. The link is sent where mail is configured, and shown this once."""
    by = caller(request, "people:write")
    team = queries.team(by, body.team) if body.team else None
    invited = actions.invite(email=body.email, role=body.role, team=team, by=by)
    return Status(
        201,
        {"invitation": invited.invitation, "link": invited.link, "not_sent": mail.send_invitation(invited)},
    )


@invitations.delete("/{uuid:invitation_id}", response={204: None})
def withdraw(request: HttpRequest, invitation_id: UUID) -> Status[None]:
    """Withdraw an invitation; its link stops working."""
    by = caller(request, "people:write")
    by.must_be(OrgRole.ADMIN, "withdraw invitations")
    found = queries.open_invitations().filter(pk=invitation_id).first()
    if found is None:
        raise Missing("There is no such open invitation.")
    actions.withdraw_invitation(found, by=by)
    return Status(204, None)


# One's own account


@me.get("", response=MeOut)
def get_me(request: HttpRequest) -> dict[str, object]:
    """Say who calls; any token may ask."""
    known = who(request)
    if known is None:
        raise Unauthenticated("Nobody is signed in.")
    return {"person": known.person, "scopes": None if known.scopes is None else sorted(known.scopes)}


@me.put("", response=PersonOut)
def change_me(request: HttpRequest, body: ProfileIn) -> Person:
    """Change one's own name and time zone."""
    by = caller(request, "people:write")
    return actions.change_profile(_self(by), name=body.name, time_zone=body.time_zone, by=by)


@me.get("/contact-points", response=list[ContactPointOut])
def list_contact_points(request: HttpRequest) -> list[ContactPoint]:
    """List one's own contact points in the order in which they are tried."""
    return list(queries.own_contact_points(_self(caller(request, "people:read"))))


@me.post("/contact-points", response={201: ReachOut})
def add_contact_point(request: HttpRequest, body: ContactPointIn) -> Status[actions.Reach]:
    """Add a way to be reached; it counts once its test was confirmed."""
    by = caller(request, "people:write")
    return Status(
        201,
        actions.add_contact_point(
            _self(by),
            kind=body.kind,
            address=body.address,
            label=body.label,
            delay_minutes=body.delay_minutes,
            by=by,
        ),
    )


@me.put("/contact-points/{uuid:contact_point_id}", response=ContactPointOut)
def change_contact_point(request: HttpRequest, contact_point_id: UUID, body: ContactPointChangeIn) -> ContactPoint:
    """Change a contact point's label and delay."""
    by = caller(request, "people:write")
    found = _contact_point(by, contact_point_id)
    return actions.change_contact_point(found, label=body.label, delay_minutes=body.delay_minutes, by=by)


@me.delete("/contact-points/{uuid:contact_point_id}", response={204: None})
def remove_contact_point(request: HttpRequest, contact_point_id: UUID) -> Status[None]:
    """Stop being reached by a contact point."""
    by = caller(request, "people:write")
    actions.remove_contact_point(_contact_point(by, contact_point_id), by=by)
    return Status(204, None)


@me.get("/tokens", response=list[TokenOut])
def list_tokens(request: HttpRequest) -> list[ApiToken]:
    """List one's own tokens, without themselves."""
    return list(queries.own_tokens(_self(caller(request, "people:read"))))


@me.post("/tokens", response={201: MintedOut})
def make_token(request: HttpRequest, body: TokenIn) -> Status[actions.Minted]:
    """Make a personal token; it is shown this once. A token cannot make one that may more or lasts longer."""
    by = caller(request, "people:write")
    known = who(request)
    if known is not None and (beyond := [scope for scope in body.scopes if not known.allows(scope)]):
        raise Forbidden(f"This token cannot give the scope {beyond[0]}, which it does not have.", field="scopes")
    if known is not None and known.outlived_by(body.days):
        raise Forbidden("This token cannot make one that outlasts it. Ask for fewer days.", field="days")
    return Status(201, actions.make_token(name=body.name, scopes=body.scopes, days=body.days, by=by))


@me.delete("/tokens/{uuid:token_id}", response={204: None})
def revoke_token(request: HttpRequest, token_id: UUID) -> Status[None]:
    """Revoke a personal token."""
    by = caller(request, "people:write")
    found = queries.own_tokens(_self(by)).filter(pk=token_id).first()
    if found is None:
        raise Missing("You have no such token.")
    actions.revoke_token(found, by=by)
    return Status(204, None)


def _self(by: Actor) -> Person:
    return by.must_be_person("have an account")


def _contact_point(by: Actor, pk: UUID) -> ContactPoint:
    found = queries.own_contact_points(_self(by)).filter(pk=pk).first()
    if found is None:
        raise Missing("You have no such contact point.")
    return found
