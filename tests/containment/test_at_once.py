"""Two people at one lever, and two engines at one pull, at the same moment: in real threads, on both databases."""

import json
import threading
from collections import Counter

import pytest

from andon.containment import actions
from andon.containment.models import Lever, Pull, Rehearsal
from andon.engine.pulling import Pulling
from andon.incidents.models import Incident, TimelineEntry
from andon.kit import clock
from andon.kit.errors import Conflict
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState
from andon.practice.severity import Severity
from andon.practice.words import IncidentType
from tests.engine.test_replicas import at_once
from tests.support import scenes
from tests.support.cast import Cast

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def incident(cast: Cast) -> Incident:
    return scenes.declared(cast, by=Actor.of(cast.rui), type_=IncidentType.PERFORMANCE_DEGRADATION)


def refused_or(job, done, refused):
    """A job that counts what became of it."""

    def run():
        try:
            done.append(job())
        except Conflict as conflict:
            refused.append(conflict.what)

    return run


def test_of_two_who_pull_at_once_one_is_told_who_was_first_whatever_incident_it_is_for(cast, service, lever, incident):
    other = scenes.declared(cast, by=Actor.of(cast.rui), type_=IncidentType.SAFETY)
    for number in range(4):
        done, refused = [], []
        jobs = [
            refused_or(
                lambda who=who, for_=for_: actions.pull(lever, for_, by=Actor.of(who)), done, refused
            )
            for who, for_ in ((cast.lena, incident), (cast.tomas, incident), (cast.lena, other), (cast.tomas, other))
        ]  # fmt: skip
        at_once(*jobs)
        (pull,) = done
        assert len(refused) == 3
        assert all(f"{pull.asked_by} pulled “{lever.name}”" in words for words in refused), refused
        assert Pull.objects.count() == number + 1
        actions.withdraw(pull, reason="It was a test.", by=Actor.of(cast.lena))
    assert service.told == []


def test_of_two_who_undo_at_once_one_does(cast, service, lever, incident):
    pull = actions.run_pull(actions.pull(lever, incident, by=Actor.of(cast.lena)))
    done, refused = [], []
    at_once(
        *[
            refused_or(lambda who=who: actions.undo(pull, by=Actor.of(who)), done, refused)
            for who in (cast.lena, cast.tomas, cast.omar)
        ]
    )
    assert (len(done), len(refused)) == (1, 2)
    actions.run_pull(done[0])
    assert [told["type"] for told in service.told] == ["lever.pull", "lever.undo"]


def test_engines_at_once_make_each_move_once(cast, service, lever, incident):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))

    def engine():
        one = Pulling(pullers=0)
        for _ in range(12):
            one.run_once(clock.now(), 10)

    at_once(*[engine] * 3)
    pull.refresh_from_db()
    assert pull.phase is PullState.VERIFIED
    assert len(service.told) == 1
    kinds = Counter(TimelineEntry.objects.filter(incident=incident).values_list("kind", flat=True))
    assert {kinds[kind] for kind in ("lever_acting", "lever_acted", "lever_verified", "contained")} == {1}
    assert [(step.move, step.count) for step in pull.trail.all()] == [
        ("preserve", 1), ("prepare", 1), ("act", 1), ("look", 1),
    ]  # fmt: skip


def test_a_word_against_it_and_a_word_for_it_at_once_leave_one_of_both(cast, service, lever, incident):
    Lever.objects.update(approval=ApprovalRule.SECOND)
    Incident.objects.update(severity=Severity.S2)
    for _ in range(4):
        pull = actions.pull(Lever.objects.get(), incident, by=Actor.of(cast.lena))
        done, refused = [], []
        at_once(
            refused_or(lambda: actions.approve(pull, by=Actor.of(cast.tomas)), done, refused),  # noqa: B023
            refused_or(lambda: actions.decline(pull, reason="No.", by=Actor.of(cast.omar)), done, refused),  # noqa: B023
        )
        assert (len(done), len(refused)) == (1, 1)
        pull.refresh_from_db()
        assert pull.phase is done[0].phase
        if pull.is_open:
            actions.withdraw(pull, reason="It was a test.", by=Actor.of(cast.lena))
    assert service.told == []


def test_withdrawn_and_acted_at_once_it_is_one_of_both_and_says_which(cast, service, lever, incident):
    for _ in range(4):
        service.told.clear()
        service.state = {"model": "v7"}
        pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
        while Pull.objects.get(pk=pull.pk).phase is not PullState.PREPARED:
            (claim,) = actions.claim(clock.now(), 10)
            actions.settle(actions.work(claim), clock.now())
        done, refused = [], []

        def engine():
            one = Pulling(pullers=0)
            for _ in range(4):
                one.run_once(clock.now(), 10)

        at_once(
            engine,
            refused_or(lambda: actions.withdraw(pull, reason="No.", by=Actor.of(cast.lena)), done, refused),  # noqa: B023
        )
        pull.refresh_from_db()
        assert pull.phase is (PullState.WITHDRAWN if done else PullState.VERIFIED)
        assert len(service.told) == (0 if done else 1)
        assert service.state == {"model": "v7" if done else "v6"}


def test_a_rehearsal_and_a_pull_at_once_leave_the_system_contained(cast, service, lever, incident):
    """Whoever comes first: the pull stands at the end, and its undo brings back what held before both."""
    begun = threading.Barrier(2)

    def engine():
        begun.wait(30)
        one = Pulling(pullers=0)
        while Pull.objects.filter(next_at__isnull=False).exists():
            one.run_once(clock.now(), 10)

    def people():
        actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
        begun.wait(30)
        actions.pull(lever, incident, by=Actor.of(cast.lena))

    at_once(engine, people)
    Pulling(pullers=0)
    engine_again = Pulling(pullers=0)
    waited = threading.Event()
    for _ in range(100):
        if not Pull.objects.filter(next_at__isnull=False).exists():
            break
        engine_again.run_once(clock.now(), 10)
        waited.wait(0.1)
    pull = Pull.objects.get(rehearsal=None)
    assert pull.phase is PullState.VERIFIED
    assert service.state == {"model": "v6"}, json.dumps(service.told)
    assert Rehearsal.objects.get().state in {"passed", "failed"}
    undo = actions.undo(pull, by=Actor.of(cast.lena))
    actions.run_pull(undo)
    assert service.state == {"model": "v7"}
