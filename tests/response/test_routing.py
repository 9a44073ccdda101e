"""Signals find their incident: one for a system and type, however many come, however late, and twice changes nothing."""

from datetime import timedelta

import pytest

from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.intake import actions as intake
from andon.intake import recording
from andon.intake.events import Event
from andon.intake.models import Signal
from andon.intake.recording import Heard
from andon.kit import ids
from andon.people.policy import Actor
from andon.practice.grouping import SignalStatus
from andon.practice.words import ContainmentKind, IncidentType
from andon.registry.models import System
from andon.response import acknowledging, containing, escalating, opening, resolving, routing

pytestmark = pytest.mark.django_db


@pytest.fixture
def monitor(cast):
    integration, _ = intake.create_integration(
        slug="prometheus", name="Prometheus", kind="alertmanager", by=Actor.of(cast.nadia), system=cast.credit_scorer
    )
    return integration


def event(fingerprint, *, status="firing", severity=3, system="", type_="", episode="", title=""):
    return Event(
        fingerprint=fingerprint,
        status=SignalStatus(status),
        title=title or f"Alert {fingerprint}",
        episode=episode,
        system_hint=system,
        type_hint=type_,
        severity_hint=severity,
    )


def hear(integration, *events):
    recording.record([Heard(ids.new(), integration.pk, b"{}", "application/json", list(events))])


SORTS = (("credit-scorer", "safety"), ("", ""))
"""What two groups of signals say of their system and type; both are of the same system."""


def route(time):
    return routing.route_due(time.now(), 100)


def test_signals_of_one_system_and_type_open_one_incident(monitor, cast, time):
    hear(monitor, event("a"), event("b"), event("c"))
    assert route(time) == 3
    incident = Incident.objects.get()
    assert incident.system == cast.credit_scorer
    assert set(Signal.objects.values_list("incident", flat=True)) == {incident.pk}
    assert list(incident.timeline.values_list("kind", flat=True)) == ["opened", "signals_joined"]
    assert route(time) == 0

    time.forward(timedelta(minutes=1))
    hear(monitor, event("d"))
    route(time)
    assert Incident.objects.count() == 1
    assert incident.signals.get(fingerprint="d").reason_joined == "incident_open"
    assert timeline.verify(Incident.objects.get()) == []


def test_another_type_is_another_incident(monitor, time):
    hear(monitor, event("a"), event("b", type_="fairness_violation"))
    route(time)
    assert set(Incident.objects.values_list("type", flat=True)) == {"technical_failure", "fairness_violation"}


def test_the_senders_severity_is_technical_impact(monitor, time):
    hear(monitor, event("a", severity=1))
    route(time)
    assert Incident.objects.get().technical == 4


