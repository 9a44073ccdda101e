"""What other rules kept waiting, or would have, when a mapping says that it is something else."""

from datetime import timedelta

import pytest
from django.urls import reverse

from andon.intake.models import Signal
from andon.people.policy import Actor
from andon.rules import actions
from tests.rules.test_faces import send
from tests.rules.test_routing_by_rules import MINUTE, labelled, signal
from tests.rules.test_trying import draft as draft  # noqa: PLC0414
from tests.rules.test_trying import not_opened, says
from tests.rules.test_trying_incidents import heard as heard  # noqa: PLC0414
from tests.rules.test_trying_incidents import other as other  # noqa: PLC0414
from tests.rules.test_trying_incidents import to_other

pytestmark = pytest.mark.django_db
MOVED = "system: Credit scorer → Other"
FROM_NOWHERE = "system: none → Other"
UNASKED = {"system": "", "severity": 4}  # of no known system, and asks for nobody


def why(trial):
    return {line.signal.fingerprint: line.says for line in trial.unanswered}


@pytest.fixture
def one_by_one(heard, time):
    """Hear signals a minute apart."""

    def take(*events):
        for each in events:
            heard(each)
            time.forward(MINUTE)

    return take


def test_what_moves_to_a_system_with_a_threshold_waits_for_enough(one_by_one, rule, other, draft):
    rule("threshold", 'signal.system == "other"', count=3, minutes=10)
    one_by_one(labelled("a", app="y", title="First"), labelled("b", app="y"))
    trial = to_other(draft)
    assert says(trial) == {
        "a": f"{MOVED}; would have waited for more of them; INC-1 would not have opened",
        "b": f"{MOVED}; would have waited for more of them",
    }
    assert (not_opened(trial), trial.opened, why(trial)) == (["INC-1"], 0, {})
    one_by_one(labelled("c", app="y", title="Third"))
    trial = to_other(draft)
    assert says(trial) == {
        "a": f"{MOVED}; would have joined the incident that “Third” would have opened; INC-1 would not have opened",
        "b": f"{MOVED}; would have joined the incident that “Third” would have opened",
        "c": f"{MOVED}; would have opened an incident of its own",
    }
    assert (not_opened(trial), trial.opened) == (["INC-1"], 1)


def test_what_was_held_by_a_threshold_is_counted_where_it_would_have_been(one_by_one, rule, other, draft, time):
    rule("threshold", count=3, minutes=10)
    one_by_one(*(labelled(each, app="y") for each in "ab"), labelled("x", system="other"))
    assert not Signal.objects.exclude(incident=None).exists()
    trial = to_other(draft)
    assert says(trial) == {
        "a": f"{MOVED}; would have joined the incident that “Alert x” would have opened",
        "b": f"{MOVED}; would have joined the incident that “Alert x” would have opened",
        "x": "would have opened an incident",
    }
    assert (trial.opened, why(trial)) == (1, {})
    time.forward(20 * MINUTE)
    one_by_one(labelled("y", system="other"))
    assert says(to_other(draft, 'signal.fingerprint == "a" || signal.fingerprint == "y"'))["a"] == (
        f"{MOVED}; would have waited for more of them"
    ), "they lie too far apart"


def test_what_leaves_a_threshold_keeps_others_below_it(one_by_one, rule, other, draft):
    rule("threshold", 'signal.system == "credit-scorer"', count=3, minutes=10)
    one_by_one(labelled("a", app="y"), labelled("b"), labelled("c"), labelled("d"))
    trial = to_other(draft)
    assert says(trial) == {
        "a": f"{MOVED}; would have opened an incident of its own",
        "c": "INC-1 would have opened 1 min later by “Alert d”",
        "d": "would have opened INC-1 1 min later",
    }
    assert (trial.opened, trial.not_opened) == (1, [])


def test_what_comes_to_a_threshold_opens_its_incident_earlier(one_by_one, rule, other, draft):
    rule("threshold", 'signal.system == "other"', count=3, minutes=10)
    one_by_one(labelled("a", system="other"), labelled("m", app="y", **UNASKED))
    one_by_one(labelled("b", system="other"), labelled("c", system="other"))
    ref = signal("c").incident.ref
    assert signal("a").incident == signal("c").incident
    trial = to_other(draft)
    assert says(trial) == {
        "m": f"{FROM_NOWHERE}; would have joined {ref}",
        "b": f"would have opened {ref} 1 min earlier",
        "c": f"{ref} would have opened 1 min earlier by “Alert b”",
    }
    assert (trial.opened, trial.not_opened, why(trial)) == (0, [], {})


