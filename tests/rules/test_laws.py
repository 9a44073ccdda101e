"""Laws that hold for any rules and any signals: what is held has a time, and what fires is never forgotten."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.engine.auditor import audit
from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.grouping import HELD, RouteReason
from andon.practice.rules import RuleKind
from andon.response import resolving, routing
from andon.rules import actions, clockwork
from andon.rules.facts import RuleFacts
from andon.rules.models import Match, Rule
from tests.rules.test_routing_by_rules import hear, labelled

pytestmark = pytest.mark.django_db
CONDITIONS = st.sampled_from(
    [
        "true",
        'signal.title == "x"',
        'signal.labels.env == "a"',
        "int(signal.title) > 1",
        "signal.severity >= 3",
        "signal.count > 1",
    ]
)
WEEK = {"weekdays": list(range(7)), "starts": "03:00", "ends": "03:20", "zone": "UTC"}
KINDS = {
    "mapping": [{"severity": 4}, {"system_from": "signal.labels.env"}, {"type": "safety"}],
    "silence": [{}, {"covers_severe": True}],
    "maintenance": [{"weekly": WEEK}],
    "inhibition": [{"source": 'signal.title == "y"', "equal": ["env"]}, {"source": "true"}],
    "threshold": [{"count": 2, "minutes": 5}, {"count": 3, "minutes": 5, "counting": "events"}],
    "heartbeat": [{"every_minutes": 5}],
    "hold_open": [{"minutes": 5}],
    "auto_close": [{"hours": 1}],
}
rules = st.lists(
    st.sampled_from(sorted(KINDS)).flatmap(
        lambda kind: st.tuples(st.just(kind), CONDITIONS, st.sampled_from(KINDS[kind]))
    ),
    max_size=5,
)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("hear"),
            st.sampled_from("abc"),
            st.sampled_from(["firing", "firing", "resolved"]),
            st.sampled_from(["x", "y", "7"]),
            st.sampled_from([None, 1, 3, 5]),
            st.sampled_from(["credit-scorer", "nobody", ""]),
            st.sampled_from([{}, {"env": "a"}, {"env": "credit-scorer"}]),
        ),
        st.tuples(st.just("wait"), st.sampled_from([1, 4, 30, 200])),
        st.tuples(st.just("end"), st.integers(0, 4)),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules, steps)
def test_no_rules_lose_a_signal(monitor, cast, time, made, story):
    Signal.objects.all().delete()
    Rule.objects.all().delete()
    Incident.objects.update(state="closed", next_page_at=None)
    omar = Actor.of(cast.omar)
    for kind, expression, extra in made:
        ends_at = clock.now() + timedelta(minutes=20) if kind == "silence" else None
        system = cast.credit_scorer if kind == "heartbeat" else None
        facts = RuleFacts(RuleKind(kind), kind, expression, system, "why", None, ends_at, extra)
        actions.create_rule(facts, by=omar)
    for step in story:
        match step:
            case ("hear", fingerprint, status, title, severity, system, labels):
                hear(
                    monitor,
                    labelled(fingerprint, title=title, status=status, severity=severity, system=system, **labels),
                )
            case ("wait", minutes):
                time.forward(timedelta(minutes=minutes))
            case ("end", place):
                for rule in Rule.objects.filter(ended_at=None).order_by("number")[place : place + 1]:
                    actions.end_rule(rule, by=omar)
        work(time)
        nothing_is_forgotten(time)


def work(time):
    for _ in range(50):
        done = routing.route_due(time.now(), 100) + clockwork.heartbeats_due(time.now(), 100)
        done += clockwork.quiet_due(time.now(), 100) + resolving.resolve_due(time.now(), 100)
        if not done:
            return
    raise AssertionError("the engine never comes to rest")


def nothing_is_forgotten(time):
    for signal in Signal.objects.filter(status="firing"):
        if signal.incident_id:
            assert signal.held_by is None
        elif signal.held_by:
            assert RouteReason(signal.reason_joined) in HELD
            assert signal.route_at is not None
            assert signal.route_at > time.now()
            assert any(told["effect"] == "held" for told in signal.rules)
        else:
            assert signal.reason_joined in {"hazard", "unrouted_minor"}
            assert signal.route_at is None
    numbers = set(Rule.objects.filter(ended_at=None).values_list("number", flat=True))
    held = Signal.objects.filter(status="firing", held_by__isnull=False).values_list("held_by", flat=True)
    assert {int(by.partition(":")[0]) for by in held} <= numbers
    assert not Match.objects.filter(rule__ended_at__isnull=False).exists()
    assert not {"held_signals", "late_rules", "unrouted_signals"} & {one.check for one in audit(time.now()).findings}
