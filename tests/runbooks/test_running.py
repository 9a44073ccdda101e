import re
from datetime import timedelta

import pytest

from andon.handbook import actions as handbook
from andon.handbook.queries import shipped_texts
from andon.incidents.timeline import verify
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind, StepState
from andon.response import containing
from andon.runbooks import actions, checking, queries, shelf
from andon.runbooks.models import Run, RunStep, Version
from andon.runbooks.policy import access_run
from tests.runbooks.conftest import KEY
from tests.support import scenes

pytestmark = pytest.mark.django_db

DONE, SKIPPED, FAILED = StepState.DONE, StepState.SKIPPED, StepState.FAILED


def state(run: Run, key: str) -> str:
    return next(row.state for row in queries.latest(run) if row.key == key)


def kinds(incident) -> list[str]:
    return list(incident.timeline.order_by("seq").values_list("kind", flat=True))


def settle(run, key, by, state=DONE, **facts):
    return actions.settle(run, key=key, state=state, by=Actor.of(by), **facts)


def contain(run, by):
    containing.contain(
        run.incident, kind=ContainmentKind.CONSTRAIN, note="Reviewed by people.", at=None, by=Actor.of(by)
    )


def test_a_run_keeps_who_did_what_when_and_how_long_it_took(run, cast, time):
    time.forward(timedelta(minutes=4))
    row = settle(run, "read-gap", cast.lena, note="Age 18 to 25 fell.")
    assert (row.state, row.by, row.at - row.begun_at) == ("done", cast.lena, timedelta(minutes=4))
    time.forward(timedelta(minutes=2))
    chosen = settle(run, "choose-lever", cast.tomas, outcome="no-human-capacity")
    assert (chosen.outcome, chosen.at - chosen.begun_at) == ("no-human-capacity", timedelta(minutes=2))
    assert [state(run, key) for key in ("roll-back", "human-review", "stop-adverse")] == ["passed", "passed", "todo"]
    assert kinds(run.incident)[-3:] == ["run_begun", "run_step_done", "run_decided"]
    run.incident.refresh_from_db()
    assert verify(run.incident) == []


def test_a_lever_that_did_not_work_leads_to_the_next(run, cast):
    settle(run, "read-gap", cast.lena)
    settle(run, "choose-lever", cast.lena, outcome="recent-change")
    with pytest.raises(Invalid, match="does not try it again"):
        settle(run, "roll-back", cast.lena, FAILED)
    settle(run, "roll-back", cast.lena, FAILED, note="The alias moved, the pods kept serving.")
    assert state(run, "human-review") == "todo"
    settle(run, "human-review", cast.lena)
    assert state(run, "stop-adverse") == "passed"


def test_diagnosing_waits_for_containment_and_its_turn_begins_with_it(run, cast, time):
    with pytest.raises(Conflict, match="Containment comes first"):
        settle(run, "locate", cast.lena)
    for row in queries.latest(run):
        if row.phase in {"contain", "assess"} and state(run, row.key) == "todo":
            outcome = {"choose-lever": "steady-or-unknown", "measure": "selection"}.get(row.key, "")
            settle(run, row.key, cast.lena, outcome=outcome)
    assert RunStep.objects.get(run=run, key="locate").begun_at is None
    time.forward(timedelta(minutes=7))
    contain(run, cast.lena)
    assert RunStep.objects.get(run=run, key="locate").begun_at == time.now()
    assert settle(run, "locate", cast.lena).state == "done"


def test_a_step_of_diagnosis_can_be_skipped_with_a_reason_before_containment(run, cast):
    assert settle(run, "locate", cast.lena, SKIPPED, note="The vendor does it.").state == "skipped"


def test_skipping_needs_a_reason_unless_the_step_is_optional(run, cast):
    with pytest.raises(Invalid, match="with a reason"):
        settle(run, "read-gap", cast.lena, SKIPPED)
    assert settle(run, "end-use", cast.lena, SKIPPED).state == "skipped"


def test_a_decision_is_settled_by_one_of_its_outcomes(run, cast):
    with pytest.raises(Invalid, match="recent-change, steady-or-unknown"):
        settle(run, "choose-lever", cast.lena, outcome="maybe")
    with pytest.raises(Invalid, match="settled by its outcome"):
        settle(run, "choose-lever", cast.lena)


def test_two_who_settle_the_same_step_are_told_so(run, cast):
    settle(run, "read-gap", cast.lena)
    with pytest.raises(Conflict, match="done already"):
        settle(run, "read-gap", cast.tomas)
    with pytest.raises(Missing):
        settle(run, "no-such-step", cast.lena)