def test_what_ended_before_there_were_enough_opens_nothing(one_by_one, rule, other, draft):
    rule("threshold", 'signal.system == "other"', count=3, minutes=10)
    one_by_one(labelled("a", app="y", **UNASKED), labelled("a", app="y", status="resolved", **UNASKED))
    one_by_one(labelled("b", app="y", **UNASKED), labelled("c", app="y", **UNASKED))
    trial = to_other(draft)
    assert says(trial) == {
        "a": f"{FROM_NOWHERE}; would have waited for more of them",
        "b": f"{FROM_NOWHERE}; would have joined the incident that “Alert c” would have opened",
        "c": f"{FROM_NOWHERE}; would have opened an incident",
    }


def test_a_threshold_that_did_not_stand_yet_held_nothing(one_by_one, rule, other, draft, time):
    one_by_one(labelled("a", app="y", **UNASKED))
    rule("threshold", 'signal.system == "other"', count=3, minutes=10)
    trial = to_other(draft)
    assert says(trial) == {"a": f"{FROM_NOWHERE}; would have opened an incident"}


def test_a_rule_that_is_about_it_all_the_same_keeps_it_waiting(heard, rule, other, draft, time):
    rule("silence", "has(signal.labels.app)")
    heard(labelled("a", app="y"))
    trial = to_other(draft)
    assert says(trial) == {"a": f"{MOVED}; would have been kept waiting"}
    assert (trial.opened, why(trial)) == (0, {})


def test_a_rule_that_is_not_about_it_any_more_keeps_it_no_longer(heard, rule, other, draft, time):
    rule("silence", 'signal.system == "credit-scorer"')
    heard(labelled("a", app="y"), labelled("b", app="y", severity=1, system="nobody"))
    trial = draft("mapping", 'signal.fingerprint == "a"', set_system="other")
    assert says(trial) == {"a": f"{MOVED}; would have opened an incident"}
    severe = draft("mapping", 'signal.fingerprint == "a"', severity=1)
    assert says(severe) == {"a": "severity: S3 → S1; would have opened an incident"}, "a silence lets it through"


def test_a_heartbeat_that_is_none_any_more_opens_an_incident(cast, heard, rule, other, draft, time):
    rule("heartbeat", 'signal.system == "credit-scorer"', every_minutes=5)
    heard(labelled("a", app="y"))
    assert says(to_other(draft)) == {"a": f"{MOVED}; would have opened an incident"}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("silence", {}),
        ("maintenance", {"weekly": {"weekdays": [0, 1, 2, 3, 4, 5, 6], "starts": "00:00", "ends": "23:59", "zone": "UTC"}}),
        ("inhibition", {"source": 'signal.title == "down"'}),
        ("threshold", {"count": 3, "minutes": 10, "counting": "events"}),
    ],
)  # fmt: skip
def test_what_other_rules_would_have_said_is_not_answered_for(heard, rule, other, draft, time, kind, settings):
    made = rule(kind, 'signal.system == "other"', **settings)
    heard(labelled("a", app="y", **UNASKED), labelled("b", app="y"), labelled("h", app="y", severity=5))
    trial = to_other(draft)
    told = f"whether {made.ref} “{made.name}” would have kept it waiting cannot be told"
    if kind in {"silence", "maintenance"}:
        assert (why(trial), says(trial)["a"]) == ({}, f"{FROM_NOWHERE}; would have been kept waiting"), "it is on still"
        assert says(trial)["b"] == f"{MOVED}; would have been kept waiting; INC-1 would not have opened"
        time.forward(timedelta(days=1))
        told = f"it would have waited for {made.ref}, and what came of it after that cannot be told"
        trial = to_other(draft)
    if kind == "silence":
        assert why(trial) == {}, "it is over by now, and rules are those of today"
        return
    assert why(trial) == {"a": told, "b": told}, "a hazard opens nothing anyhow"
    assert says(trial)["a"] == FROM_NOWHERE
    assert says(trial)["b"] == f"{MOVED}; INC-1 would not have opened"
    assert trial.opened == 0
    assert any("does not answer for" in note for note in trial.notes)


def test_what_joins_what_is_open_is_answered_for(heard, rule, other, draft, time):
    heard(labelled("x", system="other"))
    rule("silence", 'signal.system == "other"')
    heard(labelled("a", app="y", **UNASKED))
    trial = to_other(draft)
    assert says(trial) == {"a": f"{FROM_NOWHERE}; would have joined INC-1"}
    assert why(trial) == {}


