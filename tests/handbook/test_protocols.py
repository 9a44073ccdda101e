"""What the shipped protocols promise to whoever is woken by an incident."""

from __future__ import annotations

import pytest

from andon.handbook.book import shipped_handbook
from andon.handbook.loader import VERSION_DIGITS, load_protocol
from andon.handbook.source import HandbookError
from andon.kit.markdown import render
from andon.practice.severity import Severity
from andon.practice.words import IncidentType, Phase


def protocol_for(type_):
    return shipped_handbook().protocols[type_]


EVERY_TYPE = pytest.mark.parametrize("type_", list(IncidentType), ids=str)
# What fits on a phone without losing the place.
TITLE_LIMIT, BODY_LIMIT, LINE_LIMIT = 70, 1000, 330


@EVERY_TYPE
def test_every_type_has_a_protocol_that_goes_through_every_phase(type_):
    protocol = protocol_for(type_)
    assert protocol.type is type_
    assert protocol.slug == type_
    assert 8 <= len(protocol.steps) <= 14
    assert {step.phase for step in protocol.steps} == set(Phase)
    assert len({step.key for step in protocol.steps}) == len(protocol.steps)


@EVERY_TYPE
def test_containment_comes_before_diagnosis_and_evidence_before_containment(type_):
    phases = [step.phase for step in protocol_for(type_).steps]
    assert phases == sorted(phases, key=list(Phase).index)
    last_containment = max(at for at, phase in enumerate(phases) if phase is Phase.CONTAIN)
    assert last_containment < phases.index(Phase.DIAGNOSE)
    assert phases.index(Phase.PRESERVE) < phases.index(Phase.CONTAIN)


@EVERY_TYPE
@pytest.mark.parametrize("severity", list(Severity), ids=lambda severity: severity.name)
def test_at_every_severity_there_is_something_to_keep_contain_assess_tell_and_learn(type_, severity):
    due = {step.phase for step in protocol_for(type_).steps if severity in step.severities and not step.optional}
    assert due == set(Phase)


@EVERY_TYPE
def test_a_worse_severity_never_asks_for_less(type_):
    for step in protocol_for(type_).steps:
        assert Severity.S1 in step.severities
        mildest = max(step.severities)
        assert step.severities == frozenset(range(Severity.S1, mildest + 1))


@EVERY_TYPE
def test_the_effect_of_containment_is_looked_for_before_harm_is_assessed(type_):
    containing = [step for step in protocol_for(type_).steps if step.phase is Phase.CONTAIN]
    assert containing[-1].key in {"see-effect", "probe-outside", "stop-spread"}
    assert any(step.key in {"see-effect", "probe-outside"} for step in containing)


@EVERY_TYPE
def test_every_step_is_short_says_when_it_is_done_and_renders(type_):
    for step in protocol_for(type_).steps:
        assert len(step.title) <= TITLE_LIMIT, step.key
        assert len(step.body) <= BODY_LIMIT, step.key
        assert max(len(line) for line in step.body.splitlines()) <= LINE_LIMIT, step.key
        html = render(step.body)
        assert "<strong>Done when</strong>" in html, step.key
        assert "**" not in html, step.key


def test_a_fairness_violation_is_not_over_with_the_model_s_repair():
    keys = [step.key for step in protocol_for(IncidentType.FAIRNESS_VIOLATION).steps]
    assert keys.index("remedy-people") < keys.index("repair-and-verify")


def test_the_version_follows_what_is_prescribed_and_nothing_else(handbook, spoil):
    original = protocol_for(IncidentType.SAFETY).version
    assert len(original) == VERSION_DIGITS
    spoil("protocols/safety.yaml", "type: safety", "# a comment\ntype:   safety")
    assert load_protocol(handbook, IncidentType.SAFETY).version == original
    spoil("protocols/safety.yaml", "Emergency services", "An ambulance")
    assert load_protocol(handbook, IncidentType.SAFETY).version != original


def test_a_protocol_is_read_once():
    assert protocol_for(IncidentType.ETHICAL) is protocol_for(IncidentType.ETHICAL)


MISTAKES = {
    "unknown phase": ("phase: contain", "phase: contane", "steps[stop-acting].phase", "contain, assess"),
    "unknown key of a step": ("    optional: true", "    optinal: true", "steps[cut-injection]", "optinal"),
    "unknown key of the file": ("type: safety", "type: safety\nowner: x", "", "owner"),
    "missing key": ("    title: Probe it from outside\n", "", "steps[probe-outside]", "title"),
    "wrong type of value": ("optional: true", 'optional: "yes"', "steps[cut-injection].optional", "true or false"),
    "unknown severity": ("    from: S4", "    from: S6", "steps[cut-injection].from", "S1, S2, S3, S4, S5"),
    "unknown incident type": ("type: safety", "type: safty", "type", "technical_failure"),
    "another file's type": ("type: safety", "type: ethical", "type", "named for safety"),
    "key twice": ("key: cut-injection", "key: stop-acting", "steps[stop-acting].key", "more than once"),
    "badly spelt key": ("key: cut-injection", "key: Cut Injection", "steps[Cut Injection].key", "hyphens"),
    "empty title": ("title: Probe it from outside", 'title: " "', "steps[probe-outside]", "empty"),
    "phases out of order": (
        "phase: assess",
        "phase: diagnose",
        "steps[score-harm].phase",
        "order is: preserve",
    ),
    "a mapping's key twice": ("title: Safety incident", "title: a\ntitle: b", "", "stands twice"),
    "no YAML": ("type: safety", "type: [safety", "", "not valid YAML"),
}


@pytest.mark.parametrize(("old", "new", "place", "hint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_a_protocol_is_refused_naming_file_and_place(spoil, old, new, place, hint):
    handbook = spoil("protocols/safety.yaml", old, new)
    with pytest.raises(HandbookError) as refused:
        load_protocol(handbook, IncidentType.SAFETY)
    assert "protocols/safety.yaml" in str(refused.value)
    assert refused.value.place.startswith(place)
    assert hint in str(refused.value)
    assert f"line {refused.value.line}" in str(refused.value)


def test_a_protocol_without_containment_for_everyone_is_refused(handbook):
    path = handbook / "protocols" / "ethical.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("    phase: contain\n", "    phase: contain\n    optional: true\n"), encoding="utf-8")
    with pytest.raises(HandbookError, match="nothing contains at S1, S2, S3, S4"):
        load_protocol(handbook, IncidentType.ETHICAL)


def test_a_missing_or_unreadable_file_is_said(handbook):
    path = handbook / "protocols" / "safety.yaml"
    path.write_bytes(b"title: caf\xe9")
    with pytest.raises(HandbookError, match="not UTF-8"):
        load_protocol(handbook, IncidentType.SAFETY)
    path.unlink()
    with pytest.raises(HandbookError, match="missing"):
        load_protocol(handbook, IncidentType.SAFETY)


def test_nothing_in_a_handbook_is_executed(spoil):
    handbook = spoil("protocols/safety.yaml", "title: Safety incident", "title: !!python/object/apply:os.getcwd []")
    with pytest.raises(HandbookError, match="python/object/apply"):
        load_protocol(handbook, IncidentType.SAFETY)
