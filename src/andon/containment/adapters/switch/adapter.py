"""A lever by Andon's own kill switch: the mode of a guarded system, verified by what its processes acknowledge.

The one adapter whose other side is Andon itself, so it calls actions in place of an address.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.db import Error as DatabaseProblem

from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State
from andon.containment.models import Pull
from andon.kit import clock
from andon.kit.errors import Invalid, Refused
from andon.kit.fields import Field, Settings
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, ReplicaStanding, SwitchMode
from andon.registry.models import System
from andon.sdk.guard.words import Limit
from andon.switch import queries
from andon.switch.actions import Setting, set_mode
from andon.switch.models import Revision, Switch

_CONTAINMENTS = tuple((mode.value, mode.label) for mode in SwitchMode if mode.contains)
_NAMED = 5
_LOOKED_BACK = 100


class Adapter(LeverAdapter):
    """The lever."""

    kind = "switch"
    title = "Kill switch"
    line = "Sets what a guarded system may do, and sees each of its processes say that it applies it."
    does = frozenset({ContainmentKind.DISABLE, ContainmentKind.CONSTRAIN})
    inside = True
    fields = (
        Field("system", "System", "Short name of the guarded system; mostly that of the lever."),
        Field("mode", "Mode", "What the system may do once the lever is pulled.", choices=_CONTAINMENTS),
        Field("share", "Share of requests", "With “limited”: from 0 to below 1, as 0.1 for a tenth.", required=False,
              check=lambda value: _number(value, most=1.0)),
        Field("per_second", "Requests a second", "With “limited”, in place of a share: each process.", required=False,
              check=lambda value: _number(value, most=1e9)),
    )  # fmt: skip

    def check(self, settings: Settings) -> Sequence[str]:
        """A limited system needs exactly one figure, and no other mode has one."""
        figures = [name for name in ("share", "per_second") if settings.get(name)]
        if settings["mode"] == SwitchMode.LIMIT and len(figures) != 1:
            return ("A limited system needs one figure: a share of requests, or requests a second.",)
        if settings["mode"] != SwitchMode.LIMIT and figures:
            return ("Only the mode “limited” has a figure. Leave it out.",)
        if float(settings.get("share") or 0) >= 1:
            return ("All requests is in service, and holds nothing back: give a share of less than 1.",)
        return ()

    def state(self, settings: Settings) -> State:
        """What the switch says now."""
        switch = _switch(settings)
        return {**_says(switch.what_mode, switch.limit), "revision": switch.number}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The mode that would be set, if nobody sets it otherwise before."""
        mode, limit = SwitchMode(settings["mode"]), _limit(settings)
        expected = {**_says(mode, limit), "after": prior["revision"]}
        if {name: prior.get(name) for name in ("mode", "limit")} == _says(mode, limit):
            return Plan(expected, f"Nothing would change: {settings['system']} is {_words(expected)} already.")
        return Plan(expected, f"{settings['system']} goes from {_words(prior)} to {_words(expected)}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Set it, unless somebody has set it otherwise since the prior state was read."""
        mode, limit = _read(plan.expected)
        return _set(settings, _setting(mode, limit, key), key, after=plan.expected["after"])

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Set what held before, unless a person has set the switch by hand since."""
        mode, limit = _read(prior)
        switch = _switch(settings)
        if _says(switch.what_mode, switch.limit) == _says(mode, limit):
            return Done(f"{settings['system']} is {_words(prior)} already (revision {switch.number}).")
        newest = _newest_word(switch)
        if not newest.key and newest.number != prior["revision"]:
            raise LeverFault(
                f"Since the pull, {settings['system']} was set by hand (revision {newest.number}: {newest.reason}). "
                "Decide on the switch itself what it is to be.", sure=True,
            )  # fmt: skip
        return _set(settings, _setting(mode, limit, key), key, after=switch.number)

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether every process acknowledges it. One that says nothing is not counted as contained."""
        try:
            seen = queries.seen(_switch(settings), clock.now())
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        except DatabaseProblem as problem:
            return Seen.unclear(f"Andon's own database does not answer: {problem}"[:200])
        row = seen.switch
        if _says(row.what_mode, row.limit) != {name: plan.expected.get(name) for name in ("mode", "limit")}:
            return Seen.no(f"{row.system} was set otherwise meanwhile: it is {row.what_mode.words}.")
        odd = [one for one in seen.replicas if one.stands is not ReplicaStanding.APPLIES]
        named = "; ".join(
            f"{one.row.host} ({one.row.version or 'no version'}) {one.stands.words}" for one in odd[:_NAMED]
        )
        text = f"{seen.says[:1].upper()}{seen.says[1:]}{': ' + named if named else ''}."
        counts = seen.tally
        facts = {
            "revision": row.number, "replicas": counts.total, "applies": counts.applies, "behind": counts.behind,
            "refuses": counts.refuses, "silent": counts.silent,
        }  # fmt: skip
        return Seen(counts.everywhere, text, facts)


def _switch(settings: Settings) -> Switch:
    found = Switch.objects.select_related("system").filter(system__slug=settings["system"]).first()
    if found is None:
        raise LeverFault(
            f"{settings['system']} has no kill switch: no system of that name has a guard token yet.", sure=True
        )
    return found


def _newest_word(switch: Switch) -> Revision:
    """The newest revision that says what the system may do; one that says how long it goes on unheard does not."""
    rows = list(queries.revisions(switch)[:_LOOKED_BACK])
    says = (one for one, before in pairwise(rows) if one.key or _word(one) != _word(before))
    return next(says, rows[-1])


def _word(one: Revision) -> State:
    return _says(one.what_mode, one.limit)


def _setting(mode: SwitchMode, limit: Limit | None, key: str) -> Setting:
    """What a pull sets, in the name of who asked for it. The page of the switch shows it: nothing of the incident."""
    pull = Pull.objects.select_related("lever", "incident", "asked_by").filter(key=key).first()
    if pull is None:
        return Setting(mode, "A lever was pulled.", limit, by_lever=True)
    if pull.rehearsal_id is not None:
        reason = f"The lever “{pull.lever}” was rehearsed."
    elif pull.undoes_id is not None:
        reason = f"The pull of the lever “{pull.lever}” was undone."
    else:
        reason = f"The lever “{pull.lever}” was pulled."
    return Setting(mode, reason, limit, incident=pull.incident, by_lever=True, asked_by=pull.asked_by)


def _set(settings: Settings, setting: Setting, key: str, *, after: int) -> Done:
    system = System.objects.get(slug=settings["system"])
    try:
        done = set_mode(system, setting, by=Actor.engine(), expected=after, key=key)
    except Refused as refused:
        raise LeverFault(refused.what, sure=True) from refused
    except DatabaseProblem as problem:
        raise LeverFault(f"Andon's own database does not answer: {problem}"[:200], sure=False) from problem
    says = f"{system} is {_words(_says(done.what_mode, done.limit))} (revision {done.number})."
    return Done(says, {"revision": done.number})


def _says(mode: SwitchMode, limit: Limit | None) -> dict[str, Any]:
    return {"mode": mode.value, "limit": limit.as_json() if limit else None}


def _read(state: State) -> tuple[SwitchMode, Limit | None]:
    return SwitchMode(state["mode"]), Limit(**state["limit"]) if state.get("limit") else None


def _limit(settings: Settings) -> Limit | None:
    if settings["mode"] != SwitchMode.LIMIT:
        return None
    share, rate = settings.get("share"), settings.get("per_second")
    return Limit(share=float(share)) if share else Limit(per_second=float(rate or 0))


def _words(state: State) -> str:
    mode, limit = _read(state)
    return f"{mode.words} to {limit}" if limit else mode.words


def _number(value: str, *, most: float) -> str:
    try:
        number = float(value)
    except ValueError as error:
        raise Invalid("This is no number.") from error
    if not 0 <= number <= most:
        raise Invalid(f"This lies between 0 and {most:g}.")
    return f"{number:g}"
