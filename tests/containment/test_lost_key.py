"""A pull whose settings no key opens any more: it ends, with what is certain of it, and holds up no other."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.test import override_settings

from andon.containment import actions
from andon.containment.actions import running
from andon.containment.models import Pull, Rehearsal, Target
from andon.engine.pulling import Pulling
from andon.incidents.models import Incident
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.containment import PullState
from tests.containment.conftest import facts
from tests.containment.test_troubles import go_round

pytestmark = pytest.mark.django_db


@contextmanager
def lost_key():
    with override_settings(FIELD_KEYS=[Fernet.generate_key().decode()]):
        yield


def acted(pull, time):
    """Go round until it has acted."""
    engine = Pulling(pullers=0)
    while pull.phase is not PullState.ACTED:
        engine.run_once(time.now(), 1)
        pull.refresh_from_db()
    return pull


def test_before_the_act_it_fails_with_nothing_changed(cast, time, service, lever, incident):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    with lost_key():
        go_round(time, 12)
        pull.refresh_from_db()
    assert (pull.phase, service.told) == (PullState.FAILED, [])
    assert pull.outcome.startswith("Nothing was changed. ")
    assert Page.objects.filter(incident=incident, reason__contains="NOT DONE").exists()


def test_after_the_act_it_is_unverified_and_people_are_called(cast, time, service, incident):
    given = facts(service, verify_seconds=3)
    lever = actions.create_lever(cast.credit_scorer, "webhook", given, by=Actor.of(cast.omar))
    service.takes = False
    pull = acted(actions.pull(lever, incident, by=Actor.of(cast.lena)), time)
    with lost_key():
        go_round(time, 80)
        pull.refresh_from_db()
    assert pull.phase is PullState.UNVERIFIED
    assert Page.objects.filter(incident=incident, reason__contains="UNVERIFIED").exists()


def test_it_takes_nobodys_place(cast, time, service, lever, incident, monkeypatch):
    """However a move ends, an outcome comes of it."""

    def broken(*_given):
        raise RuntimeError("a bug of ours")

    engine = Pulling(pullers=0)
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    with monkeypatch.context() as patch:
        patch.setattr(running.Record, "of", broken)
        engine.run_once(time.now(), 5)
        assert not engine._out
    pull.refresh_from_db()
    assert pull.phase is PullState.PRESERVED
    assert pull.trail.get().text.startswith("Andon’s own fault in the webhook lever: RuntimeError.")


@pytest.mark.parametrize("on_real", [True, False])
def test_a_rehearsal_ends_as_failed_and_where_it_was_for_real_its_chain_is_paged(cast, time, service, on_real):
    given = facts(service, verify_seconds=3)
    given = given if on_real else facts(service, verify_seconds=3, drill_settings=given.settings)
    lever = actions.create_lever(cast.credit_scorer, "webhook", given, by=Actor.of(cast.omar))
    service.takes = False
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=on_real)
    pull = acted(Pull.objects.get(rehearsal=rehearsal), time)
    assert pull.target == (Target.REAL if on_real else Target.DRILL)
    with lost_key():
        go_round(time, 80)
        pull.refresh_from_db()
        rehearsal.refresh_from_db()
        found = [incident.title for incident in Incident.objects.all()]
    assert (pull.phase, rehearsal.state) == (PullState.UNVERIFIED, Rehearsal.State.FAILED)
    assert "was not undone: no key opens the settings" in rehearsal.says
    title = f"A rehearsal may have left “{lever.name}” pulled: its undo is NOT DONE"
    assert found == ([title] if on_real else [])


def test_a_rehearsal_whose_undo_is_under_way_pages_the_chain(cast, time, service, lever):
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    engine = Pulling(pullers=0)
    while not Pull.objects.exclude(undoes=None).exists():
        engine.run_once(time.now(), 1)
        time.forward(timedelta(seconds=1))
    with lost_key():
        go_round(time, 12)
        rehearsal.refresh_from_db()
        incident = Incident.objects.get()
        assert "before, which no key opens any more, and that was not seen" in incident.description
    assert rehearsal.state == Rehearsal.State.FAILED
    assert len(service.told) == 1
