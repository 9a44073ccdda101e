"""A channel for each incident, messages that keep up, notes from there; and that none of it is lost or in the way."""

import json
from typing import Any

import pytest

from andon.engine.loop import Engine
from andon.incidents.actions import assign_role, restrict
from andon.incidents.models import Incident, TimelineEntry
from andon.kit.clock import FixedClock
from andon.paging.models import Page
from andon.paging.providers import actions as providers
from andon.people import actions as people
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, IncidentKind, IncidentType
from andon.response.acknowledging import acknowledge
from andon.response.assessing import raise_severity
from andon.response.containing import contain
from andon.response.opening import declare
from andon.response.resolving import resolve
from andon.slack.models import Job
from tests.slack.conftest import Run
from tests.support.cast import Cast
from tests.support.paging import kinds, open_incident
from tests.support.slack import Slack, member_id

SLACK = ChannelKind.SLACK
DOWN = (503, {"ok": False}, {})


@pytest.fixture
def with_channels(connected: Slack, cast: Cast) -> Slack:
    providers.set_up(SLACK, {"channels_from": "S3"}, by=Actor.of(cast.nadia))
    return connected


def shown(message: dict[str, Any]) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


def summary(slack: Slack, name: str) -> dict[str, Any]:
    channel = slack.channel(name)
    (message,) = [one for (place, _), one in slack.messages.items() if place == channel.id]
    return message


def name_of(incident: Incident) -> str:
    return f"inc-{incident.number}-credit-scorer"


# The message of a page.


