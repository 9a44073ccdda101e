"""The way of a run through a runbook, for any runbook that passes the check."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from andon.practice.runbook import Outcome, Runbook, Step, current, missteps, move, passed_by
from andon.practice.shelf import Case, Freshness, due_on, fit, freshness, suggest
from andon.practice.words import IncidentType, RunbookPhase, StepKind, StepState, SystemKind


def book(*steps: Step, **facts) -> Runbook:
    given_ = {
        "key": "a-book", "title": "A book", "summary": "When.", "owner": "Somebody", "reviewed": date(2026, 1, 1),
        "types": (IncidentType.SAFETY,), "review_days": 180, "minutes": 10, "steps": steps,
    }  # fmt: skip
    return Runbook(**(given_ | facts))


def step(key: str, phase: RunbookPhase = RunbookPhase.CONTAIN, **facts) -> Step:
    kind = StepKind.DECISION if facts.get("outcomes") else StepKind.MANUAL
    return Step(key=key, phase=phase, kind=kind, title=key.title(), body="Do it.", **facts)


@st.composite
def runbooks(draw) -> Runbook:
    """Any runbook, most of them sound: steps in all phases, with decisions that lead on or back."""
    phases = [phase for phase in RunbookPhase for _ in range(draw(st.integers(1, 3)))]
    keys = [f"s{place}" for place in range(len(phases))]
    steps = []
    for place, phase in enumerate(phases):
        targets = st.sampled_from(["", *keys])
        if draw(st.booleans()) and place:
            ways = draw(st.lists(targets, min_size=2, max_size=3))
            outcomes = tuple(Outcome(f"o{number}", "When.", to) for number, to in enumerate(ways))
            steps.append(step(keys[place], phase, outcomes=outcomes))
        else:
            later = st.sampled_from(["", *keys[place + 1 :]])
            steps.append(step(keys[place], phase, then=draw(later)))
    return book(*steps)


@given(runbooks(), st.data())
def test_a_run_of_a_sound_runbook_comes_to_its_end_and_states_no_step_twice(found, data):
    if list(missteps(found)):
        return
    states = {one.key: StepState.TODO for one in found.steps}
    backs = 0
    for _ in range(200):
        now = current(found, states, held=True)
        if now is None:
            break
        assert states[now.key] is StepState.TODO
        outcomes = now.outcomes
        if outcomes:
            onward = [one for one in outcomes if not one.to or found.place(one.to) > found.place(now.key)]
            assert onward  # a sound decision has a way on
            chosen = data.draw(st.sampled_from(outcomes if backs < 3 else onward)).key
        else:
            chosen = ""
        state = StepState.DONE if outcomes else data.draw(st.sampled_from([StepState.DONE, StepState.FAILED]))
        followed = move(found, now.key, state, chosen, states)
        assert not (followed.passed and followed.again)
        assert all(states[key] is StepState.TODO for key in followed.passed)
        assert state is StepState.DONE or followed.passed == ()
        states[now.key] = state
        states |= dict.fromkeys(followed.passed, StepState.PASSED)
        states |= dict.fromkeys(followed.again, StepState.TODO)
        backs += bool(followed.again)
    assert current(found, states, held=True) is None


@given(runbooks(), st.data())
def test_opening_a_step_again_brings_back_what_it_passed_by(found, data):
    if list(missteps(found)):
        return
    one = data.draw(st.sampled_from(found.steps))
    outcome = data.draw(st.sampled_from(one.outcomes)).key if one.outcomes else ""
    states = {each.key: StepState.TODO for each in found.steps}
    passed = move(found, one.key, StepState.DONE, outcome, states).passed
    states |= {one.key: StepState.DONE} | dict.fromkeys(passed, StepState.PASSED)
    assert tuple(passed_by(found, one.key, StepState.DONE, outcome, states)) == passed


@given(runbooks())
def test_diagnosing_is_never_the_next_thing_before_containment(found):
    now = current(found, {}, held=False)
    assert now is None or now.phase is not RunbookPhase.DIAGNOSE


def test_every_kind_of_misstep_is_found():
    whole = [step(phase.value, phase) for phase in RunbookPhase]
    assert list(missteps(book(*whole))) == []
    assert "no step under Verify" in next(missteps(book(*(one for one in whole if one.key != "verify")))).text
    twice = next(missteps(book(*whole, step("communicate", RunbookPhase.COMMUNICATE))))
    assert "2 steps" in twice.text
    order = next(missteps(book(*whole, step("late", RunbookPhase.CONTAIN))))
    assert (order.step, "Contain stands after Communicate" in order.text) == ("late", True)
    lost = [step("first", outcomes=(Outcome("a", "When.", "nowhere"), Outcome("b", "When.")))]
    assert "there is no such step" in next(missteps(book(*lost, *whole))).text
    back = [step("first"), step("second", then="first")]
    assert "leads back" in next(missteps(book(*back, *whole))).text
    forever = [step("first"), step("second", outcomes=(Outcome("a", "x", "first"), Outcome("b", "x", "first")))]
    assert "never ends" in next(missteps(book(*forever, *whole))).text
    missed = [step("first", outcomes=(Outcome("a", "x", "contain"), Outcome("b", "x", "contain"))), step("alone")]
    assert next(missteps(book(*missed, *whole))).step == "alone"


def test_a_lever_that_did_not_work_leads_to_the_next_and_one_that_did_past_it():
    whole = [step(phase.value, phase) for phase in RunbookPhase if phase is not RunbookPhase.CONTAIN]
    found = book(step("one", then="see"), step("two"), step("see"), *whole)
    assert move(found, "one", StepState.FAILED, "", {}).passed == ()
    assert move(found, "one", StepState.DONE, "", {}).passed == ("two",)


def test_leading_back_opens_containing_and_verifying_again_and_leaves_what_was_assessed():
    back = (Outcome("holds", "x"), Outcome("not", "x", "contain"))
    phases = [step(phase.value, phase) for phase in RunbookPhase if phase is not RunbookPhase.COMMUNICATE]
    found = book(*phases, step("leave", RunbookPhase.VERIFY, outcomes=back), step("tell", RunbookPhase.COMMUNICATE))
    assert move(found, "leave", StepState.DONE, "not", {}).again == ("contain", "verify", "leave")


def test_runbooks_are_ranked_by_what_they_share_with_the_incident():
    whole = [step(phase.value, phase) for phase in RunbookPhase]
    fair = book(*whole, key="fair", types=(IncidentType.FAIRNESS_VIOLATION,), watches=("fairness_gap",))
    agent = book(*whole, key="agent", types=(IncidentType.SAFETY,), systems=(SystemKind.AGENT,), signs=("deleted",))
    case = Case(type=IncidentType.SAFETY, system=SystemKind.SCORER, watches=frozenset({"fairness_gap"}))
    assert [one.runbook.key for one in suggest([agent, fair], case, most=5)] == ["fair"]
    told = Case(type=IncidentType.SAFETY, system=SystemKind.AGENT, text="It DELETED  the table")
    assert fit(agent, told).reasons == ("“deleted” is spoken of", "it is for a safety incident")
    assert fit(fair, told).points == 0


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 1000), st.integers(-2000, 2000))
def test_a_review_is_overdue_from_the_day_after(reviewed, days, later):
    due = due_on(reviewed, days)
    today = date.fromordinal(due.toordinal() + later)
    assert (freshness(due, today) is Freshness.STALE) == (today > due)
