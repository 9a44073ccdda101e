"""What the home page answers: what is burning, which clocks run, who is on call, what is uncovered, what is overdue."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final
from uuid import UUID

from django.db.models import Max
from django.urls import reverse

from andon.incidents import queries as incidents
from andon.incidents.models import Incident, RoleAssignment
from andon.incidents.policy import visible
from andon.kit import clock
from andon.oncall import queries as oncall
from andon.oncall.queries import NowAndNext
from andon.people import queries as people
from andon.people.policy import Actor
from andon.practice.lifecycle import UNRESOLVED, State
from andon.practice.severity import Severity
from andon.practice.words import IncidentKind, OrgRole, Stage
from andon.registry import queries as registry
from andon.registry.queries import Uncovered
from andon.response.clocks import running
from andon.reviews import queries as reviews
from andon.reviews.models import Action
from andon.rules import queries as rules
from andon.web import lamps

SHOWN: Final = 12
"""How much of each list the home page shows; the lists themselves are a press away."""


def home(by: Actor, zone: tzinfo) -> dict[str, Any]:
    """Everything that `web/home.html` asks for, with times of findings in the viewer's zone."""
    now = clock.now()
    real = visible(by).filter(state__in=UNRESOLVED, kind=IncidentKind.REAL)
    burning = list(incidents.ordered(incidents.with_roles(real))[: SHOWN + 1])
    uncovered = registry.uncovered(now, zone) if by.may(OrgRole.VIEWER) else []
    if by.may(OrgRole.VIEWER):
        lamps.uncovered_counted(len(uncovered))
    shown = lamps.lamps_now(by)
    counts = {lamp.level: lamp.count for lamp in shown.severities}
    return {
        "lamps": shown,
        "headline": headline(counts, burning, uncovered=len(uncovered)),
        "quiet": not burning,
        "quiet_since": None if burning else visible(by).aggregate(Max("resolved_at"))["resolved_at__max"],
        "burning": _burning(burning[:SHOWN], by),
        "more_url": reverse("incidents") + "?state=unresolved" if len(burning) > SHOWN else "",
        "clocks": [
            {
                "what": found.what,
                "due_at": found.due_at,
                "ref": found.incident.ref,
                "url": reverse("incident", args=[found.incident.number]),
            }
            for found in running(lamps.with_clocks(by))[:SHOWN]
        ],
        "on_call": on_call(by, now) if by.may(OrgRole.VIEWER) else [],
        "nothing_runs": _nothing_runs(by),
        "silences": _silences(now) if by.may(OrgRole.VIEWER) else [],
        "uncovered": [_gap(found, by) for found in uncovered[:SHOWN]],
        "overdue": _overdue(by),
        "broken": _broken(by),
        "live_url": "/live/",
    }


def _nothing_runs(by: Actor) -> bool:
    """Whether the viewer may know of systems and none is in production: then there is nothing to cover."""
    return by.may(OrgRole.VIEWER) and not registry.systems().filter(stage=Stage.PRODUCTION).exists()


def headline(counts: dict[int, int], burning: Sequence[Incident], *, uncovered: int) -> str:
    """The finding of the whole page in one sentence; `burning` worst first, `counts` of all that go on by severity."""
    total = sum(counts.values())
    if not burning or not total:
        if not uncovered:
            return "All is quiet"
        return (
            f"No incident is open; {_some(uncovered, 'system')} {'is' if uncovered == 1 else 'are'} not ready to page"
        )
    worst = Severity(burning[0].severity).name
    lacking = (
        ("acknowledged", sum(row.acknowledged_at is None for row in burning)),
        ("contained", sum(row.held is None for row in burning)),
    )
    word, lack = next(((word, lack) for word, lack in lacking if lack), ("", 0))
    if total == 1:
        return f"One {worst} incident is {f'not {word}' if lack else 'contained and not resolved yet'}"
    return f"{total} incidents are open, the worst is {worst}; {_lacking(word, lack, total, len(burning))}"


def _lacking(word: str, lack: int, total: int, looked_at: int) -> str:
    """How many of all incidents lack a step, where only the worst have been looked at."""
    if not lack:
        return "all are contained" if looked_at == total else "the worst are contained"
    if lack == total:
        return f"none is {word}"
    least = "at least " if looked_at < total else ""
    return f"{least}{lack} {'is' if lack == 1 else 'are'} not {word}"


def _some(count: int, noun: str) -> str:
    return f"one {noun}" if count == 1 else f"{count} {noun}s"


