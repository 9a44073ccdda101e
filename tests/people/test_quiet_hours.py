"""Quiet hours: whose they are to set, how they read, and that the hours they hold pages for can change."""

from datetime import time as wall
from datetime import timedelta

import pytest
from django.test import Client

from andon.kit.errors import Forbidden, Invalid
from andon.paging.models import Page
from andon.people import actions
from andon.people.models import Person
from andon.people.policy import Actor
from tests.oncall.support import make_schedule
from tests.people.helpers import token_for
from tests.support.paging import open_incident

NIGHT = {"starts": wall(22), "ends": wall(7)}


def hours_of(person):
    person.refresh_from_db()
    return person.quiet_from, person.quiet_until


def test_they_are_set_and_emptied_on_the_account_page(cast, signed_in):
    browser = signed_in(cast.lena)
    answer = browser.post("/account/quiet-hours", {"starts": "22:00", "ends": "07:00"}, follow=True)
    assert "Your quiet hours are 22:00 to 07:00, Europe/Berlin." in answer.text
    assert 'value="22:00"' in answer.text
    assert hours_of(cast.lena) == (wall(22), wall(7))
    assert "22:00 to 07:00, Europe/Berlin" in signed_in(cast.vera).get(f"/people/{cast.lena.pk}").text
    answer = browser.post("/account/quiet-hours", {"starts": "", "ends": ""}, follow=True)
    assert "You have no quiet hours." in answer.text
    assert hours_of(cast.lena) == (None, None)


@pytest.mark.parametrize(
    ("starts", "ends", "says"),
    [
        ("22:00", "", "from when until when"),
        ("", "07:00", "from when until when"),
        ("07:00", "07:00", "end at another time"),
        ("07:00", "22:00", "at most 14 hours"),
        ("25:00", "07:00", "valid time"),
    ],
)
def test_hours_that_never_end_or_last_too_long_are_refused(cast, signed_in, starts, ends, says):
    answer = signed_in(cast.lena).post("/account/quiet-hours", {"starts": starts, "ends": ends})
    assert answer.status_code == 422
    assert says in answer.text
    assert hours_of(cast.lena) == (None, None)


def test_the_same_over_the_api(cast):
    path, read = "/api/v1/me/quiet-hours", token_for(cast.lena, "people:read")
    write = token_for(cast.lena, "people:write")
    none = {"starts": None, "ends": None, "time_zone": "Europe/Berlin"}
    assert Client().get(path, **read).json() == none
    body = {"starts": "22:30", "ends": "06:15"}
    assert Client().put(path, body, content_type="application/json").status_code == 401
    assert Client().put(path, body, content_type="application/json", **read).status_code == 403
    assert Client().put(path, body, content_type="application/json", **write).status_code == 200
    shown = Client().get(f"/api/v1/people/{cast.lena.pk}", **read).json()
    assert (shown["quiet_from"], shown["quiet_until"]) == ("22:30:00", "06:15:00")
    body["ends"] = None
    assert Client().put(path, body, content_type="application/json", **write).status_code == 422
    zoned = {"starts": "22:00Z", "ends": "07:00"}  # another zone than the person's would be dropped
    refused = Client().put(path, zoned, content_type="application/json", **write)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("starts: Give the time without a zone")


def test_they_are_ones_own_or_an_administrators_to_set(cast):
    actions.set_quiet_hours(cast.lena, by=Actor.of(cast.nadia), **NIGHT)
    assert hours_of(cast.lena) == (wall(22), wall(7))
    for other in (cast.omar, cast.tomas, cast.vera, cast.rui):
        with pytest.raises(Forbidden):
            actions.set_quiet_hours(cast.lena, starts=None, ends=None, by=Actor.of(other))


def test_one_half_is_refused_by_the_action(cast):
    with pytest.raises(Invalid):
        actions.set_quiet_hours(cast.lena, starts=wall(22), ends=None, by=Actor.of(cast.lena))


@pytest.mark.parametrize("change", ["hours", "zone"])
def test_pages_that_wait_for_their_end_are_decided_anew_when_they_change(cast, time, change):
    incident = open_incident(cast.credit_scorer, cast.vera)
    later = time.now() + timedelta(hours=3)
    for person, held in ((cast.lena, "quiet_hours"), (cast.lena, "person_pace"), (cast.tomas, "quiet_hours")):
        point = person.contact_points.get()
        facts = {"incident": incident, "person": person, "contact_point": point, "channel": point.kind}
        facts |= {"step": 1, "round": 1, "send_after": time.now(), "due_at": later}
        Page.objects.create(key=f"{person} {held}", held=held, **facts)
    if change == "hours":
        actions.set_quiet_hours(cast.lena, by=Actor.of(cast.lena), **NIGHT)
    else:
        actions.change_profile(cast.lena, name="Lena", time_zone="Asia/Tokyo", by=Actor.of(cast.lena))
    assert [page.key for page in Page.objects.filter(due_at=time.now())] == ["Lena quiet_hours"]


def test_a_schedule_says_whose_pages_wait_when(cast, signed_in, time):
    Person.objects.filter(pk=cast.lena.pk).update(quiet_from=wall(22), quiet_until=wall(7))
    schedule = make_schedule("credit", cast.lena, cast.tomas)
    page = signed_in(cast.vera).get(f"/schedules/{schedule.slug}").text
    assert "Lena: 22:00 to 07:00, Europe/Berlin" in page


def test_an_erased_person_has_none(cast):
    actions.set_quiet_hours(cast.lena, by=Actor.of(cast.lena), **NIGHT)
    actions.erase(cast.lena, by=Actor.of(cast.nadia))
    assert hours_of(cast.lena) == (None, None)
