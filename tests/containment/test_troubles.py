"""Faults of Andon's own while a lever is pulled: tried again a few times, then given up, and somebody is called.

What breaks is a receiver beside Andon's own of what is told of pulls and of timelines: everything else is real.
"""

from contextlib import contextmanager
from datetime import timedelta

import pytest

from andon.containment import actions, told
from andon.containment.actions.running import FAULT_RESTS
from andon.containment.models import Pull, Rehearsal
from andon.engine.auditor import audit
from andon.engine.pulling import Pulling
from andon.incidents.timeline import recorded
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.containment import OPEN, PullState
from andon.response.opening import declare
from tests.containment.conftest import facts
from tests.containment.test_pulling import kinds

pytestmark = pytest.mark.django_db


@contextmanager
def breaking(signal, when):
    """Whoever is told by this signal raises what nobody expects, when told of what `when` picks."""

    def broken(**said):
        if when(said):
            raise RuntimeError("a bug of ours")

    signal.connect(broken)
    try:
        yield
    finally:
        signal.disconnect(broken)


def ends(*states):
    return lambda said: said["pull"].phase in states


def entries_of(kind):
    return lambda said: any(entry.kind == kind for entry in said["entries"])


def go_round(time, seconds=8):
    """An engine of its own goes round each second."""
    engine = Pulling(pullers=0)
    for _ in range(seconds):
        engine.run_once(time.now(), 10)
        time.forward(timedelta(seconds=1))


def loud(incident, word):
    return Page.objects.filter(incident=incident, reason__contains=word).exists()


def test_what_was_seen_and_cannot_be_written_is_unverified_loudly_after_three_tries(
    cast, time, service, lever, incident
):
    with breaking(told.moved, ends(PullState.VERIFIED)):
        pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
        go_round(time)
    pull.refresh_from_db()
    incident.refresh_from_db()
    assert (pull.phase, pull.faults) == (PullState.UNVERIFIED, len(FAULT_RESTS))
    assert "Andon’s own fault, 3 times in a row: RuntimeError" in pull.seen
    assert incident.contained_at is None
    assert kinds(incident).count("lever_unverified") == 1
    assert loud(incident, "lever UNVERIFIED")
    assert len(service.told) == 1


def test_one_fault_is_made_good_and_pages_nobody(cast, time, service, lever, incident):
    engine = Pulling(pullers=0)
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    with breaking(told.moved, ends(PullState.VERIFIED)):
        while not Pull.objects.get(pk=pull.pk).faults:
            engine.run_once(time.now(), 10)
    go_round(time)
    pull.refresh_from_db()
    incident.refresh_from_db()
    assert (pull.phase, pull.faults) == (PullState.VERIFIED, 0)
    assert incident.contained_at is not None
    assert not loud(incident, "lever")


def test_an_act_that_cannot_be_written_is_looked_at_and_never_made_again(cast, time, service, lever, incident):
    with breaking(recorded, entries_of("lever_acted")):
        pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
        go_round(time)
    pull.refresh_from_db()
    assert (pull.phase, pull.crashed) == (PullState.VERIFIED, True)
    assert len(service.told) == 1


def test_what_cannot_be_taken_up_is_not_done_loudly_and_holds_up_no_other(cast, time, service, lever, incident):
    other = declare(title="Refusals rose", system=cast.credit_scorer, by=Actor.of(cast.tomas))
    second = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, name="Roll back the other"), by=Actor.of(cast.omar)
    )

    def of_the_first(said):
        return entries_of("lever_acting")(said) and said["entries"][0].incident_id == incident.pk

    with breaking(recorded, of_the_first):
        pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
        beside = actions.pull(second, other, by=Actor.of(cast.tomas))
        go_round(time)
    pull.refresh_from_db()
    beside.refresh_from_db()
    assert pull.phase is PullState.FAILED
    assert pull.outcome.startswith("Nothing was changed. Andon’s own fault")
    assert loud(incident, "lever NOT DONE")
    assert beside.phase is PullState.VERIFIED
    assert len(service.told) == 1


def test_where_nobody_can_even_be_called_the_audit_fails_until_it_is_made_good(cast, time, service, lever, incident):
    def failing():
        return "stuck_pulls" in [finding.check for finding in audit(time.now()).findings]

    with breaking(told.moved, ends(PullState.VERIFIED, PullState.UNVERIFIED)):
        pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
        go_round(time)
        pull.refresh_from_db()
        assert pull.phase in OPEN
        assert failing()
    time.forward(FAULT_RESTS[-1])
    go_round(time)
    pull.refresh_from_db()
    assert pull.phase is PullState.VERIFIED
    assert not failing()
    assert len(service.told) == 1


def test_a_rehearsal_that_cannot_go_on_ends_and_the_lever_is_not_counted_on(cast, time, service):
    lever = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, verify_seconds=3), by=Actor.of(cast.omar)
    )
    with breaking(told.stranded, lambda _: True):
        rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
        engine = Pulling(pullers=0)
        while not service.told:
            engine.run_once(time.now(), 10)
        service.takes = False  # so that the undo is not seen
        go_round(time, 12)
        rehearsal.refresh_from_db()
        assert rehearsal.state == Rehearsal.State.RUNNING
        assert "stuck_pulls" in [finding.check for finding in audit(time.now()).findings]
    time.forward(FAULT_RESTS[-1])
    go_round(time)
    rehearsal.refresh_from_db()
    lever.refresh_from_db()
    assert rehearsal.state == Rehearsal.State.FAILED
    assert lever.rehearsal_failed_at is not None
