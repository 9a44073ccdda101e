"""A lever that goes back to “the one before” is pulled again: it goes to the same, never one further back."""

from datetime import timedelta

import pytest

from andon.containment import actions
from andon.containment.actions import LeverFacts
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
