"""An incident's life through the actions: the smallest story that holds, and everything that must be refused."""

from datetime import timedelta

import pytest

from andon.incidents import actions, timeline
from andon.incidents.models import Incident, ProtocolStep
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.paging.models import Page
from andon.people.models import ContactPoint
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, IncidentType, OrgRole, Phase
from andon.response import acknowledging, containing, escalating, opening, resolving
from andon.reviews.models import Review
from tests.support import scenes
from tests.support.cast import make_chain, person

pytestmark = pytest.mark.django_db


def declare(cast, **facts):
    return opening.declare(
        title="Refusals of young applicants doubled",
        system=cast.credit_scorer,
        type_=IncidentType.FAIRNESS_VIOLATION,
        by=Actor.of(cast.omar),
        **facts,
    )


def kinds(incident):
    return list(incident.timeline.order_by("seq").values_list("kind", flat=True))


def paged(incident):
    return [page.person.name for page in incident.pages.order_by("created_at").select_related("person")]


def test_the_chain_is_walked_until_somebody_acknowledges(cast, time):
    incident = declare(cast)
    assert escalating.escalate_due(time.now(), 10) == 1
    assert paged(incident) == ["Lena"]
    assert escalating.escalate_due(time.now(), 10) == 0

    escalating.escalate_due(time.forward(timedelta(minutes=5)), 10)
    assert paged(incident) == ["Lena", "Tomas"]

    acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="link")
    incident.refresh_from_db()
    assert incident.next_page_at is None
    assert set(incident.pages.values_list("state", flat=True)) == {Page.State.CANCELLED}
    assert escalating.escalate_due(time.forward(timedelta(hours=9)), 10) == 0
    assert incident.roles.get(role="lead").person == cast.tomas


def test_an_unanswered_chain_repeats_then_goes_to_the_fallback_for_ever(cast, time):
    incident = declare(cast)
    for _ in range(9):
        assert escalating.escalate_due(time.now(), 10) == 1
        time.forward(timedelta(minutes=5))
    assert paged(incident) == ["Lena", "Tomas", "Omar"] * 2 + ["Nadia"] * 3


def test_a_step_that_reaches_nobody_is_said_and_passed_at_once(cast, time):
    ContactPoint.objects.filter(person=cast.lena).update(broken_at=time.now())
    incident = declare(cast)
    escalating.escalate_due(time.now(), 10)
    assert paged(incident) == ["Tomas"]
    assert "step_reached_nobody" in kinds(incident)


def test_where_nobody_can_be_paged_administrators_are(cast, time):
    make_chain("empty")
    cast.chain.steps.all().delete()
    ContactPoint.objects.exclude(person=cast.nadia).delete()
    incident = declare(cast)
    escalating.escalate_due(time.now(), 10)
    assert paged(incident) == ["Nadia"]


def test_with_no_way_to_reach_anybody_the_incident_still_has_a_next_time(cast, time):
    ContactPoint.objects.all().delete()
    incident = declare(cast)
    escalating.escalate_due(time.now(), 10)
    incident.refresh_from_db()
    assert incident.next_page_at > time.now()
    assert "nobody_reachable" in kinds(incident)
    person("Ines", OrgRole.ADMIN)
    escalating.escalate_due(incident.next_page_at, 10)
    assert paged(incident) == ["Ines"]


def test_the_frozen_chain_is_not_reached_by_later_edits(cast, time):
    incident = declare(cast)
    cast.chain.steps.all().delete()
    escalating.escalate_due(time.now(), 10)
    assert paged(incident) == ["Lena"]


def test_from_declaration_to_closing(cast, time):
    incident = declare(cast)
    by = Actor.of(cast.lena)
    time.forward(timedelta(minutes=2))
    acknowledging.acknowledge(incident, by=by, via="page")
    time.forward(timedelta(minutes=30))
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back to v6", by=by)
    time.forward(timedelta(hours=3))
    resolving.resolve(incident, summary="v6 refuses as in April; checked on 2,000 decisions", by=by)

    incident.refresh_from_db()
    review = Review.objects.get(incident=incident)
    assert (incident.state, review.state, review.owner) == ("resolved", "draft", cast.lena)
    summary = review.section_versions.get(key="summary").body
    assert "v6 refuses as in April" in summary
    assert "rolled back to v6" in review.section_versions.get(key="containment").body
    with pytest.raises(Conflict, match="Not decided on"):
        resolving.close(incident, by=Actor.of(cast.omar), reason="duplicate of INC-0")
    scenes.decide_duties(incident, cast)
    with pytest.raises(Conflict, match="review is not published"):
        resolving.close(incident, by=Actor.of(cast.omar))
    resolving.close(incident, by=Actor.of(cast.omar), reason="duplicate of INC-0")
    assert timeline.verify(Incident.objects.get()) == []


