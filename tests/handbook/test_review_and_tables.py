"""The sections of a review, the tables of severity, and the handbook as a whole."""

from __future__ import annotations

import pytest

from andon.handbook.book import check, shipped_handbook
from andon.handbook.files import Fill
from andon.handbook.loader import load_review_sections
from andon.handbook.source import HandbookError, shipped
from andon.handbook.tables import load_severity_tables
from andon.kit.markdown import render
from andon.practice.severity import DEFAULT_TABLE, DEFAULT_TARGETS, Severity
from andon.practice.words import IncidentType


def asked(type_, severity):
    return [section.key for section in shipped_handbook().sections if section.applies(type_, severity)]


def test_the_shipped_handbook_is_without_mistakes():
    assert check(shipped()) == []


def test_check_finds_the_mistake_of_each_file(spoil):
    spoil("protocols/safety.yaml", "phase: tell", "phase: tel")
    spoil("review.yaml", "fill: times", "fill: time")
    handbook = spoil("severity.yaml", "acknowledge: 15 min", "acknowledge: a quarter")
    assert [(mistake.file, mistake.place) for mistake in check(handbook)] == [
        ("protocols/safety.yaml", "steps[tell-now].phase"),
        ("review.yaml", "sections[times].fill"),
        ("severity.yaml", "targets.S1.acknowledge"),
    ]


@pytest.mark.parametrize("type_", list(IncidentType), ids=str)
def test_a_serious_review_of_any_type_asks_for_harm_fairness_remedy_and_detection(type_):
    keys = asked(type_, Severity.S2)
    assert {
        "summary",
        "timeline",
        "known_then",
        "factors",
        "went_well",
        "detection_gap",
        "containment",
    } <= set(keys)
    assert {"harm", "fairness", "remedy", "duties", "actions", "open_questions"} <= set(keys)


def test_a_section_of_one_type_is_asked_of_that_type_only():
    asking = {type_ for type_ in IncidentType if "safety_layers" in asked(type_, Severity.S1)}
    assert asking == {IncidentType.SAFETY}


def test_a_near_miss_is_asked_for_less_than_a_catastrophe():
    assert set(asked(IncidentType.SAFETY, Severity.S5)) < set(asked(IncidentType.SAFETY, Severity.S1))


def test_every_fill_is_used_once_and_every_prompt_renders():
    fills = [section.fill for section in shipped_handbook().sections if section.fill is not Fill.NONE]
    assert sorted(fills) == sorted(set(Fill) - {Fill.NONE})
    for section in shipped_handbook().sections:
        assert render(section.prompt).startswith("<p>")


@pytest.mark.parametrize(
    ("old", "new", "place", "hint"),
    [
        ("fill: timeline", "fill: story", "sections[timeline].fill", "detection_gap"),
        ("types: [safety]", "types: [safe]", "sections[safety_layers].types", "performance_degradation"),
        ("key: factors", "key: times", "sections[times].key", "more than once"),
        ("from: S4", "from: bad", "sections[known_then].from", "S1, S2"),
        ("    fill: harm", "    fil: harm", "sections[harm]", "fil"),
    ],
)
def test_a_mistake_in_the_review_is_refused_naming_the_place(spoil, old, new, place, hint):
    handbook = spoil("review.yaml", old, new)
    with pytest.raises(HandbookError) as refused:
        load_review_sections(handbook)
    assert refused.value.place.startswith(place)
    assert hint in str(refused.value)


def test_the_shipped_tables_are_the_defaults_of_the_practice():
    tables = shipped_handbook().severity
    assert dict(tables.targets) == dict(DEFAULT_TARGETS)
    assert tables.plausible_worst == DEFAULT_TABLE


def test_an_organisation_s_own_figures_are_taken(spoil):
    spoil("severity.yaml", "acknowledge: 15 min", "acknowledge: 5 min")
    handbook = spoil("severity.yaml", "contain: 24 h", "contain: 2 working days")
    targets = load_severity_tables(handbook).targets
    assert targets[Severity.S1].acknowledge.text == "5 min"
    assert targets[Severity.S3].contain.text == "2 working days"


@pytest.mark.parametrize(
    ("old", "new", "place", "hint"),
    [
        (
            "within: 30 min",
            "within: soon",
            "targets.S1.first_communication[executives].within",
            "15 min, 4 h",
        ),
        ("acknowledge: 2 days", "acknowledge: none", "targets.S5.acknowledge", "no span of time"),
        ("acknowledge: 2 days", "acknowledge: 0 days", "targets.S5.acknowledge", "no span of time"),
        ("  S5:\n", "  S6:\n", "targets", "no key `S6`"),
        ("acknowledge: 2 days", "acknowlege: 2 days", "targets.S5", "Do you mean acknowledge?"),
        ("technical: 1,", "technical: 5,", "plausible_worst", "low, technical_failure"),
        ("  low:\n", "  lowest:\n", "plausible_worst", "lowest"),
    ],
)
def test_a_mistake_in_the_tables_is_refused_naming_the_place(spoil, old, new, place, hint):
    handbook = spoil("severity.yaml", old, new)
    with pytest.raises(HandbookError) as refused:
        load_severity_tables(handbook)
    assert refused.value.place == place or (place == "targets" and refused.value.place.startswith(place))
    assert hint in str(refused.value)
