"""Channels for the whole installation: who sets them up, that secrets go in and never out, and what follows."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from andon.kit.clock import FixedClock
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.paging import adapters
from andon.paging.channel import Outcome
from andon.paging.models import Page, Provider
from andon.paging.providers import actions, queries
from andon.paging.providers.queries import Standing
from andon.paging.sending import claim, prepare
from andon.people import actions as people
from andon.people import ways
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from tests.support.cast import Cast
from tests.support.listener import Listener, listening
from tests.support.paging import Story, kinds, open_incident
from tests.support.scenes import token

SignedIn = Callable[[Person], Client]
NTFY = ChannelKind.NTFY
SECRET = "tk_never_shown_again"
OTHERS = ["omar", "lena", "sam", "vera", "rui"]


@pytest.fixture(autouse=True)
def no_pause(db):
    cache.clear()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        yield one


def set_up(cast: Cast, kind: ChannelKind = NTFY, **given: str) -> None:
    actions.set_up(kind, given, by=Actor.of(cast.nadia))


# What a folder must hold.


@pytest.mark.parametrize("kind", sorted(adapters.kinds()))
def test_every_channel_has_a_kind_that_sends_and_says_what_it_needs(kind: str):
    assert kind in ChannelKind.values
    assert callable(adapters.find(kind).send)
    setup = adapters.setup(kind)
    assert setup.what.endswith(".")
    assert setup.way.label
    assert setup.way.help.endswith((".", ":"))
    assert len({field.name for field in setup.fields}) == len(setup.fields)
    help_text = adapters.help_text(kind, base="http://testserver")
    assert len(help_text) > 40
    assert "{{" not in help_text
    assert setup.same_as == "" or setup.same_as in adapters.kinds()


def test_a_kind_without_a_folder_is_offered_to_nobody():
    for kind in ChannelKind:
        if kind not in adapters.kinds():
            with pytest.raises(Invalid, match="no channel"):
                ways.find(kind)


# Setting up.


def test_nothing_is_kept_in_plain(cast: Cast):
    set_up(cast, server="https://ntfy.example.org", token=SECRET)
    with connection.cursor() as cursor:
        cursor.execute("SELECT settings FROM paging_provider")
        (kept,) = cursor.fetchone()
    assert SECRET not in kept
    assert "ntfy.example.org" not in kept
    assert queries.settings_of(NTFY) == {"server": "https://ntfy.example.org", "token": SECRET}
    assert SECRET not in repr(queries.kept(NTFY))


def test_it_stands_not_set_up_then_ready_then_off(cast: Cast):
    by = Actor.of(cast.nadia)
    assert queries.standing(NTFY) is Standing.NOT_SET_UP
    with pytest.raises(Conflict, match="nothing to switch off"):
        actions.disable(NTFY, by=by)
    with pytest.raises(Conflict, match="on already"):
        actions.enable(NTFY, by=by)
    assert queries.standing(NTFY) is Standing.NOT_SET_UP
    set_up(cast)
    assert queries.standing(NTFY) is Standing.READY
    assert queries.settings_of(NTFY)["server"] == "https://ntfy.sh"
    actions.disable(NTFY, by=by)
    assert queries.standing(NTFY) is Standing.DISABLED
    with pytest.raises(Conflict, match="off already"):
        actions.disable(NTFY, by=by)
    actions.enable(NTFY, by=by)
    assert queries.standing(NTFY) is Standing.READY


def test_what_is_left_out_stays_and_what_is_empty_goes(cast: Cast):
    set_up(cast, server="https://ntfy.example.org", token=SECRET)
    set_up(cast)
    assert queries.settings_of(NTFY)["token"] == SECRET
    set_up(cast, token="")
    assert queries.settings_of(NTFY) == {"server": "https://ntfy.example.org", "token": ""}


def test_a_secret_is_not_sent_to_a_new_server_unless_it_is_given_again(cast: Cast):
    set_up(cast, server="https://ntfy.example.org", token=SECRET)
    with pytest.raises(Invalid, match="again") as refused:
        set_up(cast, server="https://thief.example.org")
    assert refused.value.field == "token"
    assert queries.settings_of(NTFY)["server"] == "https://ntfy.example.org"
    with pytest.raises(Invalid, match="again"):
        set_up(cast, server="")  # back to the default is a move too
    set_up(cast, server="https://other.example.org", token="tk_another")
    assert queries.settings_of(NTFY) == {"server": "https://other.example.org", "token": "tk_another"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"server": "ftp://x"}, "server"),
        ({"server": "https://user:pass@x"}, "server"),
        ({"server": "https://x/?a=b"}, "server"),
        ({"server": "https://[x"}, "server"),
        ({"server": "https://x:99999"}, "server"),
        ({"server": "x" * 3000}, "server"),
        ({"tokn": "misspelt"}, "tokn"),
    ],
)
def test_a_value_that_cannot_be_is_refused_at_its_field(cast: Cast, given: dict[str, str], field: str):
    with pytest.raises(Invalid) as refused:
        actions.set_up(NTFY, given, by=Actor.of(cast.nadia))
    assert refused.value.field == field
    assert not Provider.objects.filter(kind=NTFY).exists()


def test_what_needs_nothing_cannot_be_set_up_and_can_be_switched_off(cast: Cast):
    with pytest.raises(Invalid, match="nothing to set up"):
        set_up(cast, ChannelKind.WEBHOOK)
    actions.disable(ChannelKind.WEBHOOK, by=Actor.of(cast.nadia))
    with pytest.raises(Invalid, match="switched Webhook off"):
        people.add_contact_point(
            cast.lena, kind=ChannelKind.WEBHOOK, address="https://example.org/h", by=Actor.of(cast.lena)
        )


@pytest.mark.parametrize("who", OTHERS)
def test_only_an_administrator_changes_channels(cast: Cast, who: str):
    by = Actor.of(getattr(cast, who))
    for act in (lambda: actions.set_up(NTFY, {}, by=by), lambda: actions.disable(NTFY, by=by),
                lambda: actions.enable(NTFY, by=by)):  # fmt: skip
        with pytest.raises(Forbidden):
            act()
    assert not Provider.objects.exists()


def test_settings_are_remembered_for_seconds_and_not_longer(cast: Cast, time: FixedClock):
    set_up(cast, server="https://one.example.org")
    queries.settings_of(NTFY)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for _ in range(50):
            queries.settings_of(NTFY)
    assert len(asked) == 0
    Provider.objects.update(settings={"server": "https://two.example.org"})  # another replica
    assert queries.settings_of(NTFY)["server"] == "https://one.example.org"
    time.forward(queries.KEPT_FOR + timedelta(milliseconds=1))
    assert queries.settings_of(NTFY)["server"] == "https://two.example.org"


def test_settings_under_a_lost_key_say_so_and_can_be_given_again(cast: Cast, settings: Any):
    set_up(cast, server="https://ntfy.example.org", token=SECRET)
    settings.FIELD_KEYS = ["YW5vdGhlci1maWVsZC1rZXktb2YtMzItYnl0ZXMtISE="]
    queries.forget_here()
    assert queries.standing(NTFY) is Standing.UNREADABLE
    assert "decrypted" in queries.missing(NTFY)
    set_up(cast, server="https://ntfy.example.org", token="tk_new")
    assert queries.settings_of(NTFY)["token"] == "tk_new"


# What follows for people and pages.


def test_people_are_offered_what_can_be_used_and_told_what_waits(cast: Cast, signed_in: SignedIn):
    page = signed_in(cast.lena).get("/account").text
    assert '<option value="ntfy">' not in page
    assert "ntfy is not set up yet" in page
    with pytest.raises(Invalid, match="not set up yet") as refused:
        people.add_contact_point(cast.lena, kind=NTFY, address="lena-x7f2q", by=Actor.of(cast.lena))
    assert refused.value.field == "kind"
    set_up(cast)
    assert '<option value="ntfy">' in signed_in(cast.lena).get("/account").text
    point = people.add_contact_point(cast.lena, kind=NTFY, address=" lena-x7f2q ", by=Actor.of(cast.lena)).contact_point
    assert (point.address, point.works) == ("lena-x7f2q", False)


def test_a_page_over_a_channel_that_was_switched_off_is_given_up_and_the_chain_goes_on(cast: Cast, story: Story):
    set_up(cast)
    cast.lena.contact_points.update(kind=NTFY, address="lena-x7f2q")
    actions.disable(NTFY, by=Actor.of(cast.nadia))
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.paged(cast.tomas)
    failed = Page.objects.get(incident=incident, person=cast.lena)
    assert failed.state == "failed"
    assert "switched ntfy off" in failed.last_error
    assert cast.lena.contact_points.get().works  # it is no fault of the address
    assert "page_failed" in kinds(incident)


def test_a_prepared_page_carries_the_settings_so_that_sending_asks_nothing(cast: Cast, story: Story):
    set_up(cast, server="https://ntfy.example.org", token=SECRET)
    cast.lena.contact_points.update(kind=NTFY, address="lena-x7f2q")
    open_incident(cast.credit_scorer, cast.vera)
    story.engine.modules = story.engine.modules[:2]
    story.run()
    (page,) = claim(story.time.now(), 10, "test")
    (letter,) = prepare([page])
    assert letter.destination.settings["token"] == SECRET
    assert SECRET not in repr(letter)


# The pages.


@pytest.mark.parametrize("path", ["/settings/channels", "/settings/channels/ntfy"])
@pytest.mark.parametrize("who", OTHERS)
def test_only_administrators_see_the_pages(cast: Cast, signed_in: SignedIn, path: str, who: str):
    assert signed_in(getattr(cast, who)).get(path).status_code == 403
    assert "/settings/channels" not in signed_in(getattr(cast, who)).get("/account").text


@pytest.mark.parametrize("path", ["", "/ntfy", "/ntfy/disable", "/ntfy/enable", "/ntfy/test"])
def test_nobody_signed_in_is_sent_to_sign_in(cast: Cast, path: str):
    answer = Client().post(f"/settings/channels{path}")
    assert answer.status_code == 302
    assert "login" in answer["Location"]


@pytest.mark.parametrize("act", ["", "/disable", "/enable", "/test"])
@pytest.mark.parametrize("who", OTHERS)
def test_only_administrators_act_on_the_pages(cast: Cast, signed_in: SignedIn, act: str, who: str):
    set_up(cast)
    answer = signed_in(getattr(cast, who)).post(f"/settings/channels/ntfy{act}", {"server": "https://thief.example"})
    assert answer.status_code in {302, 403}
    queries.forget_here()
    assert queries.standing(NTFY) is Standing.READY
    assert queries.settings_of(NTFY)["server"] == "https://ntfy.sh"


def test_an_administrator_sets_a_channel_up_and_never_sees_the_secret(cast: Cast, signed_in: SignedIn):
    browser = signed_in(cast.nadia)
    assert "Not set up" in browser.get("/settings/channels").text
    answer = browser.post(
        "/settings/channels/ntfy", {"server": "https://ntfy.example.org", "token": SECRET}, follow=True
    )
    assert "ntfy is set up" in answer.text
    for path in ("/settings/channels", "/settings/channels/ntfy"):
        assert SECRET not in browser.get(path).text
    assert "ntfy.example.org" in browser.get("/settings/channels/ntfy").text
    browser.post("/settings/channels/ntfy", {"server": "https://ntfy.example.org", "token": ""})
    assert queries.settings_of(NTFY)["token"] == SECRET
    browser.post("/settings/channels/ntfy", {"server": "https://ntfy.example.org", "forget-token": "on"})
    assert queries.settings_of(NTFY)["token"] == ""


def test_the_page_says_at_the_field_what_is_wrong(cast: Cast, signed_in: SignedIn):
    answer = signed_in(cast.nadia).post("/settings/channels/ntfy", {"server": "nonsense", "token": SECRET})
    assert answer.status_code == 422
    assert "It looks like https://example.org" in answer.text
    assert SECRET not in answer.text


def test_every_channels_page_renders(cast: Cast, signed_in: SignedIn):
    browser = signed_in(cast.nadia)
    for kind in adapters.kinds():
        assert browser.get(f"/settings/channels/{kind}").status_code == 200
    assert browser.get("/settings/channels/pigeon").status_code == 404


def test_an_administrator_tries_it_on_themselves(cast: Cast, signed_in: SignedIn, listener: Listener):
    set_up(cast, server=listener.url)
    browser = signed_in(cast.nadia)
    assert "Add yours" in browser.get("/settings/channels/ntfy").text
    said = browser.post("/settings/channels/ntfy/test", follow=True).text
    assert "You have no contact point for ntfy" in said
    ContactPoint.objects.create(person=cast.nadia, kind=NTFY, address="nadia-x7f2q")
    assert "Send a test to me" in browser.get("/settings/channels/ntfy").text
    assert "The test message is out" in browser.post("/settings/channels/ntfy/test", follow=True).text
    assert json.loads(listener.heard[0].body)["topic"] == "nadia-x7f2q"
    assert "a moment ago" in browser.post("/settings/channels/ntfy/test", follow=True).text


# The API.


def test_the_api_does_the_same_and_keeps_secrets(cast: Cast, listener: Listener):
    admin = token(cast.nadia, "people:write")
    client = Client()
    listed = client.get("/api/v1/channels", headers=admin).json()
    assert {one["kind"] for one in listed} == set(adapters.kinds())
    answer = client.put(
        "/api/v1/channels/ntfy", json.dumps({"settings": {"server": listener.url, "token": SECRET}}),
        content_type="application/json", headers=admin,
    )  # fmt: skip
    assert answer.status_code == 200
    assert SECRET not in answer.text
    shown = {one["name"]: one for one in answer.json()["settings"]}
    assert (shown["token"]["is_set"], shown["token"]["value"]) == (True, "")
    assert shown["server"]["value"] == listener.url
    assert answer.json()["standing"] == "ready"
    ContactPoint.objects.create(person=cast.nadia, kind=NTFY, address="nadia-x7f2q")
    tried = client.post("/api/v1/channels/ntfy/test", headers=admin).json()
    assert tried == {"outcome": Outcome.SENT, "reason": ""}
    assert client.post("/api/v1/channels/ntfy/disable", headers=admin).json()["standing"] == "disabled"
    assert client.post("/api/v1/channels/ntfy/enable", headers=admin).json()["standing"] == "ready"
    wrong = client.put(
        "/api/v1/channels/ntfy", json.dumps({"settings": {"tokn": "x"}}), content_type="application/json", headers=admin
    )
    assert wrong.status_code == 422
    assert client.get("/api/v1/channels/pigeon", headers=admin).status_code == 404


@pytest.mark.parametrize("who", OTHERS)
def test_the_api_is_for_administrators(cast: Cast, who: str):
    headers, client = token(getattr(cast, who), "people:write"), Client()
    assert client.get("/api/v1/channels", headers=headers).status_code == 403
    assert client.get("/api/v1/channels/ntfy", headers=headers).status_code == 403
    put = client.put(
        "/api/v1/channels/ntfy", json.dumps({"settings": {}}), content_type="application/json", headers=headers
    )
    assert put.status_code == 403
    for act in ("disable", "enable", "test"):
        assert client.post(f"/api/v1/channels/ntfy/{act}", headers=headers).status_code == 403
    assert client.get("/api/v1/channels").status_code == 401


def test_a_token_that_only_reads_changes_nothing(cast: Cast):
    answer = Client().put(
        "/api/v1/channels/ntfy", json.dumps({"settings": {}}), content_type="application/json",
        headers=token(cast.nadia, "people:read"),
    )  # fmt: skip
    assert answer.status_code == 403
