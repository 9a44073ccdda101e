"""Containment on the incident page: the lever to pull, what it will do, and whether it worked.

What is shown of a pull is what is on disk of it, in its own words; only a verified one is green, and nothing that was
not seen where decisions are made reads as contained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.urls import reverse

from andon.containment import offering
from andon.containment.actions.pulls import why_not_undoable
from andon.containment.models import Pull
from andon.containment.pages import FROM_INCIDENT
from andon.containment.policy import may_agree, may_pull
from andon.containment.queries import contained_by_one, switch_of, taken_back
from andon.incidents.models import Incident
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.containment import (
    BEFORE_THE_ACT,
    OPEN,
    SEEN_TO,
    TROUBLED,
    ApprovalRule,
    PullState,
)
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.words import ReplicaStanding
from andon.switch import queries as switches
from andon.switch.models import Switch

_REPLICAS_SHOWN: Final = 12
_WORDS: Final = {
    PullState.VERIFIED: "Verified",
    PullState.UNVERIFIED: "UNVERIFIED",
    PullState.FAILED: "NOT DONE",
    PullState.WITHDRAWN: "Withdrawn",
    PullState.ASKED: "Waits for a word",
    PullState.APPROVED: "Keeping evidence",
    PullState.PRESERVED: "Reading what holds now",
    PullState.PREPARED: "About to act",
    PullState.ACTING: "Acting",
    PullState.ACTED: "Looking for the effect",
}
_STAGES: Final = (
    ("Evidence kept", "preserved_at"),
    ("State before written down", "prepared_at"),
    ("Acted", "acted_at"),
    ("Seen where decisions are made", "ended_at"),
)


def pulls_of(incident: Incident) -> list[Pull]:
    """The pulls of an incident that count for its page, newest first; what was withdrawn is in the timeline."""
    rows = incident.pulls.select_related("lever", "asked_by", "undoes").exclude(state=PullState.WITHDRAWN)
    return list(rows.order_by("-number"))


@dataclass(frozen=True)
class Panel:
    """The newest pull of an incident as its page shows it; `pulls` are all that count, newest first."""

    pulls: Sequence[Pull]
    by: Actor
    incident: Incident

    @property
    def pull(self) -> Pull:
        """The newest."""
        return self.pulls[0]

    def url(self, act: str) -> str:
        """The address of an act on this pull."""
        return reverse(f"pull_{act}", args=[self.pull.number])

    def context(self) -> dict[str, Any]:
        """What response/pull.html asks for."""
        pull = self.pull
        may = may_pull(self.by, self.incident)
        seen = replicas(pull) if pull.acting_at and not self.otherwise else None
        agrees = may and may_agree(self.by, pull)
        return {
            "pull": pull,
            "tone": self.tone(),
            "word": self.word(),
            "title": f"Undo: {pull.lever.name}" if pull.undoes_id else pull.lever.name,
            "said": self.said(seen["says"] if seen else ""),
            "holds": self.holds(),
            "icon": pull.lever.kind,
            "stages": self.stages(),
            "replicas": seen,
            "open": pull.phase in OPEN,
            "watch": pull.phase in OPEN or self.awaited(seen),
            "agree_effect": f"{offering.what_it_does(pull.lever)} It begins at once." if agrees else "",
            "agree_url": self.url("approve") if agrees else "",
            "decline_url": self.url("decline") if agrees and not self.mine else "",
            "withdraw_url": self.url("withdraw") if may and pull.phase in BEFORE_THE_ACT else "",
            "undo_url": self.url("undo") if may and not why_not_undoable(pull) else "",
            "again_url": self.again() if may else "",
            "back": [{"name": "from", "value": FROM_INCIDENT}],
        }

    @property
    def mine(self) -> bool:
        """Whether it is the viewer who asked for it."""
        return self.by.person is not None and self.pull.asked_by_id == self.by.person.pk

    def holds(self) -> str:
        """Of a pull that has not come to hold: what holds all the same, for the incident may be contained by it."""
        if self.pull.phase not in {PullState.ASKED, *TROUBLED}:
            return ""
        held = next((one for one in standing(self.incident, self.pulls) if not self.doubts(one)), None)
        return f"{held.ref}, “{held.lever.name}”, was seen to hold and stands." if held is not None else ""

    def doubts(self, before: Pull) -> bool:
        """Whether it leaves open if an earlier pull of its lever still holds."""
        return self.pull.phase is PullState.UNVERIFIED and before.lever_id == self.pull.lever_id

    def awaited(self, seen: dict[str, Any] | None) -> bool:
        """Whether replicas have yet to follow, while somebody waits for them: not once the incident is resolved."""
        return seen is not None and not seen["everywhere"] and _goes_on(self.incident)

    def tone(self) -> str:
        """Green only for what was seen; loud for what was not."""
        phase = self.pull.phase
        if phase is PullState.VERIFIED:
            return "undone" if self.pull.undoes_id else "loud" if self.let_go else "verified"
        return "loud" if phase in {PullState.UNVERIFIED, PullState.FAILED} else "moving"

    def word(self) -> str:
        """Its state as a word, from across the hall."""
        if self.pull.undoes_id and self.pull.phase is PullState.VERIFIED:
            return "Undone, verified"
        if self.let_go:
            return "No longer held"
        return _WORDS[self.pull.phase]

    def said(self, live: str) -> str:
        """What is known, the newest first; without what the last look saw where `live` above it says how it is now."""
        pull = self.pull
        looked = "" if live else pull.seen
        if pull.phase is PullState.ASKED:
            rule = ApprovalRule(pull.rule)
            return f"{rule.words.capitalize()} must agree before it is pulled. Somebody has been called."
        if pull.phase is PullState.UNVERIFIED:
            before = next((one for one in standing(self.incident, self.pulls) if self.doubts(one)), None)
            counts = "" if self.holds() else " Count it as not contained."
            if before is not None and counts:
                counts = f" {before.ref} was seen to hold before it, and is not now: count it as not contained."
            return f"It acted, and was not seen to take effect in time.{counts} {looked}".strip()
        if pull.phase is PullState.VERIFIED:
            return _without(f"{pull.seen} {self.otherwise}".strip(), live)
        if pull.phase is PullState.FAILED:
            return pull.outcome
        return looked or pull.says or "Evidence is kept first; containment waits at most 10 s for it."

    @property
    def let_go(self) -> bool:
        """Whether what was seen to hold was taken back by another way than its undo."""
        verified = self.pull.phase is PullState.VERIFIED and not self.pull.undoes_id
        return verified and _goes_on(self.incident) and taken_back(self.pull)

    @cached_property
    def otherwise(self) -> str:
        """That the kill switch was set to something else since, in words; nothing where it stands as it was pulled."""
        switch = switch_of(self.pull)
        if switch is None or not _goes_on(self.incident) or _stands(self.pull, switch):
            return ""
        return f"Since then the switch was set otherwise: {switch.what_mode.words} (revision {switch.number})."

    def stages(self) -> list[dict[str, Any]]:
        """How far it has come."""
        ended = self.pull.phase not in OPEN
        return [
            {"label": label, "at": getattr(self.pull, name)}
            for label, name in _STAGES
            if not (ended and name == "ended_at" and self.pull.phase is not PullState.VERIFIED)
        ]

    def again(self) -> str:
        """Where the lever is pulled again that was taken back by another way than its undo, and stands as contained."""
        if not self.let_go or not _goes_on(self.incident):
            return ""
        return reverse("incident_lever", args=[self.incident.number, self.pull.lever.number])


def _goes_on(incident: Incident) -> bool:
    return State(incident.state) in UNRESOLVED


def _stands(pull: Pull, switch: Switch) -> bool:
    """Whether the switch is as the pull set it, or the pull is still about to."""
    if pull.phase in OPEN:
        return True
    limit = switch.limit.as_json() if switch.limit else None
    return (pull.expected.get("mode"), pull.expected.get("limit")) == (switch.mode, limit)


def _without(said: str, begins: str) -> str:
    """What is said, without what stands above it already."""
    return said.removeprefix(begins).lstrip(".: ") if begins else said


def replicas(pull: Pull) -> dict[str, Any] | None:
    """What the processes of a guarded system say now, where the lever is Andon's own kill switch."""
    switch = switch_of(pull)
    if switch is None:
        return None
    seen = switches.seen(switch, clock.now())
    shown = sorted(seen.replicas, key=lambda one: one.stands is ReplicaStanding.APPLIES)[:_REPLICAS_SHOWN]
    return {
        "says": f"{seen.says[:1].upper()}{seen.says[1:]}",
        "everywhere": seen.tally.everywhere is True,
        "rows": [
            {
                "name": one.row.instance if one.row.host in one.row.instance else str(one.row),
                "version": one.row.version,
                "stands": one.stands.words,
                "good": one.stands is ReplicaStanding.APPLIES,
                "heard_at": one.row.heard_at,
            }
            for one in shown
        ],
        "more": len(seen.replicas) - len(shown),
    }


