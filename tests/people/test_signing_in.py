"""Signing in through allauth: passwords, the second step, passkeys, limits; and the look of its pages."""

import re
import time
from types import SimpleNamespace

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.core.cache import cache
from django.test import Client

from andon.people import actions
from andon.people.models import Person
from andon.people.policy import Actor
from tests.people.helpers import breaks_our_policy
from tests.support.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_limits_from_before():
    cache.clear()


@pytest.fixture(autouse=True)
def _one_moment_for_codes(monkeypatch):
    """A code is good for its 30 seconds only, so one that is made as they end would be refused a moment later."""
    moment = time.time()
    monkeypatch.setattr(totp, "time", SimpleNamespace(time=lambda: moment))


def sign_in(person, password=PASSWORD, client=None, **more):
    client = client or Client()
    answer = client.post("/account/login/", {"login": person.email, "password": password}, **more)
    return client, answer


def code_for(secret):
    return totp.format_hotp_value(totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time())))


def confirm_password(client):
    """What Andon asks for before anything that changes how one signs in."""
    assert client.post("/account/reauthenticate/?next=/account", {"password": PASSWORD}).status_code == 302
    return client


def set_up_app(client):
    confirm_password(client)
    page = client.get("/account/2fa/totp/activate/")
    assert page.status_code == 200
    secret = page.context["form"].secret
    answer = client.post("/account/2fa/totp/activate/", {"code": code_for(secret)})
    assert answer.status_code == 302
    return secret


def test_a_password_signs_in_and_a_wrong_one_does_not(cast):
    client, answer = sign_in(cast.lena)
    assert answer.headers["Location"] == "/"
    assert client.get("/account").status_code == 200
    client, answer = sign_in(cast.lena, "wrong")
    assert answer.status_code == 200
    assert "another look" in answer.text
    assert "_auth_user_id" not in client.session


def test_an_address_without_an_account_is_answered_like_a_wrong_password(cast):
    def said(text):
        return re.findall(r"<li>(.*?)</li>", text)

    _client, known = sign_in(cast.lena, "wrong")
    unknown = Client().post("/account/login/", {"login": "nobody@example.org", "password": "wrong"})
    assert said(known.text) == said(unknown.text)
    assert known.status_code == unknown.status_code


def test_guessing_is_slowed_by_account_and_by_address(cast):
    for _ in range(5):
        sign_in(cast.lena, "wrong")
    client, answer = sign_in(cast.lena)
    assert "_auth_user_id" not in client.session
    assert "Too many" in answer.text
    client, _answer = sign_in(cast.omar)
    assert "_auth_user_id" in client.session


