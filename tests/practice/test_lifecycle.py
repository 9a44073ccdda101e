import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.lifecycle import UNRESOLVED, Reason, State, Step, awaits_person, decide


def step(state, what, *, held=False, **facts):
    return decide(state, what, contained_or_waived=held, **facts)


def test_the_straight_way_through():
    assert step(State.OPEN, Step.ACKNOWLEDGE).to is State.ACKNOWLEDGED
    assert step(State.ACKNOWLEDGED, Step.CONTAIN).to is State.CONTAINED
    assert step(State.CONTAINED, Step.RESOLVE, held=True).to is State.RESOLVED
    assert step(State.RESOLVED, Step.CLOSE, held=True).to is State.CLOSED


def test_acknowledging_twice_says_so_and_changes_nothing():
    again = step(State.ACKNOWLEDGED, Step.ACKNOWLEDGE)
    assert not again.ok
    assert again.to is State.ACKNOWLEDGED
    assert again.reason is Reason.ALREADY_ACKNOWLEDGED
    assert "already acknowledged" in again.text


def test_a_person_who_contains_straight_from_open_has_acknowledged():
    contained = step(State.OPEN, Step.CONTAIN)
    assert contained.ok
    assert contained.to is State.CONTAINED
    assert contained.acknowledges


def test_a_rule_that_contains_leaves_the_incident_paging_until_a_person_has_it():
    contained = step(State.OPEN, Step.CONTAIN, by_person=False)
    assert contained.to is State.CONTAINED
    assert not contained.acknowledges
    assert awaits_person(contained.to, acknowledged=False)
    seen = step(State.CONTAINED, Step.ACKNOWLEDGE, held=True, acknowledged=False)
    assert seen.ok
    assert seen.acknowledges
    assert seen.to is State.CONTAINED


@pytest.mark.parametrize("by_person", [True, False])
@pytest.mark.parametrize("state", [State.OPEN, State.ACKNOWLEDGED])
def test_nothing_resolves_without_containment_or_a_waiver(state, by_person):
    refused = step(state, Step.RESOLVE, by_person=by_person)
    assert not refused.ok
    assert refused.reason is Reason.NOT_CONTAINED
    assert "waive" in refused.text


def test_a_waiver_opens_the_way_to_resolution_without_claiming_containment():
    waived = step(State.ACKNOWLEDGED, Step.WAIVE_CONTAINMENT)
    assert waived.ok
    assert waived.to is State.ACKNOWLEDGED
    assert step(waived.to, Step.RESOLVE, held=True).to is State.RESOLVED
    assert step(waived.to, Step.CONTAIN, held=True).to is State.CONTAINED
    assert step(waived.to, Step.WAIVE_CONTAINMENT, held=True).reason is Reason.ALREADY_WAIVED


def test_a_rule_waives_and_resolves_and_nobody_is_said_to_have_acknowledged():
    waived = step(State.OPEN, Step.WAIVE_CONTAINMENT, by_person=False)
    assert (waived.to, waived.acknowledges) == (State.OPEN, False)
    resolved = step(State.OPEN, Step.RESOLVE, held=True, by_person=False)
    assert (resolved.to, resolved.acknowledges) == (State.RESOLVED, False)
    assert not awaits_person(resolved.to, acknowledged=False)


@pytest.mark.parametrize(("acknowledged", "to"), [(True, State.ACKNOWLEDGED), (False, State.OPEN)])
def test_what_is_let_go_is_contained_no_more_and_is_where_a_person_has_it_or_nobody(acknowledged, to):
    gone = step(State.CONTAINED, Step.LET_GO, held=True, acknowledged=acknowledged, by_person=False)
    assert (gone.ok, gone.to, gone.acknowledges) == (True, to, False)
    assert awaits_person(gone.to, acknowledged=acknowledged) is not acknowledged
    assert step(gone.to, Step.RESOLVE).reason is Reason.NOT_CONTAINED
    assert step(gone.to, Step.LET_GO).reason is Reason.NOTHING_HOLDS


@pytest.mark.parametrize("state", [State.RESOLVED, State.CLOSED])
def test_reopening_starts_over_and_pages_again(state):
    reopened = step(state, Step.REOPEN, held=True)
    assert reopened.ok
    assert reopened.restarts
    assert reopened.to is State.OPEN
    assert awaits_person(reopened.to, acknowledged=False)


@pytest.mark.parametrize("state", UNRESOLVED)
def test_what_goes_on_can_neither_be_reopened_nor_closed(state):
    assert step(state, Step.REOPEN, held=True).reason is Reason.NOT_OVER
    assert step(state, Step.CLOSE, held=True).reason is Reason.NOT_RESOLVED


@given(
    st.sampled_from(State),
    st.sampled_from(Step),
    st.booleans(),
    st.sampled_from([None, True, False]),
    st.booleans(),
)
def test_every_question_has_an_answer_and_a_refusal_changes_nothing(state, what, held, acknowledged, by_person):
    answer = step(state, what, held=held, acknowledged=acknowledged, by_person=by_person)
    assert answer.ok == (answer.reason is Reason.TAKEN)
    assert answer.text.endswith(".")
    if not answer.ok:
        assert (answer.to, answer.acknowledges, answer.restarts) == (state, False, False)
    if not by_person and what is not Step.ACKNOWLEDGE:
        assert not answer.acknowledges
    if answer.ok and what not in {Step.REOPEN, Step.LET_GO}:
        assert list(State).index(answer.to) >= list(State).index(state)


@given(st.lists(st.tuples(st.sampled_from(Step), st.booleans()), max_size=25))
def test_no_walk_reaches_resolution_uncontained_or_silence_unacknowledged(walk):
    state, acknowledged, contained, waived = State.OPEN, False, False, False
    for what, by_person in walk:
        answer = decide(
            state,
            what,
            contained_or_waived=contained or waived,
            acknowledged=acknowledged,
            by_person=by_person,
        )
        if not answer.ok:
            continue
        if answer.restarts:
            acknowledged = contained = waived = False
        acknowledged |= answer.acknowledges
        contained = (contained or what is Step.CONTAIN) and what is not Step.LET_GO
        waived |= what is Step.WAIVE_CONTAINMENT
        state = answer.to
        assert state in UNRESOLVED or contained or waived
        assert (state is State.CONTAINED) <= contained
        assert (state is State.ACKNOWLEDGED) <= acknowledged
        assert awaits_person(state, acknowledged=acknowledged) == (state in UNRESOLVED and not acknowledged)
