"""What outlasts the resolution: duties, each decided on by a person, and the review. Neither is late in silence."""

from datetime import timedelta

import pytest

from andon.handbook import actions as handbook
from andon.handbook.queries import shipped_texts
from andon.incidents.actions import assign_role
from andon.incidents.models import Incident, Promise
from andon.kit.clock import FixedClock
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, IncidentType
from andon.response import assessing, containing, duties, promising, resolving
from andon.response.acknowledging import acknowledge
from andon.reviews import actions as reviews
from andon.reviews.models import Review
from tests.support import scenes
from tests.support.cast import Cast
from tests.support.paging import Story, kinds, open_incident

pytestmark = pytest.mark.django_db
PROVIDER, AUTHORITY = "duty:eu-aia-26-5", "duty:eu-aia-73-general"


@pytest.fixture
def story(time: FixedClock, cast: Cast) -> Story:
    return Story(time)


@pytest.fixture
def incident(cast: Cast, time: FixedClock) -> Incident:
    """A fairness violation at S2: the provider is told in 24 h, the authority in 15 days, the review is due in 10."""
    return open_incident(cast.credit_scorer, cast.vera)


def promise(incident: Incident, key: str) -> Promise:
    return incident.promises.get(key=key)


def resolve(incident: Incident, cast: Cast) -> None:
    by = Actor.of(cast.lena)
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back", by=by)
    for key in ("first_word:executives", "first_word:responsible-AI-lead"):
        promising.keep(incident, key=key, note="", by=by)
    resolving.resolve(incident, summary="Over.", by=by)


def decide(incident: Incident, cast: Cast) -> None:
    for row in duties.undecided(incident):
        duties.does_not_apply(incident, key=row.key, reason="We built it ourselves.", by=Actor.of(cast.lena))


def test_a_duty_outlasts_the_resolution_and_is_never_missed_in_silence(story, incident, cast):
    story.run()
    resolve(incident, cast)
    (message,) = story.forward(days=1)
    assert (message.to, "Tell the provider of the system within 24 h" in message.why) == ("Tomas", True)
    assert story.forward(days=1) == []


def test_a_late_review_calls_somebody_once_on_a_working_morning(story, incident, cast):
    story.run()
    resolve(incident, cast)
    decide(incident, cast)
    row = promise(incident, "review")
    assert row.look_at == promising.office_of(incident.edition_id).morning(row.due_at)
    wait = (row.look_at - story.time.now()).total_seconds()
    assert story.forward(seconds=wait - 1) == []
    (message,) = story.forward(seconds=1)
    assert "Publish the review within 10 days" in message.why
    assert kinds(incident).count("promise_missed") == 1
    assert story.forward(days=30) == []


def test_a_review_that_is_published_is_kept_and_taken_back_is_due_again(story, incident, cast):
    story.run()
    resolve(incident, cast)
    scenes.publish(incident, cast)
    assert (promise(incident, "review").kept_at, promise(incident, "review").look_at) == (story.time.now(), None)
    reviews.move(Review.objects.get(), to=Review.State.IN_REVIEW, by=Actor.of(cast.omar))
    assert promise(incident, "review").kept_at is None
    assert promise(incident, "review").look_at is not None


def test_an_incident_is_closed_once_every_duty_is_decided_on(incident, cast, time):
    lena, omar = Actor.of(cast.lena), Actor.of(cast.omar)
    resolve(incident, cast)
    with pytest.raises(Conflict, match="Not decided on: Tell the provider of the system; Report the serious incident"):
        resolving.close(incident, reason="no review needed", by=omar)
    duties.does_not_apply(incident, key=PROVIDER, reason="We built it ourselves.", by=lena)
    promising.keep(incident, key=AUTHORITY, note="form 12", by=lena)
    resolving.close(incident, reason="no review needed", by=omar)
    assert (promise(incident, "review").not_owed, promise(incident, "review").look_at) == ("no review needed", None)
    assert not incident.promises.filter(look_at__isnull=False).exists()
    assert kinds(incident)[-3:] == ["duty_not_owed", "promise_kept", "closed"]
    resolving.reopen(incident, reason="It goes on.", by=lena)
    assert (promise(incident, "review").not_owed, promise(incident, "review").kept_at) == ("", None)
    assert promise(incident, PROVIDER).not_owed


