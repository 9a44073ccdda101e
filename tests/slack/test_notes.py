"""Notes that come from Slack, and who may leave them."""

import pytest

from andon.incidents.actions import restrict
from andon.incidents.models import Incident, TimelineEntry
from andon.people import actions as people
from andon.people.policy import Actor
from andon.slack.models import Job
from tests.slack.conftest import Run, name_of
from tests.support.cast import Cast
from tests.support.slack import Slack, member_id


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


def test_a_note_begins_on_the_line_below_or_holds_what_no_database_keeps(
    with_channels: Slack, cast: Cast, incident: Incident, run: Run
):
    run()
    channel = with_channels.channel(name_of(incident)).id
    with_channels.mention(member_id(cast.tomas), channel, "note\nfirst\0 line\nsecond")
    run()
    (entry,) = notes(incident)
    assert entry.body["text"] == "first line\nsecond"


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
