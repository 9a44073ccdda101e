"""What a protocol promises: frozen at the opening, growing with the incident, and missed never without a word."""

from datetime import timedelta

import pytest

from andon.engine.auditor import audit
from andon.handbook import actions as handbook
from andon.handbook.queries import shipped_texts
from andon.incidents import actions
from andon.incidents.models import Incident, Promise, ProtocolStep
from andon.kit.clock import FixedClock
from andon.kit.errors import Conflict, Forbidden, Missing
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, IncidentKind, IncidentType
from andon.response import assessing, containing, duties, missing, opening, promising, resolving
from andon.response.acknowledging import acknowledge
from tests.support import scenes
from tests.support.cast import Cast
from tests.support.paging import Story, kinds, open_incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(time: FixedClock, cast: Cast) -> Story:
    return Story(time)


@pytest.fixture
def incident(cast: Cast, time: FixedClock) -> Incident:
    """A fairness violation at S2: acknowledge in 30 min, executives in 2 h, contain in 4 h."""
    found = open_incident(cast.credit_scorer, cast.vera)
    assert found.level is Severity.S2
    return found


def promise(incident: Incident, key: str) -> Promise:
    return incident.promises.get(key=key)


def to(story: Story) -> list[str]:
    return [message.to for message in story.run()]


def contain(incident, by):
    return containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back", by=by)


def test_an_incident_opens_with_what_its_protocol_promises(incident, time):
    rows = {row.key: row for row in incident.promises.all()}
    assert rows["acknowledge"].due_at == time.now() + timedelta(minutes=30)
    assert rows["contain"].due_at == time.now() + timedelta(hours=4)
    assert rows["first_word:executives"].due_at == time.now() + timedelta(hours=2)
    assert rows["duty:eu-aia-73-general"].due_at is not None
    assert rows["review"].due_at is None  # its clock begins with the resolution
    for row in rows.values():
        assert row.look_at == row.due_at


def test_an_acknowledgement_that_is_missed_hurries_the_chain_on(story, incident, cast):
    """A chain whose wait is longer than the target: the next in it is paged when the target is missed."""
    chain = incident.chain
    for step in chain["steps"]:
        step["wait_minutes"] = 600
    Incident.objects.filter(pk=incident.pk).update(chain=chain)
    story.paged(cast.lena)
    assert story.forward(minutes=29) == []
    story.time.forward(timedelta(minutes=1))
    story.paged(cast.tomas)
    assert kinds(incident).count("promise_missed") == 1
    assert promise(incident, "acknowledge").missed_at == story.time.now()
    assert story.forward(minutes=30) == []


def test_containment_that_is_missed_pages_the_next_once_though_somebody_has_it(story, incident, cast):
    story.paged(cast.lena)
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    promising.keep(incident, key="first_word:executives", note="called", by=Actor.of(cast.lena))
    promising.keep(incident, key="first_word:responsible-AI-lead", note="called", by=Actor.of(cast.lena))
    assert story.forward(hours=3, minutes=59) == []
    (message,) = story.forward(minutes=1)
    assert message.to == "Tomas"
    assert "missed: Contain within 4 h" in message.why
    assert story.forward(hours=4) == []
    incident.refresh_from_db()
    assert incident.next_page_at is None
    assert kinds(incident).count("promise_missed") == 1


def test_what_is_missed_at_one_instant_pages_once_and_names_all(story, incident, cast):
    story.run()
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    messages = story.forward(hours=5)
    assert len(messages) == 1
    for said in ("Contain within 4 h", "Tell executives within 2 h", "Tell responsible-AI lead within 4 h"):
        assert said in messages[0].why
    assert kinds(incident).count("promise_missed") == 1


def test_the_chain_goes_on_to_the_fallback_and_nobody_is_no_silence(story, incident, cast):
    story.run()
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    for person in (cast.tomas, cast.omar):
        person.contact_points.update(broken_at=story.time.now())
    (message,) = story.forward(hours=2)
    assert message.to in {"Lena", "Nadia"}  # the chain goes round, or its fallback has it
    for person in (cast.lena, cast.nadia):
        person.contact_points.update(broken_at=story.time.now())
    assert story.forward(hours=2) == []
    assert kinds(incident).count("promise_missed") == 2
    assert "nobody_reachable" in kinds(incident)


