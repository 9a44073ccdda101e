"""Who may open which page about people, and who may post where."""

import pytest
from django.test import Client
from django.urls import URLPattern

from andon.people import actions
from andon.people.models import ChannelKind, Person
from andon.people.policy import Actor
from andon.people.urls import urlpatterns
from andon.practice.words import OrgRole

pytestmark = pytest.mark.django_db
EVERYONE = ("nadia", "omar", "lena", "vera", "rui")
PUBLIC = {"setup", "invitation", "contact_point_confirm"}


def addresses(cast):
    """Every page of the slice with something in its places."""
    point = actions.add_contact_point(cast.lena, kind=ChannelKind.LOG, address="", by=Actor.of(cast.lena)).contact_point
    token = actions.make_token(name="t", scopes=["people:read"], days=1, by=Actor.of(cast.lena)).row
    invited = actions.invite(email="x@example.org", role=OrgRole.VIEWER, by=Actor.of(cast.nadia)).invitation
    sam, team = cast.sam.pk, "credit-models"
    return {
        "people": "/people",
        "invite": "/people/invite",
        "invitation_withdraw": f"/people/invitations/{invited.pk}/withdraw",
        "person": f"/people/{sam}",
        "person_role": f"/people/{sam}/role",
        "person_deactivate": f"/people/{sam}/deactivate",
        "person_reactivate": f"/people/{sam}/reactivate",
        "person_erase": f"/people/{sam}/erase",
        "person_sign_out": f"/people/{sam}/sign-out",
        "teams": "/teams",
        "team_create": "/teams/new",
        "team": f"/teams/{team}",
        "team_rename": f"/teams/{team}/rename",
        "team_join": f"/teams/{team}/members",
        "team_leave": f"/teams/{team}/members/{cast.tomas.pk}/remove",
        "account": "/account",
        None: "/account/email/",
        "own_profile": "/account/profile",
        "own_quiet_hours": "/account/quiet-hours",
        "own_theme": "/account/theme",
        "own_sign_out": "/account/sign-out-everywhere",
        "own_contact_point_add": "/account/contact-points",
        "own_contact_point": f"/account/contact-points/{point.pk}",
        "own_contact_point_remove": f"/account/contact-points/{point.pk}/remove",
        "own_token_make": "/account/tokens",
        "own_token_revoke": f"/account/tokens/{token.pk}/revoke",
    }


def test_every_page_is_listed_here(cast):
    named = {pattern.name for pattern in urlpatterns if isinstance(pattern, URLPattern)}
    assert named == set(addresses(cast)) | PUBLIC


def test_nobody_gets_anywhere_without_signing_in(cast):
    for name, path in addresses(cast).items():
        for method in ("get", "post"):
            answer = getattr(Client(), method)(path)
            assert answer.status_code == 302, (name, method)
            assert answer.headers["Location"].startswith("/account/login/?next="), (name, method)


def test_what_changes_something_is_posted_with_a_csrf_token(cast):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.nadia, backend="allauth.account.auth_backends.AuthenticationBackend")
    for name, path in addresses(cast).items():
        answer = browser.post(path)
        assert answer.status_code in {403, 405}, (name, answer.status_code)
    assert Person.objects.get(pk=cast.sam.pk).is_active


@pytest.mark.parametrize("who", EVERYONE)
def test_pages_open_for_whom_they_should(cast, signed_in, who):
    browser, pages = signed_in(getattr(cast, who)), addresses(cast)
    expected = {
        "people": 200,
        "teams": 200,
        "account": 200,
        "person": 404 if who == "rui" else 200,
        "team": 404 if who == "rui" else 200,
        "invite": 200 if who == "nadia" else 403,
        "team_create": 200 if who in {"nadia", "omar"} else 403,
    }
    for name, status in expected.items():
        assert browser.get(pages[name]).status_code == status, name


@pytest.mark.parametrize("who", EVERYONE)
def test_only_administrators_change_people(cast, signed_in, who):
    browser, pages = signed_in(getattr(cast, who)), addresses(cast)
    refused = {403, 404}
    for name, body in (
        ("invite", {"email": "y@example.org", "role": "viewer"}),
        ("person_role", {"role": "lead"}),
        ("person_sign_out", {}),
        ("person_deactivate", {}),
        ("person_reactivate", {}),
        ("invitation_withdraw", {}),
        ("person_erase", {}),
    ):
        answer = browser.post(pages[name], body)
        assert (answer.status_code in {200, 302}) if who == "nadia" else (answer.status_code in refused), name
    sam = Person.objects.get(pk=cast.sam.pk)
    assert bool(sam.erased_at) is (who == "nadia")


@pytest.mark.parametrize("who", EVERYONE)
def test_only_leads_and_managers_change_teams(cast, signed_in, who):
    browser, pages = signed_in(getattr(cast, who)), addresses(cast)
    may = who in {"nadia", "omar"}
    for name, body in (
        ("team_create", {"name": "Fraud"}),
        ("team_rename", {"name": "Credit"}),
        ("team_join", {"person": str(cast.sam.pk), "role": "member"}),
        ("team_leave", {}),
    ):
        answer = browser.post(pages[name], body)
        assert (answer.status_code == 302) if may else (answer.status_code in {403, 404}), name
    assert cast.credit_team.memberships.filter(person=cast.sam).exists() is may


def test_the_buttons_that_one_may_not_press_are_not_there(cast, signed_in):
    page = signed_in(cast.vera).get(f"/people/{cast.sam.pk}").text
    assert "Deactivate" not in page
    assert "Erase" not in page
    assert "Invite somebody" not in signed_in(cast.vera).get("/people").text
    assert "Create a team" not in signed_in(cast.vera).get("/teams").text


def test_others_see_how_somebody_is_reached_but_not_where(cast, signed_in):
    actions.add_contact_point(
        cast.sam, kind=ChannelKind.WEBHOOK, address="https://hooks.example.org/sam", by=Actor.of(cast.sam)
    )
    for viewer in (cast.nadia, cast.vera):
        page = signed_in(viewer).get(f"/people/{cast.sam.pk}").text
        assert "Webhook" in page
        assert "hooks.example.org" not in page


def test_a_refused_role_stays_on_the_page_with_the_reason(cast, signed_in):
    answer = signed_in(cast.nadia).post(f"/people/{cast.nadia.pk}/role", {"role": "viewer"})
    assert answer.status_code == 422
    assert "last active administrator" in answer.text
