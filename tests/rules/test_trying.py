"""A draft tried on what was heard says what it would have done, and writes nothing."""

from datetime import timedelta

import pytest

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.kit.errors import Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.registry.models import System
from andon.rules.facts import RuleFacts
from andon.rules.models import Match, Rule, RuleVersion
from andon.rules.trying import try_rule
from tests.rules.test_routing_by_rules import MINUTE, hear, labelled, route, signal

LEFT_OUT = "Restricted incidents that you may not see, and their signals, are left out."
pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(cast, time):
    """Try a draft as Omar, and see that nothing is written."""

    def make(kind, expression="true", *, by=None, system=None, instead_of=None, ends_at=None, **settings):
        kind = RuleKind(kind)
        if kind is RuleKind.SILENCE:
            ends_at = time.now() + timedelta(hours=1)
        facts = RuleFacts(kind, "Draft", expression, system, "why", None, ends_at, settings)
        before = [model.objects.count() for model in (Rule, RuleVersion, Match, Incident)]
        signals = list(Signal.objects.order_by("pk").values())
        trial = try_rule(facts, time.now(), by=Actor.of(by or cast.omar), instead_of=instead_of)
        assert [model.objects.count() for model in (Rule, RuleVersion, Match, Incident)] == before
        assert list(Signal.objects.order_by("pk").values()) == signals
        return trial

    return make


def says(trial):
    return {line.signal.fingerprint: line.says for line in trial.lines}


def not_opened(trial):
    return [incident.ref for incident in trial.not_opened]


def test_without_signals_there_is_nothing_to_try_it_on(draft):
    trial = draft("mapping", severity=1)
    assert (trial.looked_at, trial.since, trial.changed, trial.lines) == (0, None, 0, [])


def test_a_mapping_shows_before_and_after_and_what_would_have_opened(monitor, draft, time):
    hear(monitor, labelled("a", system="", severity=5, app="credit-scorer"), labelled("b", severity=3))
    route(time)
    trial = draft("mapping", "true", system_from="signal.labels.app", severity=2)
    assert says(trial) == {
        "a": "system: none → Credit scorer; severity: S5 → S2; would have joined INC-1",
        "b": "severity: S3 → S2",
    }
    assert (trial.about, trial.changed, trial.opened, trial.errors) == (2, 2, 0, 0)


def test_a_mapping_is_tried_behind_those_that_stand_and_a_change_in_its_own_place(monitor, rule, draft, time):
    first, _ = rule("mapping", severity=1), rule("mapping", severity=2)
    hear(monitor, labelled("a", severity=4))
    route(time)
    trial = draft("mapping", severity=3)
    assert trial.changed == 0
    assert "asked earlier" in trial.notes[0]
    assert says(draft("mapping", severity=3, instead_of=first)) == {"a": "severity: S1 → S3"}
    trial = draft("mapping", severity=1, instead_of=first)  # as it is in force already
    assert (says(trial), trial.about) == ({}, 1)
    assert says(draft("mapping", "false", severity=1, instead_of=first)) == {"a": "severity: S1 → S2"}


def test_what_a_mapping_would_keep_from_opening(monitor, draft, time):
    hear(monitor, labelled("a", severity=3))
    route(time)
    trial = draft("mapping", severity=5)
    assert says(trial) == {
        "a": "severity: S3 → S5; would have opened no incident by itself; INC-1 would not have opened"
    }
    assert not_opened(trial) == ["INC-1"]


def test_a_silence_shows_which_incidents_would_not_have_opened(monitor, draft, time):
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("a", env="test"), labelled("b", env="test"))
    hear(monitor, labelled("c", system="other", env="test"), labelled("d", system="other", env="prod", title="Real"))
    hear(monitor, labelled("e", env="test", severity=1, system=""))
    route(time)
    trial = draft("silence", 'signal.labels.env == "test"')
    one, two = signal("a").incident, signal("c").incident
    assert says(trial) == {
        "a": f"would have waited; {one.ref} would not have opened",
        "b": f"would have waited; {one.ref} would not have opened",
        "c": f"would have waited; {two.ref} would have opened later, by “Real”",
    }
    assert trial.not_opened == [one]
    assert trial.about == 4
    assert says(draft("silence", 'signal.labels.env == "test"', covers_severe=True)).keys() == {"a", "b", "c", "e"}


def test_a_window_is_tried_at_the_time_of_each_signal(monitor, draft, time):
    hear(monitor, labelled("a"))
    route(time)
    week = {"weekdays": [0], "starts": "03:00", "ends": "03:30", "zone": "UTC"}
    assert not_opened(draft("maintenance", weekly=week)), "it is on still"
    assert draft("maintenance", weekly=week | {"ends": "03:10"}).changed == 0
    time.forward(30 * MINUTE)
    trial = draft("maintenance", weekly=week)
    assert says(trial) == {"a": f"would have waited; {signal('a').incident.ref} would have opened 18 min later"}
    hear(monitor, labelled("a", status="resolved"))
    assert not not_opened(draft("maintenance", weekly=week)), "it fired on after the window's end"


