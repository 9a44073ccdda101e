"""What rules do to signals on their way: they count as something else, wait, and are never lost."""

from datetime import timedelta

import pytest

from andon.engine.auditor import audit
from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.intake.wording import by_rules
from andon.people.policy import Actor
from andon.practice.grouping import RouteReason
from andon.practice.words import Criticality
from andon.registry.models import System
from andon.response import resolving, routing
from andon.rules import actions
from andon.rules.models import Match
from tests.response.test_routing import event, hear

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def route(time):
    while routing.route_due(time.now(), 100):
        pass


def labelled(fingerprint, *, title="", status="firing", severity=3, system="credit-scorer", **labels):
    said = event(fingerprint, status=status, severity=severity, system=system, title=title)
    return type(said)(**{name: getattr(said, name) for name in said.__struct_fields__} | {"labels": labels})


def signal(fingerprint):
    return Signal.objects.filter(fingerprint=fingerprint).latest("first_at")


def test_mappings_give_system_type_and_severity_and_the_first_that_says_something_wins(monitor, cast, rule, time):
    first = rule("mapping", 'signal.labels.service == "scoring"', system_from='signal.labels.service + "-x"')
    second = rule("mapping", "has(signal.labels.service)", set_system="credit-scorer", type="safety")
    third = rule("mapping", "signal.severity == 5", severity=2, type="ethical")
    hear(monitor, labelled("a", system="", severity=5, service="scoring"))
    route(time)
    incident = Incident.objects.get()
    assert (incident.system, incident.type) == (cast.credit_scorer, "safety")
    told = signal("a").rules
    assert [(each["rule"], each["effect"]) for each in told] == [
        (first.number, "not_read"),
        (second.number, "mapped"),
        (third.number, "mapped"),
    ]
    assert told[0]["error"] == "There is no system 'scoring-x' in the register."
    assert told[1]["set"] == {"system": "credit-scorer", "type": "safety"}
    assert told[2]["set"] == {"severity": 2}
    assert incident.technical == 3


def test_a_system_may_come_from_a_label(monitor, cast, rule, time):
    rule("mapping", "true", system_from="signal.labels.app")
    hear(monitor, labelled("a", system="", app="credit-scorer"), labelled("b", system="", other="x"))
    route(time)
    assert signal("a").system == cast.credit_scorer
    assert signal("b").system is None


def test_a_silenced_signal_waits_and_is_routed_when_the_silence_ends(monitor, cast, rule, time):
    silence = rule("silence", 'signal.labels.env == "test"')
    hear(monitor, labelled("a", env="test"))
    route(time)
    held = signal("a")
    assert not Incident.objects.exists()
    assert (held.reason_joined, held.route_at) == ("silenced", silence.ends_at)
    assert held.rules[0] | {"until": ""} == {
        "rule": silence.number, "version": 1, "name": silence.name, "kind": "silence", "effect": "held",
        "reason": "silenced", "until": "",
    }  # fmt: skip
    assert audit(time.now()).passed
    time.forward(timedelta(minutes=59))
    route(time)
    assert not Incident.objects.exists()
    time.forward(MINUTE)
    route(time)
    assert Incident.objects.get() == signal("a").incident
    assert signal("a").held_by is None
    assert by_rules(signal("a"))[0].says == "kept it from opening an incident"
    assert by_rules(signal("a"))[0].until is None


def test_what_ends_in_silence_stays_quiet_and_says_why(monitor, rule, time):
    rule("silence")
    hear(monitor, labelled("a"))
    route(time)
    hear(monitor, labelled("a", status="resolved"))
    route(time)
    time.forward(timedelta(hours=2))
    route(time)
    assert not Incident.objects.exists()
    ended = signal("a")
    assert (ended.reason_joined, ended.route_at, ended.status) == ("silenced", None, "resolved")
    assert ended.held_by
    assert ended.rules
    assert audit(time.now()).passed


@pytest.mark.parametrize(("severity", "opens"), [(1, True), (2, True), (3, False), (None, False)])
def test_a_silence_lets_severe_signals_through_unless_it_says_otherwise(monitor, rule, time, severity, opens):
    rule("silence")
    hear(monitor, labelled("a", severity=severity))
    route(time)
    assert Incident.objects.exists() == opens
    if opens:
        assert signal("a").rules[0]["effect"] == "let_through"


