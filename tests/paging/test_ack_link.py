"""The link in a message: looking changes nothing, the button acts once, and everything else is told in words."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client

from andon.incidents.models import Incident
from andon.paging import links
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind
from andon.response.acknowledging import acknowledge
from andon.response.containing import contain
from andon.response.resolving import reopen, resolve
from tests.support.cast import Cast
from tests.support.paging import Story, kinds


@pytest.fixture
def link(story: Story, incident: Incident) -> str:
    """The path of the link that Lena was sent."""
    (message,) = story.run()
    return urlsplit(message.link).path


@pytest.fixture
def phone() -> Client:
    """A browser in which nobody has signed in, CSRF checks on."""
    return Client(enforce_csrf_checks=True)


def test_looking_shows_the_incident_and_changes_nothing(link: str, phone: Client, incident: Incident):
    for _ in range(3):
        answer = phone.get(link)
    assert phone.head(link).status_code == 200
    page = answer.content.decode()
    assert answer.status_code == 200
    assert incident.title in page
    assert incident.ref in page
    assert "acknowledge as Lena" in page
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
    assert Page.objects.get(incident=incident).acknowledged_at is None


def test_the_button_acknowledges_without_a_session(link: str, phone: Client, incident: Incident, cast: Cast):
    answer = phone.post(link, follow=True)
    assert answer.status_code == 200
    assert "You have it." in answer.content.decode()
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena
    entry = incident.timeline.get(kind="acknowledged")
    assert entry.body == {"via": "link"}
    assert entry.person == cast.lena
    assert "sessionid" not in phone.cookies


def test_it_works_once(link: str, phone: Client, incident: Incident):
    phone.post(link)
    again = phone.post(link)
    assert again.status_code == 409
    assert "You have it." in again.content.decode()
    assert kinds(incident).count("acknowledged") == 1


def test_a_used_link_does_not_acknowledge_a_reopened_incident(
    link: str, phone: Client, incident: Incident, cast: Cast, story: Story
):
    phone.post(link)
    _resolve(incident, cast)
    reopen(incident, reason="It goes on.", by=Actor.of(cast.omar))
    answer = phone.post(link)
    assert answer.status_code == 409
    assert "This link has been used" in answer.content.decode()
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_somebody_else_was_faster(link: str, phone: Client, incident: Incident, cast: Cast):
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    assert "Tomas has it." in phone.get(link).content.decode()
    late = phone.post(link)
    assert late.status_code == 409
    assert "Tomas has it." in late.content.decode()
    assert Page.objects.get(incident=incident).acknowledged_at is None  # it was not used up for nothing


def test_an_old_link_says_so(link: str, phone: Client, story: Story, incident: Incident):
    story.time.forward(timedelta(days=7, seconds=1))
    for answer in (phone.get(link), phone.post(link)):
        assert answer.status_code == 410
        assert "too old" in answer.content.decode()
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


@pytest.mark.parametrize("damage", ["cut", "changed", "nonsense", "unicode"])
def test_a_damaged_link_opens_nothing(link: str, phone: Client, damage: str):
    damaged = {
        "cut": link[:-5],
        "changed": link[:5] + ("A" if link[5] != "A" else "B") + link[6:],
        "nonsense": "/a/x",
        "unicode": "/a/%F0%9F%94%94.",
    }[damage]
    for answer in (phone.get(damaged), phone.post(damaged)):
        assert answer.status_code == 404
        assert "does not work" in answer.content.decode()


def test_a_link_made_for_one_person_is_nobody_elses(incident: Incident, story: Story, phone: Client, cast: Cast):
    story.run()
    page = Page.objects.get(incident=incident)
    page.person = cast.sam  # not saved: a token that speaks of Lena's page and of Sam
    assert phone.post(f"/a/{links.make(page)}").status_code == 404
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_the_link_acts_for_its_person_whoever_is_signed_in(link: str, signed_in, incident: Incident, cast: Cast):
    signed_in(cast.sam).post(link)
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena


def test_the_link_of_somebody_who_left_opens_nothing(link: str, phone: Client, cast: Cast):
    cast.lena.is_active = False
    cast.lena.save()
    assert phone.get(link).status_code == 404
    assert phone.post(link).status_code == 404


def test_a_cancelled_page_says_so(link: str, phone: Client, incident: Incident):
    Page.objects.filter(incident=incident).update(state=Page.State.CANCELLED, due_at=None, last_error="acknowledged")
    assert "was cancelled" in phone.get(link).content.decode()
    assert phone.post(link).status_code == 409
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_the_address_is_kept_out_of_referrers_indexes_and_caches(link: str, phone: Client):
    for answer in (phone.get(link), phone.post(link)):
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer["X-Robots-Tag"]
        assert "no-store" in answer["Cache-Control"]


def test_times_are_in_the_zone_of_the_person_the_link_is_for(link: str, phone: Client):
    assert "04:12" in phone.get(link).content.decode()  # 03:12 UTC, Lena is in Berlin


# Pressed by a program: the notification of a browser.


def pressed(phone: Client, link: str) -> tuple[int, str, str]:
    """What a program that presses it is told: without a cookie or a form token, in JSON."""
    answer = phone.post(link, headers={"Accept": "application/json"})
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "no-referrer"
    said = answer.json()
    return answer.status_code, said["stands"], f"{said['said']}. {said['then']}"


def test_a_program_acknowledges_once_and_is_told_how_it_stands(
    link: str, phone: Client, incident: Incident, cast: Cast
):
    assert pressed(phone, link)[:2] == (200, "yours")
    assert pressed(phone, link)[:2] == (409, "yours")  # its answer was lost, and it asked again
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena
    assert kinds(incident).count("acknowledged") == 1
    assert "sessionid" not in phone.cookies


def test_a_program_is_told_who_was_faster_and_what_is_over(link: str, phone: Client, incident: Incident, cast: Cast):
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    status, stands, words = pressed(phone, link)
    assert (status, stands) == (409, "theirs")
    assert words == f"Tomas has {incident.ref}. There is nothing for you to do."


def test_a_program_is_told_what_is_left_to_do(link: str, phone: Client, incident: Incident, cast: Cast):
    assert pressed(phone, link)[2].endswith("First: open it, and contain it.")
    contain(incident, kind=ContainmentKind.ROLL_BACK, note="v6", by=Actor.of(cast.lena))
    assert pressed(phone, link)[2] == f"You have {incident.ref}. Nobody else is paged. Open it."
    resolve(incident, summary="Over.", by=Actor.of(cast.lena))
    assert pressed(phone, link)[2] == f"{incident.ref} is resolved. There is nothing for you to do."


def test_a_program_is_told_why_nobody_has_it(link: str, phone: Client, incident: Incident, cast: Cast):
    phone.post(link)
    _resolve(incident, cast)
    reopen(incident, reason="It goes on.", by=Actor.of(cast.omar))
    status, stands, words = pressed(phone, link)
    assert (status, stands) == (409, "used")
    assert words.startswith(f"Nobody has {incident.ref} yet. This link has been used")
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_a_program_learns_nothing_from_what_is_no_link_of_its_own(
    link: str, phone: Client, incident: Incident, cast: Cast, story: Story
):
    assert pressed(phone, link[:-5])[:2] == (404, "unknown")
    cast.lena.is_active = False
    cast.lena.save()
    status, stands, words = pressed(phone, link)
    assert (status, stands) == (404, "unknown")
    assert incident.ref not in words
    story.time.forward(timedelta(days=8))
    assert pressed(phone, link)[:2] == (410, "expired")


def test_a_restricted_incident_is_taken_by_whom_it_paged(link: str, phone: Client, incident: Incident, cast: Cast):
    Incident.objects.filter(pk=incident.pk).update(restricted=True)
    assert pressed(phone, link)[:2] == (200, "yours")
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena


def test_looking_never_acknowledges_whatever_is_asked_for(link: str, phone: Client, incident: Incident):
    answer = phone.get(link, headers={"Accept": "application/json"})
    assert "acknowledge as Lena" in answer.text
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_other_methods_are_refused(link: str, phone: Client):
    assert phone.put(link).status_code == 405
    assert phone.delete(link).status_code == 405


def _resolve(incident: Incident, cast: Cast) -> None:
    from andon.response.containing import waive_containment

    waive_containment(incident, reason="Nothing to contain.", by=Actor.of(cast.omar))
    resolve(incident, summary="Over.", by=Actor.of(cast.omar))
