"""Who may see watches, who may make them, and who may stop one.

Leads connect logs and make watches. Whoever answers for a system may pause its watches and run them at once: at night,
with a warehouse that is being moved, nobody should have to wake a lead for that.
"""

from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from andon.incidents import policy as incidents
from andon.kit.errors import Forbidden, Missing
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.registry.models import System
from andon.watch.models import Alarm, Log, Watch

_SEE: Final = "see watches"


def must_view(by: Actor) -> None:
    """Raise `Forbidden` unless the actor may see watches: viewers and up."""
    by.must_be(OrgRole.VIEWER, _SEE)


def may_manage(by: Actor) -> bool:
    """Whether the actor may connect logs and make watches: leads and up."""
    return by.may(OrgRole.LEAD)


def must_manage(by: Actor, doing: str) -> None:
    """Raise `Forbidden` unless the actor may connect logs and make watches."""
    by.must_be(OrgRole.LEAD, doing)


def may_run(by: Actor, system: System) -> bool:
    """Whether the actor may pause, resume and run the watches of a system, and push numbers to them."""
    if may_manage(by):
        return True
    if not by.may(OrgRole.RESPONDER):
        return False
    mine = Q(owner=by.person) | Q(team__memberships__person=by.person)
    return System.objects.filter(mine, pk=system.pk).exists()


def must_run(by: Actor, system: System, doing: str) -> None:
    """Raise `Forbidden` unless the actor may pause, resume and run the watches of a system."""
    if not may_run(by, system):
        by.must_be(OrgRole.RESPONDER, doing)
        raise Forbidden(f"You cannot {doing}: it is about a system that is not yours. A lead can.")


def access_log(by: Actor, pk: UUID) -> Log:
    """The decision log with this id, if the actor may see watches."""
    must_view(by)
    log = Log.objects.select_related("system", "made_by").filter(pk=pk).first()
    if log is None:
        raise Missing("There is no such decision log.")
    return log


def access_watch(by: Actor, number: int) -> Watch:
    """The watch with this number, if the actor may see watches."""
    must_view(by)
    watch = Watch.objects.select_related("system", "log", "made_by").filter(number=number).first()
    if watch is None:
        raise Missing(f"There is no watch WATCH-{number}.")
    return watch


def visible_alarms(by: Actor) -> QuerySet[Alarm]:
    """The alarms that the actor may know of: viewers and up, and of a restricted incident's only who may see it."""
    must_view(by)
    rows = Alarm.objects.select_related("watch__system", "signal__incident")
    if by.person is None or by.may(OrgRole.ADMIN):
        return rows
    seen = incidents.visible(by).filter(restricted=True).values("pk")
    public = Q(signal__incident__isnull=True) | Q(signal__incident__restricted=False)
    return rows.filter(public | Q(signal__incident__in=seen))


def access_alarm(by: Actor, number: int) -> Alarm:
    """The alarm with this number, if the actor may know of it."""
    alarm = visible_alarms(by).filter(number=number).first()
    if alarm is None:
        raise Missing(f"There is no alarm ALARM-{number}, or you may not see it.")
    return alarm