def test_an_inhibition_is_tried_by_what_fired_at_the_time(monitor, draft, time):
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("a", title="down", system="other", cluster="eu"))
    route(time)
    time.forward(MINUTE)
    hear(monitor, labelled("b", title="slow", cluster="eu"), labelled("c", title="slow", cluster="us", system=""))
    route(time)
    trial = draft("inhibition", 'signal.title == "slow"', source='signal.title == "down"', equal=["cluster"])
    assert says(trial).keys() == {"b"}
    time.forward(MINUTE)
    assert not_opened(draft("inhibition", 'signal.title == "slow"', source='signal.title == "down"', equal=["cluster"]))
    hear(monitor, labelled("a", title="down", system="other", cluster="eu", status="resolved"))
    time.forward(MINUTE)
    hear(monitor, labelled("d", title="slow", cluster="eu", system="nobody"))
    route(time)
    trial = draft("inhibition", 'signal.title == "slow"', source='signal.title == "down"', equal=["cluster"])
    opened = signal("b").incident.ref
    assert says(trial) == {"b": f"would have waited; {opened} would have opened 1 min later"}, "it fires on by itself"
    assert not trial.not_opened


def test_an_inhibition_is_tried_by_one_source_after_the_other(monitor, draft, time):
    System.objects.create(slug="other", name="Other")
    for source in ("a", "b"):
        hear(monitor, labelled(source, title="down", system="other", cluster="eu"))
        route(time)
        time.forward(MINUTE)
    hear(monitor, labelled("c", title="slow", cluster="eu"))
    route(time)
    for source in ("a", "b"):
        time.forward(MINUTE)
        hear(monitor, labelled(source, title="down", system="other", cluster="eu", status="resolved"))
    hear(monitor, labelled("c", title="slow", cluster="eu", status="resolved"))
    route(time)
    trial = draft("inhibition", 'signal.title == "slow"', source='signal.title == "down"', equal=["cluster"])
    assert not_opened(trial) == [signal("c").incident.ref], "it ended with the last that explains it"


def test_an_inhibition_is_tried_without_what_nobody_was_told_of(monitor, draft, time):
    System.objects.create(slug="other", name="Other")
    hear(monitor, labelled("a", title="down", system="other", cluster="eu", severity=5))
    route(time)
    time.forward(MINUTE)
    hear(monitor, labelled("b", title="slow", cluster="eu"))
    route(time)
    trial = draft("inhibition", 'signal.title == "slow"', source='signal.title == "down"', equal=["cluster"])
    assert not says(trial)


def test_thresholds_are_tried_by_what_came_together(monitor, draft, time):
    hear(monitor, labelled("a"))
    route(time)
    time.forward(5 * MINUTE)
    hear(monitor, labelled("b", title="Second"))
    route(time)
    trial = draft("threshold", count=2, minutes=10)
    assert says(trial) == {"a": f"would have waited; {signal('a').incident.ref} would have opened later, by “Second”"}
    assert draft("threshold", count=2, minutes=4).changed == 2
    assert draft("threshold", count=2, minutes=10, counting="events").changed == 2


def test_a_threshold_of_events_is_tried_by_how_often_a_signal_was_heard_within_its_time(monitor, draft, time):
    for _ in range(5):
        hear(monitor, labelled("a"))
        route(time)
        time.forward(30 * MINUTE)
    assert draft("threshold", count=3, minutes=10, counting="events").changed == 1, "one in ten minutes is too few"
    assert draft("threshold", count=3, minutes=90, counting="events").changed == 0
    assert draft("threshold", count=6, minutes=300, counting="events").changed == 1


def test_a_draft_is_tried_also_on_what_has_ended(monitor, draft, time):
    hear(monitor, labelled("a", severity=3))
    route(time)
    time.forward(MINUTE)
    hear(monitor, labelled("a", severity=3, status="resolved"))
    route(time)
    trial = draft("silence")
    assert trial.not_opened == [Incident.objects.get()]


def test_a_changed_threshold_shows_what_it_would_have_kept_waiting_and_what_not(monitor, rule, draft, time):
    standing = rule("threshold", count=3, minutes=10)
    hear(monitor, labelled("a"))
    route(time)
    hear(monitor, labelled("b"), labelled("d", system="nobody"))
    route(time)
    hear(monitor, labelled("c", title="Third"))
    route(time)
    ref = signal("a").incident.ref
    assert signal("c").incident.ref == ref
    assert signal("d").incident is None
    higher = draft("threshold", count=4, minutes=10, instead_of=standing)
    assert says(higher) == dict.fromkeys("abc", f"would have waited; {ref} would not have opened")
    assert [incident.ref for incident in higher.not_opened] == [ref]
    lower = draft("threshold", 'signal.title == "Third"', count=2, minutes=10, instead_of=standing)
    assert says(lower)["d"] == "would not have waited; would have opened an incident"
    assert lower.opened == 1
    # What another rule kept waiting until the third came would not have opened it in place of the third.
    assert says(draft("silence", 'signal.title == "Third"')) == {"c": f"would have waited; {ref} would not have opened"}