def test_what_is_kept_at_the_last_instant_is_not_missed(story, incident, cast):
    story.run()
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    story.time.forward(timedelta(hours=2))
    promising.keep(incident, key="first_word:executives", note="", by=Actor.of(cast.lena))
    assert story.run() == []
    assert promise(incident, "first_word:executives").missed_at is None
    assert "promise_missed" not in kinds(incident)


def test_a_resolved_incident_pages_for_nothing_but_what_outlasts_it(story, incident, cast):
    story.run()
    by = Actor.of(cast.lena)
    contain(incident, by)
    resolving.resolve(incident, summary="Over.", by=by)
    watched = incident.promises.filter(look_at__isnull=False).values_list("key", flat=True)
    assert set(watched) == {"review", "duty:eu-aia-26-5", "duty:eu-aia-73-general"}
    for row in duties.undecided(incident):
        duties.does_not_apply(incident, key=row.key, reason="We built it ourselves.", by=by)
    assert story.forward(days=9) == []
    assert promise(incident, "review").due_at is not None
    assert audit(story.time.now()).passed


def test_a_reopened_incident_counts_anew(story, incident, cast):
    story.run()
    by = Actor.of(cast.lena)
    contain(incident, by)
    resolving.resolve(incident, summary="Over.", by=by)
    story.time.forward(timedelta(days=1))
    resolving.reopen(incident, reason="It goes on.", by=by)
    row = promise(incident, "contain")
    assert (row.kept_at, row.due_at) == (None, story.time.now() + timedelta(hours=4))
    assert row.look_at == row.due_at


def test_a_page_that_waits_is_called_off_when_it_is_done_after_all(story, incident, cast):
    story.run()
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    for key in ("first_word:executives", "first_word:responsible-AI-lead"):
        promising.keep(incident, key=key, note="", by=Actor.of(cast.lena))
    story.time.forward(timedelta(hours=4))
    missing.missed_due(story.time.now(), 10)
    assert incident.pages.filter(state=Page.State.PENDING).count() == 1
    contain(incident, Actor.of(cast.lena))
    assert not incident.pages.filter(state=Page.State.PENDING).exists()
    assert story.run() == []


def test_two_engines_page_once_for_one_promise(story, incident, cast):
    story.run()
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    story.time.forward(timedelta(hours=2))
    now = story.time.now()
    assert missing.missed_due(now, 10) == 1
    assert missing._look(incident.pk, now) == 1
    assert kinds(incident).count("promise_missed") == 1


def test_a_drill_and_a_restricted_incident_page_their_own_chain_only(story, cast):
    drill = opening.declare(
        title="Drill", system=cast.credit_scorer, by=Actor.of(cast.omar), kind=IncidentKind.DRILL, restricted=True
    )
    story.run()
    acknowledge(drill, by=Actor.of(cast.nadia), via="page")
    messages = story.forward(days=2)
    assert messages
    assert {message.to for message in messages} <= {"Lena", "Tomas", "Omar", "Nadia"}
    assert all("DRILL" in message.headline for message in messages)


def test_a_raise_adds_and_tightens_and_drops_nothing_that_ran(incident, cast, time):
    by = Actor.of(cast.lena)
    actions.finish_step(incident, key="freeze-decisions", by=by)
    promising.keep(incident, key="first_word:executives", note="", by=by)
    before = {row.key for row in incident.promises.all()}
    assessing.raise_severity(incident, to=Severity.S1, reason="the regulator called", by=by)
    assert promise(incident, "contain").due_at == time.now() + timedelta(hours=1)
    assert promise(incident, "first_word:executives").kept_at is not None
    assert before < {row.key for row in incident.promises.all()}
    assert incident.steps.get(key="freeze-decisions").state == ProtocolStep.State.DONE