def test_once_its_review_is_published_an_incident_leads_to_its_duties_and_then_to_closing(
    incident, cast, time, signed_in
):
    resolve(incident, cast)
    scenes.publish(incident, cast)
    omar, page = signed_in(cast.omar), f"/incidents/{incident.number}"
    shown = omar.get(page).content.decode()
    assert ("Say what became of it" in shown, "Close the incident" in shown) == (True, False)
    decide(incident, cast)
    shown = omar.get(page).content.decode()
    assert ("Say what became of it" in shown, "Close the incident" in shown) == (False, True)


def test_a_duty_that_does_not_apply_says_why_and_may_apply_after_all(incident, cast, time):
    by = Actor.of(cast.lena)
    with pytest.raises(Invalid, match="Say why"):
        duties.does_not_apply(incident, key=PROVIDER, reason=" ", by=by)
    duties.does_not_apply(incident, key=PROVIDER, reason="We built it ourselves.", by=by)
    row = promise(incident, PROVIDER)
    assert (row.not_owed, row.kept_by, row.look_at) == ("We built it ourselves.", cast.lena, None)
    with pytest.raises(Conflict, match="was said not to apply already"):
        promising.keep(incident, key=PROVIDER, note="", by=by)
    assessing.raise_severity(incident, to=Severity.S1, reason="the regulator called", by=by)
    assert promise(incident, PROVIDER).not_owed  # what was decided stays, until somebody decides anew
    duties.applies_after_all(incident, key=PROVIDER, reason="The vendor trained it.", by=by)
    assert (promise(incident, PROVIDER).kept_at, promise(incident, PROVIDER).look_at) == (None, row.due_at)
    with pytest.raises(Conflict):
        duties.applies_after_all(incident, key=PROVIDER, reason="Again.", by=by)
    for key in ("contain", "first_word:executives", "duty:nothing"):
        with pytest.raises(Missing):
            duties.does_not_apply(incident, key=key, reason="x", by=by)
    for person in (cast.vera, cast.rui):
        with pytest.raises(Forbidden):
            duties.does_not_apply(incident, key=PROVIDER, reason="x", by=Actor.of(person))


def test_a_duty_whose_clock_only_people_know_is_watched_once_they_say_when_it_began(story, cast):
    found = scenes.declared(cast, type_=IncidentType.TECHNICAL_FAILURE)
    key, early, by = "duty:dora-19-initial", "duty:nis2-23-early", Actor.of(cast.lena)
    assert found.level is Severity.S2
    story.run()
    acknowledge(found, by=by, via="page")
    assert (promise(found, key).due_at, promise(found, key).look_at) == (None, None)
    with pytest.raises(Conflict, match="future"):
        duties.clock_began(found, key=key, at=story.time.now() + timedelta(hours=1), note="", by=by)
    with pytest.raises(Conflict, match="which Andon knows"):
        duties.clock_began(found, key=early, at=None, note="", by=by)
    duties.clock_began(found, key=key, at=None, note="classified as major", by=by)
    assert promise(found, key).look_at == story.time.now() + timedelta(hours=4)
    assert any("initial report" in one.why for one in story.forward(hours=4))


