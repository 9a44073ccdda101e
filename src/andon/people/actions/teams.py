"""Teams: created, renamed, joined, left."""

from django.db import IntegrityError, transaction

from andon.kit import slugs
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people import queries
from andon.people.models import Membership, Person, Team
from andon.people.policy import Actor
from andon.practice.words import OrgRole


@transaction.atomic
def create_team(*, name: str, slug: str = "", by: Actor) -> Team:
    """A team; its short name comes from its name where none is given. Raises `Invalid` naming the field."""
    by.must_be(OrgRole.LEAD, "create teams")
    name = _usable(name)
    slug = slugs.free(Team, name, slug)
    try:
        with transaction.atomic():
            return Team.objects.create(name=name, slug=slug)
    except IntegrityError:
        raise Conflict(f"There is a team {slug} already.", field="name") from None


@transaction.atomic
def rename_team(team: Team, *, name: str, by: Actor) -> Team:
    """Call it something else; its address stays."""
    _must_manage(team, by)
    team.name = _usable(name)
    team.save(update_fields=["name"])
    return team


@transaction.atomic
def add_member(team: Team, person: Person, *, role: Membership.Role = Membership.Role.MEMBER, by: Actor) -> Membership:
    """Take a person into a team, or change what they are in it."""
    _must_manage(team, by)
    if not person.is_active:
        raise Conflict(f"{person} is deactivated and cannot join a team.", field="person")
    membership, _made = Membership.objects.update_or_create(team=team, person=person, defaults={"role": role})
    return membership


@transaction.atomic
def remove_member(team: Team, person: Person, *, by: Actor) -> None:
    """Take a person out of a team; everyone may leave one."""
    if by.person is None or by.person.pk != person.pk:
        _must_manage(team, by)
    gone, _ = Membership.objects.filter(team=team, person=person).delete()
    if gone != 1:
        raise Conflict(f"{person} is not in this team.")


def _usable(name: str) -> str:
    if not name.strip():
        raise Invalid("Give the team a name.", field="name")
    return name.strip()[:120]


def _must_manage(team: Team, by: Actor) -> None:
    if not queries.manages(by, team):
        raise Forbidden(f"You cannot change {team}: that takes the role Lead, or managing the team.")