def test_leading_back_makes_a_further_turn_and_keeps_the_earlier(run, cast):
    contain(run, cast.lena)
    settle(run, "choose-lever", cast.lena, outcome="steady-or-unknown")
    settle(run, "human-review", cast.lena, note="Queue is full in an hour.")
    settle(run, "count-people", cast.lena)
    settle(run, "leave", cast.lena, outcome="gap-again")
    assert [state(run, key) for key in ("choose-lever", "human-review", "leave")] == ["todo"] * 3
    assert state(run, "roll-back") == "todo"  # passed by before, and to be decided anew
    assert state(run, "count-people") == "done"
    turns = RunStep.objects.filter(run=run, key="human-review").order_by("turn")
    assert [(row.turn, row.state, row.note) for row in turns] == [
        (1, "done", "Queue is full in an hour."),
        (2, "todo", ""),
    ]


def test_a_decision_that_is_opened_again_brings_back_what_it_passed_by(run, cast):
    settle(run, "choose-lever", cast.lena, outcome="no-human-capacity")
    actions.again(run, key="choose-lever", by=Actor.of(cast.tomas))
    assert [state(run, key) for key in ("choose-lever", "roll-back", "human-review")] == ["todo"] * 3
    assert kinds(run.incident)[-1] == "run_step_again"
    with pytest.raises(Conflict, match="still to do"):
        actions.again(run, key="choose-lever", by=Actor.of(cast.tomas))


def test_one_run_of_a_runbook_goes_on_at_a_time_and_ends_with_words(run, incident, cast):
    by = Actor.of(cast.lena)
    with pytest.raises(Conflict, match="Go on with that run"):
        actions.begin(incident, key=KEY, by=by)
    with pytest.raises(Invalid, match="steps are still to do"):
        actions.end(run, finished=True, by=by)
    ended = actions.end(run, finished=False, note="It is no gap after all.", by=by)
    assert (ended.state, ended.ended_by, kinds(incident)[-1]) == ("stopped", cast.lena, "run_stopped")
    with pytest.raises(Conflict, match="has ended"):
        settle(run, "read-gap", cast.lena)
    assert actions.begin(incident, key=KEY, by=by).number == run.number + 1


def test_a_run_keeps_the_version_that_it_began_with(run, cast):
    assert Version.objects.get().digest == run.version.digest
    text = shelf.one(KEY).text.replace("title: Fairness violation", "title: Unequal treatment")
    made = actions.propose(KEY, text=text, why="The word that people use.", by=Actor.of(cast.lena))
    actions.decide(made, accept=True, seen=1, by=Actor.of(cast.omar))
    assert shelf.one(KEY).runbook.title == "Unequal treatment"
    run.refresh_from_db()
    assert run.version.number == 1
    assert settle(run, "read-gap", cast.lena).state == "done"


@pytest.mark.parametrize("who", ["vera", "rui"])
def test_who_may_not_respond_runs_nothing(run, incident, cast, who):
    by = Actor.of(getattr(cast, who))
    with pytest.raises(Forbidden):
        actions.begin(incident, key=KEY, by=by)
    with pytest.raises(Forbidden):
        actions.settle(run, key="read-gap", state=DONE, by=by)
    with pytest.raises(Forbidden):
        actions.end(run, finished=True, note="Over.", by=by)
    with pytest.raises(Forbidden):
        actions.again(run, key="read-gap", by=by)


def test_a_run_on_a_restricted_incident_is_seen_by_nobody_outside(run, incident, cast):
    type(incident).objects.filter(pk=incident.pk).update(restricted=True)
    for someone in (cast.sam, cast.vera, cast.rui):
        with pytest.raises(Missing):
            access_run(Actor.of(someone), run.number)
    assert access_run(Actor.of(cast.omar), run.number) == run
    assert queries.standing(Actor.of(cast.vera), KEY).use.runs == 0
    assert queries.standing(Actor.of(cast.lena), KEY).use.runs == 1


