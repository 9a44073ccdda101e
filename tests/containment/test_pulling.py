"""A lever is pulled: what happens in which order, what is seen, and who hears of it."""

from datetime import timedelta

import pytest

from andon.containment import actions
from andon.containment.evidence.models import Item
from andon.containment.models import Pull
from andon.engine.auditor import audit
from andon.incidents.describe import describe
from andon.incidents.models import Incident, TimelineEntry
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState
from andon.practice.lifecycle import State
from andon.practice.severity import Severity
from andon.response.containing import waive_containment
from andon.response.resolving import resolve
from tests.containment.conftest import facts


def kinds(incident):
    return list(TimelineEntry.objects.filter(incident=incident).order_by("seq").values_list("kind", flat=True))


def pulled(lever, incident, person, **more):
    return actions.run_pull(actions.pull(lever, incident, by=Actor.of(person), **more))


def test_a_pull_keeps_evidence_acts_once_and_is_verified_by_what_is_served(cast, service, lever, incident):
    pull = pulled(lever, incident, cast.lena, why="Approvals fell by half.")
    assert pull.phase is PullState.VERIFIED
    assert service.state == {"model": "v6"}
    assert [told["type"] for told in service.told] == ["lever.pull"]
    assert service.told[0]["key"] == pull.key
    assert pull.prior == {"model": "v7"}
    assert pull.says == 'model goes from "v7" to "v6".'
    kept = Item.objects.filter(preservation__key=f"pull:{pull.pk}").exclude(digest="")
    assert set(kept.values_list("name", flat=True)) >= {"configuration.json", "changes.json", "lever-1-state.json"}
    incident.refresh_from_db()
    assert incident.state == State.CONTAINED
    assert incident.contained_at == pull.ended_at
    assert incident.acknowledged_by == cast.lena
    told = [kind for kind in kinds(incident) if kind.startswith(("lever", "evidence", "cont", "ack"))]
    assert told == [
        "lever_pulled",
        "acknowledged",
        "evidence_kept",
        "lever_acting",
        "lever_acted",
        "lever_verified",
        "contained",
    ]


def test_every_entry_about_a_pull_reads_as_a_sentence(cast, lever, incident):
    pulled(lever, incident, cast.lena)
    lines = describe(TimelineEntry.objects.filter(incident=incident))
    assert not [line.text for line in lines if line.kind.startswith("lever") and "_" in line.text]
    assert "VERIFIED, “Roll back to v6”: The webhook says that it has the expected state." in [x.text for x in lines]


def test_what_does_not_take_effect_in_time_is_unverified_and_pages(cast, time, service, lever, incident):
    service.takes = False
    pull = pulled(lever, incident, cast.lena)
    assert pull.phase is PullState.ACTED
    before = Page.objects.count()
    time.forward(timedelta(seconds=lever.verify_seconds))
    pull = actions.run_pull(pull)
    assert pull.phase is PullState.UNVERIFIED
    assert pull.seen == 'model is "v7", not "v6".'
    assert len(service.told) == 1
    incident.refresh_from_db()
    assert incident.state == State.ACKNOWLEDGED
    assert incident.contained_at is None
    called = Page.objects.order_by("created_at")[before:]
    assert {page.person for page in called} >= {cast.lena}
    assert "UNVERIFIED" in called[0].reason


def test_a_refusal_says_that_nothing_was_changed_and_pages(cast, service, lever, incident):
    service.takes, service.status = False, 403
    pull = pulled(lever, incident, cast.lena)
    assert pull.phase is PullState.FAILED
    assert pull.outcome == "Nothing was changed. The webhook answered 403."
    assert Page.objects.filter(incident=incident, reason__contains="NOT DONE").exists()


def test_an_answer_that_leaves_it_open_is_settled_by_what_is_served(cast, service, lever, incident):
    service.status = 500  # it took it on, and then could not say so
    pull = pulled(lever, incident, cast.lena)
    assert pull.phase is PullState.VERIFIED
    assert pull.crashed
    assert "lever_in_doubt" in kinds(incident)


def test_a_control_plane_that_is_down_is_asked_again_and_then_nothing_was_changed(cast, time, service, lever, incident):
    service.answer = lambda handler: service.listener.say(handler, 503)
    service.listener.answer = service.answer
    pull = pulled(lever, incident, cast.lena)
    assert pull.phase is PullState.PRESERVED
    for _ in range(3):
        time.forward(timedelta(seconds=5))
        pull = actions.run_pull(pull)
    assert pull.phase is PullState.FAILED
    assert pull.outcome.startswith("Nothing was changed. The webhook answered 503")
    assert service.told == []


def test_nonsense_as_a_state_is_no_state(cast, time, service, lever, incident):
    service.listener.answer = lambda handler: service.listener.say(handler, 200, b"<html>")
    pull = pulled(lever, incident, cast.lena)
    for _ in range(3):
        time.forward(timedelta(seconds=5))
        pull = actions.run_pull(pull)
    assert pull.phase is PullState.FAILED
    assert "not JSON" in pull.outcome


