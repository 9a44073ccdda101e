from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.containment import (
    MOVING,
    OPEN,
    REHEARSED_WITHIN,
    ApprovalRule,
    Consent,
    LeverFacts,
    Move,
    PullState,
    Sight,
    Unfit,
    after_look,
    consent,
    may_be_pulled,
    next_move,
    ready,
    rule_at,
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
    ended=st.booleans(),
)


@given(levers)
def test_a_lever_is_fit_only_if_complete_and_rehearsed_lately_as_it_is(lever):
    fit = unfit(lever, NOW) is None
    rehearsed = lever.rehearsed_at is not None and NOW - lever.rehearsed_at <= REHEARSED_WITHIN
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
