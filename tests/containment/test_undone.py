"""An undo by which nothing contains any more: the incident is not contained now, and its times stay in the timeline."""

from datetime import timedelta

import pytest
from django.urls import reverse

from andon.containment import actions
from andon.containment.queries import fitness
from andon.incidents import timeline
from andon.kit.errors import Conflict
from andon.people.policy import Actor
from andon.practice.containment import PullState, Unfit
from andon.practice.lifecycle import State
from andon.practice.readiness import FindingCode
from andon.practice.words import ContainmentKind
from andon.registry.queries import readiness
from andon.response.containing import contain, waive_containment
from andon.response.resolving import resolve
from tests.containment.conftest import facts
from tests.containment.test_pulling import kinds, pulled

pytestmark = pytest.mark.django_db


def undone(pull, person):
    return actions.run_pull(actions.undo(pull, by=Actor.of(person)))


@pytest.fixture
def other(cast, service):
    """A second lever of the system."""
    return actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, name="Switch it off", kind=ContainmentKind.DISABLE),
        by=Actor.of(cast.omar),
    )  # fmt: skip


def test_it_is_contained_no_more_and_since_when_and_until_when_stays(cast, time, lever, incident):
    pull = pulled(lever, incident, cast.lena)
    incident.refresh_from_db()
    since = incident.contained_at
    time.forward(timedelta(minutes=20))
    assert undone(pull, cast.lena).phase is PullState.VERIFIED
    incident.refresh_from_db()
    assert (incident.state, incident.contained_at, incident.containment_kind) == (State.ACKNOWLEDGED, None, "")
    entry = incident.timeline.get(kind="containment_ended")
    assert (entry.at, entry.body["since"]) == (time.now(), since.isoformat())
    assert f"({pull.ref})" in entry.body["note"]
    assert kinds(incident)[-2:] == ["lever_verified", "containment_ended"]
    assert timeline.verify(incident) == []
    with pytest.raises(Conflict, match="not contained"):
        resolve(incident, summary="Over.", by=Actor.of(cast.lena))


def test_the_time_in_which_to_contain_counts_anew(cast, time, lever, incident):
    promise = incident.promises.get(key="contain")
    pull = pulled(lever, incident, cast.lena)
    promise.refresh_from_db()
    assert promise.kept_at is not None
    within = promise.due_at - incident.detected_at
    time.forward(timedelta(days=1))
    undone(pull, cast.lena)
    promise.refresh_from_db()
    assert (promise.kept_at, promise.missed_at, promise.due_at) == (None, None, time.now() + within)
    acknowledge = incident.promises.get(key="acknowledge")
    assert acknowledge.kept_at is not None, "somebody has it still"


def test_an_undo_that_was_not_seen_leaves_nothing_that_is_called_contained(cast, time, service, lever, incident):
    pull = pulled(lever, incident, cast.lena)
    service.takes = False
    undo = undone(pull, cast.lena)
    incident.refresh_from_db()
    assert incident.state == State.CONTAINED, "it acts, and is looked for"
    time.forward(timedelta(seconds=lever.verify_seconds))
    assert actions.run_pull(undo).phase is PullState.UNVERIFIED
    incident.refresh_from_db()
    assert incident.state == State.ACKNOWLEDGED


def test_an_undo_that_changed_nothing_leaves_it_contained(cast, service, lever, incident):
    pull = pulled(lever, incident, cast.lena)
    service.takes, service.status = False, 403
    assert undone(pull, cast.lena).phase is PullState.FAILED
    incident.refresh_from_db()
    assert (incident.state, incident.contained_at is not None) == (State.CONTAINED, True)


def test_while_another_lever_holds_it_stays_contained(cast, lever, other, incident):
    first, second = pulled(lever, incident, cast.lena), pulled(other, incident, cast.lena)
    undone(first, cast.lena)
    incident.refresh_from_db()
    assert incident.state == State.CONTAINED
    undone(second, cast.lena)
    incident.refresh_from_db()
    assert incident.state == State.ACKNOWLEDGED


def test_what_a_person_says_to_be_contained_another_way_is_not_lost(cast, lever, incident):
    contain(incident, kind=ContainmentKind.CONSTRAIN, note="Requests go to review", by=Actor.of(cast.lena))
    undone(pulled(lever, incident, cast.lena), cast.lena)
    incident.refresh_from_db()
    assert (incident.state, incident.containment_note) == (State.CONTAINED, "Requests go to review")


def test_the_page_offers_the_lever_again_until_somebody_says_what_keeps_the_harm_away(cast, lever, incident, signed_in):
    lena = signed_in(cast.lena)
    undone(pulled(lever, incident, cast.lena), cast.lena)

    def page():
        return " ".join(lena.get(reverse("incident", args=[incident.number])).content.decode().split())

    shown = page()
    assert "No longer" in shown
    assert "Pull again: Roll back to v6" in shown
    assert "Contained no longer: PULL-2 undid" in shown
    assert "Opens once the incident is contained" in shown
    waive_containment(incident, reason="v8 is served, and is right.", by=Actor.of(cast.lena))
    shown = page()
    assert "No longer" not in shown
    assert "v8 is served, and is right." in shown
    assert resolve(incident, summary="Over.", by=Actor.of(cast.lena)).state == State.RESOLVED


def test_pulled_again_it_is_contained_again(cast, time, lever, incident):
    undone(pulled(lever, incident, cast.lena), cast.lena)
    time.forward(timedelta(minutes=5))
    assert pulled(lever, incident, cast.lena).phase is PullState.VERIFIED
    incident.refresh_from_db()
    assert (incident.state, incident.contained_at) == (State.CONTAINED, time.now())


def test_a_failed_rehearsal_on_a_target_for_drills_stands_in_the_list_and_in_readiness(
    cast, time, service, lever, signed_in
):
    drills = dict(facts(service).settings)
    actions.change_lever(lever, facts(service, drill_settings=drills), by=Actor.of(cast.omar))
    service.takes, service.status = False, 403
    rehearsal = actions.rehearse(lever, by=Actor.of(cast.omar))
    actions.run_pull(rehearsal.pulls.get())
    lever.refresh_from_db()
    assert fitness(lever, time.now()).unfit is Unfit.REHEARSAL_FAILED
    found = [
        one for one in readiness(cast.credit_scorer, time.now()).findings if one.code is FindingCode.LEVER_UNREHEARSED
    ]
    assert "Its last rehearsal did not pass." in found[0].text
    omar = signed_in(cast.omar)
    for address in (reverse("levers"), reverse("system", args=[cast.credit_scorer.slug])):
        shown = omar.get(address).content.decode()
        assert "Rehearsal failed" in shown
        assert "Its last rehearsal did not pass." in shown
