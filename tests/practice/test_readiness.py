from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.readiness import (
    HORIZON,
    UNTRIED,
    Facts,
    FindingCode,
    PersonFacts,
    PointFacts,
    StepFacts,
    TargetFacts,
    check,
)

NOW = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
REACHED = TargetFacts("schedule Credit models", 2)
SOUND = Facts("Alice", owner_active=True, steps=(StepFacts(1, (REACHED,)),))


def found(facts):
    return [finding.code for finding in check(facts, NOW).findings]


def with_targets(*targets):
    return replace(SOUND, steps=(StepFacts(1, targets),))


def test_owner_chain_and_cover_make_a_system_ready():
    verdict = check(SOUND, NOW)
    assert verdict.ready
    assert verdict.findings == ()


@pytest.mark.parametrize(
    ("facts", "code", "says"),
    [
        (replace(SOUND, owner=None), FindingCode.NO_OWNER, "Name the person"),
        (replace(SOUND, owner=" "), FindingCode.NO_OWNER, "Name the person"),
        (replace(SOUND, owner_active=False), FindingCode.OWNER_INACTIVE, "Alice"),
        (replace(SOUND, steps=None), FindingCode.NO_CHAIN, "Choose one"),
        (replace(SOUND, steps=()), FindingCode.CHAIN_EMPTY, "Add a step"),
        (with_targets(), FindingCode.STEP_EMPTY, "Step 1"),
        (with_targets(TargetFacts("team Risk", 0)), FindingCode.STEP_UNREACHABLE, "team Risk"),
    ],
)
def test_each_failing_says_what_to_do(facts, code, says):
    verdict = check(facts, NOW)
    assert not verdict.ready
    assert [finding.code for finding in verdict.findings] == [code]
    assert says in verdict.findings[0].text


def test_every_failing_is_listed_not_only_the_first():
    facts = Facts(
        None,
        owner_active=False,
        steps=(StepFacts(1), StepFacts(2, (TargetFacts("A", 0, ((NOW + DAY, NOW + 2 * DAY),)),))),
    )
    assert found(facts) == [
        FindingCode.NO_OWNER,
        FindingCode.STEP_EMPTY,
        FindingCode.STEP_UNREACHABLE,
        FindingCode.SCHEDULE_GAP,
    ]


def test_one_reachable_target_is_enough_for_a_step():
    assert check(with_targets(TargetFacts("A", 0), TargetFacts("B", 1)), NOW).ready


def test_a_gap_says_from_when_until_when_in_the_schedules_zone():
    gap = (datetime(2026, 11, 6, 22, tzinfo=UTC), datetime(2026, 11, 7, 6, 30, tzinfo=UTC))
    facts = replace(with_targets(replace(REACHED, gaps=(gap,))), zone=ZoneInfo("Europe/Berlin"))
    [finding] = check(facts, NOW).findings
    assert (finding.at, finding.until) == gap
    assert finding.text == (
        "Nobody is on call in schedule Credit models from Fri 06 Nov 2026 23:00 CET to Sat 07 Nov 2026 07:30 CET "
        "(8 h 30 min). Extend a rotation over it, or add an override."
    )


def test_a_schedule_without_anybody_says_so():
    facts = with_targets(replace(REACHED, gaps=((NOW - DAY, NOW + 90 * DAY),)))
    [finding] = check(facts, NOW).findings
    assert "in the next 30 days" in finding.text


def test_a_schedule_in_two_steps_is_named_once():
    gappy = replace(REACHED, gaps=((NOW + DAY, NOW + 2 * DAY),))
    facts = replace(SOUND, steps=(StepFacts(1, (gappy,)), StepFacts(2, (gappy,))))
    assert found(facts) == [FindingCode.SCHEDULE_GAP]


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        check(SOUND, NOW.replace(tzinfo=None))


instants = st.integers(-50 * 1440, 50 * 1440).map(lambda minutes: NOW + timedelta(minutes=minutes))
gaps = st.tuples(instants, instants).map(lambda pair: (min(pair), max(pair)))
targets = st.builds(
    TargetFacts, st.sampled_from(["A", "B", "C"]), st.integers(0, 2), st.lists(gaps, max_size=3).map(tuple)
)
steps = st.builds(StepFacts, st.integers(1, 5), st.lists(targets, max_size=3).map(tuple))
all_facts = st.builds(
    Facts,
    st.none() | st.just("Alice"),
    st.booleans(),
    st.none() | st.lists(steps, max_size=3).map(tuple),
)


@given(all_facts)
def test_ready_is_exactly_what_the_rule_says(facts):
    verdict = check(facts, NOW)
    steps = facts.steps or ()
    rule = (
        facts.owner is not None
        and facts.owner_active
        and bool(steps)
        and all(any(t.working_contact_points for t in step.targets) for step in steps)
        and not any(
            max(start, NOW) < min(end, NOW + HORIZON)
            for step in steps
            for target in step.targets
            for start, end in target.gaps
        )
    )
    assert verdict.ready == rule
    assert verdict.ready == (not verdict.findings)
    for finding in verdict.findings:
        assert finding.text.endswith(".")
        if finding.code is FindingCode.SCHEDULE_GAP:
            assert NOW <= finding.at < finding.until <= NOW + HORIZON


# Contact points

points = st.builds(
    PointFacts,
    channel=st.sampled_from(["E-mail", "Text message"]),
    verified=st.booleans(),
    broken_at=st.none() | st.just(NOW - DAY),
    why_broken=st.sampled_from(["", "550 no such user."]),
    unusable=st.sampled_from(["", "", "No mail server is set."]),
    proved_at=st.none() | st.integers(0, 200).map(lambda days: NOW - days * DAY),
)
people = st.builds(
    PersonFacts,
    name=st.sampled_from(["Lena", "Tomas", "Sam"]),
    points=st.lists(points, max_size=3).map(tuple),
    named=st.booleans(),
)


@given(st.lists(people, max_size=4))
def test_a_contact_point_that_broke_makes_a_system_not_ready_and_advice_never_does(reached):
    verdict = check(with_targets(replace(REACHED, people=tuple(reached))), NOW)
    broken = {person.name for person in reached for point in person.points if point.broken_at}
    silent = {p.name for p in reached if p.named and not any(point.works for point in p.points)}
    assert verdict.ready == (not broken | silent)
    for name in broken | silent:
        assert any(name in finding.text for finding in verdict.findings)
    assert all(".." not in finding.text and ": ." not in finding.text for finding in verdict.findings)
    for finding in verdict.advice:
        assert finding.code in {FindingCode.CONTACT_UNCONFIRMED, FindingCode.CONTACT_UNTRIED}


@given(st.lists(people, max_size=4))
def test_untried_is_said_of_what_works_and_was_quiet_for_long(reached):
    verdict = check(with_targets(replace(REACHED, people=tuple(reached))), NOW)
    old = [
        point
        for person in set(reached)
        for point in person.points
        if point.works and point.proved_at is not None and NOW - point.proved_at > UNTRIED
    ]
    said = [finding for finding in verdict.advice if finding.code is FindingCode.CONTACT_UNTRIED]
    assert bool(old) == bool(said)


def test_somebody_in_two_steps_is_named_once():
    lena = PersonFacts("Lena", (PointFacts("E-mail", broken_at=NOW),), named=False)
    steps = (StepFacts(1, (replace(REACHED, people=(lena,)),)), StepFacts(2, (replace(REACHED, people=(lena,)),)))
    assert found(replace(SOUND, steps=steps)) == [FindingCode.CONTACT_BROKEN]
