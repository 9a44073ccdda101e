from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from andon.incidents import queries
from andon.incidents.queries import IncidentFilter
from andon.people.policy import Actor
from andon.practice.words import IncidentKind, IncidentType
from tests.support import scenes

pytestmark = pytest.mark.django_db

URL = "/incidents"


def titles(response) -> list[str]:
    assert response.status_code == 200
    return [found["row"].title for found in response.context["incidents"]]


def test_the_name_of_the_page_is_its_address():
    assert reverse("incidents") == URL


def test_what_goes_on_stands_first_worst_first_then_the_newest(cast, time, signed_in):
    scenes.resolved(cast, "Over")
    time.forward(timedelta(hours=1))
    scenes.declared(cast, "Slow", type_=IncidentType.TECHNICAL_FAILURE)
    scenes.declared(cast, "Unfair")
    rows = queries.ordered(queries.listed(Actor.of(cast.nadia), IncidentFilter()))
    assert titles(signed_in(cast.nadia).get(URL)) == [row.title for row in rows]
    going_on = [row for row in rows if row.title != "Over"]
    assert [row.severity for row in going_on] == sorted(row.severity for row in going_on)
    assert rows[2].title == "Over"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"state": "unresolved"}, {"Unfair", "Slow"}),
        ({"state": "resolved"}, {"Over"}),
        ({"state": "open"}, {"Slow"}),
        ({"state": "nonsense"}, set()),
        ({"type": "technical_failure"}, {"Slow"}),
        ({"system": "credit-scorer"}, {"Unfair", "Over"}),
        ({"system": "none"}, {"Slow"}),
        ({"kind": "drill"}, set()),
        ({"severity": "2"}, {"Unfair", "Over", "Slow"}),
        ({"severity": "x"}, set()),
        ({"severity": "99999999999999999999"}, set()),
        ({"q": "unf"}, {"Unfair"}),
        ({"q": "women credit"}, {"Unfair"}),
        ({"q": "100%_"}, set()),
        ({"mine": "1"}, {"Slow"}),
        ({"state": "unresolved", "q": "slow"}, {"Slow"}),
    ],
)
def test_the_address_says_which_to_list(cast, time, signed_in, asked, expected):
    scenes.resolved(cast, "Over")
    scenes.acknowledged(cast, "Unfair", description="Fewer women get credit.")
    scenes.declared(cast, "Slow", type_=IncidentType.TECHNICAL_FAILURE, system=None, by=Actor.of(cast.tomas))
    assert set(titles(signed_in(cast.tomas).get(URL, asked))) == expected


def test_a_number_finds_its_incident_in_every_spelling(cast, time, signed_in):
    incident = scenes.declared(cast, "Slow")
    scenes.declared(cast, "Unfair", system=None)
    for asked in (incident.ref, incident.ref.lower(), str(incident.number)):
        assert titles(signed_in(cast.vera).get(URL, {"q": asked})) == ["Slow"]


def test_secondary_types_count(cast, time, signed_in):
    incident = scenes.declared(cast, "Both")
    incident.secondary_types = [IncidentType.SAFETY]
    incident.save()
    scenes.declared(cast, "One", system=None)
    assert titles(signed_in(cast.vera).get(URL, {"type": "safety"})) == ["Both"]


@pytest.mark.parametrize("column", ["number", "severity", "system", "state", "detected"])
def test_every_column_orders_both_ways(cast, time, signed_in, column):
    for number in range(3):
        scenes.declared(cast, f"No {number}", system=None)
        time.forward(timedelta(minutes=1))
    scenes.resolved(cast, "Over")
    up = signed_in(cast.vera).get(URL, {"sort": column})
    down = signed_in(cast.vera).get(URL, {"sort": f"-{column}"})
    assert len(titles(up)) == len(titles(down)) == 4
    if column in {"number", "detected"}:
        assert titles(up) == titles(down)[::-1]
    assert b'aria-sort="descending"' in down.content or column == "number"


def test_nobody_finds_a_restricted_incident_who_may_not_see_it(cast, time, signed_in):
    secret = scenes.declared(cast, "Secret leak", restricted=True)
    for person, sees in [
        (cast.nadia, True),
        (cast.omar, True),  # owns the system
        (cast.lena, True),  # declared it restricted, so holds a role
        (cast.tomas, False),
        (cast.sam, False),
        (cast.vera, False),
        (cast.rui, False),
    ]:
        for asked in ({}, {"q": "secret"}, {"q": secret.ref}, {"state": "unresolved"}, {"sort": "severity"}):
            response = signed_in(person).get(URL, asked)
            assert (secret.title in titles(response)) is sees, (person, asked)
            assert response.context["page"].paginator.count == int(sees)
        if not sees:
            assert b"credit-scorer" not in signed_in(person).get(URL).content  # nor in what can be filtered by


def test_a_reporter_sees_what_they_declared(cast, time, signed_in):
    scenes.declared(cast, "Others'")
    scenes.declared(cast, "Own", by=Actor.of(cast.rui), system=None)
    assert titles(signed_in(cast.rui).get(URL)) == ["Own"]


def test_nobody_unknown_sees_the_list(cast, time):
    response = Client().get(URL)
    assert response.status_code == 302
    assert reverse("account_login") in response["Location"]


def test_pages_keep_the_filters_and_an_absurd_page_is_the_last(cast, time, signed_in, monkeypatch):
    monkeypatch.setattr("andon.incidents.pages.PER_PAGE", 2)
    for number in range(5):
        scenes.declared(cast, f"No {number}", system=None)
    first = signed_in(cast.vera).get(URL, {"state": "unresolved", "sort": "number"})
    assert titles(first) == ["No 0", "No 1"]
    assert b"state=unresolved&amp;sort=number&amp;page=2" in first.content
    assert titles(signed_in(cast.vera).get(URL, {"sort": "number", "page": "999"})) == ["No 4"]
    assert titles(signed_in(cast.vera).get(URL, {"sort": "number", "page": "x"})) == ["No 0", "No 1"]


def test_an_empty_list_says_what_to_do(cast, time, signed_in):
    assert "Declare an incident" in signed_in(cast.vera).get(URL).content.decode()
    assert "No incident matches" in signed_in(cast.vera).get(URL, {"q": "xyz"}).content.decode()


def test_words_in_the_address_are_shown_as_words(cast, time, signed_in):
    content = signed_in(cast.vera).get(URL, {"q": '"><script>alert(1)</script>'}).content
    assert b"<script>alert" not in content


def test_a_drill_says_that_it_is_one(cast, time, signed_in):
    scenes.declared(cast, "Practised", kind=IncidentKind.DRILL)
    assert "Drill</span>" in signed_in(cast.vera).get(URL).content.decode()


def test_the_number_of_queries_does_not_grow_with_the_list(cast, time, signed_in, django_assert_max_num_queries):
    client = signed_in(cast.lena)
    for number in range(12):
        scenes.acknowledged(cast, f"No {number}", system=None)
    with django_assert_max_num_queries(30):
        few = client.get(URL)
    assert len(titles(few)) == 12