def test_a_crash_in_the_middle_leaves_everything_due_as_it_was(monitor, time, monkeypatch):
    hear(monitor, event("a"))

    def die(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(routing, "record_all", die)  # the incident is written, and nothing is on disk yet
        with pytest.raises(KeyboardInterrupt):
            route(time)
    assert not Incident.objects.exists()
    assert route(time) == 1  # at once: nobody has to wait for a lease of the dead
    assert Incident.objects.count() == 1


def test_two_senders_of_one_system_open_one_incident(monitor, cast, time):
    other, _ = intake.create_integration(
        slug="datadog", name="Datadog", kind="generic", by=Actor.of(cast.nadia), system=cast.credit_scorer
    )
    hear(monitor, event("a"))
    hear(other, event("a"))
    assert route(time) == 2
    incident = Incident.objects.get()
    assert incident.signals.count() == 2
    assert incident.signals.get(integration=other).reason_joined == "incident_open"
    assert timeline.verify(incident) == []


def test_many_systems_open_their_incidents_together_each_with_its_chain_and_numbers_in_a_row(monitor, cast, time):
    for number in range(7):
        System.objects.create(
            slug=f"system-{number}", name=f"System {number}", chain=cast.chain if number % 2 else None
        )
    hear(monitor, *(event(f"{n}-{k}", system=f"system-{n}") for n in range(7) for k in range(3)))
    assert route(time) == 21
    incidents = list(Incident.objects.order_by("number"))
    assert [incident.number for incident in incidents] == list(range(1, 8))
    for incident in incidents:
        odd = int(incident.system.slug[-1]) % 2
        assert incident.chain["slug"] == ("credit" if odd else "")
        assert incident.chain["fallback"]["slug"] == "fallback"
        assert (incident.signals.count(), incident.steps.count() > 5) == (3, True)
        assert timeline.verify(incident) == []


def test_what_opens_an_incident_does_not_wait_behind_a_storm_of_what_joins_one(monitor, cast, time):
    hear(monitor, event("first"))
    route(time)
    hear(monitor, *(event(f"storm-{number}") for number in range(50)))
    time.forward(timedelta(seconds=1))
    hear(monitor, event("late", type_="safety"), event("late-too", type_="safety"))
    assert routing.route_due(time.now(), 10) == 1  # what is news goes first and alone, so that its page is out at once
    assert Incident.objects.get(type="safety").signals.get().title == "Alert late"
    assert routing.route_due(time.now(), 10) == 10
    assert Signal.objects.filter(route_at__isnull=False).count() == 41


def test_in_a_storm_a_round_joins_many_signals_to_few_incidents_and_then_to_the_others(monitor, cast, time):
    hear(monitor, event("first"), event("first-too", type_="safety"))
    route(time)
    hear(monitor, *(event(f"{n}-{kind}", system=system, type_=kind) for n in range(12) for system, kind in SORTS))
    assert routing.route_due(time.now(), 12) == 12
    assert sorted(incident.signals.count() for incident in Incident.objects.all()) == [1, 13]
    assert routing.route_due(time.now(), 12) == 12
    assert sorted(incident.signals.count() for incident in Incident.objects.all()) == [13, 13]
    assert routing.route_due(time.now(), 12) == 0
    assert all(timeline.verify(incident) == [] for incident in Incident.objects.all())


def test_what_joins_waits_for_what_opens_and_not_without_end(monitor, cast, time):
    hear(monitor, event("first"))
    route(time)
    hear(monitor, *(event(f"storm-{number}") for number in range(20)))
    time.forward(routing.PATIENCE)
    hear(monitor, event("late", type_="safety"))
    assert routing.route_due(time.now(), 10) == 11


def test_an_incident_opens_as_bad_as_the_worst_that_opens_it_and_pages_once(monitor, cast, time):
    hear(monitor, event("mild", severity=4), event("bad", severity=1), event("none", severity=None))
    route(time)
    incident = Incident.objects.get()
    assert (incident.level.name, incident.title) == ("S1", "Alert mild")
    assert not incident.timeline.filter(kind="severity_raised").exists()
    escalating.escalate_due(time.now(), 10)
    assert incident.pages.count() == 1


def test_in_a_storm_the_worst_of_what_opens_an_incident_is_not_left_behind(monitor, cast, time):
    hear(monitor, *(event(f"mild-{number:03}", severity=5) for number in range(60)))
    hear(monitor, *(event(f"milder-{number:03}", severity=4) for number in range(60)), event("bad", severity=1))
    assert routing.route_due(time.now(), 10) == 2  # the first is a hazard, and opens nothing by itself
    assert Incident.objects.get().level.name == "S1"
    assert Signal.objects.get(fingerprint="bad").incident is not None


def test_in_a_storm_what_says_worse_of_an_open_incident_does_not_wait_behind_what_opens_others(monitor, cast, time):
    hear(monitor, event("first", severity=3))
    route(time)
    hear(monitor, *(event(f"storm-{number:03}", severity=3) for number in range(120)), event("worse", severity=1))
    hear(monitor, event("late", type_="safety"))
    assert routing.route_due(time.now(), 10) == 2
    assert Incident.objects.get(type="technical_failure").level.name == "S1"
    assert Incident.objects.filter(type="safety").exists()
    assert Signal.objects.filter(route_at__isnull=False).count() == 120


def test_not_more_incidents_are_opened_at_once_than_their_pages_can_wait_for(monitor, cast, time, monkeypatch):
    monkeypatch.setattr(routing, "OPENED_AT_ONCE", 2)
    hear(monitor, event("a"), event("b", type_="safety"), event("c", type_="ethical"))
    assert [route(time), route(time), route(time)] == [2, 1, 0]
    assert Incident.objects.count() == 3


def test_a_signal_of_an_unknown_system_is_kept_and_pages_the_fallback(monitor, cast, time):
    hear(monitor, event("a", system="no-such-system", severity=2), event("b", system="no-such-system", severity=4))
    route(time)
    incident = Incident.objects.get()
    assert incident.system is None
    escalating.escalate_due(time.now(), 10)
    assert incident.pages.get().person == cast.nadia
    assert Signal.objects.filter(system__isnull=True).count() == 2


def test_a_minor_signal_of_an_unknown_system_opens_nothing_and_stays_visible(monitor, time):
    hear(monitor, event("a", system="no-such-system", severity=4))
    route(time)
    assert not Incident.objects.exists()
    assert Signal.objects.get().reason_joined == "unrouted_minor"


def test_when_all_signals_have_ended_the_rule_resolves(monitor, time):
    monitor.resolves_incidents = True
    monitor.save()
    hear(monitor, event("a"), event("b"))
    route(time)
    escalating.escalate_due(time.now(), 10)
    hear(monitor, event("a", status="resolved"))
    route(time)
    assert Incident.objects.get().state == "open"
    hear(monitor, event("b", status="resolved"))
    route(time)
    incident = Incident.objects.get()
    assert (incident.state, incident.next_page_at) == ("resolved", None)
    assert "signals has ended" not in incident.containment_waived_reason
    assert incident.containment_waived_reason
    assert not incident.pages.filter(state__in=["pending", "sending"]).exists()
    assert timeline.verify(incident) == []


def test_without_the_rule_ended_signals_are_recorded_and_people_resolve(monitor, time):
    hear(monitor, event("a"))
    route(time)
    hear(monitor, event("a", status="resolved"))
    route(time)
    incident = Incident.objects.get()
    assert incident.state == "open"
    assert incident.timeline.last().kind == "signals_ended"


def test_an_incident_that_people_declared_is_theirs_to_resolve(monitor, cast, time):
    monitor.resolves_incidents = True
    monitor.save()
    declared = opening.declare(title="Odd scores", system=cast.credit_scorer, by=Actor.of(cast.lena))
    hear(monitor, event("a"))
    route(time)
    assert Signal.objects.get().incident == declared
    hear(monitor, event("a", status="resolved"))
    route(time)
    declared.refresh_from_db()
    assert declared.state == "open"


def test_a_new_firing_after_the_end_opens_a_new_incident(monitor, cast, time):
    monitor.resolves_incidents = True
    monitor.save()
    for status in ("firing", "resolved", "firing"):
        hear(monitor, event("a", status=status))
        route(time)
        time.forward(timedelta(minutes=1))
    assert list(Incident.objects.order_by("number").values_list("state", flat=True)) == ["resolved", "open"]


def test_a_late_double_of_an_episode_that_is_over_opens_nothing(monitor, time):
    monitor.resolves_incidents = True
    monitor.save()
    began = "2026-03-02T03:00:00Z"
    for status in ("firing", "resolved", "firing", "resolved", "firing"):
        hear(monitor, event("a", status=status, episode=began))
        route(time)
    assert Incident.objects.count() == 1


def test_an_end_that_overtakes_its_beginning_opens_nothing(monitor, time):
    began = "2026-03-02T03:00:00Z"
    hear(monitor, event("a", status="resolved", episode=began))
    route(time)
    hear(monitor, event("a", status="firing", episode=began))
    route(time)
    assert not Incident.objects.exists()


def test_joining_does_not_undo_what_people_did(monitor, cast, time):
    hear(monitor, event("a"))
    route(time)
    incident = Incident.objects.get()
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="back to v6", by=Actor.of(cast.lena))
    hear(monitor, event("b"))
    route(time)
    incident.refresh_from_db()
    assert (incident.state, incident.next_page_at) == ("contained", None)


