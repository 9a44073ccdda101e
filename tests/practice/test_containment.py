from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.containment import (
    BEFORE_THE_ACT,
    MOVING,
    OPEN,
    REHEARSED_WITHIN,
    SEEN_TO,
    TROUBLED,
    ApprovalRule,
    Consent,
    LeverFacts,
    Move,
    PullState,
    Sight,
    Turn,
    Unfit,
    after_look,
    consent,
    given_up,
    may_be_pulled,
    moot,
    next_move,
    ready,
    rule_at,
    turn,
    unfit,
)
from andon.practice.severity import Severity

NOW = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)
spans = st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400))


@given(st.sampled_from(PullState))
def test_there_is_something_to_do_exactly_while_a_pull_is_open(state):
    assert (next_move(state) is not Move.NOTHING) == (state in OPEN)


@given(st.sampled_from(PullState))
def test_only_what_is_prepared_and_was_never_begun_acts(state):
    assert (next_move(state) is Move.ACT) == (state is PullState.PREPARED)


def test_what_was_found_acting_is_looked_at():
    assert next_move(PullState.ACTING) is Move.LOOK_AFTER_CRASH
    assert set(MOVING) == set(OPEN) - {PullState.ASKED}


@given(st.sampled_from(OPEN))
def test_what_is_given_up_ends_loudly_and_is_called_not_done_only_before_the_act(state):
    assert given_up(state) in TROUBLED
    assert (given_up(state) is PullState.FAILED) == (next_move(state) not in {Move.LOOK, Move.LOOK_AFTER_CRASH})


@given(st.sampled_from(Sight), spans)
def test_only_what_is_seen_to_hold_is_verified(sight, since):
    state = after_look(sight, NOW + since, NOW)
    assert (state is PullState.VERIFIED) == (sight is Sight.HOLDS)


@given(st.sampled_from([Sight.NOT_YET, Sight.UNKNOWN]), spans)
def test_what_is_not_seen_is_looked_at_until_the_deadline_and_no_longer(sight, since):
    assert (after_look(sight, NOW + since, NOW) is PullState.UNVERIFIED) == (since >= timedelta(0))


@pytest.mark.parametrize(("holds", "sight"), [(True, Sight.HOLDS), (False, Sight.NOT_YET), (None, Sight.UNKNOWN)])
def test_what_could_not_be_told_is_never_success(holds, sight):
    assert Sight.of(holds) is sight


@given(st.sampled_from(Severity), st.sampled_from(ApprovalRule))
def test_at_s1_nobody_is_waited_for_and_else_the_levers_rule_holds(severity, rule):
    assert rule_at(severity, rule) is (ApprovalRule.ALONE if severity is Severity.S1 else rule)


@given(st.sampled_from(ApprovalRule), st.booleans(), st.integers(0, 5), st.integers(0, 5))
def test_more_who_agree_never_take_consent_away(rule, lead, others, leads):
    leads = min(leads, others)
    now = consent(rule, asked_by_lead=lead, others=others, leads=leads)
    more = consent(rule, asked_by_lead=lead, others=others + 1, leads=leads + 1)
    assert more is Consent.GIVEN
    if now is Consent.GIVEN:
        assert consent(rule, asked_by_lead=True, others=others, leads=leads) is Consent.GIVEN


def test_each_rule_waits_for_whom_it_names():
    assert consent(ApprovalRule.ALONE, asked_by_lead=False, others=0, leads=0) is Consent.GIVEN
    assert consent(ApprovalRule.SECOND, asked_by_lead=True, others=0, leads=0) is Consent.NEEDS_SECOND
    assert consent(ApprovalRule.LEAD, asked_by_lead=False, others=3, leads=0) is Consent.NEEDS_LEAD
    assert consent(ApprovalRule.LEAD, asked_by_lead=True, others=0, leads=0) is Consent.GIVEN


levers = st.builds(
    LeverFacts,
    problems=st.sampled_from([(), ("State is missing.",)]),
    revision=st.integers(1, 3),
    rehearsed_at=st.none() | spans.map(lambda span: NOW - span),
    rehearsed_revision=st.integers(0, 3),
    rehearsal_failed=st.booleans(),
    ended=st.booleans(),
)


@given(levers)
def test_a_lever_is_fit_only_if_complete_and_rehearsed_lately_as_it_is(lever):
    fit = unfit(lever, NOW) is None
    rehearsed = lever.rehearsed_at is not None and NOW - lever.rehearsed_at <= REHEARSED_WITHIN
    rehearsed = rehearsed and not lever.rehearsal_failed
    assert fit == (not lever.ended and not lever.problems and rehearsed and lever.rehearsed_revision == lever.revision)


@given(levers)
def test_a_doubtful_lever_may_be_pulled_an_incomplete_one_may_not(lever):
    assert may_be_pulled(unfit(lever, NOW)) == (not lever.ended and not lever.problems)


@given(st.lists(st.none() | st.sampled_from(Unfit)))
def test_one_fit_lever_makes_a_system_ready(reasons):
    assert ready(reasons) == (None in reasons)


@given(st.sampled_from(Severity), st.sampled_from(ApprovalRule), st.sampled_from(ApprovalRule))
def test_a_protocol_makes_a_levers_rule_stricter_and_never_looser(severity, lever, protocol):
    rule = rule_at(severity, lever, protocol)
    if severity is Severity.S1:
        assert rule is ApprovalRule.ALONE
    else:
        assert rule in {lever, protocol}
        order = list(ApprovalRule)
        assert order.index(rule) >= max(order.index(lever), order.index(protocol))
        assert rule is rule_at(severity, protocol, lever)


@given(st.sampled_from(PullState), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_only_what_has_not_acted_comes_to_nothing_and_never_an_undo(state, undo, over, ended, elsewhere):
    reason = moot(state, undo=undo, incident_over=over, lever_ended=ended, elsewhere=elsewhere)
    if reason is not None:
        assert state in BEFORE_THE_ACT
        assert not undo
        assert over or ((ended or elsewhere) and state is PullState.ASKED)
    elif state in BEFORE_THE_ACT and not undo:
        assert not over


pulls = st.sets(st.sampled_from(PullState))


@given(pulls)
def test_a_rehearsal_never_acts_after_a_pull_that_may_have_acted_nor_beside_one_that_may(others):
    whose = turn(rehearsing=True, others=others)
    acted = others & {PullState.ACTING, PullState.ACTED, *SEEN_TO}
    assert (whose is Turn.YIELDS) == bool(acted)
    assert (whose is Turn.WAITS) == (not acted and bool(others & set(MOVING)))


@given(pulls)
def test_a_pull_waits_for_nothing_but_an_act_that_is_under_way(others):
    assert (turn(rehearsing=False, others=others) is Turn.WAITS) == (PullState.ACTING in others)
    assert turn(rehearsing=False, others=others) is not Turn.YIELDS


@given(st.sampled_from([state for state in MOVING if state in BEFORE_THE_ACT]))
def test_of_a_pull_and_a_rehearsal_one_can_always_go_on(state):
    """The pull acts before its act whatever the rehearsal waits for, unless that is in the act itself."""
    if turn(rehearsing=True, others={state}) is Turn.WAITS:
        assert turn(rehearsing=False, others={state}) is Turn.ACTS