def test_behind_a_proxy_the_limit_is_the_visitor_s_and_not_the_proxy_s(cast, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    for number in range(31):
        sign_in(cast.lena, "wrong", HTTP_X_FORWARDED_FOR=f"203.0.113.9, 198.51.100.{number % 2}")
    _client, answer = sign_in(cast.omar, HTTP_X_FORWARDED_FOR="203.0.113.9, 198.51.100.77")
    assert answer.status_code == 302, "another visitor is not slowed"
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 0
    cache.clear()
    for number in range(31):  # a header that nobody vouches for buys no further guesses
        _client, answer = sign_in(cast.lena, "wrong", HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert answer.status_code == 429


def test_nobody_signs_up_by_themselves(cast):
    page = Client().get("/account/signup/")
    assert "by invitation" in page.text
    Client().post("/account/signup/", {"email": "mallory@example.org", "password1": PASSWORD})
    assert not Person.objects.filter(email="mallory@example.org").exists()


def test_the_second_step_asks_for_a_real_code(cast):
    client, _answer = sign_in(cast.lena)
    secret = set_up_app(client)
    assert Authenticator.objects.filter(user=cast.lena, type="totp").exists()
    codes = client.get("/account/2fa/recovery-codes/")
    assert codes.status_code == 200
    cache.clear()  # the code was used a moment ago; allauth refuses it a second time

    client, answer = sign_in(cast.lena)
    assert answer.headers["Location"].startswith("/account/2fa/authenticate/")
    assert client.get("/account").status_code == 302, "half signed in is not signed in"
    wrong = client.post("/account/2fa/authenticate/", {"code": "000000"})
    assert wrong.status_code == 200
    assert "_auth_user_id" not in client.session
    right = client.post("/account/2fa/authenticate/", {"code": code_for(secret)})
    assert right.status_code == 302
    assert client.get("/account").status_code == 200


def test_a_code_works_once(cast):
    client, _answer = sign_in(cast.lena)
    secret = set_up_app(client)
    cache.clear()
    code = code_for(secret)
    client, _answer = sign_in(cast.lena)
    assert client.post("/account/2fa/authenticate/", {"code": code}).status_code == 302
    client, _answer = sign_in(cast.lena)
    client.post("/account/2fa/authenticate/", {"code": code})
    assert "_auth_user_id" not in client.session


def test_a_recovery_code_signs_in_once(cast):
    client, _answer = sign_in(cast.lena)
    set_up_app(client)
    code = Authenticator.objects.get(user=cast.lena, type="recovery_codes").wrap().get_unused_codes()[0]
    for expected in (True, False):
        client, _answer = sign_in(cast.lena)
        client.post("/account/2fa/authenticate/", {"code": code})
        assert ("_auth_user_id" in client.session) is expected


def test_sensitive_changes_ask_for_the_password_again(cast):
    browser, _answer = sign_in(cast.lena)
    for path in ("/account/2fa/totp/activate/", "/account/2fa/webauthn/add/"):
        assert browser.get(path).headers["Location"].startswith("/account/reauthenticate/")


def test_passkey_pages_render_and_offer_a_challenge(cast):
    client = confirm_password(sign_in(cast.lena)[0])
    page = client.get("/account/2fa/webauthn/add/")
    assert page.status_code == 200
    assert '"challenge"' in page.text
    assert client.get("/account/2fa/webauthn/").status_code in {200, 302}
    challenge = Client().get("/account/2fa/webauthn/login/", HTTP_ACCEPT="application/json")
    assert "challenge" in challenge.text
    assert "passkey_login" in Client().get("/account/login/").text


def test_a_new_password_by_mail_ends_earlier_sessions(cast, signed_in):
    browser = signed_in(cast.lena)
    EmailAddress.objects.create(user=cast.lena, email=cast.lena.email, verified=True, primary=True)
    Client().post("/account/password/reset/", {"email": cast.lena.email})
    (message,) = mail.outbox
    assert message.subject.strip().endswith("Set a new password for Andon")
    link = next(line for line in message.body.splitlines() if line.startswith("http"))
    client = Client()
    page = client.get(link, follow=True)
    where = page.redirect_chain[-1][0]
    assert not breaks_our_policy(page.text)
    client.post(where, {"password1": "another four words", "password2": "another four words"})
    assert sign_in(cast.lena, "another four words")[1].status_code == 302
    assert browser.get("/account").status_code == 302
    mail.outbox.clear()
    Client().post("/account/password/reset/", {"email": "nobody@example.org"})
    assert all("nobody" in message.to[0] for message in mail.outbox)


def test_further_addresses_are_not_managed_by_their_holder(cast, signed_in):
    browser = signed_in(cast.lena)
    assert browser.get("/account/email/").headers["Location"] == "/account"
    browser.post("/account/email/", {"email": "omar2@example.org", "action_add": ""})
    assert not EmailAddress.objects.filter(email="omar2@example.org").exists()


OUTSIDE = [
    "/account/login/", "/account/signup/", "/account/inactive/", "/account/password/reset/",
    "/account/password/reset/done/", "/account/password/reset/key/1-abc/", "/account/password/reset/key/done/",
    "/account/confirm-email/", "/account/3rdparty/login/cancelled/",
    "/setup/x", "/invite/x", "/contact/x", "/nothing-here",
]  # fmt: skip
INSIDE = [
    "/account/logout/", "/account/password/change/", "/account/reauthenticate/", "/account/2fa/",
    "/account/2fa/totp/activate/", "/account/2fa/webauthn/add/", "/account/3rdparty/",
    "/account", "/people", "/people/invite", "/teams", "/teams/new", "/teams/credit-models",
]  # fmt: skip
WITH_APP = [
    "/account/2fa/", "/account/2fa/totp/deactivate/", "/account/2fa/recovery-codes/",
    "/account/2fa/recovery-codes/generate/", "/account/2fa/reauthenticate/", "/account/2fa/webauthn/",
]  # fmt: skip


def looks_like_andon(path, answer):
    assert answer.status_code in {200, 404}, (path, answer.status_code, answer.headers.get("Location"))
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert breaks_our_policy(answer.text) == [], path
    assert "andon/tokens.css" in answer.text, path
    assert "<p><label" not in answer.text, f"{path} renders a form that is not Andon's"


@pytest.mark.parametrize("path", OUTSIDE)
def test_pages_outside_keep_our_policy_and_look(cast, path):
    looks_like_andon(path, Client().get(path))


def test_pages_inside_keep_our_policy_and_look(cast):
    client = confirm_password(sign_in(cast.nadia)[0])
    for path in [*INSIDE, f"/people/{cast.lena.pk}"]:
        looks_like_andon(path, client.get(path))
    set_up_app(client)
    for path in WITH_APP:
        looks_like_andon(path, client.get(path, follow=True))
    client, answer = sign_in(cast.nadia)
    looks_like_andon("/account/2fa/authenticate/", client.get(answer.headers["Location"]))


def test_pages_of_a_passwordless_account(cast, signed_in):
    made = actions.create_person(email="sso@example.org", name="Sso", by=Actor.operator())
    browser = signed_in(made)
    assert "Set a password" in browser.get("/account").text
    looks_like_andon("/account/password/set/", browser.get("/account/password/set/"))


def test_the_policy_check_finds_what_it_should():
    for bad in (
        "<p style='x'>",
        "<a onclick='x'>",
        "<script>x</script>",
        "<style>x</style>",
        "<a href='javascript:x'>",
    ):
        assert breaks_our_policy(bad), bad
    assert not breaks_our_policy('<script type="application/json">{}</script><script src="/x.js"></script>')
