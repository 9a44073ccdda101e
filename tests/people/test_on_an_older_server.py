"""Signing in and out on a server that is older than the engine: people come in to look, and nothing else changes."""

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.test import Client

from andon.people import actions
from andon.people.models import Invitation, Person
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from tests.people.helpers import breaks_our_policy
from tests.people.test_signing_in import code_for, confirm_password, set_up_app, sign_in
from tests.people.test_single_sign_on import come_in, is_in, provider  # noqa: F401  a fixture
from tests.support.cast import PASSWORD
from tests.support.scenes import token
from tests.support.versions import overtaken

pytestmark = pytest.mark.django_db
OLDER = "This server runs an older version of Andon"


@pytest.fixture(autouse=True)
def _no_limits_from_before():
    cache.clear()


def test_a_password_signs_in_and_the_way_out_is_open(cast):
    with overtaken():
        client, answer = sign_in(cast.lena)
        assert answer.headers["Location"] == "/"
        assert OLDER in client.get("/incidents").text
        assert client.post("/account/logout/").status_code == 302
        assert not is_in(client)
        assert "another look" in sign_in(cast.lena, "wrong")[1].text


def test_the_second_step_is_asked_for_there_too(cast):
    client, _answer = sign_in(cast.lena)
    secret = set_up_app(client)
    cache.clear()
    with overtaken():
        client, answer = sign_in(cast.lena)
        assert answer.headers["Location"].startswith("/account/2fa/authenticate/")
        assert not is_in(client)
        assert client.post("/account/2fa/authenticate/", {"code": code_for(secret)}).status_code == 302
        assert is_in(client)
        assert Client().get("/account/2fa/webauthn/login/", HTTP_ACCEPT="application/json").status_code == 200
        assert Client().post("/account/2fa/webauthn/login/", {"credential": "{}"}).status_code != 503


def test_what_changes_an_account_is_refused(cast):
    client, _answer = sign_in(cast.lena)
    secret = set_up_app(client)
    with overtaken():
        confirm_password(client)  # that is asked before one looks at recovery codes
        assert client.get("/account/2fa/recovery-codes/").status_code == 200
        changed = {"oldpassword": PASSWORD, "password1": "quite another one", "password2": "quite another one"}
        for path, given in (
            ("/account/password/change/", changed),
            ("/account/password/reset/", {"email": cast.lena.email}),
            ("/account/2fa/totp/deactivate/", {}),
            ("/account/2fa/recovery-codes/generate/", {}),
            ("/account/2fa/webauthn/add/", {}),
            ("/account/3rdparty/", {"account": "1"}),
            ("/account/profile", {"name": "Lea", "time_zone": "UTC"}),
            ("/account/tokens", {"name": "x"}),
        ):
            answer = client.post(path, given)
            assert (answer.status_code, OLDER in answer.text) == (503, True), path
    assert Person.objects.get(pk=cast.lena.pk).check_password(PASSWORD)
    assert Authenticator.objects.filter(user=cast.lena, type="totp").exists(), secret


def test_sessions_are_ended_there_since_a_lost_phone_does_not_wait(cast, signed_in):
    lost, lena, nadia = signed_in(cast.lena), signed_in(cast.lena), signed_in(cast.nadia)
    with overtaken():
        assert lena.post("/account/sign-out-everywhere").status_code == 302
        assert lost.get("/account").status_code == 302
        assert lena.get("/account").status_code == 200
        assert nadia.post(f"/people/{cast.lena.pk}/sign-out").status_code == 302
        assert lena.get("/account").status_code == 302
        again = signed_in(Person.objects.get(pk=cast.lena.pk))
        assert again.get("/account").status_code == 200
        headers = token(cast.nadia, "people:write")
        assert Client().post(f"/api/v1/people/{cast.lena.pk}/sign-out", headers=headers).status_code == 204
        assert again.get("/account").status_code == 302
        assert nadia.post(f"/people/{cast.lena.pk}/deactivate").status_code == 503
    assert Person.objects.get(pk=cast.lena.pk).is_active


def test_the_look_of_ones_own_browser_is_changed_there(cast, signed_in):
    with overtaken():
        answer = signed_in(cast.lena).post("/account/theme", {"theme": "dark"})
    assert answer.cookies["andon_theme"].value == "dark"


def test_single_sign_on_lets_in_whoever_is_known(provider, cast):  # noqa: F811  the fixture
    EmailAddress.objects.create(user=cast.lena, email=cast.lena.email, verified=True, primary=True)
    with overtaken():
        for _ in ("for the first time", "and again"):
            client, answer = come_in(provider, email=cast.lena.email, name="Lena")
            assert answer.headers["Location"] == "/"
            assert client.get("/account").context["person"] == cast.lena


def test_single_sign_on_makes_no_account_there_and_the_invitation_stays(provider, cast):  # noqa: F811  as above
    actions.invite(email="noor@example.org", role=OrgRole.LEAD, team=cast.credit_team, by=Actor.of(cast.nadia))
    with overtaken("delivery"):
        client, answer = come_in(provider, sub="noor", email="noor@example.org", name="Noor")
        assert answer.status_code == 503
        assert "your invitation stays as it is" in answer.text
        assert not breaks_our_policy(answer.text)
        assert not is_in(client)
        assert not Person.objects.filter(email="noor@example.org").exists()
        assert not SocialAccount.objects.exists()
        assert Invitation.objects.get(email="noor@example.org").open
    client, _answer = come_in(provider, sub="noor", email="noor@example.org", name="Noor")
    assert is_in(client)


def test_single_sign_on_is_not_connected_to_an_account_there(provider, cast, signed_in):  # noqa: F811  as above
    browser = signed_in(cast.omar)
    provider.claims = {"sub": "omar-elsewhere", "email": "omar@elsewhere.example", "email_verified": True}
    confirm_password(browser)
    with overtaken():
        asked = browser.post("/account/oidc/sso/login/?process=connect")
        back = httpx.get(asked.headers["Location"]).headers["Location"]
        answer = browser.get(back.removeprefix("http://testserver"))
        assert answer.status_code == 503
        assert "was not connected to yours" in answer.text
    assert not SocialAccount.objects.exists()
    assert is_in(browser)


def test_an_invitation_by_link_waits_until_the_server_is_updated(cast):
    invited = actions.invite(email="noor@example.org", role=OrgRole.LEAD, by=Actor.of(cast.nadia))
    path = invited.link.removeprefix("http://testserver")
    given = {"email": "noor@example.org", "name": "Noor", "password": PASSWORD, "time_zone": "UTC"}
    with overtaken():
        assert Client().get(path).status_code == 200
        assert Client().post(path, given).status_code == 503
    assert Client().post(path, given).status_code == 302
