"""A switch is set: a new revision, written with what it says of itself, and told to every server at once."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from andon.incidents.models import Incident
from andon.incidents.policy import must_respond
from andon.incidents.timeline import News, hold, record_all
from andon.kit import clock, db, ids
from andon.kit.errors import Conflict, Invalid
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED
from andon.practice.switching import STALE_MODES, falls_back_to, loosens, next_revision
from andon.practice.words import Criticality, RiskClass, SwitchMode
from andon.registry.models import System
from andon.sdk.guard.sealing import LONGEST_STALE, SHORTEST_STALE
from andon.sdk.guard.words import Limit
from andon.switch import told
from andon.switch.models import Revision, Switch
from andon.switch.policy import must_manage, must_switch

CHANNEL: Final = "andon_switch"
"""Where servers are told that a switch was set."""
MAX_STALE: Final = 60
"""Seconds that `on` lasts unheard, unless somebody sets it otherwise."""
REASON, UNTIL, KEY, FASTEST = 2_000, 300, 200, 1e9


@dataclass(frozen=True)
class Setting:
    """What a switch is to say.

    Attributes:
        mode: What the system may do.
        reason: Why, in words.
        limit: How much it decides; with the mode `limit` alone.
        until: What must be so before it goes back into service, in words.
        incident: The incident that it is for.
        by_lever: A lever sets it: the pull stands on the incident's timeline already.
        asked_by: Who pulled that lever.
    """

    mode: SwitchMode
    reason: str
    limit: Limit | None = None
    until: str = ""
    incident: Incident | None = None
    by_lever: bool = False
    asked_by: Person | None = None


@transaction.atomic
def set_mode(system: System, setting: Setting, *, by: Actor, expected: int | None = None, key: str = "") -> Revision:
    """Set the switch, and tell the processes. Each incident that the system was held back for has it on its timeline.

    Args:
        system: Whose switch.
        setting: What it is to say.
        by: Who.
        expected: The revision that the actor saw; another one is a conflict, and nothing changes.
        key: Whoever may ask twice for one setting gives the same key: it is set once, and the revision is the answer.

    Raises:
        Invalid: The setting cannot be meant; names the field.
        Forbidden: The system would decide more than now, and it is not the actor's to say so.
        Conflict: Somebody else has set the switch meanwhile; or a lever holds the system back whose undo somebody else
            must agree to.
    """
    must_switch(by, system, loosens=setting.mode is SwitchMode.ON)
    if setting.incident is not None:
        must_respond(by, setting.incident, "contain incidents")
    _check(setting)
    switch = hold_switch(system, by=by)
    if key and (done := Revision.objects.filter(switch=switch, key=key).first()) is not None:
        return done
    if expected is not None and expected != switch.number:
        raise Conflict(
            f"{system} was switched meanwhile: it is {switch.what_mode.words} now (revision {switch.number}). "
            "Nothing was changed; look again, and decide again."
        )
    if not setting.by_lever and loosens(switch.what_mode, switch.limit, setting.mode, setting.limit):
        must_switch(by, system, loosens=True)
        if switch.what_mode.contains:
            told.releasing.send(sender=Switch, system=system, by=by)
    limit = setting.limit or Limit()
    switch.mode, switch.share, switch.per_second = setting.mode.value, limit.share, limit.per_second
    revision = _revise(switch, setting, by=by, key=key)
    concerned = [hold(pk) for pk in _concerned(revision, setting)]
    record_all([News(incident, "switched", _words(revision), by) for incident in concerned])
    told.switched.send(sender=Revision, revision=revision, incidents=concerned)
    return revision


@transaction.atomic
def change_staleness(
    system: System, *, max_stale_seconds: int, on_stale: SwitchMode, by: Actor, expected: int | None = None
) -> Revision:
    """Say how long a process that hears nothing goes on with `on`, and what it does then. Another revision says so.

    Raises `Invalid` that names the field, and `Conflict` when the switch is at another revision than `expected`.
    """
    must_manage(by, "say how long a system goes on unheard")
    if not SHORTEST_STALE <= max_stale_seconds <= LONGEST_STALE:
        raise Invalid(
            f"Give {SHORTEST_STALE:.0f} seconds to {LONGEST_STALE / 86_400:.0f} days; Andon speaks once a second.",
            field="max_stale_seconds",
        )
    if on_stale not in STALE_MODES:
        raise Invalid("A process that hears nothing goes on, or is safe, under review or off.", field="on_stale")
    switch = hold_switch(system, by=by)
    if expected is not None and expected != switch.number:
        raise Conflict(f"{system} was switched meanwhile. Nothing was changed; look again, and decide again.")
    switch.max_stale_seconds, switch.on_stale = max_stale_seconds, on_stale.value
    then = "goes on" if on_stale is SwitchMode.ON else f"is {on_stale.words}"
    reason = f"After {max_stale_seconds} seconds without a word of Andon a process that is in service {then}."
    return _revise(switch, Setting(switch.what_mode, reason, switch.limit), by=by)


def hold_switch(system: System, *, by: Actor) -> Switch:
    """The system's switch, held until the transaction ends; made, and in service, if there was none."""
    held = db.lock(Switch.objects.filter(system=system)).first()
    if held is not None:
        return held
    mark, now = _mark(), clock.now()
    falls_back = falls_back_to(Criticality(system.criticality), RiskClass(system.risk_class))
    _, made = Switch.objects.get_or_create(
        system=system,
        defaults={
            "number": 0, "mark": mark, "mode": SwitchMode.ON.value, "max_stale_seconds": MAX_STALE,
            "on_stale": falls_back.value, "changed_at": now,
        },
    )  # fmt: skip
    held = db.lock(Switch.objects.filter(system=system)).get()
    if made:
        _revise(held, Setting(SwitchMode.ON, "The switch was made."), by=by)
    return held