def test_a_process_that_died_while_acting_leaves_a_pull_that_is_looked_at_and_never_acted_again(
    cast, time, service, lever, incident
):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    claim = only_claim_of(pull, until=PullState.ACTING)
    assert claim.pull.phase is PullState.ACTING  # on disk before the act; and here the process dies
    time.forward(timedelta(minutes=5))
    pull = actions.run_pull(pull)
    assert service.told == []
    assert pull.phase is PullState.ACTED
    time.forward(timedelta(minutes=5))
    assert actions.run_pull(pull).phase is PullState.UNVERIFIED
    assert service.told == []


def test_a_process_that_died_after_acting_is_found_to_have_acted(cast, time, service, lever, incident):
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    actions.work(only_claim_of(pull, until=PullState.ACTING))  # acts, and dies before it is written down
    time.forward(timedelta(minutes=5))
    pull = actions.run_pull(pull)
    assert pull.phase is PullState.VERIFIED
    assert pull.crashed
    assert len(service.told) == 1


def test_what_comes_back_after_its_lease_moves_nothing(cast, time, service, lever, incident):
    service.takes = False
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    late = actions.work(only_claim_of(pull, until=PullState.ACTING))
    time.forward(timedelta(minutes=5))
    actions.run_pull(pull)
    assert actions.settle(late, time.now()) is False
    pull.refresh_from_db()
    assert pull.phase is PullState.ACTED
    assert pull.crashed
    assert "The webhook answered 200." in pull.trail.values_list("text", flat=True)


def only_claim_of(pull, until):
    """The claim of a pull that is now in this state."""
    for _ in range(10):
        (claim,) = actions.claim(pull.asked_at, 10)
        if claim.pull.phase is until:
            return claim
        actions.settle(actions.work(claim), pull.asked_at)
    raise AssertionError(pull)


def test_the_second_of_two_is_told_who_pulled_it(cast, lever, incident):
    first = actions.pull(lever, incident, by=Actor.of(cast.lena))
    with pytest.raises(Conflict, match="Lena pulled “Roll back to v6”"):
        actions.pull(lever, incident, by=Actor.of(cast.tomas))
    assert list(Pull.objects.all()) == [first]


def test_two_must_agree_where_the_lever_says_so_and_nobody_waits_at_s1(cast, service, incident):
    lever = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, approval=ApprovalRule.SECOND), by=Actor.of(cast.omar)
    )
    Incident.objects.filter(pk=incident.pk).update(severity=Severity.S2)
    pull = pulled(lever, incident, cast.lena)
    assert pull.phase is PullState.ASKED
    assert service.told == []
    with pytest.raises(Forbidden, match="One more person"):
        actions.approve(pull, by=Actor.of(cast.lena))
    pull = actions.run_pull(actions.approve(pull, by=Actor.of(cast.tomas)))
    assert pull.phase is PullState.VERIFIED
    undo = actions.undo(pull, by=Actor.of(cast.tomas))
    assert undo.phase is PullState.ASKED
    Incident.objects.filter(pk=incident.pk).update(severity=Severity.S1)
    assert actions.approve(undo, by=Actor.of(cast.tomas)).phase is PullState.APPROVED


def test_an_undo_brings_back_what_held_and_is_seen_to(cast, service, lever, incident):
    pull = pulled(lever, incident, cast.lena)
    undo = actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena)))
    assert undo.phase is PullState.VERIFIED
    assert service.state == {"model": "v7"}
    assert [told["type"] for told in service.told] == ["lever.pull", "lever.undo"]
    with pytest.raises(Conflict, match="being undone, or was"):
        actions.undo(pull, by=Actor.of(cast.lena))


def test_only_a_person_pulls_and_only_whoever_may_act_on_the_incident(cast, lever, incident):
    for actor in (Actor.engine(), Actor.integration("mlflow"), Actor.of(cast.vera), Actor.of(cast.rui)):
        with pytest.raises(Forbidden):
            actions.pull(lever, incident, by=actor)


def test_a_lever_that_is_not_complete_is_not_pulled(cast, service, incident):
    given = {"url": service.url, "secret": "s"}
    lever = actions.create_lever(cast.credit_scorer, "webhook", facts(service, settings=given), by=Actor.of(cast.omar))
    with pytest.raises(Invalid, match="State to take on is missing"):
        actions.pull(lever, incident, by=Actor.of(cast.lena))


