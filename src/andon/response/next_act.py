"""The one thing to do next on an incident: pull the lever, acknowledge, contain, the next step, resolve, review."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from django.urls import reverse

from andon.containment import offering
from andon.containment.models import Pull
from andon.containment.policy import may_pull
from andon.incidents.models import Incident, ProtocolStep
from andon.people.policy import Actor
from andon.practice.lifecycle import State
from andon.practice.words import OrgRole, Phase
from andon.response import duties
from andon.response.clocks import Clock, clocks_of
from andon.reviews.models import Review


class Act(TypedDict, total=False):
    """A button: see components/button.html and the `next` of response/incident.html."""

    label: str
    url: str
    method: str
    look: str
    icon: str
    verb: str
    heading: str
    explanation: str
    effect: str
    reason: bool
    fields: list[dict[str, str]]
    key: str
    due_at: Any
    due_what: str
    others: list["Act"]


@dataclass(frozen=True)
class NextAct:
    """What is decided: for whom, on which incident."""

    incident: Incident
    by: Actor

    def url(self, name: str, *args: Any) -> str:
        """The address of an act on this incident."""
        return reverse(f"incident_{name}", args=[self.incident.number, *args])

    def act(self, steps: list[ProtocolStep], pulls: Sequence[Pull]) -> Act | None:
        """The one thing to do now: pull the lever, acknowledge, contain, the next step, resolve, review, close."""
        incident = self.incident
        state = State(incident.state)
        if state is State.CLOSED:
            return None
        if state is State.RESOLVED:
            return self._after()
        if incident.held is None:
            return self._before(pulls)
        if incident.acknowledged_at is None:
            return self._acknowledge(self._clocks().get("Acknowledge"))
        return self._after_containment(steps)

    def _before(self, pulls: Sequence[Pull]) -> Act | None:
        """Until it is contained or waived: the lever, or what stands in its place."""
        if any(pull.is_open for pull in pulls):
            return None  # it is under way, and stands above everything
        incident, clocks = self.incident, self._clocks()
        offered = offering.offers(incident) if may_pull(self.by, incident) else []
        if offered:
            return self._pull(offered, pulls, clocks.get("Contain"))
        if incident.acknowledged_at is None:
            return self._acknowledge(clocks.get("Acknowledge"))
        return self._contain(clocks.get("Contain"))

    def _clocks(self) -> dict[str, Clock]:
        return {c.what: c for c in clocks_of(self.incident) if c.met_at is None}

    def _after_containment(self, steps: list[ProtocolStep]) -> Act:
        todo = next((s for s in steps if s.state == ProtocolStep.State.TODO and not s.optional), None)
        resolve: Act = {
            "label": "Resolve",
            "url": self.url("resolve"),
            "method": "get",
            "icon": "resolve",
            "look": "large",
        }
        if todo is not None:
            return {
                "verb": "check",
                "heading": todo.title,
                "label": "Mark as done",
                "explanation": f"The next step of the protocol ({Phase(todo.phase).words}). How to do it stands below.",
                "url": self.url("step", todo.key),
                "method": "post",
                "others": [resolve],
            }
        return {
            "verb": "resolve",
            "heading": "Resolve it, once you have seen that it is over",
            "label": "Resolve",
            "explanation": "Every step is done. Say how the end was verified; the review is drafted from it.",
            "url": self.url("resolve"),
            "method": "get",
            "others": [],
        }

    def _pull(self, offered: Sequence[offering.Offer], pulls: Sequence[Pull], due: Clock | None) -> Act:
        """The first lever, above all; the other levers, acknowledging and doing it by hand beside it."""
        tried = {pull.lever_id for pull in pulls}
        first = next((one for one in offered if one.lever.pk not in tried), offered[0])
        others: list[Act] = []
        if self.incident.acknowledged_at is None:
            others.append(
                {
                    "label": "Acknowledge only",
                    "url": self.url("acknowledge"),
                    "method": "post",
                    "icon": "acknowledge",
                    "look": "large",
                    "key": "a",
                }
            )
        others += [
            {
                "label": one.lever.name,
                "url": self.url("lever", one.lever.number),
                "method": "get",
                "icon": one.icon,
                "look": "",
            }
            for one in offered
            if one is not first
        ]
        again = "Pull again: " if first.lever.pk in tried else ""
        return {
            "verb": first.icon,
            "heading": first.lever.name,
            "label": f"{again}{first.lever.name}",
            "explanation": offering.explanation(first, self.incident),
            "effect": offering.effect(first, self.incident),
            "url": self.url("pull", first.lever.number),
            "method": "post",
            "fields": first.fields,
            "due_at": due.due_at if due else None,
            "due_what": "Contain by",
            "others": [*others, *self._by_hand()],
        }

    def _by_hand(self) -> list[Act]:
        """What is left where no lever does it: done elsewhere, or nothing to do."""
        return [
            {"label": "Contained another way", "url": self.url("contain"), "method": "get", "look": "plain"},
            {
                "label": "Nothing to contain",
                "url": self.url("waive"),
                "method": "get",
                "icon": "waived",
                "look": "plain",
            },
        ]

    def _acknowledge(self, due: Clock | None) -> Act:
        return {
            "verb": "acknowledge",
            "heading": "Acknowledge: somebody has to have it",
            "label": "Acknowledge",
            "explanation": "The pages stop, and you lead until you hand over. Then contain.",
            "url": self.url("acknowledge"),
            "method": "post",
            "due_at": due.due_at if due else None,
            "due_what": "Acknowledge by",
            "others": [
                *self._name_it(),
                {"label": "Contain", "url": self.url("contain"), "method": "get", "icon": "contain", "look": "large"},
            ],
        }

    def _contain(self, due: Clock | None) -> Act:
        return {
            "verb": "contain",
            "heading": "Contain it: roll back, disable or constrain",
            "label": "Contain",
            "explanation": self._without_lever(),
            "url": self.url("contain"),
            "method": "get",
            "due_at": due.due_at if due else None,
            "due_what": "Contain by",
            "others": [
                *self._name_it(),
                {
                    "label": "Nothing to contain",
                    "url": self.url("waive"),
                    "method": "get",
                    "icon": "waived",
                    "look": "plain",
                },
            ],
        }

    def _without_lever(self) -> str:
        """That there is none, and how the next incident finds one."""
        system = self.incident.system
        by_hand = "do it by hand, then say what was done. Preserve what that destroys first."
        if system is None:
            return f"No system is named, so no lever is offered: say which one it is about, or {by_hand}"
        return f"No lever is prepared for {system}: {by_hand}"

    def _name_it(self) -> list[Act]:
        """Where the system is named, if it is not: its people come then, and its levers stand here."""
        if self.incident.system is not None:
            return []
        return [{"label": "Name the system", "url": self.url("system"), "method": "get", "look": "large"}]

    def _after(self) -> Act | None:
        """Once it is resolved: the review, the duties that nobody has decided on, then closing."""
        incident = self.incident
        review = Review.objects.filter(incident=incident).first()
        if review is not None and review.state != Review.State.PUBLISHED:
            return {
                "verb": "review",
                "heading": "Review it: what made this possible, and what changes",
                "label": "Open the review",
                "explanation": "The draft is filled from the timeline. Actions get an owner and a day.",
                "url": reverse("review", args=[incident.number]),
                "method": "get",
                "due_at": review.due_at,
                "due_what": "Publish by",
                "others": [],
            }
        if (duty := duties.undecided(incident).order_by("due_at", "position").first()) is not None:
            return {
                "verb": "review",
                "heading": duty.what,
                "label": "Say what became of it",
                "explanation": "The incident closes once a person has decided: it was done, or it does not apply.",
                "url": self.url("promise", duty.key),
                "method": "get",
                "due_at": duty.due_at,
                "due_what": "Due by",
                "others": [],
            }
        if not self.by.may(OrgRole.LEAD):
            return None
        return {
            "verb": "check",
            "heading": "Close it",
            "label": "Close the incident",
            "explanation": "Nothing is left to do here. Closing keeps everything; it can be reopened.",
            "url": self.url("close"),
            "method": "get",
            "others": [],
        }
