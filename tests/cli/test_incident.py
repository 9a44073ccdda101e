"""`andon incident` in the name of a person: the same actions, refused in the same words."""

import pytest

from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.lifecycle import State
from andon.response.opening import declare

pytestmark = pytest.mark.django_db
LENA = ("--as", "lena@example.org")


@pytest.fixture
def incident(cast, time):
    return declare(title="Errors", system=cast.credit_scorer, by=Actor.of(cast.omar))


def test_declare_opens_an_incident_in_somebodys_name(cast, time, andon):
    said = andon("incident", "declare", "Approvals fail", "--system", "credit-scorer", *LENA, "--json")
    made = Incident.objects.get()
    assert said.code == 0
    assert said.data["ref"] == made.ref
    assert said.data["next_page_at"]
    assert made.declared_by == cast.lena


def test_from_acknowledgement_to_resolution(cast, incident, andon):
    assert andon("incident", "ack", incident.ref, *LENA).code == 0
    assert andon("incident", "note", "1", "Looking at the last release", *LENA).code == 0
    contained = andon("incident", "contain", "inc-1", "--kind", "roll_back", "--note", "Back to v6", *LENA, "--json")
    assert contained.data["state"] == "contained"
    said = andon("incident", "resolve", "INC-1", "--summary", "Errors are gone", *LENA)
    assert said.code == 0
    assert "Acknowledged on the command line" in said.out
    assert "Looking at the last release" in said.out
    incident.refresh_from_db()
    assert incident.state == State.RESOLVED
    assert incident.acknowledged_by == cast.lena


def test_resolving_before_containment_is_refused_in_words(incident, andon):
    said = andon("incident", "resolve", "INC-1", "--summary", "over", *LENA)
    assert said.code == 1
    assert said.err.startswith("andon: ")
    assert "contain" in said.err.lower()
    assert "Traceback" not in said.err
    assert Incident.objects.get().state == State.OPEN


def test_waiving_needs_a_reason_and_opens_the_way(incident, andon):
    assert andon("incident", "waive", "INC-1", "--reason", "", *LENA).code == 1
    assert andon("incident", "waive", "INC-1", "--reason", "A false alarm", *LENA).code == 0
    assert andon("incident", "resolve", "INC-1", "--summary", "false alarm", *LENA).code == 0


def test_a_viewer_may_not_acknowledge(incident, andon):
    said = andon("incident", "ack", "INC-1", "--as", "vera@example.org", "--json")
    assert said.code == 1
    assert '"error"' in said.err
    assert Incident.objects.get().acknowledged_at is None


def test_nobody_of_that_address(incident, andon):
    said = andon("incident", "ack", "INC-1", "--as", "nobody@example.org")
    assert said.code == 1
    assert "nobody@example.org" in said.err


def test_somebody_who_left_cannot_be_acted_for(cast, incident, andon):
    cast.lena.is_active = False
    cast.lena.save()
    said = andon("incident", "ack", "INC-1", *LENA)
    assert said.code == 1
    assert "deactivated" in said.err


def test_writing_needs_a_name(incident, andon):
    assert andon("incident", "ack", "INC-1").code == 2


def test_a_number_that_is_none_is_wrong_use(incident, andon):
    said = andon("incident", "show", "forty-two")
    assert said.code == 2
    assert "INC-42" in said.err


def test_the_list_shows_what_is_not_resolved_and_with_all_everything(incident, andon):
    assert "INC-1" in andon("incident", "list").out
    andon("incident", "waive", "INC-1", "--reason", "A false alarm", *LENA)
    andon("incident", "resolve", "INC-1", "--summary", "false alarm", *LENA)
    assert "No incident is open." in andon("incident", "list").out
    assert [row["ref"] for row in andon("incident", "list", "--all", "--json").data] == ["INC-1"]


def test_show_prints_what_people_typed_as_they_typed_it(cast, time, andon):
    declare(title="[bold]not markup[/bold]", system=None, by=Actor.of(cast.omar))
    assert "[bold]not markup[/bold]" in andon("incident", "show", "1").out


def test_what_was_resolved_can_be_reopened_and_closed(incident, andon):
    assert andon("incident", "waive", "INC-1", "--reason", "A false alarm", *LENA).code == 0
    assert andon("incident", "resolve", "INC-1", "--summary", "A false alarm", *LENA).code == 0
    again = andon("incident", "reopen", "INC-1", "--reason", "It fires again", *LENA, "--json")
    assert (again.code, again.data["state"]) == (0, State.OPEN)
    assert andon("incident", "waive", "INC-1", "--reason", "It was the sensor", *LENA).code == 0
    assert andon("incident", "resolve", "INC-1", "--summary", "Sensor replaced", *LENA).code == 0
    undecided = andon("incident", "close", "INC-1", "--as", "nadia@example.org")
    assert undecided.code == 1
    assert "Notify the data protection authority" in undecided.err
    unknown = andon("incident", "duty", "INC-1", "nothing", *LENA, "--became", "done")
    assert unknown.code == 1
    keys = unknown.err.partition("Its duties: ")[2].rstrip(".\n").split(", ")
    assert len(keys) > 1
    for key in keys:
        said = andon("incident", "duty", "INC-1", key, *LENA, "--became", "not_owed", "--note", "A broken sensor")
        assert said.code == 0, said.err
    assert "review is not published" in andon("incident", "close", "INC-1", "--as", "nadia@example.org").err
    said = andon("incident", "close", "INC-1", "--as", "nadia@example.org", "--reason", "A broken sensor", "--json")
    assert (said.code, said.data["state"]) == (0, State.CLOSED)


def test_the_list_of_a_system_that_is_not_there_is_no_empty_list(incident, andon):
    said = andon("incident", "list", "--system", "ghost")
    assert said.code == 1
    assert "ghost" in said.err
