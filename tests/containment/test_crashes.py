"""An engine dies at every arrow of a pull, its undo and a rehearsal: acted never twice, lost never, told truthfully.

It dies right after a move was claimed, or after the move was made and before that was written. The next engine takes
over once the lease is out. With real processes and kill -9: tests/integration/test_pull_kill.py.
"""

from datetime import timedelta

import pytest

from andon.containment import actions
from andon.containment.models import Pull, Rehearsal
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.containment import MOVING, ApprovalRule, PullState
from andon.practice.severity import Severity
from tests.containment.conftest import facts

pytestmark = pytest.mark.django_db
ARROWS = [(state, late) for state in MOVING if state is not PullState.ACTING for late in (False, True)]
IDS = [f"{state}-{'made' if late else 'claimed'}" for state, late in ARROWS]


def after_a_crash(time, pull, state, *, late):
    """The pull's end, after an engine died at its move out of this state."""
    for _ in range(20):
        (claim,) = (one for one in actions.claim(time.now(), 10) if one.pull.pk == pull.pk)
        before = PullState.PREPARED if claim.pull.phase is PullState.ACTING else claim.pull.phase
        if before is state:
            if late:
                actions.work(claim)
            break
        actions.settle(actions.work(claim), time.now())
    else:
        raise AssertionError(pull.trail.all())
    time.forward(timedelta(minutes=1))  # longer than any lease here
    actions.run_pull(pull, now=time.now())
    time.forward(timedelta(seconds=pull.lever.verify_seconds))
    pull = actions.run_pull(pull, now=time.now())
    assert not pull.is_open, pull.state
    return pull


def judged(pull, service, state, *, late, kind, before, after):
    """Never twice; verified if it acted; else, where it died in the act, UNVERIFIED, which pages."""
    told = [one for one in service.told if one["key"] == pull.key]
    died_in_the_act = state is PullState.PREPARED
    acted = late or not died_in_the_act
    assert [one["type"] for one in told] == ([kind] if acted else [])
    assert service.state == (after if acted else before)
    assert pull.phase is (PullState.VERIFIED if acted else PullState.UNVERIFIED)
    assert pull.crashed is died_in_the_act
    if pull.incident is not None:
        paged = Page.objects.filter(
            incident=pull.incident, reason__contains=f"UNVERIFIED: {'' if kind.endswith('pull') else 'undo of '}"
        )
        assert paged.exists() is not acted


@pytest.mark.parametrize(("state", "late"), ARROWS, ids=IDS)
def test_a_pull_to_which_two_agreed(cast, time, service, incident, state, late):
    given = facts(service, approval=ApprovalRule.SECOND)
    lever = actions.create_lever(cast.credit_scorer, "webhook", given, by=Actor.of(cast.omar))
    type(incident).objects.filter(pk=incident.pk).update(severity=Severity.S2)
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    assert actions.claim(time.now(), 10) == []
    actions.approve(pull, by=Actor.of(cast.tomas))
    pull = after_a_crash(time, pull, state, late=late)
    judged(pull, service, state, late=late, kind="lever.pull", before={"model": "v7"}, after={"model": "v6"})
    incident.refresh_from_db()
    assert (incident.contained_at is not None) is (pull.phase is PullState.VERIFIED)


@pytest.mark.parametrize(("state", "late"), ARROWS, ids=IDS)
def test_an_undo(cast, time, service, lever, incident, state, late):
    first = actions.run_pull(actions.pull(lever, incident, by=Actor.of(cast.lena)))
    undo = after_a_crash(time, actions.undo(first, by=Actor.of(cast.lena)), state, late=late)
    judged(undo, service, state, late=late, kind="lever.undo", before={"model": "v6"}, after={"model": "v7"})
    incident.refresh_from_db()
    assert incident.contained_at is None


@pytest.mark.parametrize("which", ["pull", "undo"])
@pytest.mark.parametrize(("state", "late"), ARROWS, ids=IDS)
def test_a_rehearsal(cast, time, service, lever, state, late, which):
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    first = rehearsal.pulls.get()
    if which == "pull":
        pull = after_a_crash(time, first, state, late=late)
        judged(pull, service, state, late=late, kind="lever.pull", before={"model": "v7"}, after={"model": "v6"})
        undo = actions.run_pull(Pull.objects.get(undoes=first), now=time.now())
        assert undo.phase is PullState.VERIFIED
    else:
        pull = actions.run_pull(first)
        undo = after_a_crash(time, Pull.objects.get(undoes=first), state, late=late)
        judged(undo, service, state, late=late, kind="lever.undo", before={"model": "v6"}, after={"model": "v7"})
    rehearsal.refresh_from_db()
    lever.refresh_from_db()
    passed = {pull.phase, undo.phase} == {PullState.VERIFIED}
    assert rehearsal.state == (Rehearsal.State.PASSED if passed else Rehearsal.State.FAILED)
    assert (lever.rehearsed_at is not None) is passed