def test_acknowledging_twice_names_who_has_it(cast, time):
    incident = declare(cast)
    acknowledging.acknowledge(incident, by=Actor.of(cast.lena), via="page")
    with pytest.raises(Conflict, match="Lena has it"):
        acknowledging.acknowledge(incident, by=Actor.of(cast.tomas), via="link")
    assert kinds(incident).count("acknowledged") == 1


def test_containment_comes_before_resolution_and_before_diagnosis(cast, time):
    incident = declare(cast)
    by = Actor.of(cast.lena)
    with pytest.raises(Conflict, match="not contained"):
        resolving.resolve(incident, summary="gone", by=by)
    diagnosis = incident.steps.filter(phase=Phase.DIAGNOSE).first()
    with pytest.raises(Conflict, match="Containment comes first"):
        actions.finish_step(incident, key=diagnosis.key, by=by)
    containing.waive_containment(incident, reason="nothing was decided by it yet", by=by)
    assert actions.finish_step(incident, key=diagnosis.key, by=by).state == ProtocolStep.State.DONE
    resolving.resolve(incident, summary="gone", by=by)


def test_containing_acknowledges_as_well(cast, time):
    incident = declare(cast)
    escalating.escalate_due(time.now(), 10)
    containing.contain(incident, kind=ContainmentKind.DISABLE, note="switched off", by=Actor.of(cast.lena))
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena
    assert not incident.pages.exclude(state=Page.State.CANCELLED).exists()


def test_reopening_starts_the_chain_again(cast, time):
    incident = declare(cast)
    by = Actor.of(cast.lena)
    containing.contain(incident, kind=ContainmentKind.CONSTRAIN, note="limited to 5%", by=by)
    resolving.resolve(incident, summary="fine", by=by)
    time.forward(timedelta(hours=1))
    resolving.reopen(incident, reason="it is back", by=by)
    incident.refresh_from_db()
    assert (incident.state, incident.contained_at, incident.next_page_at) == ("open", None, time.now())
    escalating.escalate_due(time.now(), 10)
    assert paged(incident) == ["Lena"]


@pytest.mark.parametrize("who", ["vera", "rui"])
def test_viewers_and_reporters_do_not_respond(cast, time, who):
    incident = declare(cast)
    by = Actor.of(getattr(cast, who))
    for act in (
        lambda: acknowledging.acknowledge(incident, by=by, via="page"),
        lambda: containing.contain(incident, kind=ContainmentKind.DISABLE, note="off", by=by),
        lambda: resolving.resolve(incident, summary="fine", by=by),
        lambda: actions.add_note(incident, text="hello", by=by),
    ):
        with pytest.raises(Forbidden):
            act()
    assert kinds(incident) == ["opened"]


def test_anybody_signed_in_may_declare(cast, time):
    incident = opening.declare(title="Odd answers", system=None, by=Actor.of(cast.rui))
    assert incident.ref == "INC-1"
    escalating.escalate_due(time.now(), 10)
    assert paged(incident) == ["Nadia"]  # no system: the organisation's fallback


@pytest.mark.parametrize(("title", "field"), [("  ", "title"), ("x" * 201, "title")])
def test_a_declaration_that_cannot_be_taken_names_the_field(cast, time, title, field):
    with pytest.raises(Invalid) as refused:
        opening.declare(title=title, system=None, by=Actor.of(cast.rui))
    assert refused.value.field == field
    assert not Incident.objects.exists()


def test_a_second_declaration_for_the_same_system_is_an_incident_of_its_own(cast, time):
    first, second = declare(cast), declare(cast)
    assert first.group_key != second.group_key
    assert [i.number for i in (first, second)] == [1, 2]


def test_a_viewer_who_is_paged_may_respond_to_that_incident(cast, time):
    other = declare(cast)
    cast.credit_scorer.chain = make_chain("viewers", [cast.vera])
    cast.credit_scorer.save()
    incident = declare(cast)
    escalating.escalate_due(time.now(), 10)
    assert acknowledging.acknowledge(incident, by=Actor.of(cast.vera), via="link").acknowledged_by == cast.vera
    with pytest.raises(Forbidden):
        acknowledging.acknowledge(other, by=Actor.of(cast.vera), via="page")


def test_reopening_while_a_newer_incident_of_its_group_opens(cast, time, monkeypatch):
    by = Actor.of(cast.lena)
    incident = declare(cast)
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="back to v6", by=by)
    resolving.resolve(incident, summary="v6 holds", by=by)
    newer = []

    class Meanwhile:
        """The clock is asked between the look and the write: there the newer incident takes the group's key."""

        @staticmethod
        def now():
            if not newer:
                newer.append(None)
                newer[0] = declare(cast)
            return time.now()

    monkeypatch.setattr(resolving, "clock", Meanwhile)
    reopened = resolving.reopen(incident, reason="it is back", by=by)
    assert newer[0].group_key != reopened.group_key
    assert reopened.next_page_at == time.now()
    assert timeline.verify(Incident.objects.get(pk=incident.pk)) == []
