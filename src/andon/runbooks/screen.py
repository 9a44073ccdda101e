"""What the page of a run shows: the step to do now above all, then every step in its phase."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from typing import Any

from django.urls import reverse
from django.utils import timezone

from andon.incidents.models import Incident, RoleAssignment
from andon.incidents.policy import may_respond
from andon.kit import clock, spans
from andon.kit.errors import Refused
from andon.kit.markdown import render
from andon.people.policy import Actor
from andon.practice.runbook import Runbook, Step, current
from andon.practice.words import RunbookPhase, StepKind, StepState
from andon.runbooks import asking, levers, queries
from andon.runbooks.models import Run, RunStep
from andon.runbooks.shelf import parsed

_PLACE = re.compile(r"\{(\w+)\}")
_FOLDED = "Opens once the incident is contained, or containment is waived"


def filled(draft: str, incident: Incident, *, zone: tzinfo) -> str:
    """A notice's draft with what the incident knows; what it does not know stays marked."""
    lead = incident.roles.filter(ended_at__isnull=True, role=RoleAssignment.Role.LEAD).select_related("person").first()
    known = {
        "ref": incident.ref,
        "title": incident.title,
        "system": str(incident.system or ""),
        "severity": incident.level.name,
        "detected": _moment(incident.detected_at, zone),
        "contained": _moment(incident.contained_at, zone) if incident.contained_at else "",
        "onset": _moment(incident.onset, zone) if incident.onset else "",
        "lead": str(lead.person) if lead else "",
    }
    return _PLACE.sub(lambda match: known.get(match[1], "") or f"[{match[1]}]", draft)


def _moment(at: datetime, zone: tzinfo) -> str:
    """A time that means the same to whoever reads the notice later, and elsewhere."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


@dataclass(frozen=True)
class Screen:
    """The parts of a run's page that need a decision."""

    run: Run
    by: Actor

    def url(self, name: str, *args: Any) -> str:
        """The address of an act on this run."""
        return reverse(f"run_{name}", args=[self.run.number, *args])

    def context(self) -> dict[str, Any]:
        """Everything the template asks for."""
        run, incident = self.run, self.run.incident
        book = parsed(run.version.text)
        rows = {row.key: row for row in queries.latest(run)}
        going = run.state == Run.State.GOING
        may = may_respond(self.by, incident)
        now = current(book, queries.states(list(rows.values())), held=incident.held is not None) if going else None
        before = queries.earlier(run)
        steps = [
            self._step(step, rows[step.key], before.get(step.key, []), now=step is now, acts=may and going)
            for step in book.steps
            if step.key in rows
        ]
        settled = [row for row in rows.values() if row.state != StepState.TODO]
        return {
            "run": run,
            "incident": incident,
            "book": book,
            "intro": render(book.intro),
            "now": next((one for one in steps if one["now"]), None),
            "waits": going and now is None and any(row.state == StepState.TODO for row in rows.values()),
            "phases": self._phases(steps, held=incident.held is not None),
            "settled": len(settled),
            "total": len(rows),
            "took": spans.span((run.ended_at or clock.now()) - run.created_at),
            "going": going,
            "may": may,
            "left": sum(not one["optional"] and one["state"] == StepState.TODO for one in steps),
            "feedback": list(run.feedback.select_related("by")),
            "mine": run.feedback.filter(by=self.by.person).first() if self.by.person else None,
            "live_url": f"/live/incidents/{incident.number}?seen={incident.timeline_count}" if going else "",
        }

    def _phases(self, steps: list[dict[str, Any]], *, held: bool) -> list[dict[str, Any]]:
        found = []
        for key, group in groupby(steps, key=lambda step: step["phase"]):
            phase, members = RunbookPhase(key), list(group)
            folded = phase is RunbookPhase.DIAGNOSE and not held
            found.append(
                {
                    "key": key,
                    "label": phase.label,
                    "folded": folded,
                    "folded_reason": _FOLDED if folded else "",
                    "done": sum(step["state"] != StepState.TODO for step in members),
                    "total": len(members),
                    "steps": members,
                }
            )
        return found

    def _step(self, step: Step, row: RunStep, before: list[RunStep], *, now: bool, acts: bool) -> dict[str, Any]:
        incident = self.run.incident
        folded = step.phase is RunbookPhase.DIAGNOSE and incident.held is None
        zone = timezone.get_current_timezone()
        open_ = row.state in {StepState.TODO, StepState.PASSED}
        return {
            "key": step.key,
            "phase": step.phase,
            "kind": step.kind,
            "kind_label": step.kind.label if step.kind is not StepKind.MANUAL else "",
            "title": step.title,
            "body": render(step.body),
            "minutes": step.minutes,
            "optional": step.optional,
            "state": row.state,
            "state_label": StepState(row.state).label,
            "now": now,
            "row": row,
            "outcome": next((one.words for one in step.outcomes if one.key == row.outcome), ""),
            "took": spans.span(row.at - row.begun_at) if row.at and row.begun_at else "",
            "before": before,
            "settle_url": self.url("settle", step.key) if acts and open_ and not folded else "",
            "skip_url": self.url("settle", step.key) if acts and open_ else "",
            "again_url": self.url("again", step.key) if acts and row.state != StepState.TODO else "",
            "outcomes": [
                {"key": one.key, "words": one.words, "to": _goes_to(self.run, one.to)} for one in step.outcomes
            ],
            "audience": step.audience,
            "within": step.within,
            "draft": filled(step.draft, incident, zone=zone) if step.draft else "",
            "does": step.does.words if step.does else "",
            "levers": levers.rows_of(step, self.run, self.by, open_=acts and open_ and not folded),
            **(self._query(step, row, acts=acts and not folded, zone=zone) if step.ask else {}),
        }

    def _query(self, step: Step, row: RunStep, *, acts: bool, zone: tzinfo) -> dict[str, Any]:
        """What a query has seen, and what it would be asked of."""
        incident = self.run.incident
        found: dict[str, Any] = {"is_query": True}
        if row.seen:
            found["picture"] = asking.picture(step.title, row.seen, incident, zone=zone)
            found["read_at"] = datetime.fromisoformat(row.seen["read_at"])
        if not acts:
            return found
        logs = queries.logs_of(incident.system)
        try:
            asking.fitted(step, logs)
        except Refused as refused:
            return found | {"cannot": refused.what}
        return found | {"draw_url": self.url("draw", step.key), "choices": asking.choices(step, logs)}


def _goes_to(run: Run, key: str) -> str:
    """The title of the step that an outcome leads to; empty for the next."""
    book: Runbook = parsed(run.version.text)
    step = book.step(key) if key else None
    return step.title if step else ""
