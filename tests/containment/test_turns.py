"""What comes in between: an incident that ends, a lever that goes, a rehearsal, a second pull, a clock that is set back."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection

from andon.containment import actions, probes, rest
from andon.containment.models import Lever, Pull
from andon.containment.queries import fitness
from andon.engine.auditor import audit
from andon.engine.pulling import Pulling
from andon.incidents.models import Incident
from andon.kit.errors import Conflict
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState, Unfit
from andon.practice.lifecycle import State
from andon.practice.severity import Severity
from andon.response.containing import waive_containment
from andon.response.resolving import resolve
from tests.containment.conftest import facts
from tests.containment.test_pulling import kinds, only_claim_of, pulled
from tests.support import scenes


def end_incident(incident, person):
    incident.refresh_from_db()
    waive_containment(incident, reason="It was a test.", by=Actor.of(person))
    resolve(incident, summary="It was a test.", by=Actor.of(person))


def asked_of_two(cast, incident, service):
    """A pull that waits for a second person."""
    lever = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, approval=ApprovalRule.SECOND), by=Actor.of(cast.omar)
    )
    Incident.objects.filter(pk=incident.pk).update(severity=Severity.S2)
    return actions.pull(lever, incident, by=Actor.of(cast.lena))


# The incident is over, the lever is gone, meanwhile


@pytest.mark.parametrize("until", [PullState.APPROVED, PullState.PRESERVED, PullState.PREPARED])
def test_a_pull_for_an_incident_that_is_over_does_not_act(cast, service, lever, incident, until):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    while Pull.objects.get(pk=pull.pk).phase is not until:
        (claim,) = actions.claim(pull.asked_at, 10)
        actions.settle(actions.work(claim), pull.asked_at)
    end_incident(incident, cast.lena)
    pages = Page.objects.count()
    pull = actions.run_pull(pull)
    assert pull.phase is PullState.WITHDRAWN
    assert "over before it acted" in pull.outcome
    assert service.told == []
    assert kinds(incident)[-1] == "lever_withdrawn"
    assert Page.objects.count() == pages


def test_one_that_was_withdrawn_is_not_taken_up_again_by_whoever_was_at_it_too_long(
    cast, time, service, lever, incident
):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    late = actions.work(only_claim_of(pull, until=PullState.APPROVED))
    end_incident(incident, cast.lena)
    time.forward(timedelta(minutes=5))
    assert actions.claim(time.now(), 10) == []
    assert actions.settle(late, time.now()) is False
    pull.refresh_from_db()
    assert (pull.phase, pull.next_at) == (PullState.WITHDRAWN, None)
    assert actions.run_pull(pull).phase is PullState.WITHDRAWN
    assert service.told == []


def test_what_was_acted_before_the_incident_ended_is_looked_after_to_its_end_and_pages(
    cast, time, service, lever, incident
):
    service.takes = False
    pull = pulled(lever, incident, cast.lena)
    end_incident(incident, cast.lena)
    time.forward(timedelta(seconds=lever.verify_seconds))
    assert actions.run_pull(pull).phase is PullState.UNVERIFIED
    assert Page.objects.filter(incident=incident, reason__contains="UNVERIFIED", state="pending").exists()


def test_an_undo_after_the_incident_acts_and_one_that_fails_pages(cast, time, service, lever, incident):
    pull = pulled(lever, incident, cast.lena)
    incident.refresh_from_db()
    resolve(incident, summary="Seen to hold.", by=Actor.of(cast.lena))
    service.takes, service.status = False, 403
    undo = actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena)))
    assert undo.phase is PullState.FAILED
    assert Page.objects.filter(incident=incident, reason__contains="undo of", state="pending").exists()
    service.takes, service.status = True, 200
    assert actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena))).phase is PullState.VERIFIED
    assert service.state == {"model": "v7"}


def test_nobody_agrees_to_a_pull_for_what_is_over(cast, service, incident):
    pull = asked_of_two(cast, incident, service)
    end_incident(incident, cast.lena)
    with pytest.raises(Conflict, match=r"not wanted any more\. The incident was over"):
        actions.approve(pull, by=Actor.of(cast.tomas))
    assert service.told == []


def test_nobody_agrees_to_a_lever_that_was_taken_out_of_use(cast, time, service, incident):
    pull = asked_of_two(cast, incident, service)
    actions.end_lever(pull.lever, by=Actor.of(cast.omar))
    with pytest.raises(Conflict, match="taken out of use"):
        actions.approve(pull, by=Actor.of(cast.tomas))
    time.forward(timedelta(minutes=11))
    actions.claim(time.now(), 10)
    assert Pull.objects.get(pk=pull.pk).phase is PullState.WITHDRAWN


def test_a_pull_that_was_agreed_to_goes_on_though_its_lever_is_changed_and_taken_out_of_use(
    cast, service, lever, incident
):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    other = dict(facts(service).settings) | {"state": '{"model": "v1"}', "secret": ""}
    actions.change_lever(lever, facts(service, settings=other), by=Actor.of(cast.omar))
    actions.end_lever(lever, by=Actor.of(cast.omar))
    assert actions.run_pull(pull).phase is PullState.VERIFIED
    assert service.state == {"model": "v6"}, "as it was when it was asked for"


def test_withdrawing_beats_an_engine_that_is_at_it_until_the_act(cast, service, lever, incident):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    claim = only_claim_of(pull, until=PullState.PRESERVED)
    actions.withdraw(pull, reason="Switched off by hand.", by=Actor.of(cast.tomas))
    assert actions.settle(actions.work(claim), pull.asked_at) is False
    assert Pull.objects.get(pk=pull.pk).phase is PullState.WITHDRAWN
    assert actions.claim(pull.asked_at + timedelta(hours=1), 10) == []
    assert service.told == []


# A process that was held up


def test_an_engine_that_was_frozen_until_another_took_over_does_not_act_any_more(cast, time, service, lever, incident):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    frozen = only_claim_of(pull, until=PullState.ACTING)
    time.forward(timedelta(minutes=5))
    actions.run_pull(pull)  # another engine finds it acting, and looks
    late = actions.work(frozen)
    assert late.sure
    assert service.told == []
    assert actions.settle(late, time.now()) is False
    assert "Another engine" in Pull.objects.get(pk=pull.pk).trail.last().text


def test_a_look_of_many_slow_requests_is_one_look_and_ends_the_pull(cast, time, service, incident):
    """Else the next look would begin before this one is over, and none of them would ever count."""
    probe = {"url": f"{service.url}/state", "pointer": "/model", "equals": "v6", "times": str(probes.MOST_TIMES)}
    lever = actions.create_lever(cast.credit_scorer, "webhook", facts(service, probe=probe), by=Actor.of(cast.omar))
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    only_claim_of(pull, until=PullState.ACTED)
    time.forward(timedelta(minutes=2))
    (look,) = actions.claim(time.now(), 10)
    time.forward(timedelta(seconds=probes.LONGEST + rest.DEADLINE))
    assert actions.claim(time.now(), 10) == []
    assert actions.settle(actions.work(look), time.now()) is True
    pull.refresh_from_db()
    assert pull.phase is PullState.VERIFIED


def test_where_the_database_is_away_just_before_the_act_nothing_was_done(cast, service, lever, incident):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    claim = only_claim_of(pull, until=PullState.ACTING)

    def away(execute, sql, params, many, context):
        raise OperationalError("the database is away")

    with connection.execute_wrapper(away):
        outcome = actions.work(claim)
    assert outcome.sure
    assert service.told == []


# Clocks


def test_a_clock_that_was_set_back_holds_no_pull_up(cast, time, service, lever, incident):
    service.takes = False
    pull = pulled(lever, incident, cast.lena)
    assert pull.phase is PullState.ACTED
    time.set(time.now() - timedelta(hours=3))
    assert actions.claim(time.now(), 10) == [], "due in three hours"
    assert "clock_set_back" in [finding.check for finding in audit(time.now()).findings]
    pull = actions.run_pull(pull)
    assert pull.phase is PullState.ACTED
    time.forward(timedelta(seconds=lever.verify_seconds))
    assert actions.run_pull(pull).phase is PullState.UNVERIFIED, "two minutes after the act, whatever the clock said"


def test_a_lease_of_another_clock_is_ended_and_what_was_acting_is_looked_at(cast, time, service, lever, incident):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    claim = only_claim_of(pull, until=PullState.ACTING)
    time.set(time.now() - timedelta(hours=3))
    assert actions.claim(time.now(), 10) == []
    audit(time.now())
    assert actions.run_pull(pull).phase is PullState.ACTED
    assert actions.work(claim).sure
    assert service.told == []


def test_the_audit_leaves_times_alone_that_are_as_they_should_be(cast, time, service, incident):
    asked = asked_of_two(cast, incident, service)
    assert asked.next_at > time.now() + timedelta(minutes=9)
    assert "clock_set_back" not in [finding.check for finding in audit(time.now()).findings]
    asked.refresh_from_db()
    assert asked.next_at > time.now() + timedelta(minutes=9)


def test_evidence_is_given_up_after_ten_seconds_of_a_watch_that_no_clock_can_set(
    cast, time, service, lever, incident, monkeypatch
):
    passed = [0.0]
    monkeypatch.setattr("andon.kit.clock.monotonic", lambda: passed[0])
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    (claim,) = actions.claim(time.now(), 10)
    pulling = Pulling(pullers=0)
    pulling._out[claim.token] = claim, passed[0]
    time.set(time.now() - timedelta(hours=1))
    pulling._lose_patience()
    assert Pull.objects.get(pk=pull.pk).phase is PullState.APPROVED
    passed[0] = 10.5
    pulling._lose_patience()
    assert Pull.objects.get(pk=pull.pk).phase is PullState.PRESERVED


# A second pull while the first stands


def test_what_was_pulled_twice_is_brought_back_to_what_held_before_both(cast, service, lever, incident):
    first = pulled(lever, incident, cast.lena)
    second = pulled(lever, incident, cast.tomas)
    assert (second.phase, second.prior) == (PullState.VERIFIED, {"model": "v7"})
    with pytest.raises(Conflict, match=f"{second.ref} pulled .* again since"):
        actions.undo(first, by=Actor.of(cast.lena))
    assert actions.run_pull(actions.undo(second, by=Actor.of(cast.lena))).phase is PullState.VERIFIED
    assert service.state == {"model": "v7"}


def test_what_holds_by_other_hands_is_what_is_brought_back(cast, service, lever, incident):
    pulled(lever, incident, cast.lena)
    service.state = {"model": "v8"}  # somebody deployed meanwhile
    second = pulled(lever, incident, cast.lena)
    assert second.prior == {"model": "v8"}
    actions.run_pull(actions.undo(second, by=Actor.of(cast.lena)))
    assert service.state == {"model": "v8"}


def test_a_lever_of_the_past_does_not_say_what_held_before(cast, service, lever, incident):
    first = pulled(lever, incident, cast.lena)
    Incident.objects.filter(pk=incident.pk).update(state=State.CLOSED)
    other = scenes.declared(cast, by=Actor.of(cast.rui))
    second = pulled(lever, other, cast.lena)
    assert first.expected == second.prior == {"model": "v6"}


# Rehearsals


def rehearsed(cast, lever):
    """A rehearsal on the real target as far as it goes now."""
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    go_on(rehearsal)
    return rehearsal


def go_on(rehearsal):
    for _ in range(2):
        for pull in rehearsal.pulls.order_by("number"):
            actions.run_pull(pull)
    rehearsal.refresh_from_db()


def doubt(lever, time):
    lever.refresh_from_db()
    return fitness(lever, time.now()).unfit


def test_a_rehearsal_whose_undo_is_not_seen_is_an_incident_that_pages_and_the_lever_is_not_counted_on(
    cast, time, service, lever
):
    assert rehearsed(cast, lever).state == "passed"
    assert doubt(lever, time) is None
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(rehearsal.pulls.get())
    service.takes = False
    go_on(rehearsal)
    time.forward(timedelta(seconds=lever.verify_seconds))
    go_on(rehearsal)
    undo = rehearsal.pulls.get(undoes__isnull=False)
    assert (undo.phase, rehearsal.state) == (PullState.UNVERIFIED, "failed")
    assert service.state == {"model": "v6"}, "left as the rehearsal had it"
    assert doubt(lever, time) is Unfit.REHEARSAL_FAILED
    (incident,) = Incident.objects.all()
    assert incident.system == cast.credit_scorer
    assert "undo is UNVERIFIED" in incident.title
    assert '{"model": "v7"}' in incident.description
    assert incident.next_page_at == time.now(), "its chain begins at once"
    assert (incident.acknowledged_at, incident.kind) == (None, "real")


def test_an_undo_of_a_rehearsal_that_was_refused_pages_too(cast, time, service, lever):
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(rehearsal.pulls.get())
    service.takes, service.status = False, 403
    go_on(rehearsal)
    assert "undo is NOT DONE" in Incident.objects.get().title
    assert doubt(lever, time) is Unfit.REHEARSAL_FAILED
    service.takes, service.status = True, 200
    assert rehearsed(cast, lever).state == "passed"
    assert doubt(lever, time) is None
    assert Incident.objects.count() == 1


def test_a_rehearsal_that_changed_nothing_or_has_a_target_of_its_own_pages_nobody(cast, time, service, lever):
    service.takes, service.status = False, 403
    assert rehearsed(cast, lever).state == "failed"
    assert doubt(lever, time) is Unfit.REHEARSAL_FAILED
    drills = dict(facts(service).settings)
    actions.change_lever(lever, facts(service, drill_settings=drills), by=Actor.of(cast.omar))
    service.takes, service.status = True, 200
    rehearsal = actions.rehearse(Lever.objects.get(), by=Actor.of(cast.omar))
    actions.run_pull(rehearsal.pulls.get())
    service.takes, service.status = False, 403
    go_on(rehearsal)
    assert rehearsal.state == "failed"
    assert not Incident.objects.exists()


def test_a_lever_that_is_pulled_is_not_rehearsed_on_the_real_target(cast, service, lever, incident):
    pull = pulled(lever, incident, cast.lena)
    with pytest.raises(Conflict, match=f"is pulled now \\({pull.ref}, verified\\)"):
        actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena)))
    assert rehearsed(cast, lever).state == "passed"


def test_a_pull_that_waits_for_a_word_keeps_no_rehearsal_from_its_undo(cast, service, incident):
    lever = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, approval=ApprovalRule.SECOND), by=Actor.of(cast.omar)
    )
    Incident.objects.filter(pk=incident.pk).update(severity=Severity.S2)
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(rehearsal.pulls.get())
    asked = actions.pull(lever, incident, by=Actor.of(cast.lena))
    go_on(rehearsal)
    assert (rehearsal.state, service.state) == ("passed", {"model": "v7"})
    actions.decline(asked, reason="Not this one.", by=Actor.of(cast.tomas))
    assert service.state == {"model": "v7"}


def test_an_undo_of_a_rehearsal_waits_for_a_pull_that_was_agreed_to_and_goes_on_if_that_comes_to_nothing(
    cast, time, service, lever, incident
):
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(rehearsal.pulls.get())
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    undo = rehearsal.pulls.get(undoes__isnull=False)
    assert actions.run_pull(undo).phase is PullState.PREPARED
    actions.withdraw(pull, reason="Not needed.", by=Actor.of(cast.lena))
    time.forward(timedelta(seconds=2))
    go_on(rehearsal)
    assert (rehearsal.state, service.state) == ("passed", {"model": "v7"})


def test_a_pull_waits_while_a_rehearsal_is_in_the_act_and_then_has_the_last_word(cast, time, service, lever, incident):
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(rehearsal.pulls.get())
    undo = rehearsal.pulls.get(undoes__isnull=False)
    in_the_act = only_claim_of(undo, until=PullState.ACTING)
    pull = actions.run_pull(actions.pull(lever, incident, by=Actor.of(cast.lena)))
    assert pull.phase is PullState.PREPARED
    actions.settle(actions.work(in_the_act), time.now())
    time.forward(timedelta(seconds=2))
    assert actions.run_pull(pull).phase is PullState.VERIFIED
    assert service.state == {"model": "v6"}
    actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena)))
    assert service.state == {"model": "v7"}


def test_a_drill_does_not_leave_a_rehearsal_on_the_real_target_undone(cast, service, lever):
    drills = dict(facts(service).settings)
    actions.change_lever(lever, facts(service, drill_settings=drills), by=Actor.of(cast.omar))
    lever.refresh_from_db()
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(rehearsal.pulls.get())
    Incident.objects.all().delete()
    drill = scenes.declared(cast, by=Actor.of(cast.rui))
    Incident.objects.filter(pk=drill.pk).update(kind="drill")
    drill.refresh_from_db()
    pulled(lever, drill, cast.lena)
    go_on(rehearsal)
    assert (rehearsal.state, service.state) == ("passed", {"model": "v7"})
