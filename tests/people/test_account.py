"""One's own account: contact points and tokens."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from andon.kit.errors import Forbidden, Invalid, Missing
from andon.people import actions
from andon.people.models import ApiToken, ChannelKind, ContactPoint, Person
from andon.people.policy import Actor

pytestmark = pytest.mark.django_db


def add(person, **facts):
    return actions.add_contact_point(
        person, **{"kind": ChannelKind.EMAIL, "address": "second@example.org", **facts}, by=Actor.of(person)
    ).contact_point


def test_the_page_shows_everything_about_ones_account(cast, signed_in):
    page = signed_in(cast.lena).get("/account").text
    for words in ("How you are paged", "Personal tokens", "Second step", "Change the password", "Theme"):
        assert words in page


def test_name_and_zone_are_changed(cast, signed_in):
    browser = signed_in(cast.lena)
    assert browser.post("/account/profile", {"name": "Lena B.", "time_zone": "Asia/Tokyo"}).status_code == 302
    lena = Person.objects.get(pk=cast.lena.pk)
    assert (lena.name, lena.time_zone) == ("Lena B.", "Asia/Tokyo")
    answer = browser.post("/account/profile", {"name": "", "time_zone": "Nowhere"})
    assert answer.status_code == 422
    assert "2 answers need another look" in answer.text


def test_the_theme_lives_in_the_browser(cast, signed_in):
    browser = signed_in(cast.lena)
    browser.post("/account/theme", {"theme": "dark"})
    assert 'data-theme="dark"' in browser.get("/account").text
    browser.post("/account/theme", {"theme": ""})
    assert "data-theme=" not in browser.get("/account").text.split("<head>")[0]


def test_a_contact_point_counts_once_its_link_was_confirmed_by_post(cast):
    point = add(cast.lena)
    assert not point.works
    link = f"/contact/{actions.contact_point_token(point)}"
    assert "Confirm that it arrived" in Client().get(link).text  # a link preview
    assert not ContactPoint.objects.get(pk=point.pk).works
    assert Client().post(link).status_code == 200
    assert ContactPoint.objects.get(pk=point.pk).works


def test_confirming_mends_a_broken_contact_point_and_may_be_done_again(cast, time):
    point = add(cast.lena)
    token = actions.contact_point_token(point)
    first = actions.verify_contact_point(token).verified_at
    ContactPoint.objects.filter(pk=point.pk).update(broken_at=time.now(), broken_reason="bounced")
    time.forward(timedelta(hours=1))
    again = actions.verify_contact_point(token)
    assert again.works
    assert again.verified_at == first
    assert ContactPoint.objects.get(pk=point.pk).works


def test_a_confirming_link_ends(cast, monkeypatch):
    point = add(cast.lena)
    token = actions.contact_point_token(point)
    with pytest.raises(Missing):
        actions.verify_contact_point(token + "x")
    monkeypatch.setattr("django.core.signing.time.time", lambda: 4_000_000_000)
    with pytest.raises(Missing):
        actions.verify_contact_point(token)
    monkeypatch.undo()
    actions.remove_contact_point(point, by=Actor.of(cast.lena))
    with pytest.raises(Missing):
        actions.verify_contact_point(token)
    assert Client().get(f"/contact/{token}").status_code == 404


def test_a_webhook_gets_a_secret_that_is_shown_once(cast, signed_in):
    browser = signed_in(cast.lena)
    page = browser.post(
        "/account/contact-points",
        {"kind": "webhook", "address": "https://hooks.example.org/lena", "label": "Hook", "delay_minutes": "2"},
    )
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", page.text).group()
    assert "no-store" in page.headers["Cache-Control"]
    assert ContactPoint.objects.get(label="Hook").secret == secret
    assert secret not in browser.get("/account").text


def test_the_log_needs_no_confirmation(cast):
    assert add(cast.lena, kind=ChannelKind.LOG, address="").works


@pytest.mark.parametrize(
    ("kind", "address", "delay", "field"),
    [
        ("email", "nobody", 0, "address"),
        ("webhook", "ftp://example.org", 0, "address"),
        ("webhook", "https://user:pw@example.org/", 0, "address"),
        ("webhook", "https://[broken", 0, "address"),
        ("email", "a@example.org", 1441, "delay_minutes"),
        ("email", "a@example.org", -1, "delay_minutes"),
    ],
)
def test_what_cannot_be_reached_is_refused_by_name(cast, kind, address, delay, field):
    with pytest.raises(Invalid) as refused:
        add(cast.lena, kind=ChannelKind(kind), address=address, delay_minutes=delay)
    assert refused.value.field == field


def test_contact_points_are_ones_own(cast, signed_in):
    point = add(cast.lena)
    with pytest.raises(Forbidden):
        actions.remove_contact_point(point, by=Actor.of(cast.omar))
    for path in ("", "/remove"):
        answer = signed_in(cast.omar).post(
            f"/account/contact-points/{point.pk}{path}", {"label": "x", "delay_minutes": "0"}
        )
        assert answer.status_code == 404
    actions.remove_contact_point(point, by=Actor.of(cast.nadia))  # an administrator helps out


def test_label_and_delay_are_changed_and_a_contact_point_removed(cast, signed_in):
    point, browser = add(cast.lena), signed_in(cast.lena)
    browser.post(f"/account/contact-points/{point.pk}", {"label": "Phone", "delay_minutes": "3"})
    point.refresh_from_db()
    assert (point.label, point.delay_minutes) == ("Phone", 3)
    assert (
        "Not saved"
        in browser.post(f"/account/contact-points/{point.pk}", {"label": "", "delay_minutes": "x"}, follow=True).text
    )
    browser.post(f"/account/contact-points/{point.pk}/remove")
    assert "Phone" not in browser.get("/account", follow=True).text.split("How you are paged")[1].split("You")[0]


def test_an_address_is_encrypted_at_rest(cast, django_db_blocker):
    from django.db import connection

    point = add(cast.lena)
    with connection.cursor() as cursor:
        cursor.execute("SELECT address FROM people_contactpoint WHERE label = %s", [point.label])
        assert all("second@example.org" not in row[0] for row in cursor.fetchall())


def test_a_token_is_shown_once_and_kept_as_a_digest(cast, signed_in):
    browser = signed_in(cast.lena)
    page = browser.post("/account/tokens", {"name": "Deploy", "scopes": ["systems:read"], "days": "30"})
    token = re.search(r"andon_pat_[\w-]+", page.text).group()
    assert "no-store" in page.headers["Cache-Control"]
    row = ApiToken.objects.get()
    assert token not in (row.digest, row.prefix)
    assert token not in browser.get("/account").text
    assert row.prefix in browser.get("/account").text
    assert Client().get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 200
    browser.post(f"/account/tokens/{row.pk}/revoke")
    assert Client().get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 401


def test_a_token_needs_a_name_and_known_scopes(cast, signed_in):
    browser = signed_in(cast.lena)
    assert browser.post("/account/tokens", {"name": "", "scopes": []}).status_code == 422
    for facts in (
        {"name": "t", "scopes": ["all"]},
        {"name": "t", "scopes": []},
        {"name": "", "scopes": ["people:read"]},
    ):
        with pytest.raises(Invalid):
            actions.make_token(**facts, days=None, by=Actor.of(cast.lena))
    with pytest.raises(Invalid):
        actions.make_token(name="t", scopes=["people:read"], days=0, by=Actor.of(cast.lena))
    with pytest.raises(Forbidden):
        actions.make_token(name="t", scopes=["people:read"], days=1, by=Actor.engine())


def test_tokens_are_ones_own(cast, signed_in):
    row = actions.make_token(name="t", scopes=["people:read"], days=1, by=Actor.of(cast.lena)).row
    assert signed_in(cast.omar).post(f"/account/tokens/{row.pk}/revoke").status_code == 404
    with pytest.raises(Forbidden):
        actions.revoke_token(row, by=Actor.of(cast.omar))
    actions.revoke_token(row, by=Actor.of(cast.nadia))


def test_signing_out_everywhere_else_keeps_this_session(cast, signed_in):
    here, there = signed_in(cast.lena), signed_in(cast.lena)
    assert here.post("/account/sign-out-everywhere").status_code == 302
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 302


def test_an_old_name_of_a_zone_stays_chosen_and_another_is_none(cast, signed_in):
    cast.lena.time_zone = "CET"
    cast.lena.save()
    browser = signed_in(cast.lena)
    page = browser.get("/account").content.decode()
    assert '<option value="CET" selected>CET</option>' in page
    assert page.count(" selected>") == 1 + page.count('name="kind"')  # one a select
    assert '<option value="Europe/Berlin">Europe/Berlin</option>' in page
    hostile = '"><script>alert(1)</script>'
    refused = browser.post("/account/profile", {"name": "Lena", "time_zone": hostile})
    assert refused.status_code == 422
    assert "<script>alert(1)" not in refused.content.decode()


def test_a_page_with_the_time_zones_renders_no_template_for_each(cast, signed_in):
    answer = signed_in(cast.lena).get("/account")
    assert sum("option" in (one.name or "") for one in answer.templates) < 100
