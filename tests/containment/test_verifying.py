"""What pages and metrics say of pulls is what the timeline says of them, or `andon verify` finds it."""

from datetime import timedelta

import pytest

from andon.containment import actions
from andon.containment.models import Approval, Pull
from andon.containment.verifying import verify
from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState
from andon.practice.severity import Severity
from tests.cli.conftest import andon

__all__ = ["andon"]  # a fixture of the command line's tests
pytestmark = pytest.mark.django_db


def milder(incident):
    incident.severity = Severity.S3
    incident.save(update_fields=["severity"])


@pytest.fixture
def agreed(cast, lever, incident) -> Pull:
    """Asked for by Lena, agreed to by Tomas, and verified."""
    milder(incident)
    lever.approval = ApprovalRule.SECOND
    lever.save()
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena), why="Approvals fell.")
    actions.approve(pull, by=Actor.of(cast.tomas))
    return actions.run_pull(pull)


def intact(incident):
    held = Incident.objects.get(pk=incident.pk)
    return timeline.verify(held) == verify(held) == []


def test_every_stage_and_every_end_is_as_the_timeline_says(cast, service, lever, incident, time):
    lena, tomas = Actor.of(cast.lena), Actor.of(cast.tomas)
    milder(incident)
    lever.approval = ApprovalRule.SECOND
    lever.save()

    def ask():
        return actions.pull(lever, incident, by=lena, why="Approvals fell.")

    actions.withdraw(ask(), reason="Switched off by hand", by=lena)
    actions.decline(ask(), reason="v6 has the same fault", by=tomas)
    assert intact(incident)
    pull = ask()
    assert intact(incident)
    actions.approve(pull, by=tomas)
    for moves in range(1, 6):
        actions.run_pull(pull, moves=moves)
        assert intact(incident)
    undo = actions.undo(pull, by=lena)
    actions.approve(undo, by=tomas)
    service.takes, service.status = False, 403
    assert actions.run_pull(undo).phase is PullState.FAILED
    service.status = 200
    again = actions.undo(pull, by=lena)
    actions.approve(again, by=tomas)
    actions.run_pull(again)
    time.forward(timedelta(hours=1))
    assert actions.run_pull(again).phase is PullState.UNVERIFIED
    assert intact(incident)


def test_at_s1_whoever_asked_may_agree_themselves_and_that_is_intact(cast, lever, incident):
    milder(incident)
    lever.approval = ApprovalRule.SECOND
    lever.save()
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    incident.severity = Severity.S1
    incident.save(update_fields=["severity"])
    actions.approve(pull, by=Actor.of(cast.lena))
    actions.run_pull(pull)
    assert intact(incident)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"state": PullState.UNVERIFIED}, "it is listed as"),
        ({"state": PullState.WITHDRAWN}, "it is listed as"),
        ({"seen": "Nothing was seen."}, "what it came to"),
        ({"says": "Nothing would change."}, "what it would change"),
        ({"why": "A test."}, "in other words"),
        ({"target": "drill"}, "another lever or target"),
        ({"ended_at": None}, "when it was ended"),
        ({"acting_at": timedelta(hours=-1)}, "when it was acting"),
        ({"approved_at": timedelta(hours=2)}, "when it was agreed to"),
    ],
)
def test_a_row_that_was_changed_is_found(agreed, incident, time, change, found):
    assert intact(incident)
    given = {name: time.now() + value if isinstance(value, timedelta) else value for name, value in change.items()}
    Pull.objects.filter(pk=agreed.pk).update(**given)
    problems = [one.problem for one in verify(incident)]
    assert problems
    assert all(problem.startswith("PULL-1: ") for problem in problems)
    assert any(found in problem for problem in problems)


def test_who_asked_and_who_agreed_cannot_be_exchanged(cast, agreed, incident):
    Pull.objects.filter(pk=agreed.pk).update(asked_by=cast.sam)
    assert "somebody else" in verify(incident)[0].problem
    Pull.objects.filter(pk=agreed.pk).update(asked_by=cast.lena)
    Approval.objects.update(person=cast.sam)
    assert "having agreed or refused" in verify(incident)[0].problem
    Approval.objects.update(person=cast.tomas, agreed=False)
    assert "having agreed or refused" in verify(incident)[0].problem
    Approval.objects.all().delete()
    assert "more or fewer people" in verify(incident)[0].problem


def test_a_pull_that_was_added_or_taken_away_is_found_by_the_command(cast, agreed, incident, lever, andon):
    assert andon("verify", incident.ref).code == 0
    Pull.objects.filter(pk=agreed.pk).update(incident=None)
    said = andon("verify", incident.ref)
    assert said.code == 1
    assert "among the pulls of the incident no more" in " ".join(said.out.split())
    Pull.objects.filter(pk=agreed.pk).update(incident=incident, number=99)
    said = andon("verify")
    assert said.code == 1
    assert "PULL-99: no entry of the timeline names it" in " ".join(said.out.split())