def test_a_silence_can_cover_severe_signals(monitor, rule, time):
    rule("silence", covers_severe=True)
    hear(monitor, labelled("a", severity=1))
    route(time)
    assert not Incident.objects.exists()


def test_a_silenced_signal_joins_an_incident_that_is_open(monitor, rule, time):
    hear(monitor, labelled("a"))
    route(time)
    rule("silence")
    hear(monitor, labelled("b"))
    route(time)
    assert signal("b").incident == Incident.objects.get()


def test_ending_or_changing_a_silence_looks_at_what_it_held(monitor, cast, rule, time):
    silence = rule("silence", 'signal.title == "one"')
    other = rule("silence", 'signal.title == "two"')
    hear(monitor, labelled("a", title="one"), labelled("b", title="two"))
    route(time)
    assert not Incident.objects.exists()
    actions.end_rule(silence, by=Actor.of(cast.omar))
    route(time)
    incident = Incident.objects.get()
    assert signal("a").incident == incident
    assert signal("b").incident is None
    actions.change_rule(other, actions.facts_of(other, expression='signal.title == "three"'), by=Actor.of(cast.omar))
    route(time)
    assert signal("b").incident == incident


def test_a_rule_that_goes_wrong_on_a_signal_holds_nothing_up(monitor, rule, time):
    rule("silence", "int(signal.title) > 3")
    hear(monitor, labelled("a", title="not a number"), labelled("b", title="7", system=""))
    route(time)
    assert signal("a").incident is not None
    assert signal("a").rules[0]["effect"] == "not_read"
    assert signal("b").reason_joined == "silenced"


def test_rules_that_cannot_be_asked_at_all_are_left_out(monitor, rule, time, monkeypatch):
    rule("silence")
    monkeypatch.setattr("andon.rules.book.Book.at", lambda now: 1 / 0)
    hear(monitor, labelled("a"))
    route(time)
    assert Incident.objects.exists()


def test_maintenance_every_week_in_wall_time(monitor, cast, rule, time):
    # Monday 03:12 UTC is 04:12 in Berlin.
    week = {"weekdays": [0], "starts": "04:00", "ends": "05:00", "zone": "Europe/Berlin"}
    rule("maintenance", "", system=cast.credit_scorer, weekly=week)
    System.objects.create(slug="other", name="Other", criticality=Criticality.LOW)
    hear(monitor, labelled("a"), labelled("b", system="other"))
    route(time)
    assert (signal("a").reason_joined, signal("a").route_at.minute, signal("a").route_at.hour) == ("maintenance", 0, 4)
    assert signal("b").incident is not None
    time.forward(timedelta(minutes=48))
    route(time)
    assert signal("a").incident is not None


def test_maintenance_once(monitor, cast, rule, time):
    rule("maintenance", "", system=cast.credit_scorer, starts_at=time.now() + MINUTE, ends_at=time.now() + 10 * MINUTE)
    time.forward(2 * MINUTE)
    hear(monitor, labelled("a"))
    route(time)
    assert not Incident.objects.exists()
    time.forward(8 * MINUTE)
    route(time)
    assert Incident.objects.exists()


@pytest.mark.parametrize("gives", [r'"\u0000"', r'"\u0000" + signal.title'])
def test_a_mapping_that_gives_what_no_text_holds_keeps_no_signal_from_its_way(monitor, rule, time, gives):
    rule("mapping", "true", system_from=gives)
    hear(monitor, labelled("a"))
    route(time)
    assert signal("a").incident is not None
    assert signal("a").rules[0]["effect"] == "not_read"


def test_a_fault_in_mappings_costs_the_mapping_and_not_the_page(monitor, rule, time, monkeypatch):
    rule("mapping", "true", severity=1)
    monkeypatch.setattr("andon.rules.book._finding", lambda *_: 1 / 0)
    hear(monitor, labelled("a"))
    route(time)
    assert signal("a").incident is not None


def inhibition(rule, **more):
    return rule("inhibition", 'signal.title == "slow"', source='signal.title == "down"', equal=["cluster"], **more)


