"""Heartbeats that have to come, and signals that go quiet: found in time, once, whatever happened to Andon meanwhile."""

from datetime import timedelta

import pytest

from andon.engine.auditor import audit
from andon.engine.loop import build
from andon.engine.modules import Rules
from andon.incidents.models import Incident
from andon.intake import own
from andon.intake.adapters import adapters
from andon.intake.events import Sender
from andon.intake.models import Integration, Signal
from andon.kit.errors import Invalid
from andon.people.policy import Actor
from andon.response import resolving
from andon.rules import actions, clockwork
from andon.rules.models import Heartbeat, Rule
from tests.rules.test_routing_by_rules import MINUTE, hear, labelled, route, signal

pytestmark = pytest.mark.django_db


@pytest.fixture
def beat(rule):
    return rule("heartbeat", 'signal.title == "alive"', name="Watchdog", every_minutes=5, grace_minutes=1)


def look(time, *, minutes=0):
    """Minute by minute, as an engine would."""
    for _ in range(minutes):
        time.forward(MINUTE)
        clockwork.heartbeats_due(time.now(), 100)
    clockwork.heartbeats_due(time.now(), 100)
    route(time)


def missing():
    return Signal.objects.filter(integration__slug=own.ITSELF.slug, status="firing")


def test_a_heartbeat_opens_nothing_and_is_missed_when_it_stays_away(monitor, cast, beat, time):
    for _ in range(4):
        hear(monitor, labelled("w", title="alive", system=""))
        look(time, minutes=5)
    assert not Incident.objects.exists()
    assert signal("w").reason_joined == "sign_of_life"
    look(time, minutes=1)
    incident = Incident.objects.get()
    assert (incident.system, incident.title) == (cast.credit_scorer, "Heartbeat missing: Watchdog")
    assert missing().count() == 1
    assert Heartbeat.objects.get().missing_since == time.now()
    look(time, minutes=30)
    assert missing().get().count == 1  # said once
    assert not {"late_rules", "held_signals"} & {finding.check for finding in audit(time.now()).findings}


def test_a_heartbeat_that_cannot_be_read_hides_no_other_one_and_nothing_else(monitor, beat, rule, time):
    """As one that a newer version of Andon wrote."""
    rule("heartbeat", 'signal.title == "other"', name="Other", every_minutes=5)
    Rule.objects.filter(pk=beat.pk).update(settings={"every_minutes": 5, "from": "another version"})
    rule("auto_close", hours=1)
    hear(monitor, labelled("quiet"))
    route(time)
    time.forward(timedelta(hours=2))
    Heartbeat.objects.update(looked_at=time.now())
    with pytest.raises(Invalid):
        Rules().run_once(time.now(), 100)
    assert [one.title for one in missing()] == ["Heartbeat missing: Other"]
    assert signal("quiet").status == "resolved"
    assert not Heartbeat.objects.filter(next_due_at__lte=time.now()).exists()


def test_an_incident_that_cannot_be_resolved_keeps_no_other_one_open(monitor, rule, time, monkeypatch):
    Integration.objects.filter(pk=monitor.pk).update(resolves_incidents=True)
    rule("hold_open", minutes=10)
    hear(monitor, labelled("a"), labelled("b", system=""))
    route(time)
    hear(monitor, labelled("a", status="resolved"), labelled("b", status="resolved", system=""))
    route(time)
    bad = Incident.objects.order_by("resolve_at", "pk")[0]
    real = resolving._end
    monkeypatch.setattr(resolving, "_end", lambda held, *rest: 1 / 0 if held.pk == bad.pk else real(held, *rest))
    time.forward(10 * MINUTE)
    with pytest.raises(ZeroDivisionError):
        resolving.resolve_due(time.now(), 100)
    assert sorted(Incident.objects.values_list("state", flat=True)) == ["open", "resolved"]
    assert Incident.objects.get(pk=bad.pk).resolve_at > time.now()


