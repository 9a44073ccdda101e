from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.severity import (
    DEFAULT_TABLE,
    DEFAULT_TARGETS,
    SUBSTANTIVE,
    Assessment,
    Change,
    Severity,
    Within,
    WorstTable,
    change,
    classify,
    heard_worse,
    plausible_worst,
)
from andon.practice.words import Criticality, HarmDimension, IncidentType

NO_HARM = dict.fromkeys(HarmDimension, 0)
scores = st.none() | st.integers(0, 4)
assessments = st.builds(Assessment, technical=scores, harms=st.dictionaries(st.sampled_from(HarmDimension), scores))
contexts = st.fixed_dictionaries(
    {
        "criticality": st.sampled_from(Criticality),
        "type": st.sampled_from(IncidentType),
        "contained": st.booleans(),
        "vulnerable": st.sampled_from([None, True, False]),
    }
)


def severity_of(technical=0, *, contained=True, vulnerable=None, **harms):
    named = NO_HARM | {HarmDimension(name): score for name, score in harms.items()}
    return classify(
        Assessment(technical, named),
        criticality=Criticality.HIGH,
        type=IncidentType.FAIRNESS_VIOLATION,
        contained=contained,
        vulnerable=vulnerable,
    )


def unassessed(criticality, kind):
    return classify(Assessment(), criticality=criticality, type=kind, contained=False)


def test_the_reason_names_what_decided_and_the_lesser_evidence():
    found = severity_of(rights=3, scale=2)
    assert found.severity is Severity.S2
    assert found.reason == "S2 because: rights and legal effect H3, scale H2"


def test_the_reason_says_what_is_assumed():
    found = classify(
        Assessment(0, NO_HARM | {HarmDimension.RIGHTS: None}),
        criticality=Criticality.HIGH,
        type=IncidentType.FAIRNESS_VIOLATION,
        contained=True,
    )
    assert found.reason == "S2 because: rights and legal effect H3 (not yet assessed: plausible worst)"
    assert [term.dimension for term in found.assumed] == [HarmDimension.RIGHTS]


@pytest.mark.parametrize(("level", "severity"), list(enumerate(reversed(Severity))))
def test_either_axis_alone_decides(level, severity):
    assert severity_of(technical=level).severity is severity
    assert severity_of(financial=level).severity is severity


def test_many_small_harms_do_not_add_up_to_a_great_one():
    assert severity_of(1, physical=1, rights=1, financial=1, privacy=1).severity is Severity.S4


def test_evidenced_harm_that_goes_on_raises_by_one_and_says_so():
    found = severity_of(rights=3, scale=2, contained=False)
    assert found.severity is Severity.S1
    assert found.reason == (
        "S1 because: rights and legal effect H3, scale H2; raised from S2: the harm goes on uncontained"
    )


def test_slight_harm_that_goes_on_does_not_raise():
    assert severity_of(rights=1, contained=False).severity is Severity.S4


def test_technical_trouble_without_harm_is_not_raised():
    assert severity_of(technical=3, contained=False).severity is Severity.S2


def test_vulnerable_people_raise_by_one_and_both_grounds_together_no_more():
    assert severity_of(rights=2, vulnerability=2).severity is Severity.S2
    assert severity_of(rights=2, vulnerability=4).severity is Severity.S2
    both = severity_of(rights=2, vulnerability=4, contained=False)
    assert both.severity is Severity.S2
    assert len(both.raised_by) == 2


def test_known_vulnerable_people_count_as_evidence_unless_the_dimension_is_scored():
    rights_only = {d: 0 for d in HarmDimension if d is not HarmDimension.VULNERABILITY} | {HarmDimension.RIGHTS: 2}

    def level(vulnerable, harms=rights_only):
        return classify(
            Assessment(0, harms),
            criticality=Criticality.LOW,
            type=IncidentType.SAFETY,
            contained=True,
            vulnerable=vulnerable,
        ).severity

    assert level(vulnerable=True) is Severity.S2
    assert level(vulnerable=False) is Severity.S3
    assert level(vulnerable=True, harms=rights_only | {HarmDimension.VULNERABILITY: 0}) is Severity.S3


@pytest.mark.parametrize("modifiers", [{"scale": 4}, {"reversibility": 4}, {"vulnerability": 4}])
def test_modifiers_without_harm_are_nothing_and_a_trifle_to_everybody_is_no_catastrophe(modifiers):
    assert severity_of(**modifiers, contained=False).severity is Severity.S5
    assert severity_of(financial=1, **modifiers).severity is Severity.S3
    assert severity_of(financial=3, **modifiers).severity is Severity.S1