def test_a_signal_whose_words_are_hostile_is_only_words(monitor, time):
    hear(monitor, event("a", title="<script>alert(1)</script> %s {{ x }}" * 3))
    route(time)
    assert "<script>" in Incident.objects.get().title
    assert IncidentType(Incident.objects.get().type) is IncidentType.TECHNICAL_FAILURE


def test_resolving_while_a_signal_fires_is_said_before_and_after(monitor, cast, time, signed_in):
    hear(monitor, event("a", episode="2026-03-02T03:00:00Z"))
    route(time)
    incident = Incident.objects.get()
    containing.contain(incident, kind=ContainmentKind.ROLL_BACK, note="back to v6", by=Actor.of(cast.lena))
    lena = signed_in(cast.lena)
    assert "Signals that still fire: 1" in lena.get(f"/incidents/{incident.number}/resolve").content.decode()
    lena.post(f"/incidents/{incident.number}/resolve", {"summary": "v6 holds"})
    assert incident.timeline.get(kind="resolved").body["still_firing"] == 1
    hear(monitor, event("a", episode="2026-03-02T03:00:00Z"))
    route(time)
    assert Incident.objects.count() == 1  # the same episode never opens two


def test_what_is_heard_again_after_a_person_resolved_pages_where_its_sender_marks_no_firing(
    monitor, cast, time, signed_in
):
    hear(monitor, event("nightly-job"))
    route(time)
    first = Incident.objects.get()
    containing.waive_containment(first, reason="The job did nothing.", by=Actor.of(cast.omar))
    lena = signed_in(cast.lena)
    assert "Of 1 it does not" in lena.get(f"/incidents/{first.number}/resolve").content.decode()
    resolving.resolve(first, summary="run again, and seen to end", by=Actor.of(cast.lena))
    route(time)
    assert Signal.objects.get().dedup_reason == "resolved_here"

    hear(monitor, event("nightly-job", status="resolved"))  # its end is no news any more
    time.forward(timedelta(days=1))
    hear(monitor, event("nightly-job"))
    route(time)
    second = Incident.objects.exclude(pk=first.pk).get()
    assert (second.state, second.next_page_at is not None) == ("open", True)
    hear(monitor, event("nightly-job"))
    route(time)
    assert Incident.objects.count() == 2
    assert list(Signal.objects.order_by("first_at").values_list("status", "count")) == [("resolved", 1), ("firing", 2)]