def test_a_heartbeat_is_part_of_no_incident_and_holds_none_open(monitor, cast, beat, time):
    Integration.objects.filter(pk=monitor.pk).update(resolves_incidents=True)
    hear(monitor, labelled("trouble"))
    route(time)
    hear(monitor, labelled("w", title="alive"), labelled("ended", title="alive", status="resolved"))
    route(time)
    time.forward(timedelta(hours=1))  # it is looked at again
    route(time)
    assert (signal("w").incident, signal("w").reason_joined) == (None, "sign_of_life")
    assert (signal("ended").incident, signal("ended").reason_joined) == (None, "ended")
    hear(monitor, labelled("trouble", status="resolved"))
    route(time)
    assert Incident.objects.get().state == "resolved"


def test_one_that_never_comes_is_missed(beat, time):
    look(time, minutes=5)
    assert not missing().exists()
    look(time, minutes=1)
    assert "was never heard" in missing().get().description


def test_it_ends_when_the_heartbeat_comes_again_as_a_repeat_or_anew(monitor, beat, time):
    hear(monitor, labelled("w", title="alive"))
    route(time)
    look(time, minutes=6)
    assert missing().exists()
    hear(monitor, labelled("w", title="alive"))  # a repeat is not routed
    look(time, minutes=1)
    assert not missing().exists()
    assert Incident.objects.get().state == "resolved"
    look(time, minutes=6)
    assert missing().exists()
    hear(monitor, labelled("w2", title="alive"))
    route(time)  # a new one is
    clockwork.heartbeats_due(time.now(), 100)
    assert not missing().exists()


def test_each_run_may_be_a_signal_of_its_own_that_ends(monitor, beat, time):
    for run in range(6):
        hear(monitor, labelled(f"run{run}", title="alive"))
        hear(monitor, labelled(f"run{run}", title="alive", status="resolved"))
        route(time)
        look(time, minutes=5)
    assert not missing().exists()
    assert not beat.matches.exists()


def test_after_andon_was_away_a_sender_gets_one_turn_and_no_second(monitor, beat, time):
    hear(monitor, labelled("w", title="alive"))
    look(time)
    time.forward(timedelta(hours=8))
    look(time)
    assert not missing().exists()
    assert Heartbeat.objects.get().spared_at == time.now()
    time.forward(4 * MINUTE)
    look(time)  # away once more: no second turn
    time.forward(2 * MINUTE)
    look(time)
    assert missing().exists()


def test_a_clock_that_jumps_ahead_or_back_raises_no_storm_and_loses_nothing(monitor, beat, time):
    hear(monitor, labelled("w", title="alive"))
    look(time)
    time.set(time.now() - timedelta(hours=3))
    look(time, minutes=8)
    assert not missing().exists()
    time.set(time.now() + timedelta(hours=10))
    look(time)
    assert not missing().exists()
    look(time, minutes=7)
    assert missing().exists()


def test_a_heartbeat_that_ends_takes_its_signal_with_it_and_lets_go_of_what_it_held(monitor, cast, beat, time):
    look(time, minutes=6)
    assert missing().exists()
    hear(monitor, labelled("w", title="alive", system=""))
    route(time)
    actions.end_rule(beat, by=Actor.of(cast.omar))
    route(time)
    assert not missing().exists()
    assert signal("w").incident is not None


def test_a_changed_heartbeat_is_expected_from_then_on(cast, beat, time):
    look(time, minutes=4)
    actions.change_rule(beat, actions.facts_of(beat, settings={"every_minutes": 10}), by=Actor.of(cast.omar))
    look(time, minutes=9)
    assert not missing().exists()
    look(time, minutes=1)
    assert missing().exists()


def test_the_engine_does_it(monitor, beat, rule, time):
    engine = build(senders=0)
    rule("auto_close", 'signal.title == "quiet"', hours=1)
    hear(monitor, labelled("a", title="quiet"))
    engine.run_until_idle(time.now())
    for _ in range(6):
        time.forward(MINUTE)
        engine.run_until_idle(time.now())
    assert missing().exists()
    for _ in range(60):
        time.forward(MINUTE)
        engine.run_once(time.now())
    assert signal("a").status == "resolved"
    engine.stop()


