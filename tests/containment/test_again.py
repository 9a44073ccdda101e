"""A lever is pulled again: to “the one before” it goes to the same, and a press on a page from before pulls nothing."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from andon.containment import actions
from andon.containment.actions import LeverFacts
from andon.containment.models import Pull
from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.containment import PullState
from andon.practice.lifecycle import State
from andon.practice.words import ContainmentKind
from tests.containment.adapters import sides
from tests.containment.test_pulling import pulled
from tests.support import scenes


@pytest.fixture(params=[(sides.MLflow, "version"), (sides.Kubernetes, "image")], ids=["mlflow", "kubernetes"])
def other_side(request):
    """What has versions, and settings that name none of them."""
    kind, names_one = request.param
    with sides.running(kind) as one:
        yield one, {name: value for name, value in one.settings.items() if name != names_one}


@pytest.fixture
def side(other_side):
    """It alone."""
    return other_side[0]


@pytest.fixture
def back(cast, other_side):
    """The lever."""
    side, settings = other_side
    facts = LeverFacts("Back", ContainmentKind.ROLL_BACK, settings=settings, verify_seconds=1)
    return actions.create_lever(cast.credit_scorer, side.kind, facts, by=Actor.of(cast.omar))


def test_pulled_again_it_sets_what_it_set_before(cast, side, back, incident):
    first = pulled(back, incident, cast.lena)
    held = side.snapshot()
    assert "Nothing would change" in actions.dry_run(back, by=Actor.of(cast.omar)).says
    second = pulled(back, incident, cast.tomas)
    assert (second.phase, second.expected, side.snapshot()) == (PullState.VERIFIED, first.expected, held)
    assert second.says == "Nothing would change: an earlier pull has set it, and that holds."


def test_one_that_was_not_seen_is_pulled_again_to_the_same(cast, time, side, back, incident):
    side.lags = True
    first = pulled(back, incident, cast.lena)
    time.forward(timedelta(minutes=1))
    first = actions.run_pull(first)
    assert first.phase is PullState.UNVERIFIED
    second = pulled(back, incident, cast.lena)
    assert second.expected == first.expected
    assert second.prior == first.prior


def test_another_incident_pulls_it_to_the_same_while_the_first_goes_on(cast, back, incident):
    first = pulled(back, incident, cast.lena)
    other = scenes.declared(cast, by=Actor.of(cast.rui))
    assert pulled(back, other, cast.lena).expected == first.expected


def test_once_the_incident_is_over_it_goes_back_from_what_holds_then(cast, back, incident):
    first = pulled(back, incident, cast.lena)
    Incident.objects.filter(pk=incident.pk).update(state=State.CLOSED)
    other = scenes.declared(cast, by=Actor.of(cast.rui))
    assert pulled(back, other, cast.lena).expected != first.expected


# Pressed twice


def known_in(page, address):
    """What the form that posts to the address sends along as seen."""
    (form,) = {one for one in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'action="{address}"' in one}
    return {"known": re.search(r'name="known" value="(\d+)"', form)[1]}


@pytest.fixture
def places(cast, incident, lever):
    """Where the lever can be pulled: each page, with the address that its button posts to."""
    numbers = {"number": incident.number, "lever": lever.number}
    page = reverse("incident_lever", kwargs=numbers)
    pull = reverse("incident_pull", kwargs=numbers)
    return {"incident": (reverse("incident", args=[incident.number]), pull), "lever": (page, pull)}


@pytest.mark.parametrize("place", ["incident", "lever"])
def test_a_button_on_a_page_from_before_pulls_nothing(cast, service, incident, places, place, signed_in):
    page, address = places[place]
    lena, tomas = signed_in(cast.lena), signed_in(cast.tomas)
    seen = known_in(tomas.get(page).content.decode(), address)
    lena.post(address, known_in(lena.get(page).content.decode(), address))
    pull = actions.run_pull(Pull.objects.get())
    assert pull.phase is PullState.VERIFIED
    for browser in (tomas, lena):  # from another tab; and pressed twice, the second after the first had ended
        said = browser.post(address, seen, follow=True).content.decode()
        assert f"Lena pulled “Roll back to v6” 0 s ago ({pull.ref}): verified. Nothing more was done" in said
    assert Pull.objects.count() == len(service.told) == 1


def test_whoever_has_seen_how_it_ended_pulls_again(cast, service, incident, places, signed_in):
    page, address = places["incident"]
    service.takes, service.status = False, 403
    lena = signed_in(cast.lena)
    for number in (1, 2):
        lena.post(address, known_in(lena.get(page).content.decode(), address))
        assert actions.run_pull(Pull.objects.get(number=number)).phase is PullState.FAILED


def test_what_was_withdrawn_did_nothing_and_stands_in_nobodys_way(cast, incident, places, signed_in):
    page, address = places["incident"]
    lena = signed_in(cast.lena)
    seen = known_in(lena.get(page).content.decode(), address)
    lena.post(address, seen)
    actions.withdraw(Pull.objects.get(), reason="Another way first.", by=Actor.of(cast.lena))
    lena.post(address, seen)
    assert Pull.objects.count() == 2


@pytest.mark.parametrize("known", ["", "-1", "x", "٣", "9" * 40])
def test_a_form_that_says_nothing_of_what_was_seen_is_no_error(cast, incident, places, known, signed_in):
    _, address = places["incident"]
    signed_in(cast.lena).post(address, {"known": known})
    assert Pull.objects.count() == 1
