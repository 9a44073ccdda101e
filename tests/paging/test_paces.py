"""The pace of a channel: who sets it, where, and what that lets go."""

from datetime import timedelta

import pytest
from django.test import Client

from andon.kit.errors import Forbidden, Invalid
from andon.paging import actions
from andon.paging.models import ChannelPace, Page
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from andon.practice.pacing import DEFAULT_PACES
from tests.people.helpers import token_for
from tests.support.cast import Cast

SMS_LIKE = ChannelKind.EMAIL
ADDRESS = f"/settings/channels/{SMS_LIKE}/pace"
OTHERS = ["omar", "lena", "sam", "vera", "rui"]


def test_an_administrator_sets_the_pace_on_the_channels_page(cast: Cast, signed_in):
    browser = signed_in(cast.nadia)
    assert 'value="20"' in browser.get(ADDRESS).text
    answer = browser.post(ADDRESS, {"person_a_minute": "3", "channel_a_minute": ""}, follow=True)
    assert "At most 3 messages a minute to one person, without limit in all." in answer.text
    row = ChannelPace.objects.get()
    assert (row.person_a_minute, row.channel_a_minute, row.changed_by) == (3, None, cast.nadia)
    answer = browser.post(f"{ADDRESS}/reset", follow=True)
    assert "20 messages a minute to one person" in answer.text
    assert "As many messages as there are." in browser.get("/settings/channels/webhook").text
    assert not ChannelPace.objects.exists()


@pytest.mark.parametrize("wrong", ["0", "-1", "1001", "many"])
def test_a_pace_that_would_stop_everything_or_nothing_is_refused(cast: Cast, signed_in, wrong: str):
    answer = signed_in(cast.nadia).post(ADDRESS, {"person_a_minute": wrong})
    assert answer.status_code == 422
    assert "One answer needs another look" in answer.text
    assert not ChannelPace.objects.exists()


@pytest.mark.parametrize("name", OTHERS)
def test_nobody_else_sees_or_sets_it(cast: Cast, signed_in, name: str):
    person = getattr(cast, name)
    browser = signed_in(person)
    assert browser.get(ADDRESS).status_code == 403
    assert browser.post(ADDRESS, {"person_a_minute": "1"}).status_code == 403
    assert browser.post(f"{ADDRESS}/reset").status_code == 403
    read, write = token_for(person, "people:read"), token_for(person, "people:write")
    body = {"person_a_minute": 1, "channel_a_minute": None}
    path = f"/api/v1/paces/{SMS_LIKE}"
    assert Client().get("/api/v1/paces", **read).status_code == 403
    assert Client().put(path, body, content_type="application/json", **write).status_code == 403
    assert Client().delete(path, **write).status_code == 403
    with pytest.raises(Forbidden):
        actions.set_pace(SMS_LIKE, person=1, everybody=None, by=Actor.of(person))
    assert not ChannelPace.objects.exists()


def test_nobody_at_all_is_sent_to_sign_in(cast: Cast):
    assert Client().get(ADDRESS).status_code == 302
    assert Client().get("/api/v1/paces").status_code == 401


def test_the_same_over_the_api(cast: Cast):
    read, write = token_for(cast.nadia, "people:read"), token_for(cast.nadia, "people:write")
    listed = {row["channel"]: row for row in Client().get("/api/v1/paces", **read).json()}
    assert listed["email"]["person_a_minute"] == DEFAULT_PACES["email"].person
    assert listed["email"]["changed_at"] is None
    path, body = f"/api/v1/paces/{SMS_LIKE}", {"person_a_minute": 4, "channel_a_minute": 90}
    assert Client().put(path, body, content_type="application/json", **read).status_code == 403
    answer = Client().put(path, body, content_type="application/json", **write).json()
    assert (answer["person_a_minute"], answer["channel_a_minute"], answer["changed_by"]) == (4, 90, "Nadia")
    body["person_a_minute"] = 0
    assert Client().put(path, body, content_type="application/json", **write).status_code == 422
    assert Client().put("/api/v1/paces/pigeon", body, content_type="application/json", **write).status_code == 404
    assert Client().delete(path, **write).json()["person_a_minute"] == DEFAULT_PACES["email"].person


def test_a_quicker_pace_lets_go_what_waits(incident, cast: Cast, time):
    actions.set_pace(ChannelKind.LOG, person=1, everybody=None, by=Actor.of(cast.nadia))
    later = time.now() + timedelta(minutes=1)
    point = cast.lena.contact_points.get()
    facts = {"incident": incident, "person": cast.lena, "contact_point": point, "channel": point.kind}
    facts |= {"step": 1, "round": 1, "send_after": time.now(), "due_at": later}
    Page.objects.create(key="paced", held="person_pace", **facts)
    Page.objects.create(key="quiet", held="quiet_hours", **facts)
    actions.set_pace(ChannelKind.LOG, person=5, everybody=None, by=Actor.of(cast.nadia))
    assert {page.key: page.due_at for page in Page.objects.all()} == {"paced": time.now(), "quiet": later}


def test_an_odd_figure_is_refused_by_the_action_too(cast: Cast):
    with pytest.raises(Invalid):
        actions.set_pace(ChannelKind.LOG, person=None, everybody=0, by=Actor.of(cast.nadia))
