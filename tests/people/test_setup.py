"""The first start: one link, one administrator, once."""

import threading
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client

from andon.kit.errors import Conflict, Refused
from andon.people import actions, queries
from andon.people.models import Invitation, Organisation, Person
from andon.practice.words import OrgRole

ANSWERS = {
    "organisation": "Example Bank",
    "name": "Nadia",
    "email": "Nadia@Example.org",
    "password": "four words make one",
    "time_zone": "Europe/Berlin",
}


def path_of(link: str) -> str:
    return link.removeprefix("http://testserver")


@pytest.mark.django_db
def test_the_link_makes_the_first_administrator_and_signs_them_in():
    link = actions.setup_link()
    client = Client()
    page = client.get(path_of(link))
    assert page.status_code == 200
    assert "Set up Andon" in page.text
    assert client.post(path_of(link), ANSWERS).headers["Location"] == "/account"
    nadia = Person.objects.get()
    assert nadia.org_role is OrgRole.ADMIN
    assert nadia.email == "nadia@example.org"
    assert nadia.time_zone == "Europe/Berlin"
    assert nadia.check_password("four words make one")
    assert Organisation.objects.get().name == "Example Bank"
    assert EmailAddress.objects.get(user=nadia).verified
    assert client.get("/account").status_code == 200
    point = nadia.contact_points.get()
    assert point.address == nadia.email
    assert not point.works, "nobody has seen a message arrive there yet"


@pytest.mark.django_db
def test_the_link_works_once():
    link = actions.setup_link()
    Client().post(path_of(link), ANSWERS)
    again = Client().post(path_of(link), ANSWERS | {"email": "mallory@example.org"})
    assert again.status_code == 404
    assert "used" in again.text
    assert Person.objects.count() == 1


@pytest.mark.django_db
def test_there_is_no_link_once_there_is_a_person(cast):
    assert actions.setup_link() is None


@pytest.mark.django_db
def test_asking_again_replaces_the_link():
    first, second = actions.setup_link(), actions.setup_link()
    assert Client().get(path_of(first)).status_code == 404
    assert Client().get(path_of(second)).status_code == 200


@pytest.mark.django_db
def test_the_link_ends_after_a_day(time):
    link = actions.setup_link()
    time.forward(timedelta(hours=24))
    assert Client().get(path_of(link)).status_code == 404
    with pytest.raises(Conflict):
        actions.take_invitation(Invitation.objects.get(), **_facts())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("password", "short", "at least 12 characters"),
        ("password", "nadia@example.org", "too similar"),
        ("password", "", "required"),
        ("organisation", "", "required"),
        ("name", " ", "required"),
        ("email", "nadia", "valid email"),
        ("time_zone", "Mars/Olympus", "not one of the available choices"),
    ],
)
def test_an_answer_that_cannot_be_taken_is_named_and_does_not_use_the_link_up(field, value, said):
    link = actions.setup_link()
    answer = Client().post(path_of(link), ANSWERS | {field: value})
    assert answer.status_code == 422
    assert said in answer.text
    assert not Person.objects.exists()
    assert not Organisation.objects.exists()
    assert Client().get(path_of(link)).status_code == 200


@pytest.mark.django_db
def test_a_setup_link_is_no_invitation_and_the_other_way_round(cast):
    token = actions.invite(email="new@example.org", role=OrgRole.VIEWER, by=_by(cast.nadia)).link.rsplit("/", 1)[1]
    assert Client().get(f"/setup/{token}").status_code == 404
    assert Client().get(f"/invite/{token}").status_code == 200


def _by(person):
    from andon.people.policy import Actor

    return Actor.of(person)


def _facts(email="nadia@example.org"):
    return {
        "email": email,
        "name": "Nadia",
        "password": "four words make one",
        "time_zone": "UTC",
        "organisation": "Example Bank",
    }


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_the_link_at_once_one_wins_and_the_other_is_told():
    token = actions.setup_link().rsplit("/", 1)[1]
    found = queries.invitation_by_token(token, setup=True)  # both have the page open
    start, outcomes = threading.Barrier(2), []

    def take(email):
        try:
            start.wait()
            outcomes.append(actions.take_invitation(found, **_facts(email)).email)
        except Refused as refused:
            outcomes.append(refused.status)
        finally:
            connection.close()

    both = [threading.Thread(target=take, args=(f"{name}@example.org",)) for name in ("nadia", "mallory")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert outcomes.count(409) == 1
    assert Person.objects.count() == 1
    assert Person.objects.get().email in outcomes
