"""Before a pull moves on: whether it is still wanted, whose turn it is, and what its undo must bring back.

Whoever calls holds the incident of the pull and the pull itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q

from andon.containment import queries
from andon.containment.lever import LeverAdapter, Plan
from andon.containment.lever import State as Held
from andon.containment.models import Lever, Pull, Rehearsal, Target
from andon.incidents.models import Incident
from andon.kit import db
from andon.kit.fields import Settings
from andon.practice import containment as rules
from andon.practice.containment import MOVING, Moot, PullState, Turn
from andon.practice.lifecycle import UNRESOLVED, State

SHORTLY: Final = timedelta(seconds=1)
"""How long a pull waits before it asks again whether it is its turn."""
_FAR: Final = timedelta(minutes=3)
"""Longer than any move's lease, and than any rest of a pull that was agreed to."""


def moot(pull: Pull, held: Incident | None) -> Moot | None:
    """Why a pull is not to go on, or None. A rehearsal has no incident that could be over."""
    over = held is not None and State(held.state) not in UNRESOLVED
    ended = pull.lever.ended_at is not None
    elsewhere = held is not None and held.system_id not in {None, pull.lever.system_id}
    return rules.moot(
        pull.phase, undo=pull.undoes_id is not None, incident_over=over, lever_ended=ended, elsewhere=elsewhere
    )


def turn(pull: Pull) -> Turn:
    """Whether a pull that is prepared acts now. Its lever is held from here on, so that of two one sees the other."""
    if pull.target != Target.REAL:
        return Turn.ACTS
    db.lock_for_writers(Lever.objects.filter(pk=pull.lever_id)).get()
    others = Pull.objects.filter(lever=pull.lever_id, target=Target.REAL)
    if pull.rehearsal_id is None:
        others = others.filter(rehearsal__isnull=False)
    else:
        first = pull if pull.undoes is None else pull.undoes
        others = others.filter(rehearsal=None, number__gt=first.number)
    states = {PullState(state) for state in others.values_list("state", flat=True)}
    return rules.turn(rehearsing=pull.rehearsal_id is not None, others=states)


def held_before(pull: Pull, found: dict[str, Any]) -> dict[str, Any]:
    """What an undo of this pull must bring back, given what was found now.

    That is what held before a rehearsal that has the lever on this target, and before an earlier pull whose effect it
    is that was found: else an undo would bring back what was pulled.
    """
    if pull.rehearsal_id is not None or pull.undoes_id is not None:
        return found
    if (rehearsed := _rehearsed_before(pull)) is not None:
        return rehearsed.prior
    earlier = set_by_earlier(pull.lever, Target(pull.target), pull.settings, found)
    return earlier.prior if earlier is not None else found


def set_by_earlier(lever: Lever, target: Target, settings: Mapping[str, Any], found: Mapping[str, Any]) -> Pull | None:
    """The pull that stands and whose effect is what was found: pulled again, the lever sets the same once more.

    Else “the version before” would be one further back each time, and at last one that nobody meant.
    """
    earlier = queries.standing(lever, target)
    if earlier is None or earlier.settings != settings or not earlier.expected:
        return None
    holds = all(name in found and found[name] == value for name, value in earlier.expected.items())
    return earlier if holds else None


def plan_from(adapter: LeverAdapter, settings: Settings, *, found: Held, before: Held) -> Plan:
    """What a pull would set: as the first time, where what was found is what an earlier pull has set.

    `before` is as `held_before` gives it. Raises `LeverFault`, surely.
    """
    plan = adapter.plan(settings, before)
    if found == before or any(name not in found or found[name] != value for name, value in plan.expected.items()):
        return plan
    return replace(plan, says="Nothing would change: an earlier pull has set it, and that holds.")


def _rehearsed_before(pull: Pull) -> Pull | None:
    """The pull of a rehearsal on the real target that was not undone yet when this one was asked for."""
    if pull.target != Target.REAL:
        return None
    unfinished = Q(rehearsal__state=Rehearsal.State.RUNNING) | Q(rehearsal__ended_at__gte=pull.asked_at)
    rows = pull.lever.pulls.filter(unfinished, undoes=None, target=Target.REAL, acting_at__isnull=False)
    return rows.exclude(undone_by__state=PullState.VERIFIED, undone_by__ended_at__lt=pull.asked_at).first()


def of_another_clock(now: datetime, skew: timedelta) -> int:
    """A clock that was set back leaves times that lie too far ahead: those pulls are due now; how many they were.

    Whoever held a lease that is ended here is not acted beside: what was acting is looked at.
    """
    open_ = Pull.objects.filter(next_at__isnull=False)
    early = open_.filter(lease_until__gt=now + _FAR + skew).update(lease_until=None, lease_by="", next_at=now)
    early += open_.filter(state__in=MOVING, next_at__gt=now + _FAR + skew).update(next_at=now)
    early += open_.filter(next_at__gt=now + rules.ASK_AGAIN + skew).update(next_at=now)
    acted = open_.filter(state=PullState.ACTED, deadline_at__gt=now + skew).order_by("next_at")
    for pull in acted.select_related("lever"):
        latest = now + timedelta(seconds=pull.lever.verify_seconds)
        if pull.deadline_at is not None and pull.deadline_at > latest + skew:
            same = Pull.objects.filter(pk=pull.pk, state=PullState.ACTED, deadline_at=pull.deadline_at)
            early += same.update(deadline_at=latest)
    return early