def test_a_handbook_that_is_applied_provides_its_runbooks_and_leaves_no_other(run, cast):
    texts = shipped_texts()
    path = f"runbooks/{KEY}.md"
    texts[path] = texts[path].replace("title: Fairness violation", "title: Unequal treatment")
    handbook.apply(texts, by=Actor.of(cast.nadia))
    found = shelf.one(KEY)
    assert (found.runbook.title, found.from_file, found.is_kept) == ("Unequal treatment", True, False)
    made = actions.propose(
        KEY, text=found.text.replace("minutes: 180", "minutes: 200"), why="It takes longer.", by=Actor.of(cast.lena)
    )
    decided = actions.decide(made, accept=True, seen=2, by=Actor.of(cast.omar))
    assert (decided.state, decided.made) == ("accepted", None)
    assert shelf.one(KEY).runbook.minutes == 180  # a file says what it says
    texts[path] = decided.text
    handbook.apply(texts, by=Actor.of(cast.nadia))
    assert shelf.one(KEY).runbook.minutes == 200


def test_a_handbook_with_a_broken_runbook_is_refused_by_file_and_line(cast):
    texts = shipped_texts()
    path = f"runbooks/{KEY}.md"
    texts[path] = texts[path].replace('what: "{output}"', 'what: "SELECT 1"', 1)
    with pytest.raises(Invalid, match=rf"{path}.*step read-gap"):
        handbook.apply(texts, by=Actor.of(cast.nadia))


def test_a_runbook_that_cannot_be_read_hides_no_mistake_of_another(tmp_path):
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "binary.md").write_bytes(b"\xff\xfe")
    (tmp_path / "runbooks" / "empty.md").write_text("")
    assert [(one.file, one.line) for one in checking.check(tmp_path)] == [
        ("runbooks/binary.md", 1),
        ("runbooks/empty.md", 1),
    ]


def without_the_runbook() -> dict[str, str]:
    """The shipped handbook, in which neither a file nor a protocol speaks of the runbook any more."""
    texts = shipped_texts()
    del texts[f"runbooks/{KEY}.md"]
    return {file: re.sub(rf"^ *- {{ key: {KEY} }}\n", "", text, flags=re.MULTILINE) for file, text in texts.items()}


def test_a_runbook_that_a_later_handbook_lacks_is_offered_as_the_incident_has_it(incident, cast):
    then = shelf.one(KEY).text
    handbook.apply(without_the_runbook(), by=Actor.of(cast.nadia))
    assert shelf.known(KEY) is None
    offered = queries.offers(incident)
    assert offered.fits[0].runbook.key == KEY
    assert queries.FROZEN in offered.fits[0].reasons
    assert offered.off == []
    run = actions.begin(incident, key=KEY, by=Actor.of(cast.lena))
    assert (run.version.text, run.version.number) == (then, 1)
    later = scenes.declared(cast)
    assert KEY not in [fit.runbook.key for fit in queries.offers(later, most=None).fits]
    with pytest.raises(Conflict, match="in the handbook no more"):
        actions.begin(later, key=KEY, by=Actor.of(cast.lena))
    assert Version.objects.filter(runbook__key=KEY).count() == 1


def test_what_was_frozen_is_one_version_however_often_it_is_run(run, incident, cast):
    texts = shipped_texts()
    texts[f"runbooks/{KEY}.md"] = texts[f"runbooks/{KEY}.md"].replace("minutes: 180", "minutes: 200")
    handbook.apply(texts, by=Actor.of(cast.nadia))
    actions.end(run, finished=False, note="Another way.", by=Actor.of(cast.lena))
    newer = actions.begin(incident, key=KEY, by=Actor.of(cast.lena))
    assert (newer.version.number, shelf.parsed(newer.version.text).minutes) == (
        2,
        200,
    )  # while there is one, the newest
    actions.end(newer, finished=False, note="Another way.", by=Actor.of(cast.lena))
    handbook.apply(without_the_runbook(), by=Actor.of(cast.nadia))
    again = actions.begin(incident, key=KEY, by=Actor.of(cast.lena))
    assert again.version == run.version
    assert Version.objects.filter(runbook__key=KEY).count() == 2


def test_a_runbook_that_was_taken_off_the_shelf_is_told_and_not_offered(incident, cast, signed_in):
    actions.retire(KEY, by=Actor.of(cast.omar))
    handbook.apply(without_the_runbook(), by=Actor.of(cast.nadia))
    offered = queries.offers(incident)
    assert KEY not in [fit.runbook.key for fit in offered.fits]
    assert [one.key for one in offered.off] == [KEY]
    page = signed_in(cast.lena).get(f"/incidents/{incident.number}").content.decode()
    assert "which was taken off the shelf" in page
    with pytest.raises(Conflict, match="taken off the shelf"):
        actions.begin(incident, key=KEY, by=Actor.of(cast.lena))
