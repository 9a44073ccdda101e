"""What the incident page shows: everything known about one incident, in the order in which it is needed."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.urls import reverse
from django.utils import timezone

from andon.containment import offering
from andon.containment.evidence.queries import listed as preserved
from andon.containment.policy import may_prepare
from andon.incidents.describe import Line, describe
from andon.incidents.models import Incident, ProtocolStep, RoleAssignment
from andon.incidents.policy import may_respond
from andon.intake.models import Signal
from andon.kit import clock, spans
from andon.kit.charts.track import Track, TrackView, track
from andon.kit.markdown import render
from andon.oncall import queries as oncall
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice import escalation
from andon.practice.escalation import Progress
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.words import ClockEvent, OrgRole, Phase
from andon.registry.models import ChangeEvent
from andon.registry.queries import changes_before
from andon.response import lever_screen as levers
from andon.response.clocks import clocks_of, to_do
from andon.response.escalating import thaw
from andon.response.next_act import Act, NextAct
from andon.response.promising import SAID_BY_HAND, prescription_of
from andon.runbooks.incident_part import runbooks_of
from andon.watch import queries as watches
from andon.watch.screen import evidence

ENTRIES = 100
PAGES = 12
SIGNALS = 8
CHANGES = 6
TONES = {
    "opened": "weighty",
    "acknowledged": "weighty",
    "contained": "weighty",
    "containment_ended": "alarming",
    "containment_waived": "weighty",
    "resolved": "weighty",
    "reopened": "alarming",
    "severity_raised": "weighty",
    "system_changed": "weighty",
    "system_heard": "weighty",
    "page_failed": "alarming",
    "nobody_reachable": "alarming",
    "step_reached_nobody": "alarming",
    "escalation_repaired": "alarming",
    "promise_missed": "alarming",
    "promises_repaired": "alarming",
    "review_published": "weighty",
}


@dataclass(frozen=True)
class Screen:
    """The parts of the page that need a decision; what is only shown is read by the template from the incident."""

    incident: Incident
    by: Actor

    def url(self, name: str, *args: Any) -> str:
        """The address of an act on this incident."""
        return reverse(f"incident_{name}", args=[self.incident.number, *args])

    def context(self) -> dict[str, Any]:
        """Everything the template asks for."""
        incident = self.incident
        steps = list(incident.steps.select_related("by"))
        signals = Signal.objects.filter(incident=incident).order_by("-last_at")
        may = may_respond(self.by, incident)
        roles = self.roles()
        pulls = levers.pulls_of(incident)
        return {
            "incident": incident,
            "type_label": incident.incident_type.label,
            "because": incident.because,
            "verified": levers.verified(incident, pulls),
            "doubted": levers.doubted(incident, pulls),
            "lifted": levers.lifted(incident, pulls),
            "containment": levers.Panel(pulls, self.by, incident).context() if pulls else None,
            "next": NextAct(incident, self.by).act(steps, pulls) if may else None,
            "prepare_url": self.prepare_url(),
            "live_url": f"/live/incidents/{incident.number}?seen={incident.timeline_count}",
            "track": self.track(),
            "track_title": self.finding(),
            "phases": self.phases(steps, may=may),
            "entries": entries(incident, limit=ENTRIES),
            "older_url": self.url("timeline") if incident.timeline_count > ENTRIES else "",
            "note_url": self.url("note") if may else "",
            "roles": roles,
            "wanted": self.wanted(may=may),
            "with_lead": list(dict.fromkeys(name for _, name in roles[1:] if name != roles[0][1])),
            "paging": self.paging(),
            "acts": self.acts() if may else [],
            "pages": self.pages(),
            "signals": [_signal(signal) for signal in signals[:SIGNALS]],
            "signals_more": max(0, signals.count() - SIGNALS),
            "changes": self.changes(),
            "runbooks": runbooks_of(self.by, incident, may=may),
            "evidence": evidence(watches.alarms_in([self.incident.pk])[self.incident.pk]),
            "links": incident.links.filter(removed_at__isnull=True),
            "link_url": self.url("link") if may else "",
            "preserved": preserved(incident),
            "duties": self.clocks(may=may),
            "lowering": incident.lowerings.filter(state="asked").select_related("approver", "asked_by").first(),
        }

    def clocks(self, *, may: bool) -> list[dict[str, Any]]:
        """What has to be done by a time and is not; then the duties whose clock nobody has begun yet."""
        return [
            {
                "what": row.what,
                "due_at": row.due_at,
                "waits": "" if row.due_at else f"{row.within} from {ClockEvent(row.clock).words}",
                "url": self.url("promise", row.key) if may and row.kind in SAID_BY_HAND else "",
            }
            for row in to_do(self.incident)
        ]

    def prepare_url(self) -> str:
        """Where a lever is prepared, on an incident that has to do without one, for whoever may prepare it."""
        incident = self.incident
        if incident.system is None or not may_prepare(self.by):
            return ""
        without = incident.held is None and State(incident.state) in UNRESOLVED and not offering.offers(incident)
        return reverse("lever_choose", args=[incident.system.slug]) if without else ""

    def changes(self) -> list[ChangeEvent]:
        """What changed about the system shortly before it began, for whoever may see the register; newest first."""
        incident = self.incident
        if incident.system is None or not self.by.may(OrgRole.VIEWER):
            return []
        began = incident.onset_low or incident.onset or incident.detected_at
        found = list(changes_before(incident.system, began, incident.detected_at)[:CHANGES])
        for change in found:
            change.note = f"{spans.span(incident.detected_at - change.at)} before it was detected"  # type: ignore[attr-defined]
        return found

    def acts(self) -> list[Act]:
        """What else can be done."""
        state = State(self.incident.state)
        acts: list[Act] = [
            {"label": "Assess severity", "url": self.url("severity"), "method": "get"},
            {"label": "Assign a role", "url": self.url("role"), "method": "get"},
            {"label": "Estimate onset", "url": self.url("onset"), "method": "get"},
            {"label": "Change type", "url": self.url("type"), "method": "get"},
        ]
        if state is not State.CLOSED:
            label = "Change system" if self.incident.system else "Name the system"
            acts.append({"label": label, "url": self.url("system"), "method": "get"})
        if self.by.may(OrgRole.LEAD):
            label = "Lift the restriction" if self.incident.restricted else "Restrict"
            value = "" if self.incident.restricted else "1"
            fields = [{"name": "restricted", "value": value}]
            acts.append({"label": label, "url": self.url("restrict"), "method": "post", "fields": fields})
        if state in {State.RESOLVED, State.CLOSED}:
            acts.append({"label": "Review", "url": reverse("review", args=[self.incident.number]), "method": "get"})
            acts.append({"label": "Reopen", "url": self.url("reopen"), "method": "get"})
        return acts

    def phases(self, steps: list[ProtocolStep], *, may: bool) -> list[dict[str, Any]]:
        """The protocol by phase; diagnosis folded until containment is done or waived."""
        held = self.incident.held is not None
        todo = next((s for s in steps if s.state == ProtocolStep.State.TODO and not s.optional), None)
        found = []
        for key, group in groupby(steps, key=lambda step: step.phase):
            phase, members = Phase(key), list(group)
            folded = phase is Phase.DIAGNOSE and not held
            found.append(
                {
                    "key": key,
                    "label": phase.label,
                    "folded": folded,
                    "folded_reason": "Opens once the incident is contained, or containment is waived" if folded else "",
                    "done": sum(s.state != ProtocolStep.State.TODO for s in members),
                    "total": len(members),
                    "steps": [self._step(s, current=s is todo, acts=may and not folded) for s in members],
                }
            )
        return found

    def _step(self, step: ProtocolStep, *, current: bool, acts: bool) -> dict[str, Any]:
        todo = step.state == ProtocolStep.State.TODO and acts and State(self.incident.state) is not State.CLOSED
        return {
            "id": step.key,
            "title": step.title,
            "body": render(step.body),
            "state": step.state,
            "optional": step.optional,
            "current": current,
            "by": step.by or "",
            "at": step.at,
            "reason": step.reason,
            "done_url": self.url("step", step.key) if todo else "",
            "waive_url": self.url("step_waive", step.key) if todo else "",
        }

    def track(self) -> TrackView:
        """The five times, to scale, in the viewer's zone."""
        incident = self.incident
        due = {c.what: c.due_at for c in clocks_of(incident)}
        zone = timezone.get_current_timezone()
        times = Track(
            detected_at=incident.detected_at,
            onset=incident.onset,
            onset_low=incident.onset_low,
            onset_high=incident.onset_high,
            acknowledged_at=incident.acknowledged_at,
            contained_at=incident.contained_at,
            resolved_at=incident.resolved_at,
            acknowledge_by=due.get("Acknowledge"),
            contain_by=None if incident.containment_waived_at else due.get("Contain"),
        )
        return track(times, clock.now(), zone=zone)

    def finding(self) -> str:
        """The track's title: what it shows, as a sentence."""
        incident = self.incident
        parts = []
        if incident.acknowledged_at:
            parts.append(f"Acknowledged in {spans.span(incident.acknowledged_at - incident.detected_at)}")
        elif State(incident.state) in UNRESOLVED:
            parts.append(f"Unacknowledged for {spans.span(clock.now() - incident.detected_at)}")
        if incident.contained_at:
            parts.append(f"contained after {spans.span(incident.contained_at - incident.detected_at)}")
        elif State(incident.state) in UNRESOLVED and not incident.containment_waived_at:
            parts.append("not contained")
        if incident.resolved_at:
            parts.append(f"resolved after {spans.span(incident.resolved_at - incident.detected_at)}")
        return "; ".join(parts)

    def roles(self) -> list[tuple[str, str]]:
        """Who does what, the lead first."""
        held = list(self.incident.roles.filter(ended_at__isnull=True).select_related("person"))
        held.sort(key=lambda role: (role.role != RoleAssignment.Role.LEAD, role.created_at))
        return [(role.get_role_display(), str(role.person)) for role in held]

    def wanted(self, *, may: bool) -> list[dict[str, str]]:
        """The roles that its protocol asks for and that nobody has, with where one is assigned."""
        incident = self.incident
        if State(incident.state) is State.CLOSED:
            return []
        held = set(incident.roles.filter(ended_at__isnull=True).values_list("role", flat=True))
        asked = [role for role in prescription_of(incident).asks.roles if role not in held]
        return [{"role": role.label, "url": f"{self.url('role')}?role={role}" if may else ""} for role in asked]

    def paging(self) -> dict[str, Any] | None:
        """Who was paged last and who is next, while nobody has it."""
        incident = self.incident
        if incident.next_page_at is None:
            return None
        last = incident.pages.select_related("person").order_by("-created_at").first()
        chain, fallback = thaw(incident.chain)
        progress = Progress(incident.chain_step, incident.chain_round, incident.on_fallback)
        decision = escalation.next_step(chain, fallback, progress, incident.next_page_at)
        targets = [dict(target) for target in decision.targets]  # type: ignore[call-overload]
        people = [str(reached.person) for reached in oncall.people_reached(targets, incident.next_page_at)]
        return {
            "person": str(last.person) if last else "",
            "at": last.created_at if last else None,
            "next_person": ", ".join(people) or "administrators",
            "next_at": incident.next_page_at,
        }

    def pages(self) -> list[dict[str, Any]]:
        """Who was paged, newest first."""
        rows = self.incident.pages.select_related("person").order_by("-created_at")[:PAGES]
        return [
            {
                "person": str(row.person),
                "channel": row.get_channel_display(),
                "at": row.sent_at or (row.state == Page.State.PENDING and row.due_at) or row.send_after,
                "state": row.state,
                "label": Page.State(row.state).label,
                "reason": _said_of(row),
            }
            for row in rows
        ]


def _said_of(page: Page) -> str:
    """Why it was sent, or why not; and why it waited, if it did."""
    said = page.last_error if page.state == Page.State.FAILED else page.reason
    return f"{said}; {page.why_held}" if page.held else said


def entries(incident: Incident, *, limit: int, before: int | None = None) -> list[dict[str, Any]]:
    """Timeline entries as components/timeline_entry.html shows them, newest first."""
    rows = incident.timeline.order_by("-seq")
    if before is not None:
        rows = rows.filter(seq__lt=before)
    return [_entry(line) for line in describe(rows[:limit])]


def _entry(line: Line) -> dict[str, Any]:
    return {
        "seq": line.seq,
        "at": line.at,
        "icon": line.icon,
        "actor": line.actor,
        "what": line.text,
        "body": render(line.detail) if line.detail else "",
        "tone": TONES.get(line.kind, ""),
    }


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "title": signal.title,
        "url": reverse("signal", args=[signal.pk]),
        "at": signal.last_at,
        "count": signal.count,
        "state": signal.status,
    }
