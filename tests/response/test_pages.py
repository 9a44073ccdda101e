"""The pages of the response: what each shows, what it does, and who may."""

import re

import pytest
from django.urls import reverse

from andon.incidents import actions
from andon.people.policy import Actor
from andon.practice.words import IncidentType
from andon.response import escalating, opening

pytestmark = pytest.mark.django_db

READ = ["incident", "incident_timeline", "incident_severity"]
FORMS = [
    "incident_contain",
    "incident_waive",
    "incident_resolve",
    "incident_note",
    "incident_link",
    "incident_role",
    "incident_onset",
    "incident_type",
    "incident_system",
    "incident_reopen",
    "incident_close",
]
POSTS = ["incident_acknowledge", "incident_restrict"]


@pytest.fixture
def incident(cast, time):
    found = opening.declare(
        title="Refusals of young applicants doubled",
        system=cast.credit_scorer,
        type_=IncidentType.FAIRNESS_VIOLATION,
        by=Actor.of(cast.omar),
    )
    escalating.escalate_due(time.now(), 10)
    found.refresh_from_db()
    return found


def at(name, incident):
    return reverse(name, args=[incident.number])


def test_the_first_screen_says_what_how_bad_since_when_who_and_what_next(cast, incident, signed_in):
    page = signed_in(cast.lena).get(at("incident", incident)).content.decode()
    for said in (
        "Refusals of young applicants doubled",
        "Fairness violation",
        "Credit scorer",
        f"S{incident.severity}",
        "Nobody yet",
        "Paged Lena",
        "Acknowledge: somebody has to have it",
        "Acknowledge by",
    ):
        assert said in page
    assert "Opens once the incident is contained" in page


def test_from_acknowledging_to_the_review_by_pages_alone(cast, incident, signed_in):
    lena = signed_in(cast.lena)
    assert lena.post(at("incident_acknowledge", incident)).status_code == 302
    assert "Contain it" in lena.get(at("incident", incident)).content.decode()
    answer = lena.post(at("incident_contain", incident), {"kind": "roll_back", "note": "back to v6"})
    assert answer.status_code == 302
    page = lena.get(at("incident", incident)).content.decode()
    assert "back to v6" in page
    assert "Opens once the incident is contained" not in page
    assert lena.post(at("incident_resolve", incident), {"summary": "v6 holds"}).status_code == 302
    assert "Open the review" in lena.get(at("incident", incident)).content.decode()


def test_a_form_that_cannot_be_taken_comes_back_with_words_at_the_field(cast, incident, signed_in):
    lena = signed_in(cast.lena)
    answer = lena.post(at("incident_contain", incident), {"kind": "", "note": ""})
    assert answer.status_code == 422
    assert "another look" in answer.content.decode()
    incident.refresh_from_db()
    assert incident.contained_at is None
    early = lena.post(at("incident_resolve", incident), {"summary": "fine"})
    assert early.status_code == 422
    assert "not contained" in early.content.decode()


def test_declaring_takes_two_fields(cast, time, signed_in):
    answer = signed_in(cast.rui).post(reverse("declare"), {"title": "Odd answers", "system": cast.credit_scorer.pk})
    assert answer.status_code == 302
    assert answer["Location"] == "/incidents/1"


@pytest.mark.parametrize("name", READ)
def test_viewers_read(cast, incident, signed_in, name):
    assert signed_in(cast.vera).get(at(name, incident)).status_code == 200


@pytest.mark.parametrize("name", [*READ, *FORMS])
def test_reporters_see_only_what_they_declared(cast, incident, signed_in, name):
    assert signed_in(cast.rui).get(at(name, incident)).status_code == 404


@pytest.mark.parametrize("name", [*READ, *FORMS])
def test_anonymous_visitors_are_asked_to_sign_in(client, incident, name):
    answer = client.get(at(name, incident))
    assert answer.status_code == 302
    assert "/account/login" in answer["Location"]


@pytest.mark.parametrize("name", [*FORMS, *POSTS])
def test_viewers_change_nothing(cast, incident, signed_in, name):
    before = incident.timeline_count
    given = {"kind": "disable", "note": "off", "reason": "because", "summary": "done", "text": "hello", "to": "1"}
    signed_in(cast.vera).post(at(name, incident), given)
    incident.refresh_from_db()
    assert incident.timeline_count == before


