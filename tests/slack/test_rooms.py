"""A channel for each incident: what is in it, whom it is closed to, and that nothing cuts it off."""

import pytest

from andon.engine.loop import Engine
from andon.incidents.actions import assign_role, restrict
from andon.incidents.models import Incident
from andon.kit.clock import FixedClock
from andon.paging.providers import actions as providers
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
from tests.slack.conftest import Run, name_of, shown, summary
from tests.support.cast import Cast
from tests.support.paging import kinds, open_incident
from tests.support.slack import Slack, member_id

SLACK = ChannelKind.SLACK
DOWN = (503, {"ok": False}, {})


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