def test_what_says_no_end_ends_after_hours_without_a_word(monitor, rule, time):
    rule("auto_close", hours=2)
    hear(monitor, labelled("a"))
    route(time)
    time.forward(timedelta(hours=1))
    hear(monitor, labelled("a"))
    time.forward(timedelta(hours=1))
    clockwork.quiet_due(time.now(), 10)
    assert signal("a").status == "firing"
    assert signal("a").close_at == time.now() + timedelta(hours=1)
    time.forward(timedelta(hours=1))
    clockwork.quiet_due(time.now(), 10)
    route(time)
    ended = signal("a")
    assert (ended.status, ended.dedup_reason, ended.close_at) == ("resolved", "gone_quiet", None)
    assert ended.incident is not None
    assert not {"late_rules", "held_signals"} & {finding.check for finding in audit(time.now()).findings}


def test_what_goes_on_after_it_counted_as_ended_is_heard(monitor, rule, time):
    """Its sender never said that this firing is over, so the same firing once more is no late double."""
    rule("auto_close", hours=1)
    said = labelled("a")
    again = type(said)(
        **{name: getattr(said, name) for name in said.__struct_fields__} | {"episode": "2026-03-02T03:00:00+00:00"}
    )
    hear(monitor, again)
    route(time)
    time.forward(timedelta(hours=1))
    clockwork.quiet_due(time.now(), 10)
    hear(monitor, again)
    assert Signal.objects.filter(status="firing").count() == 1
    assert signal("a").reason_joined == ""
    route(time)
    assert signal("a").incident is not None


def test_a_sender_that_never_says_an_end_has_a_time_of_its_own(monitor, rule, time, monkeypatch):
    class Quiet(Sender):
        kind, title, auto_close = "alertmanager", "Quiet", timedelta(hours=3)

    monkeypatch.setattr("andon.rules.book.adapters", lambda: {"alertmanager": Quiet()})
    hear(monitor, labelled("a"), labelled("b", title="by rule"))
    route(time)
    assert signal("a").close_at == time.now() + timedelta(hours=3)
    rule("auto_close", 'signal.title == "by rule"', hours=1)
    clockwork.quiet_due(time.now(), 10)
    assert signal("a").close_at == time.now() + timedelta(hours=3)
    assert signal("b").close_at == time.now() + timedelta(hours=1)


def test_the_auditor_finds_what_a_rule_holds_for_ever_and_what_is_late(monitor, beat, rule, time):
    rule("silence")
    hear(monitor, labelled("a"))
    route(time)
    Signal.objects.update(route_at=None)
    found = audit(time.now())
    assert [finding.check for finding in found.findings] == ["held_signals"]
    assert signal("a").route_at == time.now()
    time.forward(timedelta(minutes=9))
    route(time)
    assert "late_rules" in [finding.check for finding in audit(time.now()).findings]


def test_andon_has_one_integration_of_its_own_that_is_shown_and_at_which_nothing_can_be_sent(
    cast, beat, time, signed_in
):
    look(time, minutes=6)
    row = Integration.objects.get(kind=own.KIND)
    assert (row.slug, row.resolves_incidents, row.token_digest) == (own.ITSELF.slug, True, "")
    omar = signed_in(cast.omar)
    assert omar.get("/integrations").status_code == 200
    assert omar.get(f"/integrations/{own.ITSELF.slug}").status_code == 200
    assert omar.get(f"/signals/{missing().get().pk}").status_code == 200
    assert own.KIND not in adapters()
    page = omar.get(f"/integrations/{own.ITSELF.slug}").content.decode()
    assert "Its address" not in page
    assert "Make a new token" not in page
    assert omar.post(f"/integrations/{own.ITSELF.slug}/token").status_code == 409