def test_another_firing_after_a_person_resolved_pages_though_the_end_of_the_one_before_was_never_heard(
    monitor, cast, time
):
    hear(monitor, event("disk", episode="2026-03-02T03:00:00Z"))
    route(time)
    first = Incident.objects.get()
    containing.waive_containment(first, reason="It did nothing.", by=Actor.of(cast.omar))
    resolving.resolve(first, summary="cleaned, and seen to be empty", by=Actor.of(cast.lena))
    resolving.reopen(first, reason="it filled up again", by=Actor.of(cast.lena))
    hear(monitor, event("disk", episode="2026-03-02T04:00:00Z"))  # a start of what is open
    assert Signal.objects.get().dedup_reason == "sender_restarted"
    first.refresh_from_db()
    containing.waive_containment(first, reason="It did nothing.", by=Actor.of(cast.omar))
    resolving.resolve(first, summary="cleaned once more", by=Actor.of(cast.lena))

    time.forward(timedelta(days=1))
    hear(monitor, event("disk", episode="2026-03-02T04:00:00Z"))  # the same firing goes on, in silence
    route(time)
    assert (Incident.objects.count(), Signal.objects.get().count) == (1, 3)
    hear(
        monitor,
        event("disk", episode="2026-03-03T03:00:00Z"), event("disk", episode="2026-03-03T03:00:00Z"),
        event("disk", episode="2026-03-02T03:00:00Z"),  # late doubles of what is over
        event("disk", status="resolved", episode="2026-03-02T04:00:00Z"),
    )  # fmt: skip
    route(time)
    second = Incident.objects.exclude(pk=first.pk).get()
    assert (second.state, second.next_page_at is not None) == ("open", True)
    told = Signal.objects.order_by("first_at").values_list("incident", "status", "dedup_reason", "count")
    assert list(told) == [(first.pk, "resolved", "resolved_here", 3), (second.pk, "firing", "let_go", 2)]


def paged(incident):
    return sorted(incident.pages.filter(reason__contains="it got worse: S1").values_list("person__name", flat=True))


def test_a_worse_signal_raises_what_a_person_has_taken_and_pages_them_and_the_next_step(monitor, cast, time):
    hear(monitor, event("a", severity=4))
    route(time)
    incident = Incident.objects.get()
    assert escalating.escalate_due(time.now(), 10) == 1
    acknowledging.acknowledge(incident, by=Actor.of(cast.lena), via="web")
    hear(monitor, event("b", severity=1))
    route(time)
    incident.refresh_from_db()
    assert (incident.severity, incident.technical, incident.state) == (1, 4, "acknowledged")
    assert paged(incident) == ["Lena", "Tomas"]
    kinds = list(incident.timeline.values_list("kind", flat=True))
    assert kinds[-4:] == ["signals_joined", "technical_scored", "severity_raised", "paged"]

    hear(monitor, event("c", severity=1), event("b", severity=1))
    route(time)
    assert incident.pages.filter(reason__contains="it got worse").count() == 2  # no news


def test_a_worse_signal_hurries_on_what_nobody_has_taken(monitor, cast, time):
    hear(monitor, event("a", severity=4))
    route(time)
    escalating.escalate_due(time.now(), 10)
    assert Incident.objects.get().next_page_at > time.now()
    time.forward(timedelta(minutes=1))
    hear(monitor, event("a", severity=1))  # the same signal, which got worse
    route(time)
    incident = Incident.objects.get()
    assert (incident.severity, incident.next_page_at) == (1, time.now())


def test_what_people_found_milder_is_not_raised_by_more_of_the_same(monitor, cast, time):
    hear(monitor, event("a", severity=1))
    route(time)
    incident = Incident.objects.get()
    Incident.objects.filter(pk=incident.pk).update(severity=3, technical=1, next_page_at=None)
    hear(monitor, event("b", severity=1), event("c", severity=2))
    route(time)
    incident.refresh_from_db()
    assert (incident.severity, incident.technical) == (3, 1)