def test_a_rehearsal_pulls_looks_undoes_and_looks_again(cast, service, lever):
    with pytest.raises(Invalid, match="no target for drills"):
        actions.rehearse(lever, by=Actor.of(cast.lena))
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.lena), on_real=True)
    for pull in Pull.objects.all(), Pull.objects.all():
        actions.run_pull(pull.order_by("-number")[0])
    rehearsal.refresh_from_db()
    lever.refresh_from_db()
    assert rehearsal.state == "passed"
    assert [told["type"] for told in service.told] == ["lever.pull", "lever.undo"]
    assert service.state == {"model": "v7"}
    assert lever.rehearsed_revision == lever.revision
    assert lever.rehearsed_at is not None


@pytest.mark.parametrize("rule", [ApprovalRule.SECOND, ApprovalRule.LEAD])
def test_what_others_must_agree_to_a_lead_alone_rehearses_on_the_real_target(cast, service, rule, signed_in):
    lever = actions.create_lever(cast.credit_scorer, "webhook", facts(service, approval=rule), by=Actor.of(cast.omar))
    button = "Rehearse on the real target"
    assert button not in signed_in(cast.lena).get(f"/levers/{lever.number}").content.decode()
    assert button in signed_in(cast.omar).get(f"/levers/{lever.number}").content.decode()
    with pytest.raises(Forbidden, match="a lead or administrator rehearses it"):
        actions.rehearse(lever, by=Actor.of(cast.lena), on_real=True)
    assert not Pull.objects.exists()
    assert actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True).target == "real"


@pytest.mark.parametrize(("length", "taken"), [(2_000, True), (2_001, False)])
def test_the_effect_fits_beside_the_button(cast, service, length, taken):
    given = facts(service, effect="x" * length)
    if taken:
        assert len(actions.create_lever(cast.credit_scorer, "webhook", given, by=Actor.of(cast.omar)).effect) == length
        return
    with pytest.raises(Invalid, match="at most 2,000 characters"):
        actions.create_lever(cast.credit_scorer, "webhook", given, by=Actor.of(cast.omar))


def test_nobody_is_asked_to_agree_once_the_incident_is_over(cast, time, service, incident):
    lever = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, approval=ApprovalRule.SECOND), by=Actor.of(cast.omar)
    )
    Incident.objects.filter(pk=incident.pk).update(severity=Severity.S2)
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    asked = Page.objects.filter(reason__contains="agree to pull").count()
    assert asked
    time.forward(timedelta(minutes=11))
    actions.claim(time.now(), 10)
    assert Page.objects.filter(reason__contains="agree to pull").count() > asked
    incident.refresh_from_db()
    waive_containment(incident, reason="It was a test.", by=Actor.of(cast.lena))
    resolve(incident, summary="It was a test.", by=Actor.of(cast.lena))
    pages = Page.objects.count()
    time.forward(timedelta(minutes=11))
    actions.claim(time.now(), 10)
    pull.refresh_from_db()
    assert pull.phase is PullState.WITHDRAWN
    assert Page.objects.count() == pages
    assert service.told == []


def test_the_audit_finds_a_pull_that_nobody_looks_at(cast, time, lever, incident):
    actions.pull(lever, incident, by=Actor.of(cast.lena))
    assert "late_pulls" not in [finding.check for finding in audit(time.now()).findings]
    time.forward(timedelta(minutes=3))
    assert "late_pulls" in [finding.check for finding in audit(time.now()).findings]


def test_a_pull_during_a_rehearsal_on_the_real_target_stands_and_its_undo_brings_back_what_held_before_both(
    cast, service, lever, incident
):
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    actions.run_pull(rehearsal.pulls.get())  # v7 is now v6, and the rehearsal's undo waits
    pull = actions.run_pull(actions.pull(lever, incident, by=Actor.of(cast.lena)))
    assert pull.phase is PullState.VERIFIED
    waiting = rehearsal.pulls.get(undoes__isnull=False)
    assert actions.run_pull(waiting).phase is PullState.WITHDRAWN
    rehearsal.refresh_from_db()
    assert (rehearsal.state, service.state) == ("failed", {"model": "v6"})
    assert actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena))).phase is PullState.VERIFIED
    assert service.state == {"model": "v7"}


@pytest.mark.parametrize(
    ("severity", "rule", "begins"),
    [
        (Severity.S1, ApprovalRule.ALONE, True),
        (Severity.S2, ApprovalRule.ALONE, True),
        (Severity.S3, ApprovalRule.SECOND, False),
        (Severity.S4, ApprovalRule.LEAD, False),
    ],
)
def test_the_protocol_says_whose_word_it_takes_where_the_lever_asks_nobody(
    cast, lever, incident, severity, rule, begins
):
    Incident.objects.filter(pk=incident.pk).update(severity=severity)
    incident.refresh_from_db()
    asked = actions.pull(lever, incident, by=Actor.of(cast.lena))
    assert (asked.rule, asked.phase is PullState.APPROVED) == (rule, begins)
    if not begins:
        assert actions.approve(asked, by=Actor.of(cast.omar)).phase is PullState.APPROVED
