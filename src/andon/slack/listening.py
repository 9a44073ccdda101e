"""What comes back from Slack: buttons, forms, a message to be kept as a note, and `@andon note …`.

Slack Bolt finds which it is; here each becomes the action that the pages and the API call too, by the person who
clicked and with their own rights. It is done before Slack is answered, so that an answered click is on disk; what has
to be said to somebody is owed to Slack like everything else (`actions.answer`).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import structlog
from slack_bolt import Ack, App, BoltResponse
from slack_bolt.authorization import AuthorizeResult

from andon.incidents.models import Incident
from andon.incidents.policy import access_incident, may_respond
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing, Refused
from andon.paging.adapters.slack import blocks, web
from andon.paging.adapters.slack.blocks import Act
from andon.people.actions.contacts import contact_point_of, verify_contact_point
from andon.people.policy import Actor
from andon.practice.lifecycle import Step
from andon.response.acknowledging import acknowledge
from andon.response.resolving import resolve
from andon.response.steps import permitted
from andon.slack import actions, queries

Body = Mapping[str, Any]
FORM_DEADLINE: Final = 2.0
"""Seconds for a form to open: a click is good for three."""
LONGEST: Final = 3000
_MENTION = re.compile(r"^\s*<@[UW][A-Z0-9]+(?:\|[^>]*)?>\s*")
_HELP: Final = "Write `@andon note` and what to keep, in the channel of an incident; it goes onto the timeline."
_NO_FORM: Final = "Slack did not open the form in time. Click once more, or use the incident's page."
_log = structlog.get_logger(__name__)


@cache
def app() -> App:
    """The one Bolt application. Who calls it was verified before (`pages.events`), by the house clock."""
    made = App(
        name="andon",
        authorize=_authorize,
        process_before_response=True,
        request_verification_enabled=False,
    )
    made.action(str(Act.ACKNOWLEDGE))(_on_acknowledge)
    made.action(str(Act.NOTE))(_on_note)
    made.action(str(Act.RESOLVE))(_on_resolve)
    made.action(str(Act.CONFIRM))(_on_confirm)
    made.action(str(Act.OPEN))(_on_open)
    made.view(str(Act.NOTE))(_on_note_form)
    made.view(str(Act.RESOLVE))(_on_resolve_form)
    made.message_shortcut(str(Act.NOTE))(_on_message)
    made.event("app_mention")(_on_mention)
    return made


def _authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
    """Bolt asks for a token before it lets a request in, and nothing here speaks to Slack through Bolt.

    Who may do what is asked of each person (`_who`), so that a stranger is answered in words too.
    """
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="")


# Buttons.


def _in_words(handle: Callable[[Body], None]) -> Callable[[Body, Ack], None]:
    """A listener that answers a refusal to whoever clicked, and to nobody else."""

    def listener(body: Body, ack: Ack) -> None:
        try:
            handle(body)
        except Refused as refused:
            actions.answer(refused.what, to=_back(body))
        ack()

    listener.__name__ = handle.__name__  # Bolt's logs; `wraps` would hide from it which arguments are asked for
    return listener


def _back(body: Body) -> dict[str, str]:
    """Where an answer to a click goes."""
    if url := body.get("response_url"):
        return {"url": url}
    event = body.get("event", {})
    return {"channel": event.get("channel", ""), "user": event.get("user", "")}


def _who(body: Body) -> Actor:
    """The person who clicked or wrote, as an actor. A guest of another workspace is nobody here."""
    user = body.get("user", {})
    team = user.get("team_id") or body.get("team_id") or (body.get("team") or {}).get("id", "")
    member = user.get("id") or body.get("event", {}).get("user", "")
    return Actor.of(queries.person_of(team=team, member=member))


def _incident(body: Body, by: Actor) -> Incident:
    """The incident that the button belongs to, if they may see it."""
    value = body["actions"][0].get("value", "")
    if not (value.isascii() and value.isdigit()) or len(value) > 18:  # noqa: PLR2004  digits of the largest number
        raise Missing("This button belongs to no incident any more.")
    return access_incident(by, int(value))


@_in_words
def _on_acknowledge(body: Body) -> None:
    by = _who(body)
    incident = _incident(body, by)
    try:
        acknowledge(incident, by=by, via="slack")
    except Conflict as refused:
        incident.refresh_from_db()
        if by.person is not None and incident.acknowledged_by_id == by.person.pk:
            raise Conflict("You have it already. Contain it first; the steps are on its page.") from None
        raise Conflict(f"{incident.ref}: {refused.what}") from None


@_in_words
def _on_note(body: Body) -> None:
    by = _who(body)
    incident = _incident(body, by)
    if not may_respond(by, incident):
        by_rule = "You may see this incident, and not write on its timeline: it takes the role responder."
        raise Forbidden(by_rule)
    _open(body, _form(Act.NOTE, incident, "Add a note", "What you see, what was decided", "Add the note"))


@_in_words
def _on_resolve(body: Body) -> None:
    by = _who(body)
    incident = _incident(body, by)
    if not may_respond(by, incident):
        raise Forbidden("You may see this incident, and not resolve it: it takes the role responder.")
    permitted(incident, Step.RESOLVE, by)  # in words now, not after the form was filled in
    _open(body, _form(Act.RESOLVE, incident, "Resolve", "How it was resolved, and how that was verified", "Resolve"))


@_in_words
def _on_confirm(body: Body) -> None:
    """The button of a test message: whoever it reached says so, if it is their contact point's address."""
    settings, user = queries.settings(), body["user"]
    found = contact_point_of(body["actions"][0].get("value", ""))
    if settings is None or user.get("team_id", settings["team"]) != settings["team"] or found.address != user["id"]:
        raise Forbidden("This test was meant for another member.")
    verify_contact_point(body["actions"][0]["value"])
    actions.answer(f"Confirmed. Pages for {blocks.escape(str(found.person))} come here from now on.", to=_back(body))