def test_a_rule_that_is_over_or_says_something_else_is_not_answered_for(cast, heard, rule, other, draft, time):
    one, two = rule("silence", "has(signal.labels.app)"), rule("threshold", count=5, minutes=10)
    heard(labelled("a", app="y"), labelled("b", env="dev"))
    time.forward(MINUTE)
    heard(labelled("a", app="y", status="resolved"), labelled("b", env="dev", status="resolved"))
    actions.end_rule(one, by=Actor.of(cast.omar))
    facts = actions.facts_of(two, settings={"count": 4, "minutes": 10, "counting": "signals"})
    actions.change_rule(two, facts, by=Actor.of(cast.omar))
    trial = draft("mapping", set_system="other")
    assert why(trial) == {
        "a": f"{one.ref} kept it waiting, and is over or says something else by now",
        "b": f"{two.ref} kept it waiting, and is over or says something else by now",
    }


def test_when_it_would_have_been_let_go_cannot_be_told(heard, rule, other, draft, time):
    made = rule("inhibition", "has(signal.labels.app)", source='signal.title == "down"')
    heard(labelled("s", title="down", system="nobody"))
    time.forward(MINUTE)
    heard(labelled("a", app="y"))
    assert why(to_other(draft)) == {"a": f"it waited for {made.ref}, and when it would have been let go cannot be told"}


def test_older_signals_than_those_looked_at_may_have_counted(one_by_one, rule, other, draft, time, monkeypatch):
    rule("threshold", 'signal.system == "other"', count=3, minutes=10)
    one_by_one(*(labelled(each, app="y", **UNASKED) for each in "abcd"))
    monkeypatch.setattr("andon.rules.queries.TRIED_ON", 3)
    trial = to_other(draft)
    assert (trial.looked_at, trial.opened) == (3, 1)
    assert why(trial) == dict.fromkeys("bc", "older signals than these may have counted as well")
    monkeypatch.setattr("andon.rules.queries.TRIED_ON", 4)
    assert why(to_other(draft)).keys() == {"a", "b"}, "as far as is known there is none before them"


def test_what_is_not_answered_for_is_counted_and_named(cast, heard, rule, other, client, signed_in, time):
    made = rule("inhibition", 'signal.system == "other"', source='signal.title == "down"')
    heard(labelled("a", app="y", title="Unanswered", **UNASKED))
    sent = {"kind": "mapping", "expression": "has(signal.labels.app)", "settings": {"set_system": "other"}}
    tried = send(client, cast.omar, "post", "/try", sent, "rules:read").json()
    assert [(one["signal"], made.ref in one["says"]) for one in tried["unanswered"]] == [(str(signal("a").pk), True)]
    form = {"expression": sent["expression"], "set_system": "other", "also": "1"}
    page = signed_in(cast.omar).post(reverse("rule_create", args=["mapping"]), form).content.decode()
    assert "1 signal" in page.partition("Not answered for")[2][:200]
    assert f"{made.ref} “{made.name}” would have kept it waiting" in page


def test_each_waits_by_its_own_sender_where_no_system_is_known(one_by_one, rule, draft, time):
    rule("threshold", count=2, minutes=10)
    one_by_one(labelled("a", system=""), labelled("b"))
    trial = draft("mapping", 'signal.fingerprint == "a"', set_system="credit-scorer")
    assert says(trial) == {
        "a": "system: none → Credit scorer; would have joined the incident that “Alert b” would have opened",
        "b": "would have opened an incident",
    }
    assert signal("b").incident is None
    assert timedelta(minutes=1) == signal("b").first_at - signal("a").first_at


def test_nothing_is_said_of_what_another_rule_keeps_while_a_threshold_counts_otherwise(one_by_one, rule, other, draft):
    rule("silence", "has(signal.labels.quiet)")
    rule("threshold", 'signal.system == "other"', count=9, minutes=60)
    one_by_one(labelled("s", system="other", quiet="yes"), labelled("a", app="y", **UNASKED))
    trial = to_other(draft)
    assert (says(trial).keys(), why(trial)) == ({"a"}, {})


def test_without_a_change_nothing_is_said_of_what_waits(one_by_one, rule, other, draft):
    rule("threshold", count=2, minutes=10)
    rule("silence", "has(signal.labels.quiet)")
    one_by_one(*(labelled(each, system="other") for each in "ab"), labelled("c"), labelled("s", quiet="yes"))
    trial = draft("mapping", 'signal.system == "other"', set_system="other")
    assert (says(trial), why(trial), trial.opened, trial.not_opened) == ({}, {}, 0, [])
