"""Trying a contact point: one's own, an administrator anybody's, and the link confirms it."""

from collections.abc import Callable

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from andon.people.models import ChannelKind, ContactPoint, Person
from tests.support.cast import Cast

SignedIn = Callable[[Person], Client]


@pytest.fixture(autouse=True)
def no_pause(db):
    cache.clear()


@pytest.fixture
def point(cast: Cast) -> ContactPoint:
    return ContactPoint.objects.create(person=cast.lena, kind=ChannelKind.EMAIL, address="lena@example.org")


def address(point: ContactPoint) -> str:
    return reverse("contact_point_test", args=[point.pk])


def test_the_owner_gets_a_message_whose_link_confirms(cast: Cast, signed_in: SignedIn, point: ContactPoint):
    answer = signed_in(cast.lena).post(address(point))
    assert answer.status_code == 302
    (sent,) = mail.outbox
    assert sent.to == ["lena@example.org"]
    link = next(line for line in sent.body.splitlines() if line.startswith("http"))
    path = link.removeprefix("http://testserver")
    Client().post(path)
    point.refresh_from_db()
    assert point.works


def test_an_administrator_may_try_anybodys(cast: Cast, signed_in: SignedIn, point: ContactPoint):
    assert signed_in(cast.nadia).post(address(point)).status_code == 302
    assert len(mail.outbox) == 1


@pytest.mark.parametrize("who", ["omar", "tomas", "sam", "vera", "rui"])
def test_others_do_not_learn_that_it_exists(cast: Cast, signed_in: SignedIn, point: ContactPoint, who: str):
    assert signed_in(getattr(cast, who)).post(address(point)).status_code == 404
    assert mail.outbox == []


def test_nobody_signed_in_is_sent_to_sign_in(point: ContactPoint):
    answer = Client().post(address(point))
    assert answer.status_code == 302
    assert "login" in answer["Location"]
    assert mail.outbox == []


def test_looking_sends_nothing(cast: Cast, signed_in: SignedIn, point: ContactPoint):
    assert signed_in(cast.lena).get(address(point)).status_code == 405


def test_a_second_test_right_away_waits(cast: Cast, signed_in: SignedIn, point: ContactPoint):
    client = signed_in(cast.lena)
    client.post(address(point))
    client.post(address(point))
    assert len(mail.outbox) == 1


def test_a_removed_one_is_gone(cast: Cast, signed_in: SignedIn, point: ContactPoint):
    ContactPoint.objects.update(removed_at=point.created_at)
    assert signed_in(cast.lena).post(address(point)).status_code == 404


def test_it_says_why_when_it_did_not_get_out(cast: Cast, signed_in: SignedIn, point: ContactPoint, settings: object):
    settings.MAIL_CONFIGURED = False
    client = signed_in(cast.lena)
    client.post(address(point))
    said = client.session["_messages"]
    assert "ANDON_SMTP_URL" in str(said)


def test_it_goes_back_where_it_came_from_and_nowhere_else(cast: Cast, signed_in: SignedIn, point: ContactPoint):
    client = signed_in(cast.lena)
    assert client.post(address(point), {"next": "/people"})["Location"] == "/people"
    assert client.post(address(point), {"next": "https://elsewhere.example/"})["Location"] == reverse("account")
