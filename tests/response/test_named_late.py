"""A signal that names its system only once its incident is open still gets there: as if a person had named it."""

import json
import threading
from datetime import timedelta

import pytest
from django.urls import reverse

from andon.incidents import actions as incidents
from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.intake import actions as intake
from andon.intake.adapters import adapters, samples
from andon.intake.events import Request
from andon.intake.models import Signal
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.grouping import group_key
from andon.practice.words import Criticality, IncidentType
from andon.registry.models import System
from andon.response import acknowledging, assessing, containing, escalating, naming, resolving, routing
from tests.engine.test_replicas import at_once
from tests.response.test_naming import chat, entries, fresh, paged  # noqa: F401  a fixture
from tests.response.test_routing import event, hear, route
from tests.rules.conftest import rule  # noqa: F401  as above

pytestmark = pytest.mark.django_db

FAIRNESS = IncidentType.FAIRNESS_VIOLATION


@pytest.fixture
def faults(cast):
    """A sender of no system, as a Sentry of many projects is."""
    made, _ = intake.create_integration(slug="faults", name="Faults", kind="sentry", by=Actor.of(cast.nadia))
    return made


@pytest.fixture
def nameless(faults, time) -> Incident:
    """Opened by a signal that names nothing; the fallback was paged."""
    hear(faults, event("a", episode="1"))
    route(time)
    escalating.escalate_due(time.now(), 10)
    return Incident.objects.get()


def names(faults, time, fingerprint="a", system="credit-scorer", **more):
    """The signal comes again and names a system."""
    time.forward(timedelta(seconds=1))
    hear(faults, event(fingerprint, episode="1", system=system, **more))
    return route(time)


def sentry(body, resource, stamp):
    headers = {"sentry-hook-timestamp": str(stamp), "sentry-hook-resource": resource}
    return adapters()["sentry"].parse(Request(json.dumps(body).encode(), headers), {}).events


def test_sentrys_issue_comes_first_and_its_alert_with_the_tags_a_second_later(faults, cast, time, signed_in):
    hook = json.loads(samples("sentry")["issue-resolved.json"].body) | {"action": "created"}
    alert = json.loads(samples("sentry")["issue-alert.json"].body)
    alert["data"]["event"]["tags"].append(["andon_type", "fairness_violation"])
    hear(faults, *sentry(hook, "issue", 1772417100))
    route(time)
    escalating.escalate_due(time.now(), 10)
    incident = Incident.objects.get()
    assert (incident.system, incident.type, paged(incident)) == (None, "technical_failure", ["Nadia"])

    time.forward(timedelta(seconds=1))
    hear(faults, *sentry(alert, "event_alert", 1772417101))
    assert route(time) == 1
    escalating.escalate_due(time.now(), 10)
    named = fresh(incident)
    assert (named.system, named.incident_type, paged(named)) == (cast.credit_scorer, FAIRNESS, ["Nadia", "Lena"])
    assert named.group_key == group_key(cast.credit_scorer.pk, FAIRNESS, "")
    assert named.protocol_slug == "fairness_violation"
    assert Signal.objects.get().system == cast.credit_scorer
    entry = named.timeline.get(kind="system_changed")
    assert (entry.actor, entry.person) == ("engine", None)
    assert "of Faults names it now" in entry.body["reason"]
    page = signed_in(cast.lena).get(reverse("incident", args=[named.number])).content.decode()
    assert "It is about Credit scorer: the signal “" in page
    assert timeline.verify(named) == []


def test_the_same_word_again_changes_nothing_and_its_system_joins_from_then_on(faults, cast, time, nameless):
    names(faults, time)
    count = fresh(nameless).timeline_count
    assert names(faults, time) == 0  # no news: it is not even routed
    assert names(faults, time, severity=2) == 1
    assert (len(entries(nameless)), fresh(nameless).timeline_count) == (1, count)
    hear(faults, event("b", system="credit-scorer"))
    route(time)
    assert Signal.objects.get(fingerprint="b").incident == nameless
    hear(faults, event("c"))
    route(time)
    assert Incident.objects.filter(system=None).count() == 1  # what names nothing opens another


def test_who_has_it_keeps_it_and_who_is_on_call_for_the_system_is_called_once(faults, cast, time, nameless):
    acknowledging.acknowledge(nameless, by=Actor.of(cast.nadia), via="page")
    names(faults, time)
    assert (fresh(nameless).acknowledged_by, fresh(nameless).next_page_at) == (cast.nadia, None)
    assert paged(nameless) == ["Nadia", "Lena"]
    assert "it is about Credit scorer" in nameless.pages.get(person=cast.lena).reason


