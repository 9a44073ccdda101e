"""Who may see and change the register."""

from andon.kit.errors import Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.registry.models import Component, System


def must_view(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may see the register: viewers and up."""
    by.must_be(OrgRole.VIEWER, "see the register")


def may_edit(by: Actor) -> bool:
    """Whether the actor may change the register."""
    return by.may(OrgRole.LEAD)


def must_edit(by: Actor, doing: str) -> None:
    """Raise `Forbidden` unless the actor may change the register: leads and up."""
    by.must_be(OrgRole.LEAD, doing)


def must_tell_changes(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may say what changed about a system: responders and up, as deploy scripts."""
    by.must_be(OrgRole.RESPONDER, "say what changed")


def may_override(by: Actor) -> bool:
    """Whether the actor may move a system to production that is not ready."""
    return by.may(OrgRole.ADMIN)


def access_system(by: Actor, slug: str) -> System:
    """The system with this slug, if the actor may see the register."""
    must_view(by)
    system = System.objects.select_related("owner", "team", "chain").filter(slug=slug).first()
    if system is None:
        raise Missing(f"There is no system {slug!r} in the register.")
    return system


def access_component(by: Actor, slug: str) -> Component:
    """The component with this slug, if the actor may see the register."""
    must_view(by)
    component = Component.objects.filter(slug=slug).first()
    if component is None:
        raise Missing(f"There is no component {slug!r} in the register.")
    return component
