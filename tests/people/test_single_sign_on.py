"""Single sign-on against a real, small OpenID provider on loopback."""

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from andon.people import actions
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from tests.people.helpers import breaks_our_policy
from tests.support.cast import PASSWORD
from tests.support.openid import Provider

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings):
    provider = Provider()
    settings.SOCIALACCOUNT_PROVIDERS = provider.settings()
    settings.OIDC_ISSUER = provider.issuer
    yield provider
    provider.close()


def come_in(provider, client=None, **claims):
    """Press the button, sign in over there, come back."""
    provider.claims = {"sub": "subject-1", "email_verified": True, **claims}
    client = client or Client()
    asked = client.post("/account/oidc/sso/login/")
    assert asked.headers["Location"].startswith(f"{provider.issuer}/authorize")
    back = httpx.get(asked.headers["Location"]).headers["Location"]
    return client, client.get(back.removeprefix("http://testserver"))


def is_in(client):
    return "_auth_user_id" in client.session


def test_the_way_in_shows_the_provider_and_asks_before_it_leaves(provider, cast):
    page = Client().get("/account/login/")
    assert "Example sign-on" in page.text
    asks = Client().get("/account/oidc/sso/login/")
    assert asks.status_code == 200
    assert not breaks_our_policy(asks.text)
    assert not provider.asked


def test_somebody_known_by_a_verified_address_comes_in(provider, cast):
    EmailAddress.objects.create(user=cast.lena, email=cast.lena.email, verified=True, primary=True)
    client, answer = come_in(provider, email="Lena@Example.org", name="Lena")
    assert answer.headers["Location"] == "/"
    assert client.get("/account").context["person"] == cast.lena
    assert Person.objects.get(pk=cast.lena.pk).check_password(PASSWORD), "their password stays"
    assert SocialAccount.objects.get(user=cast.lena).uid == "subject-1"
    assert "/token" in provider.asked
    client, _answer = come_in(provider, email="lena.new@example.org")  # the same subject under another address
    assert client.get("/account").context["person"] == cast.lena


def test_who_is_unknown_is_refused_in_words_and_gets_no_account(provider, cast):
    client, answer = come_in(provider, email="mallory@example.org", name="Mallory")
    assert answer.status_code == 403
    assert "no open invitation" in answer.text
    assert "mallory@example.org" in answer.text
    assert not breaks_our_policy(answer.text)
    assert not is_in(client)
    assert not Person.objects.filter(email="mallory@example.org").exists()
    assert not SocialAccount.objects.exists()
    assert client.get("/account/3rdparty/signup/").status_code in {302, 404}


@pytest.mark.parametrize("verified", [False, "false", None, ""])
def test_an_address_that_nobody_vouches_for_opens_nothing(provider, cast, verified):
    client, answer = come_in(provider, email=cast.lena.email, email_verified=verified)
    assert answer.status_code == 403
    assert "verified" in answer.text
    assert not is_in(client)
    assert not SocialAccount.objects.exists()


def test_an_invitation_makes_the_account_with_its_role_once(provider, cast):
    invited = actions.invite(
        email="noor@example.org", role=OrgRole.LEAD, team=cast.credit_team, by=Actor.of(cast.nadia)
    )
    client, answer = come_in(provider, sub="noor", email="Noor@example.org", name="Noor")
    assert answer.status_code == 302
    noor = Person.objects.get(email="noor@example.org")
    assert client.get("/account").context["person"] == noor
    assert (noor.name, noor.org_role, noor.teams.get()) == ("Noor", OrgRole.LEAD, cast.credit_team)
    assert not noor.has_usable_password()
    assert noor.contact_points.get().works
    assert Client().get(invited.link).status_code == 404, "the link is used up"
    client, _answer = come_in(provider, sub="noor", email="noor@example.org")
    assert is_in(client)
    assert Person.objects.filter(name="Noor").count() == 1


def test_a_withdrawn_invitation_opens_nothing(provider, cast):
    invited = actions.invite(email="noor@example.org", role=OrgRole.LEAD, by=Actor.of(cast.nadia))
    actions.withdraw_invitation(invited.invitation, by=Actor.of(cast.nadia))
    client, answer = come_in(provider, email="noor@example.org")
    assert answer.status_code == 403
    assert not is_in(client)


def test_the_deactivated_and_the_erased_stay_out(provider, cast):
    EmailAddress.objects.create(user=cast.lena, email=cast.lena.email, verified=True, primary=True)
    come_in(provider, email=cast.lena.email)
    actions.deactivate(cast.lena, by=Actor.of(cast.nadia))
    client, answer = come_in(provider, email=cast.lena.email)
    assert answer.status_code == 403
    assert "deactivated" in answer.text
    assert not is_in(client)
    actions.erase(Person.objects.get(pk=cast.lena.pk), by=Actor.of(cast.nadia))
    client, answer = come_in(provider, email="lena@example.org")
    assert answer.status_code == 403
    assert not is_in(client)


def test_stopping_over_there_is_said(provider, cast):
    provider.error = "access_denied"
    client, answer = come_in(provider, email=cast.lena.email)
    assert answer.status_code == 401
    assert "You stopped at Example sign-on" in answer.text
    assert not is_in(client)


def test_an_answer_that_we_did_not_ask_for_opens_nothing(provider, cast):
    client, _asked = Client(), provider
    answer = client.get("/account/oidc/sso/login/callback/?code=x&state=y")
    assert answer.status_code == 401
    assert not breaks_our_policy(answer.text)
    assert not is_in(client)


def test_a_provider_that_is_gone_or_broken_is_said(settings, provider, cast):
    provider.broken = True
    answers = [Client().post("/account/oidc/sso/login/")]
    provider.close()
    answers.append(Client().post("/account/oidc/sso/login/"))
    for answer in answers:
        assert answer.status_code == 503
        assert "does not answer" in answer.text
        assert not breaks_our_policy(answer.text)


def test_an_identity_is_connected_to_the_account_that_is_signed_in(provider, cast, signed_in):
    browser = signed_in(cast.omar)
    provider.claims = {"sub": "omar-elsewhere", "email": "omar@elsewhere.example", "email_verified": True}
    browser.post("/account/reauthenticate/?next=/account", {"password": PASSWORD})
    asked = browser.post("/account/oidc/sso/login/?process=connect")
    back = httpx.get(asked.headers["Location"]).headers["Location"]
    browser.get(back.removeprefix("http://testserver"))
    assert SocialAccount.objects.get(uid="omar-elsewhere").user == cast.omar
    assert browser.get("/account/3rdparty/").status_code == 200
    client, _answer = come_in(provider, sub="omar-elsewhere", email="omar@elsewhere.example")
    assert client.get("/account").context["person"] == cast.omar