def _check(setting: Setting) -> None:
    if not setting.reason.strip():
        raise Invalid("Say why; whoever finds it tomorrow will ask.", field="reason")
    if len(setting.reason) > REASON or len(setting.until) > UNTIL:
        raise Invalid(f"Be brief: {REASON} characters for why, {UNTIL} for until what.", field="reason")
    limit = setting.limit
    if (setting.mode is SwitchMode.LIMIT) is (limit is None):
        raise Invalid("A limited system needs its figure, and no other mode has one.", field="limit")
    if limit is None:
        return
    if (limit.share is None) is (limit.per_second is None):
        raise Invalid("A limit is a share of requests or a number a second: give one of them.", field="limit")
    if limit.share is not None and not 0 <= limit.share <= 1:
        raise Invalid("A share lies between 0 and 1, as in 0.1 for a tenth of the requests.", field="share")
    if limit.share == 1:
        raise Invalid("All requests is in service: set it so.", field="share")
    if limit.per_second is not None and not 0 <= limit.per_second <= FASTEST:
        raise Invalid("A number of requests a second is 0 or more.", field="per_second")


def _revise(switch: Switch, setting: Setting, *, by: Actor, key: str = "") -> Revision:
    """The next revision, as the held switch now says; processes are told once it is on disk."""
    before = switch.number
    switch.number, switch.mark, switch.changed_at = next_revision(before, switch.seen), _mark(), clock.now()
    switch.save(
        update_fields=[
            "number", "mark", "mode", "share", "per_second", "max_stale_seconds", "on_stale", "changed_at",
        ]
    )  # fmt: skip
    says = ("number", "mark", "mode", "share", "per_second", "max_stale_seconds", "on_stale")
    revision = Revision.objects.create(
        **{name: getattr(switch, name) for name in says},
        switch=switch, actor=by.name, by=by.person or setting.asked_by, reason=setting.reason.strip(),
        until=setting.until.strip(), incident=setting.incident, key=key[:KEY],
    )  # fmt: skip
    db.notify(CHANNEL)
    transaction.on_commit(partial(told.here.let_speak, switch.system_id, switch.number))
    return revision


def _concerned(revision: Revision, setting: Setting) -> list[UUID]:
    """The incidents, by key, that the system was held back for until now, and the one that it is set for.

    A lever's own incident hears of it by the lever. Sorted, so that two who set it wait for each other in one order.
    """
    before = Revision.objects.filter(switch=revision.switch_id, number__lt=revision.number)
    served = before.filter(mode=SwitchMode.ON).order_by("-number").values_list("number", flat=True).first() or 0
    since = before.filter(number__gt=served, incident__state__in=UNRESOLVED)
    found = set(since.values_list("incident", flat=True))
    if setting.incident is not None:
        (found.discard if setting.by_lever else found.add)(setting.incident.pk)
    return sorted(found)


def _words(revision: Revision) -> dict[str, Any]:
    limit = f" ({revision.limit})" if revision.limit else ""
    return {
        "system": revision.switch.system.name, "mode": revision.mode, "words": f"{revision.what_mode.words}{limit}",
        "revision": revision.number, "reason": revision.reason, "until": revision.until,
    }  # fmt: skip


def _mark() -> str:
    return ids.new_short_token()[:16]
