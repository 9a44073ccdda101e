"""When Slack or Andon is not well: it is said, nothing waits for ever, and nobody else is held up."""

from typing import Any

import pytest

from andon.incidents.models import Incident
from andon.kit.clock import FixedClock
from andon.paging.providers import actions as providers
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind
from andon.response.acknowledging import acknowledge
from andon.response.containing import contain
from andon.slack.models import Job
from tests.slack.conftest import Run, name_of, shown
from tests.support.cast import Cast
from tests.support.slack import Slack, member_id

SLACK = ChannelKind.SLACK


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