def test_a_page_is_a_direct_message_with_a_key(connected: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    (call,) = connected.calls("chat.postMessage")
    page = Page.objects.get(incident=incident)
    assert call["channel"] == member_id(cast.lena)
    assert call["client_msg_id"].replace("-", "") == page.key
    assert call["metadata"]["event_payload"]["key"] == page.key
    assert incident.level.name in call["text"]
    assert [b["action_id"] for b in call["blocks"][-1]["elements"]] == [
        "andon_acknowledge", "andon_note", "andon_resolve", "andon_open",
    ]  # fmt: skip
    assert (
        page.provider_ref == f"D{member_id(cast.lena)[1:]}:{connected.direct_messages(member_id(cast.lena))[0]['ts']}"
    )


def test_what_people_wrote_is_never_a_mention_or_a_link(connected: Slack, cast: Cast, run: Run):
    open_incident(cast.credit_scorer, cast.vera, title="<!channel> <https://evil.example.org|click> & more")
    run()
    (message,) = connected.direct_messages(member_id(cast.lena))
    assert "<!channel>" not in message["text"] + shown(message)
    assert "&lt;!channel&gt;" in message["text"]


def test_the_message_keeps_up_whoever_acts_and_wherever(connected: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    (message,) = connected.direct_messages(member_id(cast.lena))
    assert "Nobody has it yet" in shown(message)
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    run()
    assert "*Tomas* acknowledged" in shown(message)
    contain(incident, kind=ContainmentKind.ROLL_BACK, note="to v6 & held", by=Actor.of(cast.omar))
    run()
    assert "to v6 &amp; held" in shown(message)
    resolve(incident, summary="back", by=Actor.of(cast.omar))
    run()
    assert "*Resolved*" in shown(message)
    assert "andon_resolve" not in shown(message)
    before = len(connected.said)
    run(hours=1)
    assert len(connected.said) == before  # nothing changed, nothing is sent


def test_an_update_is_owed_until_slack_takes_it(connected: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    (message,) = connected.direct_messages(member_id(cast.lena))
    connected.instead = lambda _method, _arguments: DOWN
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    for _ in range(4):
        run(minutes=3)
    assert "Nobody has it yet" in shown(message)
    connected.instead = lambda _method, _arguments: None
    run(minutes=10)
    assert "*Tomas* acknowledged" in shown(message)


def test_the_wait_that_slack_asks_for_is_kept_for_every_call_of_that_kind(
    connected: Slack, cast: Cast, incident: Incident, run: Run, time: FixedClock
):
    run()
    limited = (429, {"ok": False, "error": "ratelimited"}, {"Retry_After": "45"})
    connected.instead = lambda method, _: limited if method == "chat.update" else None
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    run()
    tries = len(connected.calls("chat.update"))
    connected.instead = lambda _method, _arguments: None
    run(seconds=40)
    assert len(connected.calls("chat.update")) == tries
    run(seconds=10)
    assert len(connected.calls("chat.update")) == tries + 1


def test_slack_being_down_delays_no_page(with_channels: Slack, cast: Cast, incident: Incident, run: Run):
    """Tomas, whom e-mail or a log reaches, is paged on time whatever becomes of Slack."""
    with_channels.instead = lambda _method, _arguments: DOWN
    run()
    run(minutes=6)
    assert Page.objects.filter(person=cast.tomas, channel="log", state=Page.State.SENT).exists()
    assert not with_channels.channels


def test_a_member_who_left_slack_is_a_broken_contact_point(connected: Slack, cast: Cast, incident: Incident, run: Run):
    connected.instead = lambda method, _: (200, {"ok": False, "error": "user_not_found"}, {})
    run()
    point = cast.lena.contact_points.get(kind=SLACK)
    assert point.broken_at is not None
    assert "user_not_found" in point.broken_reason


def test_an_app_that_may_not_send_breaks_nobodys_contact_point(
    connected: Slack, cast: Cast, incident: Incident, run: Run
):
    connected.instead = lambda method, _: (200, {"ok": False, "error": "invalid_auth"}, {})
    run()
    assert cast.lena.contact_points.get(kind=SLACK).works
    assert "page_failed" in kinds(incident)


def test_mild_incidents_in_one_message_each_have_their_buttons_and_keep_up(
    connected: Slack, cast: Cast, run: Run, time: FixedClock
):
    first = open_incident(cast.credit_scorer, cast.vera, title="One")
    second = declare(title="Two", system=cast.credit_scorer, by=Actor.of(cast.vera), type_=IncidentType.SAFETY)
    run()
    pages = list(Page.objects.filter(person=cast.lena).order_by("created_at"))
    (message, *_) = connected.direct_messages(member_id(cast.lena))
    Page.objects.filter(pk__in=[page.pk for page in pages]).update(bundle="b" * 32)
    acknowledge(first, by=Actor.of(cast.tomas), via="page")
    run()
    values = {b["value"] for b in buttons_of(message) if b["action_id"] == "andon_resolve"}
    assert values == {str(first.number), str(second.number)}
    waiting = [b["value"] for b in buttons_of(message) if b["action_id"] == "andon_acknowledge"]
    assert waiting == [str(second.number)]


def buttons_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for block in message["blocks"] if block["type"] == "actions" for one in block["elements"]]


def test_a_message_about_several_is_drawn_with_all_of_them(connected: Slack, time: FixedClock):
    from andon.paging.adapters import find
    from andon.paging.channel import Destination
    from andon.paging.message import About, Also, Message
    from andon.paging.providers.queries import settings_of

    def about(ref: str) -> About:
        return About(ref, "Slow", "S4", "technical failure", "Chat", "real", "http://testserver/x", time.now())

    message = Message(
        key="0" * 32, kind="page", at=time.now(), to="Lena", headline="2 incidents wait for you: INC-6, INC-7",
        why="You are paged because: step 1.", link="http://testserver/a/x", link_label="Look", about=about("INC-6"),
        also=(Also("[S4] INC-7 Chat: slow", "Because.", "http://testserver/a/y", "Look", about("INC-7")),),
    )  # fmt: skip
    find(SLACK).send(message, Destination("U0LENAXX", "", settings_of(SLACK)))
    values = [b["value"] for b in buttons_of(connected.direct_messages("U0LENAXX")[-1]) if "value" in b]
    assert set(values) == {"6", "7"}


# The channel.


def test_an_incident_gets_a_channel_with_everything(with_channels: Slack, cast: Cast, incident: Incident, run: Run):
    assign_role(incident, role="lead", person=cast.omar, by=Actor.of(cast.omar))
    run()
    channel = with_channels.channel(name_of(incident))
    message = summary(with_channels, name_of(incident))
    assert not channel.private
    assert sorted(channel.members) == sorted([member_id(cast.lena), member_id(cast.omar)])
    assert channel.topic.startswith(f"{incident.level.name}, open: {incident.title}")
    assert channel.topic.endswith(f"http://testserver/incidents/{incident.number}")
    assert channel.pins == [message["ts"]]
    link = incident.links.get()
    assert (link.title, channel.id in link.url) == (f"Slack: #{channel.name}", True)
    assert Job.objects.get(kind="room").due_at is None
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    run()
    assert member_id(cast.tomas) in channel.members
    assert "acknowledged" in channel.topic
    assert "*Tomas* acknowledged" in shown(message)
    assert incident.links.count() == 1


def test_without_the_setting_there_is_none(connected: Slack, incident: Incident, run: Run):
    run()
    assert connected.calls("conversations.create") == []
    assert not Job.objects.filter(kind="room").exists()


def test_a_mild_incident_gets_one_once_it_is_worse(connected: Slack, cast: Cast, run: Run):
    providers.set_up(SLACK, {"channels_from": "S1"}, by=Actor.of(cast.nadia))
    incident = open_incident(cast.credit_scorer, cast.vera)
    assert incident.level is not Severity.S1
    run()
    assert connected.channels == {}
    raise_severity(incident, to=Severity.S1, reason="the press calls", by=Actor.of(cast.omar))
    run()
    assert connected.channel(name_of(incident)).topic.startswith("S1")


def test_a_drill_says_so_everywhere(with_channels: Slack, cast: Cast, run: Run):
    drill = declare(
        title="What if", system=cast.credit_scorer, by=Actor.of(cast.omar),
        type_=IncidentType.FAIRNESS_VIOLATION, kind=IncidentKind.DRILL,
    )  # fmt: skip
    run()
    channel = with_channels.channel(f"drill-inc-{drill.number}-credit-scorer")
    assert channel.topic.startswith("DRILL ")
    assert summary(with_channels, channel.name)["text"].startswith("DRILL ")
    assert with_channels.direct_messages(member_id(cast.lena))[0]["text"].startswith("DRILL ")


def test_a_restricted_incident_has_a_private_channel_for_those_involved(with_channels: Slack, cast: Cast, run: Run):
    incident = declare(
        title="Somebody was hurt", system=cast.credit_scorer, by=Actor.of(cast.omar), restricted=True,
        type_=IncidentType.SAFETY,
    )  # fmt: skip
    run()
    channel = with_channels.channel(f"inc-{incident.number}-restricted")
    assert channel.private
    assert sorted(channel.members) == sorted([member_id(cast.lena), member_id(cast.omar)])
    providers.set_up(SLACK, {"announce": "C0GENERAL"}, by=Actor.of(cast.nadia))
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    run()
    assert not [one for one in with_channels.calls("chat.postMessage") if one["channel"] == "C0GENERAL"]


def test_what_becomes_restricted_leaves_its_open_channel(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    run()
    public = with_channels.channel(name_of(incident))
    message = summary(with_channels, name_of(incident))
    restrict(incident, restricted=True, by=Actor.of(cast.omar))
    run()
    assert public.archived
    assert incident.title not in public.topic + message["text"] + shown(message)
    private = with_channels.channel(f"inc-{incident.number}-restricted")
    assert private.private
    assert incident.title in summary(with_channels, private.name)["text"]
    assert member_id(cast.sam) not in private.members


def test_what_was_announced_is_taken_back_when_it_becomes_restricted(connected: Slack, cast: Cast, run: Run):
    from tests.support.slack import Channel

    connected.channels["C0GENERAL"] = Channel("C0GENERAL", "general", private=False)
    providers.set_up(SLACK, {"announce": "C0GENERAL"}, by=Actor.of(cast.nadia))
    incident = open_incident(cast.credit_scorer, cast.vera)
    run()
    message = summary(connected, "general")
    assert incident.title in message["text"]
    restrict(incident, restricted=True, by=Actor.of(cast.omar))
    run()
    assert incident.title not in message["text"] + shown(message)


# Cut off anywhere.


class PowerCut(BaseException):
    """The process ends here."""


CUTS = ["conversations.create", "conversations.invite", "conversations.setTopic", "chat.postMessage", "pins.add"]


@pytest.mark.parametrize("method", CUTS)
def test_a_crash_after_any_call_makes_nothing_twice(
    with_channels: Slack,
    cast: Cast,
    incident: Incident,
    run: Run,
    engine: Engine,
    time: FixedClock,
    monkeypatch,
    method,
):
    """Slack has done it, and the process dies before it is written down."""
    from andon.slack import working

    cast.lena.contact_points.filter(kind=SLACK).update(verified_at=time.now())
    settle, cut = working.settle, [True]

    def dies(ready, said):
        if cut and ready.call.method == method:
            cut.clear()
            raise PowerCut
        settle(ready, said)

    monkeypatch.setattr(working, "settle", dies)
    with pytest.raises(PowerCut):
        engine.run_until_idle(time.now())
    run(seconds=31)
    channel = with_channels.channel(name_of(incident))
    assert len(with_channels.channels) == 1
    message = summary(with_channels, name_of(incident))  # one, and no second
    assert set(channel.pins) == {message["ts"]}
    assert channel.members == [member_id(cast.lena)]
    assert Job.objects.get(kind="room").due_at is None


def test_a_name_that_somebody_else_has_is_no_obstacle(with_channels: Slack, incident: Incident, run: Run):
    from tests.support.slack import Channel

    taken = Channel("C0THEIRS", name_of(incident), private=False, archived=True)  # not among the app's own
    with_channels.channels["C0THEIRS"] = taken
    run()
    assert with_channels.channel(f"{name_of(incident)}-2").pins
    assert taken.pins == []


def test_what_the_app_may_not_do_is_said_on_the_timeline_and_tried_again_when_something_changes(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    missing = (200, {"ok": False, "error": "missing_scope"}, {})
    with_channels.instead = lambda method, _: missing if method == "conversations.create" else None
    run()
    run(hours=2)
    assert kinds(incident).count("slack_failed") == 1
    job = Job.objects.get(kind="room")
    assert (job.due_at, job.last_error) == (None, "conversations.create: missing_scope")
    with_channels.instead = lambda _method, _arguments: None
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    run()
    assert with_channels.channel(name_of(incident)).pins


def test_the_failure_reads_well(with_channels: Slack, cast: Cast, incident: Incident, run: Run, signed_in):
    with_channels.instead = lambda method, _: (
        (200, {"ok": False, "error": "missing_scope"}, {}) if method == "conversations.create" else None
    )
    run()
    page = signed_in(cast.omar).get(f"/incidents/{incident.number}").text
    assert "Slack could not be kept up (the incident’s channel): conversations.create: missing_scope" in page.replace(
        "&#x27;", "’"
    )


def test_somebody_who_cannot_be_invited_keeps_nobody_out(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    assign_role(incident, role="lead", person=cast.omar, by=Actor.of(cast.omar))
    gone = member_id(cast.omar)
    with_channels.instead = lambda method, given: (
        (200, {"ok": False, "error": "user_is_deleted"}, {}) if given.get("users") == gone else None
    )
    run()
    channel = with_channels.channel(name_of(incident))
    assert channel.members == [member_id(cast.lena)]
    assert channel.pins


def test_a_channel_that_people_archived_is_left_alone(with_channels: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    with_channels.instead = lambda method, _: (
        (200, {"ok": False, "error": "is_archived"}, {}) if method == "conversations.setTopic" else None
    )
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    run()
    assert "slack_failed" not in kinds(incident)
    assert Job.objects.get(kind="room").due_at is None


def test_an_incident_that_is_over_before_slack_is_back_gets_no_channel(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    with_channels.instead = lambda _method, _arguments: DOWN
    run()
    contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=Actor.of(cast.omar))
    resolve(incident, summary="over", by=Actor.of(cast.omar))
    with_channels.instead = lambda _method, _arguments: None
    run(hours=1)
    assert with_channels.channels == {}


def test_switched_off_nothing_is_sent_and_what_is_owed_waits(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    providers.disable(SLACK, by=Actor.of(cast.nadia))
    run()
    assert with_channels.said == []
    providers.enable(SLACK, by=Actor.of(cast.nadia))
    run()
    assert with_channels.channel(name_of(incident)).pins


# Notes.


def notes(incident: Incident) -> list[TimelineEntry]:
    return list(TimelineEntry.objects.filter(incident=incident, kind="note").order_by("seq"))


def test_a_mention_puts_a_note_on_the_timeline_once(with_channels: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    channel = with_channels.channel(name_of(incident)).id
    for _ in range(2):  # Slack sends an event again that was not answered in time
        assert (
            with_channels.mention(member_id(cast.tomas), channel, "note rolled back to &lt;v6&gt;").status_code == 200
        )
    run()
    (entry,) = notes(incident)
    assert (entry.person, entry.body["text"]) == (cast.tomas, "rolled back to <v6>")
    assert entry.at.timestamp() == 1772421100
    assert [one["text"] for one in with_channels.answers] == [f"It is on the timeline of {incident.ref}."]
    assert with_channels.answers[0]["user"] == member_id(cast.tomas)


@pytest.mark.parametrize("text", ["hello", "note", "note   ", ""])
def test_any_other_mention_is_told_how(with_channels: Slack, cast: Cast, incident: Incident, run: Run, text: str):
    run()
    with_channels.mention(member_id(cast.tomas), with_channels.channel(name_of(incident)).id, text)
    run()
    assert "@andon note" in with_channels.answers[-1]["text"]
    assert notes(incident) == []


def test_a_message_is_kept_as_a_note_by_whoever_keeps_it(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    run()
    channel = with_channels.channel(name_of(incident)).id
    text = "see <https://grafana.example.org/d/1|the board>, <@U0OMARXX>"
    with_channels.keep(member_id(cast.tomas), channel, text, author=member_id(cast.lena))
    with_channels.keep(member_id(cast.omar), channel, text, author=member_id(cast.lena))
    run()
    (entry,) = notes(incident)
    assert entry.person == cast.tomas
    assert entry.body["text"] == "see the board (https://grafana.example.org/d/1), U0OMARXX\n\n(Lena in Slack)"
    assert with_channels.answers[-1]["text"] == "This is on the timeline already."


def test_a_page_s_own_message_belongs_to_its_incident(connected: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    (message,) = connected.direct_messages(member_id(cast.lena))
    connected.keep(member_id(cast.lena), message["channel"], "the page came at 3", ts=message["ts"])
    run()
    assert [one["text"] for one in connected.answers] == [f"It is on the timeline of {incident.ref}."]
    assert len(notes(incident)) == 1


def test_elsewhere_and_for_strangers_there_is_no_incident(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    run()
    channel = with_channels.channel(name_of(incident)).id
    with_channels.mention(member_id(cast.tomas), "C0ELSEWHERE", "note this")
    run()
    assert "belongs to an incident that you may see" in with_channels.answers[-1]["text"]
    restrict(incident, restricted=True, by=Actor.of(cast.omar))
    with_channels.keep(member_id(cast.sam), channel, "what is this")
    run()
    assert "belongs to an incident that you may see" in with_channels.answers[-1]["text"]
    with_channels.mention("U0NOBODY", channel, "note hello")
    run()
    assert "does not know who you are" in with_channels.answers[-1]["text"]
    assert notes(incident) == []


def test_the_app_does_not_answer_itself(with_channels: Slack, incident: Incident, run: Run):
    run()
    channel = with_channels.channel(name_of(incident)).id
    with_channels.mention("U0ANDON", channel, "note me", bot_id="B1")
    run()
    assert with_channels.answers == []


# Forgetting.


def test_an_erased_person_leaves_no_place_behind(connected: Slack, cast: Cast, incident: Incident, run: Run):
    run()
    assert Job.objects.filter(page__person=cast.lena).exists()
    people.erase(cast.lena, by=Actor.of(cast.nadia))
    assert not Job.objects.filter(page__person=cast.lena).exists()
    run()


def test_an_answer_leaves_nothing_behind(connected: Slack, cast: Cast, incident: Incident, run: Run):
    connected.click("U0NOBODY", "andon_acknowledge", str(incident.number))
    assert "response/of-this-click" not in str(Job.objects.values_list("known", "channel", "last_error"))
    run()
    assert not Job.objects.filter(kind="answer").exists()


def test_an_answer_that_slack_does_not_take_is_dropped_after_a_while(connected: Slack, incident: Incident, run: Run):
    connected.click("U0NOBODY", "andon_acknowledge", str(incident.number))
    answer, connected.listener.answer = connected.listener.answer, lambda handler: connected.listener.say(handler, 500)
    for _ in range(6):
        run(minutes=5)
    connected.listener.answer = answer
    assert not Job.objects.filter(kind="answer").exists()


# What administrators paste.


def test_the_manifest_is_one_and_asks_for_what_is_used():
    import re
    import textwrap
    from pathlib import Path

    import yaml

    from andon.paging import adapters
    from andon.paging.adapters.slack.blocks import Act

    def manifest(text: str) -> str:
        found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
        assert found
        return textwrap.dedent("   " + found[1].lstrip(" "))

    page = manifest((Path(__file__).parents[2] / "docs/how-to/page-by-slack.md").read_text())
    told = manifest(adapters.help_text("slack", base="https://andon.example.org"))
    assert page == told
    facts = yaml.safe_load(told)
    address = "https://andon.example.org/slack/events"
    assert facts["settings"]["interactivity"]["request_url"] == address
    assert facts["settings"]["event_subscriptions"] == {"request_url": address, "bot_events": ["app_mention"]}
    assert [one["callback_id"] for one in facts["features"]["shortcuts"]] == [str(Act.NOTE)]


# Whether it works at all.


def test_the_audit_says_when_slack_falls_behind_and_only_while_it_is_switched_on(
    with_channels: Slack, cast: Cast, incident: Incident, time: FixedClock
):
    from datetime import timedelta

    from andon.engine.auditor import audit

    def found() -> list[str]:
        return [finding.check for finding in audit(time.now()).findings]

    assert "slack_falls_behind" not in found()
    time.forward(timedelta(minutes=11))
    assert "slack_falls_behind" in found()
    providers.disable(SLACK, by=Actor.of(cast.nadia))
    assert "slack_falls_behind" not in found()


def test_a_clock_that_was_set_back_leaves_nothing_waiting(
    with_channels: Slack, incident: Incident, run: Run, time: FixedClock
):
    from datetime import timedelta

    Job.objects.update(due_at=time.now() + timedelta(days=1), leased_by="a process of the day before")
    run()  # the audit is one of the engine's modules
    run()
    assert with_channels.channel(name_of(incident)).pins


def test_a_fault_of_ours_undoes_nothing_that_it_follows(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run, monkeypatch
):
    from andon.slack import actions

    def broken(*_: object) -> None:
        raise RuntimeError("a fault in drawing up what is owed")

    monkeypatch.setattr(actions, "_make_due", broken)
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.tomas


def test_what_changes_while_it_is_being_worked_on_is_worked_on_again(
    connected: Slack, cast: Cast, incident: Incident, run: Run, monkeypatch
):
    """The containment comes while the acknowledgement is on its way to Slack."""
    from andon.paging.adapters.slack import web

    run()
    (message,) = connected.direct_messages(member_id(cast.lena))
    acknowledge(incident, by=Actor.of(cast.omar), via="page")
    call, once = web.call, [True]

    def meanwhile(settings: Any, method: str, arguments: Any, **more: Any) -> web.Said:
        said = call(settings, method, arguments, **more)
        if once and method == "chat.update":
            once.clear()
            assert "Contained" not in str(arguments)
            contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=Actor.of(cast.omar))
        return said

    monkeypatch.setattr(web, "call", meanwhile)
    run()
    assert Job.objects.get(kind="page").due_at is None
    assert "Contained" in shown(message)


@pytest.mark.parametrize(
    "odd", [{"ok": True}, {"ok": True, "channel": "C1"}, {"ok": True, "channel": None}, [], "x", 1]
)
def test_an_answer_that_nobody_documented_troubles_its_own_job_alone(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run, odd: Any
):
    with_channels.instead = lambda method, _: (200, odd, {}) if method == "conversations.create" else None
    run()
    assert Job.objects.get(kind="room").last_error.startswith("conversations.create: ")
    assert len(with_channels.direct_messages(member_id(cast.lena))) == 1
    with_channels.instead = lambda _method, _arguments: None
    run(minutes=1)
    assert with_channels.channel(name_of(incident)).pins
