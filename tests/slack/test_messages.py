"""The message of a page in Slack: what it says, that it keeps up, and what an administrator pastes to have it."""

from typing import Any

from andon.incidents.models import Incident
from andon.kit.clock import FixedClock
from andon.paging.models import Page
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, IncidentType
from andon.response.acknowledging import acknowledge
from andon.response.containing import contain
from andon.response.opening import declare
from andon.response.resolving import resolve
from tests.slack.conftest import Run, shown
from tests.support.cast import Cast
from tests.support.paging import kinds, open_incident
from tests.support.slack import Slack, member_id

SLACK = ChannelKind.SLACK
DOWN = (503, {"ok": False}, {})


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
