"""Slack with real processes: kill -9 in the midst of making a channel, and a click that comes back over HTTP.

Real server, real engine, both databases; Slack's Web API is a stub on loopback.
"""

import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.test_kill import until
from tests.support.processes import RunningAndon, running_andon
from tests.support.slack import SECRET, TEAM, TOKEN, Slack, a_workspace

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]

ORGANISATION = """
from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, StepTarget
from andon.paging.providers.actions import set_up
from andon.people.models import ChannelKind, ContactPoint, Organisation, Person
from andon.people.policy import Actor
from andon.registry.models import System
Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank"})
chain = Chain.objects.create(slug="credit", name="Credit")
step = ChainStep.objects.create(chain=chain, position=1, wait_minutes=30)
for name in ("Lena", "Tomas"):
    person = Person.objects.create_user(email=f"{name.lower()}@example.org", name=name, role="responder")
    ContactPoint.objects.create(
        person=person, kind="slack", address=f"U0{name.upper()}XX", verified_at=clock.now()
    )
    StepTarget.objects.create(step=step, person=person)
System.objects.create(slug="credit-scorer", name="Credit scorer", stage="production", chain=chain)
set_up(ChannelKind.SLACK, settings, by=Actor.operator())
"""
LEASES_END = """
from andon.kit import clock
from andon.paging.models import Page
from andon.slack.models import Job
Page.objects.filter(state="sending").update(due_at=clock.now())
Job.objects.exclude(leased_by="").update(due_at=clock.now())
"""


@pytest.fixture
def slack() -> Iterator[Slack]:
    with a_workspace() as one:
        yield one


def click(andon: RunningAndon, slack: Slack, member: str, act: str) -> httpx.Response:
    body, headers = slack.signed(slack.clicked(member, act, "1"))
    return httpx.post(f"{andon.base_url}/slack/events", content=body, headers=headers, timeout=10)


def test_killed_after_slack_has_done_it_and_before_that_is_written_nothing_is_made_twice(
    tmp_path, database_url, slack: Slack
):
    cut = "chat.postMessage" if database_url else "conversations.create"  # either may come first on either database
    with running_andon(tmp_path, database_url, engine=False) as andon:
        settings = {"token": TOKEN, "signing_secret": SECRET, "team": TEAM, "url": slack.url, "channels_from": "S5"}
        andon.python(ORGANISATION, settings=settings)
        sender = andon.integration("generic")
        killed: list[int] = []

        def kill(method: str, arguments: dict[str, Any]) -> None:
            in_channel = method == "conversations.create" or arguments.get("channel", "").startswith("C")
            if method == cut and in_channel and not killed and andon.engine is not None:
                killed.append(andon.engine.pid)
                os.kill(andon.engine.pid, signal.SIGKILL)

        slack.after = kill
        sender.post({"id": "a", "title": "Approvals fell", "system": "credit-scorer", "severity": "S2"})
        andon.start_engine()
        until(lambda: killed, andon)
        andon.kill_engine()
        andon.python(LEASES_END)
        andon.start_engine()
        until(lambda: slack.channels and slack.channel("inc-1-credit-scorer").pins, andon)
        channel = slack.channel("inc-1-credit-scorer")
        assert len(slack.channels) == 1
        assert sorted(channel.members) == ["U0LENAXX", "U0TOMASXX"]
        (summary,) = [one for (place, _), one in slack.messages.items() if place == channel.id]
        until(lambda: andon.sql("SELECT count(*) FROM paging_page WHERE state = 'sent'") == [(2,)], andon)

        # Two at once: one has it, the other learns who; every message shows it.
        assert [click(andon, slack, member, "andon_acknowledge").status_code for member in channel.members] == [200] * 2
        until(lambda: "acknowledged" in str(summary["blocks"]), andon)
        until(lambda: "acknowledged" in channel.topic, andon)
        until(lambda: slack.answers, andon)
        assert "has it" in slack.answers[0]["text"]
        for member in channel.members:
            # A page that was on its way when the engine was killed came twice; the one that Andon knows of keeps up.
            until(lambda: any("acknowledged" in str(m["blocks"]) for m in slack.direct_messages(member)), andon)  # noqa: B023
        assert andon.sql("SELECT count(*) FROM incidents_timelineentry WHERE kind = 'acknowledged'") == [(1,)]
        body, headers = slack.signed(slack.clicked("U0LENAXX", "andon_acknowledge", "1"), secret="another")
        assert httpx.post(f"{andon.base_url}/slack/events", content=body, headers=headers).status_code == 401