def test_a_modifier_that_is_held_back_says_so():
    assert "scale H4 (counts as H2 beside the harm itself)" in severity_of(financial=1, scale=4).reason


def test_nothing_found_is_a_near_miss():
    assert severity_of().reason == "S5 because: no impact and no harm: a hazard or near miss"


def test_unassessed_an_internal_tools_blip_is_no_s1_and_a_critical_fairness_gap_is():
    for kind in IncidentType:
        assert not unassessed(Criticality.LOW, kind).severity.worse_than(Severity.S3)
    assert unassessed(Criticality.LOW, IncidentType.TECHNICAL_FAILURE).severity is Severity.S4
    assert unassessed(Criticality.HIGH, IncidentType.FAIRNESS_VIOLATION).severity is Severity.S2
    assert unassessed(Criticality.CRITICAL, IncidentType.FAIRNESS_VIOLATION).severity is Severity.S1


def test_not_everything_is_s1_at_its_opening():
    worst = [row for row in DEFAULT_TABLE if unassessed(*row).severity is Severity.S1]
    assert len(worst) <= len(DEFAULT_TABLE) / 4
    assert all(criticality.at_least(Criticality.HIGH) for criticality, _ in worst)


@pytest.mark.parametrize("kind", IncidentType)
def test_the_table_never_falls_as_criticality_rises(kind):
    rows = [DEFAULT_TABLE[criticality, kind] for criticality in Criticality]
    for lower, higher in pairwise(rows):
        assert lower.technical <= higher.technical
        assert all(lower.harms[d] <= higher.harms[d] for d in HarmDimension)


@given(assessments, contexts)
def test_severity_is_reasoned_and_never_milder_than_the_worst_harm_itself(assessment, context):
    found = classify(assessment, **context)
    assert found.reason.startswith(f"{found.severity.name} because: ")
    assert len(found.terms) == len(HarmDimension) + 1
    level = 5 - found.severity
    worst = plausible_worst(context["criticality"], context["type"])
    for dimension in SUBSTANTIVE:
        given_score = assessment.harms.get(dimension)
        assert level >= (worst[dimension] if given_score is None else given_score)
    assert level >= (assessment.technical or 0)
    assert level <= max(term.counts for term in found.terms) + 1


@given(assessments, contexts, st.sampled_from([None, *HarmDimension]), st.integers(0, 4))
def test_a_higher_score_and_a_confirmed_assumption_never_make_it_milder(assessment, context, what, score):
    row = DEFAULT_TABLE[context["criticality"], context["type"]]
    assumed = row.technical if what is None else row.harms[what]
    before = assessment.technical if what is None else assessment.harms.get(what)
    # Known not to affect the vulnerable, then scored after all, is a correction either way; the caller's flag
    # is the score that is there before.
    if what is HarmDimension.VULNERABILITY and before is None and context["vulnerable"] is not None:
        before = 2 if context["vulnerable"] else 0
    higher = max(score, assumed if before is None else before)
    if what is None:
        after = Assessment(higher, assessment.harms)
    else:
        after = Assessment(assessment.technical, {**assessment.harms, what: higher})
    assert classify(after, **context).severity <= classify(assessment, **context).severity


@given(assessments, contexts)
def test_containing_never_makes_it_worse(assessment, context):
    going_on = classify(assessment, **{**context, "contained": False}).severity
    stopped = classify(assessment, **{**context, "contained": True}).severity
    assert going_on <= stopped <= going_on + 1


@given(contexts)
def test_assumptions_alone_never_raise(context):
    assert not classify(Assessment(), **{**context, "vulnerable": None}).raised_by


@pytest.mark.parametrize("assessment", [{"technical": 5}, {"harms": {HarmDimension.SCALE: -1}}])
def test_a_score_out_of_range_is_refused_by_name(assessment):
    with pytest.raises(ValueError, match=r"technical impact is 5|scale is -1"):
        Assessment(**assessment)


def test_the_table_can_come_from_a_handbook_and_go_back():
    data = DEFAULT_TABLE.as_data()
    assert WorstTable.from_data(data) == DEFAULT_TABLE
    data["low"]["safety"]["physical"] = 4
    changed = WorstTable.from_data(data)
    found = classify(Assessment(), criticality=Criticality.LOW, type=IncidentType.SAFETY, contained=True, table=changed)
    assert found.severity is Severity.S1


