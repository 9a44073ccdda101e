"""Severity: raised by evidence at once, lowered only by a named approver."""

from datetime import timedelta

import pytest

from andon.incidents import actions
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.practice.words import Criticality, HarmDimension, IncidentType, OrgRole
from andon.response import assessing, opening
from tests.support.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident(cast, time):
    cast.credit_scorer.criticality = Criticality.LOW
    cast.credit_scorer.save()
    return opening.declare(
        title="Answers slower", system=cast.credit_scorer, type_=IncidentType.TECHNICAL_FAILURE, by=Actor.of(cast.omar)
    )


def harm(incident, value, by, dimension=HarmDimension.RIGHTS, evidence="12 letters went out"):
    return assessing.score_harm(incident, dimension=dimension, value=value, evidence=evidence, by=by)


def test_evidence_of_harm_raises_the_severity_at_once_and_says_why(cast, incident):
    before = incident.level
    harm(incident, 3, Actor.of(cast.lena))
    incident.refresh_from_db()
    assert incident.level.worse_than(before)
    assert incident.level is Severity.S1  # H3 is S2, raised one level while it goes on uncontained
    assert "rights and legal effect H3" in incident.severity_reason
    assert "uncontained" in incident.severity_reason


def test_a_lower_score_never_lowers_by_itself(cast, incident):
    by = Actor.of(cast.lena)
    harm(incident, 3, by)
    found = harm(incident, 0, by)
    incident.refresh_from_db()
    assert incident.level.worse_than(found.severity)


def test_a_score_needs_evidence(cast, incident):
    with pytest.raises(Invalid) as refused:
        harm(incident, 2, Actor.of(cast.lena), evidence=" ")
    assert refused.value.field == "evidence"


def test_lowering_takes_a_named_approver_who_is_not_the_one_asking(cast, incident):
    omar, lena = Actor.of(cast.omar), Actor.of(cast.lena)
    assessing.raise_severity(incident, to=Severity.S1, reason="the regulator called", by=lena)
    for approver, by in ((None, lena), (cast.omar, omar), (cast.tomas, lena)):
        with pytest.raises(Invalid) as refused:
            assessing.ask_to_lower(incident, to=Severity.S3, reason="a test call", approver=approver, by=by)
        assert refused.value.field == "approver"
    asked = assessing.ask_to_lower(incident, to=Severity.S3, reason="a test call", approver=cast.omar, by=lena)
    incident.refresh_from_db()
    assert incident.level is Severity.S1
    with pytest.raises(Conflict):
        assessing.ask_to_lower(incident, to=Severity.S4, reason="again", approver=cast.omar, by=lena)
    with pytest.raises(Forbidden):
        assessing.decide_lowering(asked, approve=True, by=lena)
    assessing.decide_lowering(asked, approve=True, by=omar)
    incident.refresh_from_db()
    assert incident.level is Severity.S3
    assert "a test call (approved" in incident.severity_reason
    assert "Omar" not in incident.severity_reason  # it would outlive an erasure; the timeline's entry says who
    with pytest.raises(Conflict):
        assessing.decide_lowering(asked, approve=False, by=omar)


def test_declining_keeps_the_severity(cast, incident):
    lena = Actor.of(cast.lena)
    assessing.raise_severity(incident, to=Severity.S2, reason="", by=lena)
    asked = assessing.ask_to_lower(incident, to=Severity.S4, reason="quiet", approver=cast.omar, by=lena)
    assessing.decide_lowering(asked, approve=False, by=Actor.of(cast.omar))
    incident.refresh_from_db()
    assert incident.level is Severity.S2


def test_a_worse_severity_brings_the_steps_that_its_protocol_asks_for(cast, incident):
    assessing.change_type(incident, type_=IncidentType.PERFORMANCE_DEGRADATION, secondary=[], by=Actor.of(cast.lena))
    assert incident.level is Severity.S4
    before = set(incident.steps.values_list("key", flat=True))
    assessing.raise_severity(incident, to=Severity.S1, reason="it spread", by=Actor.of(cast.lena))
    after = list(incident.steps.order_by("position").values_list("key", "phase"))
    assert before < {key for key, _ in after}
    phases = [phase for _, phase in after]
    assert phases == sorted(phases, key=["preserve", "contain", "assess", "tell", "diagnose", "resolve", "learn"].index)


def test_another_type_brings_its_own_protocol_and_keeps_what_is_done(cast, incident):
    done = actions.finish_step(incident, key=incident.steps.first().key, by=Actor.of(cast.lena))
    assessing.change_type(
        incident, type_=IncidentType.FAIRNESS_VIOLATION, secondary=[IncidentType.ETHICAL], by=Actor.of(cast.lena)
    )
    incident.refresh_from_db()
    assert incident.protocol_slug == "fairness_violation"
    assert incident.secondary_types == ["ethical"]
    assert incident.steps.get(key=done.key).state == "done"


def test_the_onset_is_an_estimate_with_an_interval(cast, incident, time):
    at = time.now() - timedelta(days=3)
    assessing.estimate_onset(
        incident, onset=at, low=at - timedelta(hours=6), high=at, why="score drift", by=Actor.of(cast.lena)
    )
    incident.refresh_from_db()
    assert (incident.onset, incident.onset_low) == (at, at - timedelta(hours=6))
    for wrong in (
        {"onset": time.now() + timedelta(hours=1)},
        {"low": at + timedelta(hours=1)},
        {"high": at - timedelta(days=1)},
    ):
        facts = {"onset": at, "low": None, "high": None, **wrong}
        with pytest.raises(Invalid):
            assessing.estimate_onset(incident, **facts, why="", by=Actor.of(cast.lena))


def test_an_approver_who_is_no_lead_any_more_decides_nothing_and_blocks_nobody(cast, incident):
    lena = Actor.of(cast.lena)
    assessing.raise_severity(incident, to=Severity.S1, reason="", by=lena)
    asked = assessing.ask_to_lower(incident, to=Severity.S4, reason="quiet", approver=cast.omar, by=lena)
    cast.omar.role = OrgRole.RESPONDER
    cast.omar.save()
    with pytest.raises(Forbidden):
        assessing.decide_lowering(asked, approve=True, by=Actor.of(cast.omar))
    again = assessing.ask_to_lower(incident, to=Severity.S3, reason="quiet", approver=cast.nadia, by=lena)
    asked.refresh_from_db()
    assert asked.state == "declined"
    assessing.decide_lowering(again, approve=True, by=Actor.of(cast.nadia))
    incident.refresh_from_db()
    assert incident.level is Severity.S3


def test_an_approver_must_be_able_to_see_a_restricted_incident(cast, incident):
    lead = person("Ines", OrgRole.LEAD)
    lena = Actor.of(cast.lena)
    assessing.raise_severity(incident, to=Severity.S1, reason="", by=lena)
    actions.restrict(incident, restricted=True, by=Actor.of(cast.omar))
    with pytest.raises(Invalid) as refused:
        assessing.ask_to_lower(incident, to=Severity.S4, reason="quiet", approver=lead, by=lena)
    assert refused.value.field == "approver"