@pytest.mark.parametrize("name", [*READ, *FORMS])
def test_a_restricted_incident_is_not_there_for_strangers(cast, incident, signed_in, name):
    actions.restrict(incident, restricted=True, by=Actor.of(cast.omar))
    assert signed_in(cast.sam).get(at(name, incident)).status_code == 404
    assert signed_in(cast.omar).get(at(name, incident)).status_code == 200
    assert signed_in(cast.nadia).get(at(name, incident)).status_code == 200
    assert signed_in(cast.lena).get(at(name, incident)).status_code == 200  # she was paged for it


@pytest.mark.parametrize("name", [*POSTS, "incident_contain", "incident_note"])
def test_a_restricted_incident_takes_nothing_from_strangers(cast, incident, signed_in, name):
    actions.restrict(incident, restricted=True, by=Actor.of(cast.omar))
    incident.refresh_from_db()
    before = incident.timeline_count
    assert signed_in(cast.sam).post(at(name, incident), {"text": "hi"}).status_code == 404
    incident.refresh_from_db()
    assert incident.timeline_count == before


@pytest.mark.parametrize("name", FORMS)
def test_viewers_are_told_why_they_cannot_act(cast, incident, signed_in, name):
    answer = signed_in(cast.vera).get(at(name, incident))
    assert answer.status_code == 403
    assert "role" in answer.content.decode()


def test_severity_forms_record_and_refuse(cast, incident, signed_in):
    lena = signed_in(cast.lena)
    url = at("incident_severity", incident)
    scored = lena.post(url, {"form": "harm", "dimension": "rights", "value": "3", "evidence": "40 refusals"})
    assert scored.status_code == 302
    missing = lena.post(url, {"form": "harm", "dimension": "rights", "value": "3", "evidence": ""})
    assert missing.status_code == 422
    assert "Say what the score rests on" in missing.content.decode()


def test_the_severity_page_says_it_once_and_offers_what_can_be_chosen(cast, incident, signed_in):
    page = signed_in(cast.omar).get(at("incident_severity", incident)).content.decode()
    assert page.count(f"{incident.level.name} because") == 1  # what the scores say; the head names it before
    assert f'<span class="soft">because {incident.because}' in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))
    raise_to, lower_to = (
        re.search(rf'<select[^>]*id="{name}-to".*?</select>', page, re.DOTALL).group() for name in ("raise", "lower")
    )
    assert re.findall(r'value="(\d)"', raise_to) == [str(n) for n in range(1, incident.severity)]
    assert re.findall(r'value="(\d)"', lower_to) == [str(n) for n in range(incident.severity + 1, 6)]
    who = re.search(r'<select[^>]*id="lower-approver".*?</select>', page, re.DOTALL).group()
    assert ("Nadia" in who, "Omar" in who) == (True, False)  # not who asks


def test_hostile_words_are_shown_as_words(cast, time, signed_in):
    found = opening.declare(title="<script>alert(1)</script>", system=None, by=Actor.of(cast.lena))
    lena = signed_in(cast.lena)
    lena.post(at("incident_note", found), {"text": "<img src=x onerror=alert(1)> [x](javascript:alert(1))"})
    page = lena.get(at("incident", found)).content.decode()
    assert "<script>alert" not in page
    assert "onerror" not in page or "&lt;img" in page
    assert 'href="javascript' not in page


def test_the_page_of_a_long_incident_asks_few_questions(cast, incident, signed_in, django_assert_max_num_queries):
    for n in range(30):
        actions.add_note(incident, text=f"note {n}", by=Actor.of(cast.lena))
        incident.refresh_from_db()
    lena = signed_in(cast.lena)
    lena.get(at("incident", incident))
    with django_assert_max_num_queries(45):
        lena.get(at("incident", incident))


@pytest.mark.parametrize("name", ["incident_resolve", "incident_note", "incident_waive"])
def test_a_page_for_one_form_begins_in_its_field(cast, incident, signed_in, name):
    page = signed_in(cast.lena).get(at(name, incident)).content.decode()
    assert page.count("data-focus") == 1
    assert re.search(r"<textarea[^>]* data-focus", page)


def test_declaring_begins_in_what_is_wrong_and_signing_in_goes_from_address_to_password(cast, client, signed_in):
    assert re.search(r'<input[^>]*name="title"[^>]* data-focus', signed_in(cast.rui).get(reverse("declare")).text)
    page = client.get("/account/login/").text
    assert page.index('name="password"') < page.index("Forgot your password?")