def test_what_another_explains_waits_until_that_has_ended(monitor, rule, time):
    inhibition(rule)
    System.objects.create(slug="other", name="Other")
    # The one that is explained is heard first, in the same round.
    hear(monitor, labelled("b", title="slow", cluster="eu"), labelled("a", title="down", cluster="eu", system="other"))
    route(time)
    assert signal("a").incident is not None
    assert (signal("b").incident, signal("b").reason_joined) == (None, "inhibited")
    assert signal("b").rules[0]["source"] == str(signal("a").pk)
    hear(monitor, labelled("c", title="slow", cluster="us"))
    route(time)
    assert signal("c").incident is not None
    resolving_incident = signal("c").incident
    Incident.objects.filter(pk=resolving_incident.pk).update(state="closed")
    hear(monitor, labelled("a", title="down", cluster="eu", system="other", status="resolved"))
    route(time)
    assert signal("b").incident is not None
    assert not Match.objects.filter(signal__fingerprint="a").exists()


def test_what_is_looked_at_in_the_round_in_which_its_cause_ends_is_not_brought_up_by_it_as_well(monitor, rule, time):
    """It would seem to bring news, and its incident would have been opened by a signal that is in none."""
    inhibition(rule)
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("b", title="slow", cluster="eu"), labelled("a", title="down", cluster="eu", system="other"))
    route(time)
    time.set(signal("b").route_at + MINUTE)
    hear(monitor, labelled("a", title="down", cluster="eu", system="other", status="resolved"))
    assert routing.route_due(time.now(), 100) == 2
    assert (signal("b").incident is not None, signal("b").route_at) == (True, None)


def test_an_inhibition_knows_what_fires_already(monitor, rule, time):
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("a", title="down", cluster="eu", system="other"))
    route(time)
    inhibition(rule)
    hear(monitor, labelled("b", title="slow", cluster="eu"))
    route(time)
    assert signal("b").reason_joined == "inhibited"


def test_a_clock_that_is_set_back_leaves_nothing_explained_for_as_long(monitor, rule, time):
    inhibition(rule)
    System.objects.create(slug="other", name="Other")
    time.forward(timedelta(days=2))
    hear(monitor, labelled("a", title="down", cluster="eu", system="other"))
    hear(monitor, labelled("b", title="slow", cluster="eu"))
    route(time)
    assert signal("b").reason_joined == "inhibited"
    time.set(time.now() - timedelta(days=2))
    Incident.objects.update(state="resolved", next_page_at=None)
    audit(time.now())
    route(time)
    assert signal("b").incident is not None


def test_two_that_explain_each_other_are_never_both_silent(monitor, rule, time):
    rule("inhibition", 'signal.title == "x"', source='signal.title == "y"')
    rule("inhibition", 'signal.title == "y"', source='signal.title == "x"')
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("x", title="x"), labelled("y", title="y", system="other"))
    route(time)
    assert sorted([signal("x").incident is None, signal("y").incident is None]) == [False, True]


def test_even_if_both_were_held_at_once_by_two_engines_the_next_look_opens(monitor, rule, time):
    rule("inhibition", 'signal.title == "x"', source='signal.title == "y"')
    rule("inhibition", 'signal.title == "y"', source='signal.title == "x"')
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("x", title="x"), labelled("y", title="y", system="other"))
    route(time)
    Signal.objects.update(held_by="1:", incident=None, route_at=time.now() + MINUTE, reason_joined="inhibited")
    Incident.objects.update(state="closed")
    time.forward(MINUTE)
    route(time)
    assert Signal.objects.filter(incident__isnull=False).count() == 1


def test_what_nobody_was_told_of_explains_nothing(monitor, rule, time):
    """A hazard opens no incident: were another signal held for it, nobody would hear of either."""
    inhibition(rule)
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("a", title="down", cluster="eu", system="other", severity=5))
    hear(monitor, labelled("b", title="slow", cluster="eu", severity=1))
    route(time)
    assert signal("a").incident is None
    assert signal("b").incident is not None


def test_what_was_kept_before_explains_nothing_either(monitor, rule, time):
    inhibition(rule)
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("a", title="down", cluster="eu", system="other", severity=5))
    route(time)
    hear(monitor, labelled("b", title="slow", cluster="eu", severity=1))
    route(time)
    assert signal("b").incident is not None