def _on_open(ack: Ack) -> None:
    """A link in a button's clothes: Slack tells of its click as well."""
    ack()


# Forms.


def _form(act: Act, incident: Incident, title: str, label: str, submit: str) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": str(act),
        "private_metadata": str(incident.number),
        "title": {"type": "plain_text", "text": title[:24]},
        "submit": {"type": "plain_text", "text": submit[:24]},
        "close": {"type": "plain_text", "text": "Leave it"},
        "blocks": [
            blocks.section(f"*{blocks.escape(f'{incident.ref} {incident.title}')}*"),
            {
                "type": "input",
                "block_id": "words",
                "label": {"type": "plain_text", "text": label},
                "element": {
                    "type": "plain_text_input", "action_id": "words", "multiline": True, "max_length": LONGEST,
                },
            },
        ],
    }  # fmt: skip


def _open(body: Body, view: dict[str, Any]) -> None:
    settings = queries.settings()
    arguments = {"trigger_id": body.get("trigger_id", ""), "view": view}
    said = web.call(settings, "views.open", arguments, deadline=FORM_DEADLINE) if settings else None
    if said is None or not said.ok:
        _log.warning("a form in Slack did not open", error=said.error if said else "not set up")
        raise Conflict(_NO_FORM)


def _submitted(handle: Callable[[Incident, Actor, str, str], None]) -> Callable[[Body, Ack], BoltResponse]:
    """A listener that keeps the form open with the refusal under its field, or closes it."""

    def listener(body: Body, ack: Ack) -> BoltResponse:
        view = body["view"]
        words = view["state"]["values"]["words"]["words"].get("value") or ""
        words = words.replace("\0", "")  # which no database here keeps
        try:
            by = _who(body)
            incident = access_incident(by, int(view["private_metadata"]))
            handle(incident, by, words, f"view:{view['id']}")
        except Refused as refused:
            if refused.code != "noted":
                return ack(response_action="errors", errors={"words": refused.what[:LONGEST]})
        return ack()

    listener.__name__ = handle.__name__  # as above
    return listener


@_submitted
def _on_note_form(incident: Incident, by: Actor, words: str, key: str) -> None:
    actions.note_once(incident, key=key, text=words, by=by)


@_submitted
def _on_resolve_form(incident: Incident, by: Actor, words: str, _key: str) -> None:
    resolve(incident, summary=words, by=by)


# Notes from what was written in Slack.


@_in_words
def _on_message(body: Body) -> None:
    """A message shortcut: what somebody wrote becomes a note, by whoever keeps it, at the time it was written."""
    by = _who(body)
    message, channel = body["message"], body["channel"]["id"]
    incident = queries.incident_at(by, channel, message["ts"])
    text = blocks.plain(message.get("text", "")).strip()
    if not text:
        raise Invalid("There are no words in this message to keep.")
    author = _name(message.get("user", ""), body)
    actions.note_once(
        incident, key=f"{channel}:{message['ts']}", text=f"{text}\n\n({author} in Slack)", by=by, at=_at(message["ts"])
    )
    actions.answer(f"It is on the timeline of {incident.ref}.", to=_back(body))


def _name(member: str, body: Body) -> str:
    """Who wrote it, as Andon knows them."""
    team = (body.get("team") or {}).get("id", "")
    try:
        return str(queries.person_of(team=team, member=member))
    except Refused:
        return "Somebody"


@_in_words
def _on_mention(body: Body) -> None:
    """`@andon note …` in the channel of an incident."""
    event = body["event"]
    if event.get("bot_id"):
        return
    by = _who({"event": event, "team_id": event.get("user_team") or event.get("team") or body.get("team_id", "")})
    verb, *words = _MENTION.sub("", event.get("text", "")).split(maxsplit=1) or [""]
    text = blocks.plain("".join(words)).strip()
    if verb.lower().rstrip(":") != "note" or not text:
        raise Invalid(_HELP)
    incident = queries.incident_at(by, event["channel"])
    try:
        key = f"{event['channel']}:{event['ts']}"
        actions.note_once(incident, key=key, text=text, by=by, at=_at(event["ts"]))
    except Conflict as refused:
        if refused.code == "noted":
            return  # Slack sent it again; it was answered the first time
        raise
    actions.answer(f"It is on the timeline of {incident.ref}.", to=_back(body))


def _at(ts: str) -> datetime | None:
    """When a message was written: its `ts` are Unix seconds."""
    seconds = ts.partition(".")[0]
    return datetime.fromtimestamp(int(seconds), tz=UTC) if seconds.isdigit() else None