def lifted(incident: Incident, pulls: Sequence[Pull]) -> bool:
    """Whether a lever contained the incident, and none holds any more, nor anything else, while it goes on."""
    held = any(pull.phase is PullState.VERIFIED and pull.undoes_id is None for pull in pulls)
    otherwise = incident.held is not None and not contained_by_one(pulls, incident)
    return held and not otherwise and _goes_on(incident) and not standing(incident, pulls)


def verified(incident: Incident, pulls: Sequence[Pull]) -> bool:
    """Whether containment stands as verified: the last look at a lever that stands pulled saw it hold."""
    newest = {pull.lever_id: pull for pull in reversed(pulls) if pull.phase in SEEN_TO and pull.undoes_id is None}
    return any(newest[pull.lever_id] == pull for pull in standing(incident, pulls))


def doubted(incident: Incident, pulls: Sequence[Pull]) -> bool:
    """Whether what contains the incident is a lever that was pulled again since, and not seen to hold then."""
    by_lever = contained_by_one(pulls, incident) and bool(standing(incident, pulls))
    return by_lever and not verified(incident, pulls)


def standing(incident: Incident, pulls: Sequence[Pull]) -> list[Pull]:
    """The pulls that were seen to hold, and that nobody has undone since, or begun to; newest first."""
    undone = {pull.undoes_id for pull in pulls if pull.undoes_id and pull.phase is not PullState.FAILED}
    held = (p for p in pulls if p.phase is PullState.VERIFIED and p.undoes_id is None and p.pk not in undone)
    return [pull for pull in held if not (_goes_on(incident) and taken_back(pull))]
