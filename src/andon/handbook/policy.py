"""Who may see and who may change the practice. It holds no incident and no person, so every viewer may read it."""

from andon.handbook.models import Application
from andon.kit.errors import Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole


def must_view(by: Actor) -> None:
    """Raise `Forbidden` for whoever may not read the handbook."""
    by.must_be(OrgRole.VIEWER, "see the handbook")


def must_apply(by: Actor) -> None:
    """Raise `Forbidden` for whoever may not put a handbook in force."""
    by.must_be(OrgRole.ADMIN, "apply a handbook")


def access_application(by: Actor, number: int) -> Application:
    """The handbook that was applied under a number; raises `Missing` where there is none."""
    must_view(by)
    found = Application.objects.select_related("edition", "by").filter(number=number).first()
    if found is None:
        raise Missing(f"No handbook was applied under the number {number}.")
    return found