def test_what_is_asked_no_more_stays_and_says_so(incident, cast, time):
    by = Actor.of(cast.lena)
    actions.finish_step(incident, key="hold-adverse", by=by)
    assessing.change_type(incident, type_=IncidentType.SAFETY, secondary=[], by=by)
    steps = {step.key: step.state for step in incident.steps.all()}
    assert steps["hold-adverse"] == ProtocolStep.State.DONE
    assert steps["measure-gap"] == ProtocolStep.State.NOT_ASKED
    assert steps["stop-acting"] == ProtocolStep.State.TODO
    assert not promise(incident, "duty:eu-aia-26-5").applies
    assert promise(incident, "duty:eu-aia-26-5").look_at is None
    with pytest.raises(Conflict, match="no longer asked for"):
        actions.finish_step(incident, key="measure-gap", by=by)
    assessing.change_type(incident, type_=IncidentType.FAIRNESS_VIOLATION, secondary=[], by=by)
    again = {step.key: step.state for step in incident.steps.all()}
    assert again["measure-gap"] == ProtocolStep.State.TODO
    assert again["stop-acting"] == ProtocolStep.State.NOT_ASKED
    assert promise(incident, "duty:eu-aia-26-5").look_at is not None


def test_an_open_incident_keeps_the_handbook_that_it_opened_with(incident, cast, time):
    texts = shipped_texts()
    texts["severity.yaml"] = texts["severity.yaml"].replace("contain: 1 h", "contain: 10 min")
    texts["protocols/safety.yaml"] = texts["protocols/safety.yaml"].replace("Probe it from outside", "Probe it twice")
    handbook.apply(texts, by=Actor.of(cast.nadia))
    by = Actor.of(cast.lena)
    assessing.raise_severity(incident, to=Severity.S1, reason="the regulator called", by=by)
    assert promise(incident, "contain").due_at == time.now() + timedelta(hours=1)
    assessing.change_type(incident, type_=IncidentType.SAFETY, secondary=[], by=by)
    assert incident.steps.get(key="probe-outside").title == "Probe it from outside"
    newer = scenes.declared(cast, type_=IncidentType.SAFETY)
    assert newer.steps.get(key="probe-outside").title == "Probe it twice"
    assert newer.edition_id != incident.edition_id


def test_the_auditor_gives_a_forgotten_promise_its_time(story, incident, cast):
    story.run()
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    incident.promises.update(look_at=None)  # what must never happen
    found = audit(story.time.now())
    assert [(one.check, one.repaired) for one in found.findings] == [("unwatched_promises", 1)]
    assert promise(incident, "contain").look_at is not None
    assert "promises_repaired" in kinds(incident)
    assert audit(story.time.now()).passed
    story.time.forward(timedelta(hours=5))
    assert [one.check for one in audit(story.time.now()).findings] == ["late_promises"]


def test_an_incident_of_an_older_version_promises_from_now_on(story, incident, cast):
    story.run()
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    incident.promises.all().delete()
    Incident.objects.filter(pk=incident.pk).update(edition=None)
    assert [clock.what for clock in promising.promises_of(Incident.objects.get(pk=incident.pk))] != []
    assert Story(story.time).forward(hours=3) == []  # the executives' two hours were past: nobody promised them
    incident.refresh_from_db()
    assert incident.edition_id is not None
    assert promise(incident, "first_word:executives").missed_at is not None
    assert promise(incident, "contain").look_at is not None


def test_what_was_told_is_said_by_whoever_responds_and_only_once(incident, cast, time):
    for person in (cast.vera, cast.rui):
        with pytest.raises(Forbidden):
            promising.keep(incident, key="first_word:executives", note="", by=Actor.of(person))
    by = Actor.of(cast.lena)
    row = promising.keep(incident, key="first_word:executives", note="by phone", by=by)
    assert (row.kept_at, row.kept_by, row.look_at) == (time.now(), cast.lena, None)
    with pytest.raises(Conflict):
        promising.keep(incident, key="first_word:executives", note="", by=by)
    for key in ("contain", "first_word:nobody"):
        with pytest.raises(Missing):
            promising.keep(incident, key=key, note="", by=by)
