from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice.protocol import Protocol, Step, StepState, folded, for_severity, uncontained_severities
from andon.practice.severity import Severity
from andon.practice.words import IncidentType, Phase


def protocol_of(*steps):
    return Protocol("fairness", "Fairness violation", IncidentType.FAIRNESS_VIOLATION, "1", steps)


def step(phase, key="", severities=(), **more):
    return Step(key or phase.value, phase, "Do it", severities=frozenset(severities), **more)


def test_a_protocol_in_order_is_taken_as_it_is():
    steps = tuple(step(phase) for phase in Phase)
    assert protocol_of(*steps).steps == steps


@pytest.mark.parametrize(
    "phases",
    [
        (Phase.CONTAIN, Phase.PRESERVE),
        (Phase.DIAGNOSE, Phase.CONTAIN),
        (Phase.PRESERVE, Phase.TELL, Phase.CONTAIN),
        (Phase.ASSESS, Phase.PRESERVE),
    ],
)
def test_preserving_and_containing_come_first(phases):
    with pytest.raises(ValueError, match="comes first, containing second"):
        protocol_of(*(step(phase) for phase in phases))


def test_after_containment_the_order_is_the_protocols_own():
    protocol_of(step(Phase.CONTAIN), step(Phase.DIAGNOSE), step(Phase.TELL), step(Phase.ASSESS))


@pytest.mark.parametrize(
    ("steps", "match"),
    [
        ((step(Phase.CONTAIN, "a"), step(Phase.TELL, "a")), "two steps have the key a"),
        ((Step(" ", Phase.CONTAIN, "Stop"),), "no key or no title"),
        ((Step("stop", Phase.CONTAIN, ""),), "no key or no title"),
    ],
)
def test_steps_need_names_of_their_own(steps, match):
    with pytest.raises(ValueError, match=match):
        protocol_of(*steps)


def test_only_what_a_severity_asks_for_is_prescribed():
    protocol = protocol_of(
        step(Phase.CONTAIN), step(Phase.TELL, "regulator", {Severity.S1, Severity.S2}), step(Phase.LEARN)
    )
    assert [s.key for s in for_severity(protocol, Severity.S2)] == ["contain", "regulator", "learn"]
    assert [s.key for s in for_severity(protocol, Severity.S3)] == ["contain", "learn"]


def test_a_protocol_that_lets_the_line_run_on_is_named():
    assert uncontained_severities(protocol_of(step(Phase.CONTAIN))) == ()
    assert uncontained_severities(protocol_of(step(Phase.CONTAIN, severities={Severity.S1}))) == (
        Severity.S2,
        Severity.S3,
        Severity.S4,
    )
    assert Severity.S1 in uncontained_severities(protocol_of(step(Phase.CONTAIN, optional=True)))


def test_diagnosis_is_folded_until_containment_is_done_or_waived():
    states = [StepState(Phase.CONTAIN, done=False), StepState(Phase.DIAGNOSE, done=False)]
    assert folded(states, contained_or_waived=False)
    assert not folded(states, contained_or_waived=True)
    assert not folded([StepState(Phase.DIAGNOSE, done=True)], contained_or_waived=False)
    assert not folded([], contained_or_waived=False)


steps = st.builds(
    Step,
    key=st.sampled_from("abcdefgh"),
    phase=st.sampled_from(Phase),
    title=st.just("Do it"),
    optional=st.booleans(),
    severities=st.frozensets(st.sampled_from(Severity)),
)


@given(st.lists(steps, max_size=6))
def test_what_is_accepted_contains_before_it_diagnoses_at_every_severity(candidates):
    rank = {Phase.PRESERVE: 0, Phase.CONTAIN: 1}
    in_order = all(rank.get(a.phase, 2) <= rank.get(b.phase, 2) for a, b in pairwise(candidates))
    unique = len({s.key for s in candidates}) == len(candidates)
    if not (in_order and unique):
        with pytest.raises(ValueError, match="Protocol fairness"):
            protocol_of(*candidates)
        return
    protocol = protocol_of(*candidates)
    kept = [for_severity(protocol, severity) for severity in Severity]
    assert {s for some in kept for s in some} == set(candidates)
    for some in kept:
        assert [rank.get(s.phase, 2) for s in some] == sorted(rank.get(s.phase, 2) for s in some)


@given(st.lists(st.builds(StepState, st.sampled_from(Phase), st.booleans()), max_size=6))
def test_nothing_is_folded_once_it_is_contained(states):
    assert not folded(states, contained_or_waived=True)
    assert folded(states, contained_or_waived=False) == (StepState(Phase.DIAGNOSE, done=False) in states)