def test_holidays_of_the_handbook_count_and_an_open_incident_keeps_its_own(incident, cast, time):
    texts, file = shipped_texts(), "protocols/fairness_violation.yaml"
    day = (time.now() + timedelta(days=1)).date()
    texts["calendar.yaml"] = f"holidays:\n  - {{ day: {day}, name: Founders' Day }}\n"
    texts[file] = texts[file].replace("within: 24 h", "within: 1 working day", 1)
    handbook.apply(texts, by=Actor.of(cast.nadia))
    newer = open_incident(cast.credit_scorer, cast.vera)
    office = promising.office_of(newer.edition_id)
    assert not office.works(day)
    assert promise(newer, PROVIDER).due_at.date() > day
    assert promising.office_of(incident.edition_id).holidays == frozenset()
    assert promise(incident, PROVIDER).due_at == time.now() + timedelta(hours=24)


def test_the_page_of_a_duty_offers_what_may_be_said_and_takes_it(incident, cast, time, signed_in):
    lena, page = signed_in(cast.lena), f"/incidents/{incident.number}"
    where = f"{page}/promises/{PROVIDER}"
    form = lena.get(where).content.decode()
    assert "Due by" in form
    assert "It does not apply" in form
    assert "You deploy a high-risk system of somebody else" in form
    assert "Its clock began" not in form
    assert lena.post(where, {"became": "not_owed"}).status_code == 422
    assert lena.post(where, {"became": "not_owed", "note": "We built it ourselves."}).status_code == 302
    assert promise(incident, PROVIDER).not_owed == "We built it ourselves."
    assert "We built it ourselves." in lena.get(where).content.decode()
    assert lena.post(where, {"became": "done"}).status_code == 422
    assert lena.post(where, {"became": "owed", "note": "They trained it."}).status_code == 302
    assert lena.post(where, {"became": "done", "note": "by mail"}).status_code == 302
    assert promise(incident, PROVIDER).kept_at == time.now()


def test_a_duty_without_a_clock_stands_on_the_page_with_what_it_waits_for(cast, time, signed_in):
    found = scenes.resolved(cast, type_=IncidentType.TECHNICAL_FAILURE)
    shown = signed_in(cast.lena).get(f"/incidents/{found.number}").content.decode()
    assert "4 h from its classification as major" in shown
    assert (
        "Its clock began"
        in signed_in(cast.lena).get(f"/incidents/{found.number}/promises/duty:dora-19-initial").content.decode()
    )


def test_the_page_says_which_roles_the_protocol_asks_for_and_nobody_has(incident, cast, time, signed_in):
    page = f"/incidents/{incident.number}"
    assert "Its protocol asks for" in signed_in(cast.vera).get(page).content.decode()
    where = f"{page}/role?role=harm"
    assert where in signed_in(cast.lena).get(page).content.decode()
    assert where not in signed_in(cast.vera).get(page).content.decode()
    assert 'value="harm" selected' in signed_in(cast.lena).get(where).content.decode()
    for role in ("lead", "responder", "harm", "communications", "scribe"):
        assign_role(incident, role=role, person=cast.tomas, by=Actor.of(cast.lena))
    assert "Its protocol asks for" not in signed_in(cast.lena).get(page).content.decode()


@pytest.mark.parametrize("act", ["not-owed", "owed", "began"])
def test_who_decides_on_duties_over_the_api(incident, cast, client, act):
    path = f"/api/v1/incidents/{incident.number}/promises/{PROVIDER}/{act}"

    def send(person, *scopes):
        headers = scenes.token(person, *(scopes or ("incidents:write",)))
        return client.post(path, {"note": "x"}, content_type="application/json", headers=headers).status_code

    assert (send(cast.vera), send(cast.rui), send(cast.lena, "incidents:read")) == (403, 404, 403)
    Incident.objects.filter(pk=incident.pk).update(restricted=True)
    assert send(cast.sam) == 404
    Incident.objects.filter(pk=incident.pk).update(restricted=False)
    assert client.post(path, "{}", content_type="application/json").status_code == 401
    assert promise(incident, PROVIDER).kept_at is None
    assert send(cast.lena) == {"not-owed": 200}.get(act, 409)
