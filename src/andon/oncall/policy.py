"""Who may change who is on call."""

from uuid import UUID

from andon.kit.errors import Missing
from andon.oncall.models import Chain, Override, Schedule
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole


def may_edit(by: Actor) -> bool:
    """Whether the actor may change schedules and chains."""
    return by.may(OrgRole.LEAD)


def must_edit(by: Actor, doing: str) -> None:
    """Raise `Forbidden` unless the actor may change schedules and chains."""
    by.must_be(OrgRole.LEAD, doing)


def must_view(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may see who is on call: viewers and up."""
    by.must_be(OrgRole.VIEWER, "see who is on call")


def must_take_over(by: Actor, person: Person) -> None:
    """Raise `Forbidden` unless the actor may put `person` on call: responders themselves, leads anybody."""
    if by.person is not None and by.person.pk == person.pk:
        by.must_be(OrgRole.RESPONDER, "take over on call")
    else:
        by.must_be(OrgRole.LEAD, "put somebody else on call")


def may_take_over(by: Actor) -> bool:
    """Whether the actor may put themselves on call."""
    return by.person is not None and by.may(OrgRole.RESPONDER)


def may_cancel(by: Actor, override: Override) -> bool:
    """Whether the actor may cancel an override: their own or one they made, or any for leads."""
    if by.person is not None and by.person.pk in {override.person_id, override.made_by_id}:
        return by.may(OrgRole.RESPONDER)
    return may_edit(by)


def must_cancel(by: Actor, override: Override) -> None:
    """Raise `Forbidden` unless `may_cancel`."""
    if not may_cancel(by, override):
        by.must_be(OrgRole.LEAD, "cancel what others arranged")


def access_schedule(by: Actor, slug: str) -> Schedule:
    """The schedule with this slug, if the actor may see who is on call; archived ones too."""
    must_view(by)
    schedule = Schedule.objects.select_related("team").filter(slug=slug).first()
    if schedule is None:
        raise Missing(f"There is no schedule {slug!r}.")
    return schedule


def access_chain(by: Actor, slug: str) -> Chain:
    """The chain with this slug, if the actor may see who is on call; archived ones too."""
    must_view(by)
    chain = Chain.objects.filter(slug=slug).first()
    if chain is None:
        raise Missing(f"There is no chain {slug!r}.")
    return chain


def access_override(by: Actor, schedule: Schedule, key: UUID) -> Override:
    """An override of the schedule, if the actor may see who is on call."""
    must_view(by)
    override = Override.objects.filter(schedule=schedule, pk=key).first()
    if override is None:
        raise Missing(f"There is no such override in {schedule}.")
    return override
