"""Pages in a browser: what goes over the wire, that the browser alone can read it, and what each answer means."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client, override_settings
from hypothesis import given
from hypothesis import strategies as st
from py_vapid import Vapid02

from andon.incidents.models import Incident
from andon.kit.errors import Conflict, Invalid
from andon.paging.adapters import find
from andon.paging.adapters.push import envelope
from andon.paging.adapters.push.subscription import Subscription, encode
from andon.paging.channel import Destination, Outcome, Receipt
from andon.paging.message import Message
from andon.paging.models import Provider
from andon.paging.providers import actions as providers
from andon.paging.providers import queries
from andon.people import actions as people
from andon.people.actions.browsers import turn_on_browser
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from tests.paging.channels.conftest import SEVERAL
from tests.support.cast import Cast
from tests.support.listener import Heard, Listener, listening
from tests.support.paging import Story

PUSH = ChannelKind.PUSH
SignedIn = Callable[[Person], Client]


@dataclass
class Browser:
    """What a browser does: it makes keys, gives out the public one, and reads what is pushed to it (RFC 8291, 4)."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey
    auth: bytes = bytes(range(16))

    @property
    def p256dh(self) -> str:
        return encode(self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    @property
    def form(self) -> dict[str, str]:
        return {"endpoint": self.endpoint, "p256dh": self.p256dh, "auth": encode(self.auth), "label": "Chrome on Linux"}

    @property
    def destination(self) -> Destination:
        made = Subscription.given(endpoint=self.endpoint, p256dh=self.p256dh, auth=encode(self.auth))
        return Destination(made.endpoint, made.secret, queries.settings_of(PUSH))

    def read(self, heard: Heard) -> dict[str, Any]:
        assert heard.headers["content-encoding"] == "aes128gcm"
        plain = http_ece.decrypt(heard.body, private_key=self.private, auth_secret=self.auth)
        whole: dict[str, Any] = json.loads(plain)
        return whole


def new_browser(endpoint: str) -> Browser:
    return Browser(endpoint, ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        one.always(201)
        yield one


@pytest.fixture
def browser(listener: Listener) -> Browser:
    return new_browser(f"{listener.url}/push/of-a-browser")


@pytest.fixture
def switched_on(cast: Cast) -> None:
    providers.set_up(PUSH, {}, by=Actor.of(cast.nadia))


@pytest.fixture
def message(story: Story, incident: Incident) -> Message:
    (made,) = story.run()
    return made


# The wire.


def test_the_browser_reads_the_page_and_nobody_on_the_way(
    switched_on: None, browser: Browser, message: Message, listener: Listener, incident: Incident
):
    assert find(PUSH).send(message, browser.destination).outcome is Outcome.SENT
    (heard,) = listener.heard
    assert (heard.command, heard.path) == ("POST", "/push/of-a-browser")
    assert incident.title.encode() not in heard.body
    page = browser.read(heard)
    assert page["title"] == message.subject
    assert incident.ref in page["title"]
    assert incident.level.name in page["title"]
    assert page["body"].startswith(message.why)
    assert message.first[0] in page["body"]
    assert "http://testserver" + page["link"] == message.link
    assert (page["key"], page["kind"]) == (message.key, "page")
    assert (page["take"], page["act"]) == ("I have it", "Look and acknowledge")


def test_what_is_no_page_or_about_several_has_no_button_that_acknowledges(message: Message):
    for other in (replace(message, kind="test"), replace(message, kind="broken"), SEVERAL):
        assert json.loads(envelope.text(other))["take"] == ""


def test_the_headers_say_how_urgent_how_long_and_what_it_replaces(
    switched_on: None, browser: Browser, message: Message, listener: Listener, incident: Incident
):
    find(PUSH).send(message, browser.destination)
    headers = listener.heard[0].headers
    assert headers["ttl"] == str(4 * 3600)
    assert headers["urgency"] == "high"
    assert headers["topic"] == incident.pk.hex
    assert len(headers["topic"]) <= 32
    assert browser.read(listener.heard[0])["tag"] == incident.pk.hex


def test_a_message_sent_again_replaces_the_first(
    switched_on: None, browser: Browser, message: Message, listener: Listener
):
    for _ in range(2):
        find(PUSH).send(message, browser.destination)
    first, again = listener.heard
    assert first.headers["topic"] == again.headers["topic"]
    assert first.body != again.body  # a salt and a key of its own
    assert browser.read(first) == browser.read(again)


def test_the_push_service_knows_who_sends(
    switched_on: None, browser: Browser, message: Message, listener: Listener, story: Story
):
    find(PUSH).send(message, browser.destination)
    authorization = listener.heard[0].headers["authorization"]
    assert Vapid02.verify(authorization)
    scheme, _, rest = authorization.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert scheme == "vapid"
    assert parts["k"] == queries.settings_of(PUSH)["public_key"]
    body = parts["t"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["aud"] == listener.url
    assert timedelta(0) < timedelta(seconds=claims["exp"] - story.time.now().timestamp()) <= timedelta(hours=24)
    assert claims["sub"].startswith(("mailto:", "https:"))


def test_whoever_runs_andon_under_https_is_found_there(switched_on: None, browser: Browser, message: Message, listener):
    with override_settings(BASE_URL="https://andon.example.org:8443"):
        assert find(PUSH).send(message, browser.destination).outcome is Outcome.SENT
    token = listener.heard[0].headers["authorization"].split("t=")[1].split(",")[0].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(token + "=="))["sub"] == "https://andon.example.org"


ANSWERS = [
    (200, Outcome.SENT, False),
    (201, Outcome.SENT, False),
    (404, Outcome.BROKEN, True),
    (410, Outcome.BROKEN, True),
    (403, Outcome.BROKEN, False),
    (400, Outcome.BROKEN, False),
    (429, Outcome.RETRY, False),
    (500, Outcome.RETRY, False),
]


@pytest.mark.parametrize(("status", "outcome", "gone"), ANSWERS)
def test_what_each_answer_means(
    switched_on: None, browser: Browser, message: Message, listener: Listener, status: int, outcome: Outcome, gone: bool
):
    listener.always(status)
    receipt = find(PUSH).send(message, browser.destination)
    assert (receipt.outcome, receipt.gone) == (outcome, gone)
    assert browser.endpoint not in receipt.reason


def test_the_wait_that_a_push_service_asks_for_is_kept(
    switched_on: None, browser: Browser, message: Message, listener: Listener
):
    listener.always(429, Retry_After="17")
    assert find(PUSH).send(message, browser.destination).after == timedelta(seconds=17)


def test_a_push_service_that_finds_it_too_large_gets_a_shorter_one(
    switched_on: None, browser: Browser, message: Message, listener: Listener
):
    most = 1500
    listener.answer = lambda handler: listener.say(handler, 413 if len(listener.heard[-1].body) > most else 201)
    long = replace(message, first=tuple("Roll back. " * 40 for _ in range(9)))
    assert find(PUSH).send(long, browser.destination) == Receipt.sent()
    large, short = listener.heard
    assert len(large.body) > most >= len(short.body)
    assert browser.read(short)["link"] == browser.read(large)["link"]


def test_nothing_is_sent_without_keys_or_to_where_andon_does_not_call(switched_on: None, message: Message):
    no_keys = Destination("https://push.example.org/x", "", queries.settings_of(PUSH))
    assert find(PUSH).send(message, no_keys).outcome is Outcome.BROKEN
    there = new_browser("http://169.254.169.254/latest").destination
    receipt = find(PUSH).send(message, there)
    assert receipt.outcome is Outcome.BROKEN
    assert "link-local" in receipt.reason


def test_a_push_service_that_is_away_is_tried_again(switched_on: None, message: Message):
    with listening() as gone:
        pass
    assert find(PUSH).send(message, new_browser(f"{gone.url}/x").destination).outcome is Outcome.RETRY


@given(
    title=st.text(st.characters(exclude_categories=["Cs"]), max_size=6000),
    why=st.text(st.characters(exclude_categories=["Cs"]), max_size=6000),
    largest=st.sampled_from([envelope.LARGEST, envelope.SHORT]),
)
def test_whatever_people_wrote_a_message_fits(title: str, why: str, largest: int):
    from datetime import UTC, datetime

    message = Message(
        key="k" * 32, kind="page", at=datetime(2026, 3, 2, tzinfo=UTC), to="Lena", headline=title, why=why,
        link="http://testserver/a/" + "t" * 120, link_label="Look and acknowledge", thread="incident-" + "a" * 32,
    )  # fmt: skip
    plain = envelope.text(message, largest)
    assert len(plain) <= largest
    assert json.loads(plain)["link"] == "/a/" + "t" * 120
    browser = new_browser("https://push.example.org/x")
    to = Subscription.given(endpoint=browser.endpoint, p256dh=browser.p256dh, auth=encode(browser.auth))
    assert len(envelope.sealed(plain, to)) <= envelope.RECORD


# The installation's keys.


def test_the_keys_are_made_once_and_kept_encrypted(cast: Cast):
    by = Actor.of(cast.nadia)
    made = providers.set_up(PUSH, {}, by=by).settings
    assert providers.set_up(PUSH, {}, by=by).settings == made
    assert Vapid02.from_pem(made["private_key"].encode()).private_key.curve.name == "secp256r1"
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT settings FROM paging_provider WHERE kind = 'push'")
        (kept,) = cursor.fetchone()
    assert "PRIVATE" not in kept
    assert made["public_key"] not in kept


def test_the_private_key_is_shown_nowhere(switched_on: None, cast: Cast, signed_in: SignedIn):
    private = Provider.objects.get(kind=PUSH).settings["private_key"].splitlines()[1]
    assert private not in signed_in(cast.nadia).get("/settings/channels/push").text
    page = signed_in(cast.lena).get("/account").text
    assert private not in page
    assert queries.settings_of(PUSH)["public_key"] in page


# Turning it on in a browser.


def test_a_browser_is_turned_on_tested_and_confirmed_by_a_click(
    switched_on: None, cast: Cast, signed_in: SignedIn, browser: Browser, listener: Listener
):
    answer = signed_in(cast.lena).post("/account/push", browser.form, follow=True)
    assert "A test notification is on its way" in answer.text
    point = ContactPoint.objects.get(person=cast.lena, kind=PUSH)
    assert (point.label, point.works) == ("Chrome on Linux", False)
    test = browser.read(listener.heard[0])
    assert test["kind"] == "test"
    # As the worker does it: no cookie, no form token; then it opens the page, which says so.
    clicked = Client(enforce_csrf_checks=True)
    assert "Did the test arrive" in clicked.get(test["link"]).text
    assert not ContactPoint.objects.get(pk=point.pk).works
    assert clicked.post(test["link"]).status_code == 200
    assert ContactPoint.objects.get(pk=point.pk).works
    assert "Confirmed." in clicked.get(test["link"]).text


def test_pages_go_to_the_browser_and_its_link_acknowledges_only_by_post(
    switched_on: None, cast: Cast, browser: Browser, listener: Listener, story: Story, incident: Incident
):
    cast.lena.contact_points.update(removed_at=story.time.now())
    turned_on(cast, browser)
    from andon.engine.loop import build

    build(senders=0).run_until_idle(story.time.now())
    page = browser.read(listener.heard[-1])
    assert Client().get(page["link"]).status_code == 200
    incident.refresh_from_db()
    assert incident.acknowledged_at is None
    Client().post(page["link"])
    incident.refresh_from_db()
    assert incident.acknowledged_by == cast.lena


def turned_on(cast: Cast, browser: Browser) -> ContactPoint:
    point = turn_on_browser(
        cast.lena,
        endpoint=browser.endpoint,
        keys=browser.destination.secret,
        label="Phone",
        by=Actor.of(cast.lena),
    )
    return people.verify_contact_point(people.contact_point_token(point))


def test_a_browser_that_is_gone_is_broken_by_one_page_and_mended_by_turning_it_on_again(
    switched_on: None, cast: Cast, browser: Browser, listener: Listener, story: Story, incident: Incident
):
    cast.lena.contact_points.update(removed_at=story.time.now())
    point = turned_on(cast, browser)
    listener.always(410)
    from andon.engine.loop import build

    build(senders=0).run_until_idle(story.time.now())
    point.refresh_from_db()
    assert point.broken_at is not None
    assert "Turn it on again" in point.broken_reason
    assert browser.endpoint not in point.broken_reason
    again = replace(browser, auth=bytes(16))
    assert turned_on(cast, again).pk == point.pk
    point.refresh_from_db()
    assert point.works
    assert json.loads(point.secret)["auth"] == encode(bytes(16))


def test_one_browser_shows_the_pages_of_one_person(
    switched_on: None, cast: Cast, signed_in: SignedIn, browser: Browser
):
    turned_on(cast, browser)
    answer = signed_in(cast.tomas).post("/account/push", browser.form, follow=True)
    assert "already shows the pages of somebody else" in answer.text
    assert not ContactPoint.objects.filter(person=cast.tomas, kind=PUSH).exists()
    with pytest.raises(Conflict):
        turn_on_browser(cast.sam, endpoint="https://x.example.org", keys="{}", label="", by=Actor.of(cast.nadia))


WRONG = [
    {"endpoint": ""},
    {"endpoint": "javascript:alert(1)"},
    {"endpoint": "https://user:pw@push.example.org/x"},
    {"endpoint": "https://push.example.org/" + "x" * 2000},
    {"p256dh": ""},
    {"p256dh": "not base64 at all!"},
    {"p256dh": encode(b"\x04" + bytes(64))},  # a point that is on no curve
    {"p256dh": encode(b"\x02" + bytes(32))},
    {"auth": encode(bytes(15))},
    {"auth": "é"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_no_browser_gives_is_refused_in_words(
    switched_on: None, cast: Cast, signed_in: SignedIn, browser: Browser, listener: Listener, wrong: dict[str, str]
):
    answer = signed_in(cast.lena).post("/account/push", browser.form | wrong, follow=True)
    assert "turn it on again" in answer.text
    assert not ContactPoint.objects.filter(kind=PUSH).exists()
    assert listener.heard == []


@override_settings(ALLOW_PRIVATE_TARGETS=False)
def test_without_private_addresses_a_push_service_has_https(browser: Browser):
    with pytest.raises(Invalid):
        Subscription.given(endpoint=browser.endpoint, p256dh=browser.p256dh, auth=encode(browser.auth))


def test_while_it_is_not_set_up_the_page_says_so_and_nothing_is_kept(
    cast: Cast, signed_in: SignedIn, browser: Browser, listener: Listener
):
    lena = signed_in(cast.lena)
    assert "Browser push is not set up yet" in lena.get("/account").text
    assert "not set up yet" in lena.post("/account/push", browser.form, follow=True).text
    assert not ContactPoint.objects.filter(kind=PUSH).exists()
    assert listener.heard == []


def test_a_browser_is_not_typed_in(switched_on: None, cast: Cast):
    with pytest.raises(Invalid, match="This browser"):
        people.add_contact_point(cast.lena, kind=PUSH, address="https://push.example.org/x", by=Actor.of(cast.lena))


def test_the_address_of_a_browser_is_shown_nowhere(
    switched_on: None, cast: Cast, signed_in: SignedIn, browser: Browser
):
    turned_on(cast, browser)
    for who in (cast.lena, cast.nadia, cast.vera):
        for path in ("/account", f"/people/{cast.lena.pk}", "/people"):
            assert browser.endpoint not in signed_in(who).get(path).text


# Who may.


@pytest.mark.parametrize("who", ["nadia", "omar", "lena", "tomas", "sam", "vera", "rui"])
def test_everyone_may_turn_on_their_own_browser(
    switched_on: None, cast: Cast, signed_in: SignedIn, browser: Browser, who: str
):
    person = getattr(cast, who)
    assert signed_in(person).post("/account/push", browser.form).status_code == 302
    assert ContactPoint.objects.get(kind=PUSH).person == person


def test_nobody_turns_on_anything_without_signing_in_or_from_another_site(
    switched_on: None, cast: Cast, browser: Browser
):
    assert Client().post("/account/push", browser.form).headers["Location"].startswith("/account/login/")
    elsewhere = Client(enforce_csrf_checks=True)
    elsewhere.force_login(cast.lena, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert elsewhere.post("/account/push", browser.form).status_code == 403
    assert elsewhere.get("/account/push").status_code == 405
    assert not ContactPoint.objects.filter(kind=PUSH).exists()


def test_the_worker_is_served_to_all_from_the_root_under_the_strict_policy(db: None):
    answer = Client().get("/push-worker.js")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert "no-store" in answer.headers["Cache-Control"]
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "connect-src 'self'" in policy
    assert Client().post("/push-worker.js").status_code == 405