def test_holding_open_shows_what_would_have_been_one_incident(monitor, draft, time):
    monitor.resolves_incidents = True
    monitor.save()
    for _ in range(3):
        hear(monitor, labelled("a"))
        route(time)
        hear(monitor, labelled("a", status="resolved"))
        route(time)
        time.forward(5 * MINUTE)
    trial = draft("hold_open", minutes=10)
    assert [incident.number for incident in trial.not_opened] == [2, 3]
    assert draft("hold_open", minutes=4).not_opened == []


def test_auto_close_shows_what_would_count_as_ended(monitor, draft, time):
    hear(monitor, labelled("a"))
    route(time)
    time.forward(timedelta(hours=3))
    hear(monitor, labelled("b"))
    route(time)
    assert says(draft("auto_close", hours=2)) == {"a": "would count as ended: nothing was heard for 3 h"}


def test_a_heartbeat_shows_what_it_would_keep_quiet_and_when_it_would_have_been_missing(monitor, cast, draft, time):
    settings = {"every_minutes": 5, "system": cast.credit_scorer}
    hear(monitor, labelled("x", title="other", system=""))
    route(time)
    assert "missing from the start" in draft("heartbeat", 'signal.title == "alive"', **settings).notes[0]
    for pause in (5, 30, 5):
        hear(monitor, labelled(f"r{pause}{time.now()}", title="alive"))
        hear(monitor, labelled(f"r{pause}{time.now()}", title="alive", status="resolved"))
        route(time)
        time.forward(pause * MINUTE)
    trial = draft("heartbeat", 'signal.title == "alive"', **settings)
    assert trial.notes == ["It would have been missing once, for 30 min at most.", LEFT_OUT]
    assert trial.about == 3


def beat(monitor, cast, draft, time, *pauses, every=5):
    """What a trial says of a heartbeat that fires on, heard again after each of these minutes."""
    hear(monitor, labelled("watchdog", title="alive"))
    for pause in pauses:
        time.forward(pause * MINUTE)
        hear(monitor, labelled("watchdog", title="alive"))
    route(time)
    assert signal("watchdog").count == 1 + len(pauses)
    trial = draft("heartbeat", 'signal.title == "alive"', every_minutes=every, system=cast.credit_scorer)
    assert trial.notes[-1] == LEFT_OUT
    return trial.notes[:-1]


def test_whether_a_heartbeat_that_fires_on_was_missing_in_between_cannot_be_told(monitor, cast, draft, time):
    (said,) = beat(monitor, cast, draft, time, 1, 1, 30, *[1] * 7)
    assert said == (
        "Of one of these signals it cannot be told whether it was silent for so long in between, for only its first and "
        "last time are kept. It was heard 11 times, 3 min apart on average."
    )
    time.forward(20 * MINUTE)
    trial = draft("heartbeat", 'signal.title == "alive"', every_minutes=5, system=cast.credit_scorer)
    assert trial.notes[0] == "It would have been missing once at least; the longest time that is known is 20 min."
    assert "cannot be told" in trial.notes[1]


def test_a_heartbeat_that_came_too_seldom_was_missing_for_certain(monitor, cast, draft, time):
    between = "once between a signal's first time and its last: when, and for how long, cannot be told."
    missing = beat(monitor, cast, draft, time, 4, 9, 4)  # three pauses of 17 minutes in all
    assert missing == [f"It would have been missing once at least; {between}"]
    time.forward(6 * MINUTE)
    trial = draft("heartbeat", 'signal.title == "alive"', every_minutes=5, system=cast.credit_scorer)
    assert trial.notes[0] == (
        f"It would have been missing 2 times at least; the longest time that is known is 6 min; {between}"
    )


def test_a_heartbeat_that_came_twice_or_within_its_time_is_known(monitor, cast, draft, time):
    assert beat(monitor, cast, draft, time, 1, 2, 1) == ["It came in time throughout."]
    time.forward(2 * MINUTE)
    hear(monitor, labelled("watchdog", title="alive", status="resolved"))
    route(time)
    time.forward(MINUTE)
    hear(monitor, labelled("other", title="alive"))
    time.forward(12 * MINUTE)
    hear(monitor, labelled("other", title="alive"))
    route(time)
    trial = draft("heartbeat", 'signal.title == "alive"', every_minutes=6, system=cast.credit_scorer)
    assert trial.notes[0] == "It would have been missing once, for 12 min at most."


def test_what_a_draft_cannot_be_asked_is_told_for_each_signal(monitor, draft, time):
    hear(monitor, labelled("a"), labelled("b", title="4"))
    route(time)
    trial = draft("silence", "int(signal.title) > 3")
    assert (trial.errors, trial.about) == (1, 1)
    assert [line.signal.fingerprint for line in trial.lines if line.error] == ["a"]


def test_who_may_not_or_says_nothing_possible(cast, draft):
    with pytest.raises(Forbidden):
        draft("silence", by=cast.vera)
    with pytest.raises(Invalid):
        draft("silence", "signal.nothing")
