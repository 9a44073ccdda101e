import pytest

from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.shelf import Freshness
from andon.runbooks import actions, queries, shelf
from andon.runbooks.actions.proposing import with_step
from andon.runbooks.models import Feedback, Runbook
from tests.handbook.test_runbooks import GOOD
from tests.runbooks.conftest import KEY

pytestmark = pytest.mark.django_db


def test_what_was_missing_becomes_a_step_that_the_owner_accepts(run, cast):
    lena, omar = Actor.of(cast.lena), Actor.of(cast.omar)
    actions.give_feedback(run, helped=Feedback.Helped.PARTLY, missing="Partners keep the old rule.", by=lena)
    text = with_step(shelf.one(KEY).text, after="see-effect", title="Ask the partners", body="Each has a copy.")
    made = actions.propose(KEY, text=text, why="Partners keep the old rule.", by=lena, run=run)
    assert queries.standing(omar, KEY).proposals == 1
    accepted = actions.decide(made, accept=True, seen=1, by=omar)
    assert (accepted.state, accepted.made.number, accepted.decided_by) == ("accepted", 2, cast.omar)
    found = shelf.one(KEY)
    assert found.source == "own"
    assert found.runbook.steps[found.runbook.place("see-effect") + 1].key == "ask-the-partners"
    use = queries.standing(omar, KEY).use
    assert (use.runs, use.helped, use.answers) == (1, 0, 1)


def test_declining_needs_a_reason_and_nothing_is_decided_twice(run, cast):
    text = shelf.one(KEY).text.replace("minutes: 180", "minutes: 90")
    made = actions.propose(KEY, text=text, why="Quicker.", by=Actor.of(cast.lena))
    omar = Actor.of(cast.omar)
    with pytest.raises(Invalid, match="Say why not"):
        actions.decide(made, accept=False, seen=1, by=omar)
    assert (
        actions.decide(made, accept=False, seen=1, reason="Measured: it takes three hours.", by=omar).state
        == "declined"
    )
    with pytest.raises(Conflict, match="decided already"):
        actions.decide(made, accept=True, seen=1, by=omar)


def test_a_proposal_is_accepted_against_the_version_that_was_looked_at(run, cast):
    omar = Actor.of(cast.omar)
    text = shelf.one(KEY).text
    first = actions.propose(KEY, text=text.replace("minutes: 180", "minutes: 90"), why="One.", by=omar)
    second = actions.propose(KEY, text=text.replace("minutes: 180", "minutes: 60"), why="Two.", by=omar)
    actions.decide(first, accept=True, seen=1, by=omar)
    with pytest.raises(Conflict, match="version 2 meanwhile"):
        actions.decide(second, accept=True, seen=1, by=omar)
    actions.decide(second, accept=True, seen=2, by=omar)
    assert shelf.one(KEY).runbook.minutes == 60


def test_a_broken_text_is_refused_with_its_lines(run, cast):
    with pytest.raises(Invalid, match=r"Line \d+: ") as refused:
        actions.propose(
            KEY, text=shelf.one(KEY).text.replace("## Verify", "## Varify"), why="x", by=Actor.of(cast.lena)
        )
    assert refused.value.field == "text"
    with pytest.raises(Invalid, match="key of a runbook is for ever"):
        actions.propose(KEY, text=GOOD, why="x", by=Actor.of(cast.lena))


def test_a_step_with_a_heading_in_it_is_no_step(run):
    with pytest.raises(Invalid):
        with_step(shelf.one(KEY).text, after="see-effect", title="One", body="### Two")
    with pytest.raises(Invalid, match="no step 'nowhere'"):
        with_step(shelf.one(KEY).text, after="nowhere", title="One", body="Two")


def test_who_decides_and_who_proposes(run, cast):
    text = shelf.one(KEY).text.replace("minutes: 180", "minutes: 90")
    with pytest.raises(Forbidden):
        actions.propose(KEY, text=text, why="x", by=Actor.of(cast.vera))
    made = actions.propose(KEY, text=text, why="x", by=Actor.of(cast.sam))
    with pytest.raises(Forbidden):
        actions.decide(made, accept=True, seen=1, by=Actor.of(cast.lena))
    actions.give_owner(KEY, person=cast.lena, by=Actor.of(cast.omar))
    made.refresh_from_db()
    made.runbook.refresh_from_db()
    assert actions.decide(made, accept=True, seen=1, by=Actor.of(cast.lena)).state == "accepted"


def test_a_runbook_of_ones_own(cast, time):
    text = GOOD.replace("owner: Somebody", "owner: omar@example.org")
    with pytest.raises(Forbidden):
        actions.write(text, by=Actor.of(cast.lena))
    actions.write(text, by=Actor.of(cast.omar))
    standing = queries.standing(Actor.of(cast.vera), "good")
    assert (standing.owner, standing.freshness) == (str(cast.omar), Freshness.FRESH)
    with pytest.raises(Conflict, match="already"):
        actions.write(text, by=Actor.of(cast.omar))


def test_a_review_that_is_overdue_is_said_until_somebody_has_read_it(cast, time):
    from datetime import timedelta

    time.forward(timedelta(days=600))
    lena, omar = Actor.of(cast.lena), Actor.of(cast.omar)
    assert queries.standing(omar, KEY).freshness is Freshness.STALE
    with pytest.raises(Forbidden):
        actions.mark_reviewed(KEY, by=lena)
    actions.mark_reviewed(KEY, by=omar)
    assert queries.standing(omar, KEY).freshness is Freshness.FRESH


def test_a_runbook_off_the_shelf_is_begun_by_nobody_and_can_be_put_back(incident, cast):
    omar = Actor.of(cast.omar)
    actions.retire(KEY, by=omar)
    assert KEY not in shelf.shelf()
    assert KEY in shelf.shelf(off=True)
    with pytest.raises(Conflict, match="off the shelf"):
        actions.begin(incident, key=KEY, by=omar)
    actions.put_back(KEY, by=omar)
    assert actions.begin(incident, key=KEY, by=omar).number == 1


def test_what_ships_has_no_row_until_it_is_touched(cast):
    assert queries.library(Actor.of(cast.vera))
    assert Runbook.objects.count() == 0
    with pytest.raises(Forbidden):
        queries.library(Actor.of(cast.rui))


def test_what_fits_an_incident_comes_first(incident):
    fits = queries.offers(incident).fits
    assert fits[0].runbook.key == KEY
    assert "it is for a fairness violation" in fits[0].reasons