def test_a_table_with_holes_is_refused_naming_all_of_them():
    data = DEFAULT_TABLE.as_data()
    del data["low"]["safety"]["physical"]
    data["high"]["ethical"]["rights"] = 7
    data["high"]["ethical"]["mood"] = 1
    data["enormous"] = {}
    with pytest.raises(ValueError, match="cannot be used") as refused:
        WorstTable.from_data(data)
    for part in ("low, safety: physical is None", "rights is 7", "'mood'", "'enormous'"):
        assert part in str(refused.value)


def test_raising_needs_nobody_and_lowering_needs_somebody_else_and_a_reason():
    def ask(to, approver=None, reason=""):
        return change(Severity.S2, to, approver=approver, reason=reason, requested_by="person:7")

    assert ask(Severity.S1).reason is Change.RAISED
    assert ask(Severity.S2).reason is Change.UNCHANGED
    assert ask(Severity.S3, "person:8").reason is Change.NEEDS_REASON
    assert ask(Severity.S3, " ", "harm was nil").reason is Change.NEEDS_APPROVER
    assert ask(Severity.S3, "person:7", "harm was nil").reason is Change.APPROVER_IS_ASKING
    assert ask(Severity.S3, "person:8", "harm was nil").reason is Change.LOWERED


blanks = st.text(alphabet=" \t\n", max_size=3)


@given(
    st.sampled_from(Severity),
    st.sampled_from(Severity),
    st.none() | blanks | st.just("a"),
    blanks | st.just("x"),
)
def test_nothing_is_lowered_without_approver_and_reason(current, proposed, approver, reason):
    verdict = change(current, proposed, approver=approver, reason=reason, requested_by="b")
    assert verdict.text
    if proposed > current:
        assert verdict.ok == (approver == "a" and reason == "x")
    else:
        assert verdict.ok == (proposed < current)


def test_the_targets_are_those_of_the_table():
    said = {
        severity: (
            targets.acknowledge.text,
            targets.contain.text if targets.contain else "-",
            [first.text for first in targets.first_communication],
        )
        for severity, targets in DEFAULT_TARGETS.items()
    }
    assert said == {
        Severity.S1: (
            "15 min",
            "1 h",
            ["executives within 30 min", "review of legal clocks within 2 h", "affected people within 24 h"],
        ),
        Severity.S2: ("30 min", "4 h", ["executives within 2 h", "affected people within 72 h"]),
        Severity.S3: ("4 h", "24 h", ["owner within 24 h", "affected people within 10 working days"]),
        Severity.S4: ("1 working day", "5 days", ["log"]),
        Severity.S5: ("48 h", "-", ["trend"]),
    }


def test_working_days_pass_over_the_weekend_and_holidays_at_the_same_time_of_day():
    friday = datetime(2026, 10, 23, 17, tzinfo=ZoneInfo("Europe/Berlin"))  # the clock goes back on Sunday
    monday = datetime(2026, 10, 26, 17, tzinfo=ZoneInfo("Europe/Berlin"))
    assert Within(working_days=1).due(friday) == monday
    holidays = {date(2026, 10, 26)}
    due = Within(working_days=1).due(friday, lambda day: day.weekday() < 5 and day not in holidays)
    assert due.date() == date(2026, 10, 27)


def test_elapsed_time_is_elapsed_also_when_the_clock_goes_back():
    start = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    due = Within(time=timedelta(hours=1)).due(start)
    assert due.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=1)
    with pytest.raises(ValueError, match="no time zone"):
        Within(time=timedelta(hours=1)).due(start.replace(tzinfo=None))


@pytest.mark.parametrize(
    "span",
    [{}, {"time": timedelta(1), "working_days": 1}, {"time": timedelta(0)}, {"working_days": 0}],
)
def test_a_span_says_exactly_one_thing(span):
    with pytest.raises(ValueError, match="span"):
        Within(**span)


def test_a_calendar_without_working_days_is_an_error_not_a_loop():
    with pytest.raises(ValueError, match="check the calendar"):
        Within(working_days=1).due(datetime(2026, 1, 1, tzinfo=UTC), lambda _day: False)


said = st.lists(st.none() | st.sampled_from(Severity), max_size=4)


@given(st.sampled_from(Severity), scores, said, said)
def test_only_what_is_worse_than_all_that_is_known_raises(current, technical, heard, before):
    worst = min((one for one in heard if one), default=None)
    news = worst is not None and all(worst.worse_than(one) for one in (current, *before) if one)
    news = news and (technical is None or Severity.S5 - worst > technical)
    assert heard_worse(current, technical, heard, before) is (worst if news else None)
    assert heard_worse(current, technical, heard, [*before, *heard]) is None
