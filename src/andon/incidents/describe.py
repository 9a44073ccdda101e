"""Timeline entries in plain words. Bodies hold keys of people; their names are looked up when it is read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from andon.incidents.models import RoleAssignment, TimelineEntry
from andon.people.models import Person
from andon.practice.pacing import Reason as Held
from andon.practice.words import ContainmentKind, HarmDimension, IncidentType

Names = Mapping[str, str]
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """A timeline entry as it is shown.

    `icon` names a drawing of the web's icon set; `detail` is Markdown or empty; `human` tells deeds of people
    from what the machine noted.
    """

    seq: int
    at: datetime
    recorded_at: datetime
    kind: str
    icon: str
    actor: str
    text: str
    detail: str
    human: bool
    hash: str


def describe(entries: Iterable[TimelineEntry]) -> list[Line]:
    """Every entry as a line, with names looked up in one query."""
    entries = list(entries)
    names = _names(entries)
    return [_line(entry, names) for entry in entries]


def _names(entries: Iterable[TimelineEntry]) -> Names:
    wanted: set[str] = set()
    for entry in entries:
        body = entry.body or {}
        wanted.update(filter(None, [body.get("person"), body.get("approver"), str(entry.person_id or "")]))
        wanted.update(body.get("people", ()))
    keys = {key for key in wanted if _is_uuid(key)}
    return {str(person.pk): str(person) for person in Person.objects.filter(pk__in=keys)}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _line(entry: TimelineEntry, names: Names) -> Line:
    icon, sentence = _WORDS.get(entry.kind, ("note", lambda _body, _names: entry.kind.replace("_", " ").capitalize()))
    if entry.body is None:
        text, detail = "The words of this entry were erased with the person they were about.", ""
    else:
        text = sentence(entry.body, names)
        detail = str(entry.body.get("text") or entry.body.get("note") or entry.body.get("summary") or "")
    return Line(
        seq=entry.seq,
        at=entry.at,
        recorded_at=entry.recorded_at,
        kind=entry.kind,
        icon=icon,
        actor=_actor(entry, names),
        text=text,
        detail=detail,
        human=entry.person_id is not None,
        hash=entry.hash,
    )


def _actor(entry: TimelineEntry, names: Names) -> str:
    if entry.person_id is not None:
        return names.get(str(entry.person_id), "Somebody")
    if entry.actor.startswith("integration:"):
        sender = entry.actor.removeprefix("integration:")
        return "Andon" if sender.startswith("andon-") else sender  # its own voices
    return {"engine": "Andon", "operator": "Operator"}.get(entry.actor, entry.actor)


def _people(body: Body, names: Names) -> str:
    found = [names.get(key, "somebody") for key in body.get("people", ())]
    return ", ".join(found) or "nobody"


def _count(body: Body, one: str, many: str) -> str:
    count = body.get("count", 0)
    titles = list(body.get("titles", ()))
    named = ", ".join(f"“{title}”" for title in titles)
    more = f" and {count - len(titles)} more" if count > len(titles) else ""
    return f"{one if count == 1 else f'{count} {many}'}: {named}{more}"


def _harm(body: Body, _names: Names) -> str:
    name = HarmDimension(body["dimension"]).label
    return (
        f"{name} taken back to not assessed"
        if body["value"] is None
        else f"{name} scored H{body['value']}: {body['evidence']}"
    )


def _pages(body: Body) -> str:
    count = len(body["pages"])
    return "A waiting page was" if count == 1 else f"{count} waiting pages were"


def _kept(body: Body) -> str:
    """What was preserved, and loudly what was not."""
    things = _count_of(body["items"], "thing")
    lost = len(body["missing"])
    missing = f"; {lost} could not be collected: {', '.join(body['missing'])}" if lost else ""
    what_for = f" before {body['what_for']}" if body.get("what_for") else ""
    return f"Evidence {body['evidence']} preserved{what_for}: {things}, {_size(body['bytes'])}{missing}"


def _taken(body: Body) -> str:
    numbers = ", ".join(str(number) for number in body["evidence"])
    return f"{body['item']} of evidence {numbers}" if body.get("item") else f"archive of evidence {numbers}"


def _erased(body: Body) -> str:
    """All of a thing, or the rows about one person."""
    if not body.get("rows"):
        return str(body["name"])
    return f"{_count_of(body['rows'], 'row')} about a person from {body['name']}, {body['left']} are left"


def _count_of(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count != 1 else ''}"


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 1_000_000 else f"{max(1, round(count / 1000))} kB"  # noqa: PLR2004  a megabyte


def _still(body: Body) -> str:
    count = body.get("still_firing", 0)
    return f", while {count} of its signals still fire{'s' if count == 1 else ''}" if count else ""


def _reason(body: Body) -> str:
    return f": {body['reason']}" if body.get("reason") else ""


def _held(body: Body) -> str:
    return f", {Held(body['held']).words} since it was due" if body.get("held") else ""


_VIA = {
    "link": "from the page they were sent",
    "page": "on the incident page",
    "slack": "in Slack",
    "pagerduty": "in PagerDuty",
    "api": "through the API",
    "sms": "by text message",
    "voice": "by phone",
    "cli": "on the command line",
    "containment": "by containing",
    "lever": "by pulling a lever",
    "resolution": "by resolving",
}


_NOT_HERE = {
    "unknown": "it paged nobody there by a contact point that is still in use, so that nobody has it here",
    "unclear": "several people were paged there and none of them has that name, so that nobody has it here",
    "late": "that was before it was reopened or its severity rose, and does not count here",
    "verify": "here it goes on until somebody says how that was verified",
}


def _by(body: Body, names: Names) -> str:
    """Whoever did something in another service: a person here, or by the name that they have there."""
    return str(names.get(str(body.get("person", "")), body.get("name", "Somebody")))


def _there(body: Body, names: Names) -> str:
    return f", there by {_by(body, names)}" if body.get("name") or body.get("person") else ""


def _switched(body: Body) -> str:
    until = f" Until: {body['until']}" if body.get("until") else ""
    return f"{body['system']} is {body['words']} (revision {body['revision']}): {body['reason']}{until}"


_HELPED = {"yes": "it helped", "partly": "it helped in part", "no": "it did not help"}

_WORDS: Mapping[str, tuple[str, Callable[[Body, Names], str]]] = {
    "switched": ("contain", lambda b, _: _switched(b)),
    "opened": ("bell", lambda b, _: f"Opened as {b['reason']}"),
    "signals_joined": ("signal", lambda b, _: _count(b, "A signal joined", "signals joined")),
    "signals_ended": ("check", lambda b, _: _count(b, "A signal ended", "signals ended")),
    "alarm_raised": ("signal", lambda b, _: f"{b['alarm']} of {b['watch']}: {b['says']}"),
    "alarm_grew": ("warning", lambda b, _: f"{b['alarm']} goes on: {b['says']}"),
    "alarm_given_up": ("warning", lambda b, _: f"{b['alarm']} of {b['watch']} is looked at no more: {b['says']}"),
    "alarm_recovered": ("check", lambda b, _: f"{b['watch']} is back to normal: {b['says']}"),
    "held_open": ("clock", lambda b, _: f"Every signal ended; a rule waits {b['minutes']} min for them to come again"),
    "paged": ("bell", lambda b, n: f"Paged {_people(b, n)} by {' and '.join(b['channels'])} ({b['place']})"),
    "page_sent": ("bell", lambda b, n: f"Page to {names_of(b, n)} went out by {b['channel']}{_held(b)}"),
    "page_failed": (
        "warning",
        lambda b, n: f"Page to {names_of(b, n)} by {b['channel']} was not taken{_reason(b)}",
    ),
    "page_returned": (
        "warning",
        lambda b, n: f"Page to {names_of(b, n)} by {b['channel']} did not arrive and is sent again{_reason(b)}",
    ),
    "mirror_failed": (
        "warning",
        lambda b, n: f"{b['channel']} was not told for {names_of(b, n)} that it is {b['stands']}{_reason(b)}",
    ),
    "page_cancelled": ("check", lambda b, _: f"{_pages(b)} cancelled: {b['reason']}"),
    "step_reached_nobody": (
        "warning",
        lambda b, _: f"Nobody to page at {', '.join(b['steps'])}; went on at once",
    ),
    "step_failed": (
        "warning",
        lambda b, _: f"The next step of the chain could not be taken ({b['fault']}); administrators are paged instead",
    ),
    "nobody_reachable": (
        "warning",
        lambda _b, _n: "Nobody can be paged: give the system a chain, or an administrator a working contact point",
    ),
    "acknowledged": ("acknowledge", lambda b, n: f"Acknowledged {_VIA.get(b['via'], b['via'])}{_there(b, n)}"),
    "said_in_pagerduty": (
        "note",
        lambda b, n: f"{_by(b, n)} {b['did']} it in PagerDuty; {_NOT_HERE[b['why']]}",
    ),
    "contained": ("contain", lambda b, _: f"Contained: {ContainmentKind(b['containment']).words}"),
    "containment_ended": ("warning", lambda b, _: f"Contained no longer: {b['why']}"),
    "containment_waived": ("contain", lambda b, _: f"Containment waived{_reason(b)}"),
    "lever_asked": ("contain", lambda b, _: f"Asked to {_act(b)}; somebody must agree{_why(b)}"),
    "lever_agreed": ("check", lambda b, _: f"Agreed to {_act(b)}{'' if b['enough'] else '; one more must agree'}"),
    "lever_declined": ("warning", lambda b, _: f"Refused to {_act(b)}{_reason(b)}"),
    "lever_withdrawn": ("note", lambda b, _: f"Withdrew the wish to {_act(b)}{_reason(b)}"),
    "lever_pulled": ("contain", lambda b, _: f"Set out to {_act(b)}{_why(b)}"),
    "lever_acting": ("contain", lambda b, _: f"{b['pull']} acts: {b['says']}"),
    "lever_acted": ("contain", lambda b, _: f"{b['pull']} was taken: {b['says']} Looking for the effect"),
    "lever_in_doubt": ("warning", lambda b, _: f"{b['pull']} may have acted: {b['says']}"),
    "lever_verified": ("verified", lambda b, _: f"VERIFIED, {_acted(b)}: {b['says']}"),
    "lever_unverified": ("warning", lambda b, _: f"UNVERIFIED, {_acted(b)}: {b['says']}"),
    "lever_failed": ("warning", lambda b, _: f"Not done, {_acted(b)}: {b['says']}"),
    "evidence_kept": ("evidence", lambda b, _: _kept(b)),
    "evidence_missed": ("warning", lambda b, _: f"Evidence before {b['pull']}: {b['says']}"),
    "evidence_exported": ("evidence", lambda b, _: f"Evidence taken along: {_taken(b)}"),
    "evidence_erased": ("warning", lambda b, _: f"Evidence erased: {_erased(b)}, its digest stays{_reason(b)}"),
    "resolved": ("resolve", lambda b, _: f"Resolved{_still(b)}"),
    "reopened": ("warning", lambda b, _: f"Reopened{_reason(b)}"),
    "closed": ("check", lambda b, _: f"Closed{_reason(b)}"),
    "note": ("note", lambda _b, _n: "Note"),
    "role_assigned": ("person", lambda b, n: f"{names_of(b, n)} is {_role(b)}"),
    "role_ended": ("person", lambda b, n: f"{names_of(b, n)} is no longer {_role(b)}"),
    "step_done": ("check", lambda b, _: f"Done: {b['title']}"),
    "step_waived": ("check", lambda b, _: f"Waived: {b['title']}{_reason(b)}"),
    "step_reopened": ("note", lambda b, _: f"To do again: {b['title']}"),
    "severity_raised": ("warning", lambda b, _: f"Severity raised from {b['before']}: {b['reason']}"),
    "severity_lowered": ("note", lambda b, _: f"Severity lowered from {b['before']}: {b['reason']}"),
    "severity_lowering_asked": (
        "note",
        lambda b, n: f"{b['to']} asked for, {n.get(b['approver'], 'somebody')} to decide{_reason(b)}",
    ),
    "severity_lowering_declined": ("note", lambda b, _: f"{b['to']} declined"),
    "harm_scored": ("person", _harm),
    "technical_scored": (
        "note",
        lambda b, _: (
            "Technical impact taken back to not assessed"
            if b["value"] is None
            else f"Technical impact scored T{b['value']}"
        ),
    ),
    "onset_estimated": ("clock", lambda b, _: f"Onset estimated{': ' + b['why'] if b.get('why') else ''}"),
    "type_changed": (
        "note",
        lambda b, _: f"Type changed from {IncidentType(b['before']).words} to {IncidentType(b['after']).words}",
    ),
    "system_changed": ("note", lambda b, _: f"{_system(b)}{_reason(b)}"),
    "system_heard": ("signal", lambda b, _: f"“{b['title']}” ({b['from']}) names {b['name']}{_reason(b)}"),
    "link_added": ("link", lambda b, _: f"Link added: {b['title']}"),
    "link_removed": ("link", lambda b, _: f"Link removed: {b['title']}"),
    "restricted": ("warning", lambda _b, _n: "Restricted to those involved"),
    "unrestricted": ("note", lambda _b, _n: "No longer restricted"),
    "slack_failed": ("warning", lambda b, _: f"Slack could not be kept up ({_slack(b)}){_reason(b)}"),
    "review_drafted": ("note", lambda _b, _n: "Review drafted from this timeline"),
    "review_published": ("verified", lambda _b, _n: "Review published"),
    "review_moved": ("note", lambda b, _: f"Review moved from {_state(b['before'])} to {_state(b['after'])}"),
    "action_moved": (
        "check",
        lambda b, _: f"Action {b['ref']} is {_state(b['after'])}: {b['title']}{_because(b)}",
    ),
    "action_changed": ("note", lambda b, _: f"Action {b['ref']} changed ({_changed(b)}): {b['title']}"),
    "action_added": ("check", lambda b, _: f"Action {b['ref']}: {b['title']}"),
    "promise_missed": ("warning", lambda b, _: f"Not done in time: {_promised(b)}. The next in the chain is paged"),
    "duty_not_owed": ("waived", lambda b, _: f"Does not apply: {b['what']}"),
    "duty_owed": ("warning", lambda b, _: f"Applies after all: {b['what']}"),
    "duty_clock_began": ("clock", lambda b, _: f"Its clock began: {b['what']}"),
    "review_signed": ("check", lambda b, _: f"Review signed as {b['role']}"),
    "promise_kept": ("check", lambda b, _: f"Done: {b['what']}"),
    "promises_repaired": (
        "warning",
        lambda _b, _n: "The audit found promises that nothing would have looked at; they are looked at again",
    ),
    "run_begun": ("note", lambda b, _: f"Runbook begun: {b['runbook']}, version {b['version']}"),
    "run_step_done": ("check", lambda b, _: f"{b['runbook']}: {b['title']}"),
    "run_step_skipped": ("note", lambda b, _: f"{b['runbook']}, skipped: {b['title']}"),
    "run_step_failed": ("warning", lambda b, _: f"{b['runbook']}, did not work: {b['title']}"),
    "run_decided": ("check", lambda b, _: f"{b['runbook']}: {b['title']}: {b['words']}{_again(b)}"),
    "run_step_again": ("note", lambda b, _: f"{b['runbook']}, to do again: {b['title']}"),
    "run_looked": ("signal", lambda b, _: f"{b['runbook']}, looked at {b['log']}: {b['title']}"),
    "run_finished": ("check", lambda b, _: f"Runbook finished: {b['runbook']}{_left(b)}{_reason(b)}"),
    "run_stopped": ("note", lambda b, _: f"Runbook stopped: {b['runbook']}{_left(b)}{_reason(b)}"),
    "run_feedback": ("note", lambda b, _: f"{b['runbook']}: {_HELPED[b['helped']]}"),
    "escalation_repaired": (
        "warning",
        lambda _b, _n: "The audit found that no page was due here; the chain goes on at once",
    ),
}


def _act(body: Body) -> str:
    """What a pull is to do, after "to": a lever is named by what it does."""
    drill = " on the target for drills" if body["target"] == "drill" else ""
    return f"{'undo' if body['undo'] else 'pull'} “{body['name']}”{drill}"


def _acted(body: Body) -> str:
    drill = " on the target for drills" if body["target"] == "drill" else ""
    return f"{'undo of ' if body['undo'] else ''}“{body['name']}”{drill}"


def _why(body: Body) -> str:
    return f": {body['why']}" if body.get("why") else ""


def names_of(body: Body, names: Names) -> str:
    """The person an entry is about."""
    return names.get(str(body.get("person", "")), "somebody")


def _promised(body: Body) -> str:
    return "; ".join(str(one["what"]) for one in body["promises"])


def _system(body: Body) -> str:
    if not body["after"]:
        return f"It is not known after all which system it is about; {body['before']} was named"
    return f"It is about {body['name']}" + (f", and not about {body['before']}" if body["before"] else "")


def _state(value: str) -> str:
    return value.replace("_", " ")


def _slack(body: Body) -> str:
    """What of Slack an entry is about."""
    words = {"page": "a page's message", "announcement": "the announcement", "room": "the incident's channel"}
    return words.get(str(body["what"]), "an answer")


def _because(body: Body) -> str:
    return f" ({body['reason']})" if body.get("reason") else ""


def _changed(body: Body) -> str:
    """What of an action changed; of its day, from which to which."""
    days = f"due {body.get('due_before')} before, {body.get('due_on')} now"
    return ", ".join(days if name == "due_on" else name for name in body["changed"])


def _again(body: Body) -> str:
    return ", which leads back" if body.get("again") else ""


def _left(body: Body) -> str:
    count = body.get("left", 0)
    return f", with {count} step{'' if count == 1 else 's'} not done" if count else ""


def _role(body: Body) -> str:
    return RoleAssignment.Role(body["role"]).label.lower()