def _burning(rows: Sequence[Incident], by: Actor) -> list[dict[str, Any]]:
    own = _with_own_role(rows, by)
    return [
        {
            "ref": row.ref,
            "url": reverse("incident", args=[row.number]),
            "title": row.title,
            "severity": row.severity,
            "state": row.state,
            "system": row.system.name if row.system else "",
            "since": row.onset or row.detected_at,
            "on_it": incidents.lead_of(row),
            "act": _act(row) if by.may(OrgRole.RESPONDER) or row.pk in own else None,
        }
        for row in rows
    ]


def _with_own_role(rows: Sequence[Incident], by: Actor) -> set[UUID]:
    """Those of the incidents in which the viewer has a role, who may act there whatever their own role is."""
    if by.may(OrgRole.RESPONDER):
        return set()
    held = RoleAssignment.objects.filter(incident__in=[row.pk for row in rows], person=by.person, ended_at=None)
    return set(held.values_list("incident", flat=True))


def _act(row: Incident) -> dict[str, Any]:
    """The next thing to do about an incident, as on its own page."""
    if row.acknowledged_at is None:
        url = reverse("incident_acknowledge", args=[row.number])
        return {"label": f"Acknowledge {row.ref}", "url": url, "method": "post", "fields": []}
    if row.held is None:
        return {"label": f"Contain {row.ref}", "url": reverse("incident_contain", args=[row.number]), "method": "get"}
    verb = "Resolve" if State(row.state) is State.CONTAINED else "Continue"
    return {"label": f"{verb} {row.ref}", "url": reverse("incident", args=[row.number]), "method": "get"}


def on_call(by: Actor, now: datetime) -> list[dict[str, Any]]:
    """Who is on call: schedules with nobody first, then the viewer's own, then by name."""
    rows = oncall.board(oncall.schedules(), now)

    def weight(row: NowAndNext) -> tuple[bool, bool]:
        return (row.now is not None, not _is_viewer(row, by))

    return [
        {
            "schedule": row.schedule.name,
            "url": reverse("schedule", args=[row.schedule.slug]),
            "person": str(row.now.person) if row.now else "",
            "until": row.now.ends if row.now and not row.now.lasting else None,
            "next_person": str(row.next.person) if row.next else "",
            "yours": _is_viewer(row, by),
        }
        for row in sorted(rows, key=weight)[:SHOWN]
    ]


def _is_viewer(row: NowAndNext, by: Actor) -> bool:
    return row.now is not None and by.person is not None and row.now.person.pk == by.person.pk


def _gap(found: Uncovered, by: Actor) -> dict[str, Any]:
    more = len(found.readiness.findings) - 1
    url = reverse("system", args=[found.system.slug])
    return {
        "system": found.system.name,
        "url": url,
        "problem": found.readiness.findings[0].text + (f" And {more} more." if more else ""),
        "act_label": "Cover it",
        "act_url": url if by.may(OrgRole.LEAD) else "",
    }


def _silences(now: datetime) -> list[dict[str, Any]]:
    """What keeps signals quiet at present, and until when."""
    return [
        {
            "name": quiet.rule.name,
            "url": reverse("rule", args=[quiet.rule.number]),
            "system": quiet.rule.system.name if quiet.rule.system else "",
            "until": quiet.ends,
        }
        for quiet in rules.quiet_now(now)[:SHOWN]
    ]


def _broken(by: Actor) -> list[dict[str, str]]:
    """Contact points that broke: the viewer's own, and for administrators everybody's."""
    return [
        {
            "text": f"{'Your' if own else f'{point.person}’s'} contact point {point.get_kind_display()} broke",
            "reason": point.broken_reason,
            "url": reverse("account") + "#contact-points" if own else reverse("person", args=[point.person_id]),
            "label": "Repair it" if own else "Look",
        }
        for point in people.broken_contact_points(by)[:SHOWN]
        for own in [by.person is not None and point.person_id == by.person.pk]
    ]


def _overdue(by: Actor) -> list[dict[str, Any]]:
    rows: Iterable[Action] = reviews.overdue(by)[:SHOWN]
    zone = reviews.office_zone()
    return [
        {
            "action": row.title,
            "url": reverse("action", args=[row.number]),
            "owner": str(row.owner),
            "due_at": reviews.end_of(row.due_on, zone),
            "review": row.review.incident.ref,
        }
        for row in rows
    ]