def test_its_severity_only_rises_and_the_systems_criticality_counts(faults, cast, time, nameless):
    names(faults, time, severity=1)
    assert (fresh(nameless).severity, fresh(nameless).technical) == (1, 4)
    cast.credit_scorer.criticality = Criticality.CRITICAL
    cast.credit_scorer.save()
    hear(faults, event("mild", episode="1"))
    route(time)
    other = Incident.objects.get(system=None)
    before = other.level
    names(faults, time, fingerprint="mild", severity=5)
    assert fresh(other).level is assessing.classification_of(fresh(other)).severity
    assert fresh(other).level.worse_than(before)
    assert fresh(other).technical == other.technical


def test_a_crash_after_it_is_named_leaves_all_as_it_was_and_then_it_is_named_once(
    faults, cast, time, nameless, monkeypatch
):
    acknowledging.acknowledge(nameless, by=Actor.of(cast.nadia), via="page")

    def die(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(routing.intake, "routed", die)  # named, called, and nothing is on disk yet
        with pytest.raises(KeyboardInterrupt):
            names(faults, time)
    assert (fresh(nameless).system, entries(nameless), paged(nameless)) == (None, [], ["Nadia"])
    assert route(time) == 1
    assert (len(entries(nameless)), paged(nameless)) == (1, ["Nadia", "Lena"])
    assert route(time) == 0


@pytest.mark.django_db(transaction=True)
def test_replicas_and_a_person_at_once_name_it_once(faults, cast, time, chat):  # noqa: F811
    hear(faults, *(event(f"{number}", episode="1") for number in range(8)))
    route(time)
    incident = Incident.objects.get()
    acknowledging.acknowledge(incident, by=Actor.of(cast.nadia), via="page")
    hear(faults, *(event(f"{number}", episode="1", system="credit-scorer") for number in range(8)))

    def replica():
        while Signal.objects.filter(route_at__isnull=False).exists():
            routing.route_due(clock.now(), 2)
            threading.Event().wait(0.005)

    at_once(replica, replica, lambda: naming.set_system(incident, chat, by=Actor.of(cast.sam)), replica)
    assert fresh(incident).system == chat  # a person's word stands, be it the first or the last
    said = list(incident.timeline.filter(kind="system_changed").order_by("seq").values_list("body__after", flat=True))
    assert said in (["chat"], ["credit-scorer", "chat"])
    assert timeline.verify(fresh(incident)) == []


def test_the_first_heard_of_two_systems_is_named_and_the_others_people_are_called_once(
    faults,
    cast,
    time,
    nameless,
    chat,  # noqa: F811
    signed_in,
):
    time.forward(timedelta(seconds=1))
    hear(faults, event("b", episode="1"), event("c", episode="1"))
    route(time)
    time.forward(timedelta(seconds=1))
    hear(
        faults,
        event("b", episode="1", system="chat", title="Chat is down"),
        event("a", episode="1", system="credit-scorer"),
    )
    assert route(time) == 2
    assert fresh(nameless).system == cast.credit_scorer
    assert paged(nameless) == ["Nadia", "Sam"]
    page = nameless.pages.get(person=cast.sam)
    assert ("names Chat assistant" in page.reason, page.first) == (True, False)
    names(faults, time, fingerprint="c", system="chat")
    names(faults, time, fingerprint="c", system="chat", severity=2)
    (noted,) = entries(nameless, "system_heard")
    assert (noted["system"], noted["title"], noted["from"]) == ("chat", "Chat is down", "Faults")
    assert paged(nameless).count("Sam") == 1
    escalating.escalate_due(time.now(), 10)
    assert "Lena" in paged(nameless)
    seen = signed_in(cast.lena).get(reverse("incident", args=[nameless.number])).content.decode()
    assert "“Chat is down” (Faults) names Chat assistant: INC-1 is about Credit scorer" in seen
    assert timeline.verify(fresh(nameless)) == []


def test_nobody_is_called_for_another_system_who_has_the_incident(faults, cast, time, nameless, chat):  # noqa: F811
    hear(faults, event("b", episode="1"))
    route(time)
    names(faults, time)
    acknowledging.acknowledge(fresh(nameless), by=Actor.of(cast.sam), via="page")
    names(faults, time, fingerprint="b", system="chat")
    assert len(entries(nameless, "system_heard")) == 1
    assert "Sam" not in paged(nameless)


def test_what_people_said_of_its_system_stands(faults, cast, time, nameless, chat):  # noqa: F811
    naming.set_system(nameless, chat, by=Actor.of(cast.sam))
    names(faults, time)
    assert fresh(nameless).system == chat
    assert entries(nameless, "system_heard") == []  # they know better
    naming.set_system(fresh(nameless), None, by=Actor.of(cast.sam))
    names(faults, time, severity=1)
    assert fresh(nameless).system is None
    (noted,) = entries(nameless, "system_heard")
    assert (noted["system"], "name the system if that is so" in noted["reason"]) == ("credit-scorer", True)
    assert "Lena" not in paged(nameless)


def test_a_restricted_incident_is_opened_to_nobody_by_a_senders_word(faults, cast, time, nameless):
    incidents.restrict(nameless, restricted=True, by=Actor.of(cast.nadia))
    names(faults, time)
    escalating.escalate_due(time.now(), 10)
    assert (fresh(nameless).system, "Lena" in paged(nameless)) == (None, False)
    assert not visible(Actor.of(cast.omar)).exists()
    assert len(entries(nameless, "system_heard")) == 1
    names(faults, time, severity=1)
    assert len(entries(nameless, "system_heard")) == 1


def test_a_type_that_people_said_stands(faults, cast, time, nameless):
    assessing.change_type(nameless, type_=IncidentType.SAFETY, secondary=[], by=Actor.of(cast.nadia))
    names(faults, time, type_="fairness_violation")
    assert (fresh(nameless).system, fresh(nameless).type) == (cast.credit_scorer, "safety")


def test_a_system_that_has_an_open_incident_of_the_type_keeps_that_and_both_stand(faults, cast, time, nameless):
    hear(faults, event("direct", system="credit-scorer"))
    route(time)
    direct = Incident.objects.get(system=cast.credit_scorer)
    names(faults, time)
    named = fresh(nameless)
    assert (named.system, named.state, named.group_key) == (cast.credit_scorer, "open", f"named:{named.pk}")
    assert Signal.objects.get(fingerprint="a").incident == named
    hear(faults, event("next", system="credit-scorer"), event("a", episode="1", status="resolved"))
    route(time)
    assert Signal.objects.get(fingerprint="next").incident == direct
    assert "signals_ended" in named.timeline.values_list("kind", flat=True)


def test_a_name_that_is_not_in_the_register_names_nothing(faults, time, nameless):
    names(faults, time, system="nobody-knows-it")
    assert (fresh(nameless).system, entries(nameless), entries(nameless, "system_heard")) == (None, [], [])
    System.objects.create(slug="nobody-knows-it", name="Known by now")
    assert names(faults, time, system="nobody-knows-it", severity=2) == 1
    assert fresh(nameless).system.name == "Known by now"


def test_what_is_over_is_named_by_no_signal(faults, cast, time, nameless):
    nadia = Actor.of(cast.nadia)
    acknowledging.acknowledge(nameless, by=nadia, via="page")
    containing.waive_containment(fresh(nameless), reason="Only a log", by=nadia)
    resolving.resolve(fresh(nameless), summary="Restarted", by=nadia)
    names(faults, time)
    assert (fresh(nameless).system, paged(nameless)) == (None, ["Nadia"])
    assert Incident.objects.count() == 1


def test_a_mapping_names_it_as_well(faults, cast, time, nameless, rule):  # noqa: F811
    rule("mapping", 'signal.title == "Alert a"', set_system="credit-scorer", type="safety")
    assert names(faults, time, system="", severity=2) == 1
    assert (fresh(nameless).system, fresh(nameless).type) == (cast.credit_scorer, "safety")


def test_what_joins_meanwhile_is_the_systems_and_a_sign_of_life_is_not(faults, cast, time, nameless, rule):  # noqa: F811
    rule("heartbeat", 'signal.title == "Alert beat"', every_minutes=5)
    hear(faults, event("beat"), event("b"))
    names(faults, time)
    found = dict(Signal.objects.values_list("fingerprint", "system"))
    assert found == {"a": cast.credit_scorer.pk, "b": cast.credit_scorer.pk, "beat": None}
