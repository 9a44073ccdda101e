"""Input that nobody types gets an answer in words: never a fault, on either database."""

import pytest
from django.test import Client

from andon.kit import nul, numbers
from andon.oncall.models import Schedule
from andon.people.policy import Actor
from andon.response import opening

TOO_LONG = "9" * 5000


@pytest.fixture
def browser(cast, signed_in) -> Client:
    opening.declare(title="Scores drift", system=cast.credit_scorer, type_=None, by=Actor.of(cast.lena))
    Schedule.objects.create(slug="nights", name="Nights", time_zone="Europe/Berlin")
    return signed_in(cast.nadia)


@pytest.mark.parametrize(
    "address",
    [
        "/incidents?severity=²",
        "/incidents/1/timeline?before=²",
        f"/incidents/1/timeline?before={TOO_LONG}",
        f"/actions?review={TOO_LONG}",
        "/actions?review=²",
    ],
)
def test_what_is_no_number_finds_nothing_and_breaks_nothing(browser, address):
    assert browser.get(address).status_code == 200


@pytest.mark.parametrize("cursor", [TOO_LONG, "²", "-1", "x"])
def test_a_cursor_that_is_no_number_is_named(browser, cursor):
    answer = browser.get("/api/v1/incidents/1/timeline", {"cursor": cursor})
    assert (answer.status_code, answer.json()["field"]) == (422, "cursor")


@pytest.mark.parametrize("address", ["/incidents?q=%00", "/systems?team=a%00", "/people?%00=1", "/api/v1/systems/%00"])
def test_a_nul_in_an_address_is_refused(browser, address):
    assert browser.get(address).status_code == 400


def test_a_nul_in_a_form_is_refused(browser):
    assert browser.post("/systems/credit-scorer/components", {"component": "a\0b"}).status_code in {400, 404}
    assert browser.post("/incidents/1/steps/any/waive", {"reason": "a\0b"}).status_code == 400


@pytest.mark.parametrize("text", [r"a\u0000b", r"\ud800"])
def test_what_is_no_text_in_json_is_refused_as_a_problem(browser, text):
    body = f'{{"text": "{text}"}}'
    answer = browser.post("/api/v1/incidents/1/notes", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert answer["Content-Type"] == "application/problem+json"


def test_words_about_a_nul_are_words():
    assert not nul.in_json(rb'{"text": "write \\u0000 for it"}')
    assert nul.in_json(rb'{"text": "\\\u0000"}')


@pytest.mark.parametrize(
    "at",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-12-31", "2026-01-01T00:00:00"],
)
def test_an_instant_has_an_offset_and_lies_in_our_time(browser, at):
    for address, body in (("onset", {"onset": at}), ("notes", {"text": "seen", "at": at})):
        send = browser.put if address == "onset" else browser.post
        answer = send(f"/api/v1/incidents/1/{address}", body, content_type="application/json")
        assert (answer.status_code, answer.json()["field"]) == (422, "onset" if address == "onset" else "at")
    assert browser.get("/api/v1/schedules/nights/shifts", {"start": at}).status_code == 422
    assert browser.get("/api/v1/oncall", {"at": at}).status_code == 422


@pytest.mark.parametrize(
    ("text", "number"), [("42", 42), ("0", 0), ("", None), ("²", None), ("٣", None), ("-1", None), ("1" * 19, None)]
)
def test_only_plain_digits_are_a_number(text, number):
    assert numbers.whole(text) == number