def test_what_fires_on_after_its_incident_is_over_explains_nothing(monitor, rule, time):
    inhibition(rule)
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("a", title="down", cluster="eu", system="other"))
    hear(monitor, labelled("b", title="slow", cluster="eu"))
    route(time)
    assert signal("b").reason_joined == "inhibited"
    Incident.objects.update(state="resolved", next_page_at=None)
    time.forward(MINUTE)
    route(time)
    assert signal("b").incident is not None


def test_a_threshold_of_different_signals(monitor, rule, time):
    rule("threshold", count=3, minutes=10)
    hear(monitor, labelled("a"), labelled("b"))
    route(time)
    time.forward(3 * MINUTE)
    hear(monitor, labelled("a", status="resolved"))
    hear(monitor, labelled("a", title="again"))  # the same thing once more is not another
    route(time)
    assert not Incident.objects.exists()
    assert {"seen": 2, "needed": 3}.items() <= signal("b").rules[0].items()
    hear(monitor, labelled("c"))
    route(time)
    incident = Incident.objects.get()
    firing = Signal.objects.filter(status="firing")
    assert {one.incident for one in firing} == {incident}


def test_what_a_round_has_taken_up_is_not_let_go_by_it_as_well(monitor, rule, time):
    """It would seem to bring news, and its incident would have been opened by a signal that is in none."""
    rule("threshold", count=2, minutes=10)
    hear(monitor, labelled("a"))
    route(time)
    time.forward(MINUTE)
    hear(monitor, labelled("a", severity=1), labelled("b"))
    time.forward(MINUTE)
    assert routing.route_due(time.now(), 100) == 2
    assert {signal(name).incident for name in "ab"} == {Incident.objects.get()}
    assert routing.route_due(time.now(), 100) == 0


def test_a_threshold_forgets_what_is_long_past(monitor, rule, time):
    rule("threshold", count=2, minutes=10)
    hear(monitor, labelled("a"))
    route(time)
    time.forward(11 * MINUTE)
    hear(monitor, labelled("b"))
    route(time)
    assert not Incident.objects.exists()
    assert audit(time.now()).passed
    time.forward(5 * MINUTE)
    hear(monitor, labelled("c"))
    route(time)
    assert {signal(name).incident for name in "abc"} == {Incident.objects.get()}


def test_why_a_signal_opened_its_incident_stands_when_it_has_ended(monitor, time):
    hear(monitor, labelled("a"))
    route(time)
    hear(monitor, labelled("b"))
    route(time)
    reasons = {name: signal(name).reason_joined for name in "ab"}
    assert reasons == {"a": RouteReason.NO_INCIDENT_YET, "b": RouteReason.INCIDENT_OPEN}
    time.forward(MINUTE)
    hear(monitor, labelled("a", status="resolved"), labelled("b", status="resolved"))
    route(time)
    assert {name: signal(name).status for name in "ab"} == {"a": "resolved", "b": "resolved"}
    assert {name: signal(name).reason_joined for name in "ab"} == reasons


@pytest.fixture
def resolves(monitor):
    monitor.resolves_incidents = True
    monitor.save()
    return monitor


def test_an_incident_is_held_open_for_what_comes_again(resolves, rule, time):
    rule("hold_open", minutes=10)
    hear(resolves, labelled("a"))
    route(time)
    incident = Incident.objects.get()
    for _ in range(3):
        hear(resolves, labelled("a", status="resolved"))
        route(time)
        time.forward(9 * MINUTE)
        assert resolving.resolve_due(time.now(), 10) == 0
        hear(resolves, labelled("a"))
        route(time)
    assert Incident.objects.get() == signal("a").incident == incident
    time.forward(5 * MINUTE)
    assert resolving.resolve_due(time.now(), 10) == 1  # it fires: nothing is resolved
    hear(resolves, labelled("a", status="resolved"))
    route(time)
    time.forward(10 * MINUTE)
    resolving.resolve_due(time.now(), 10)
    incident.refresh_from_db()
    assert (incident.state, incident.resolve_at) == ("resolved", None)
    kinds = list(incident.timeline.values_list("kind", flat=True))
    assert kinds.count("held_open") == 2
    assert "resolved" in kinds[-2:]


def test_without_the_rule_it_is_resolved_at_once(resolves, rule, time):
    rule("hold_open", 'signal.title == "other"', minutes=10)
    hear(resolves, labelled("a"))
    route(time)
    hear(resolves, labelled("a", status="resolved"))
    route(time)
    assert Incident.objects.get().state == "resolved"
