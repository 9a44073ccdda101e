"""What a draft of a mapping or an auto-close says of incidents, is what would have become of them."""

from datetime import timedelta

import pytest
from django.urls import reverse

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.people.policy import Actor
from andon.practice.lifecycle import State
from andon.registry.models import System
from andon.response.opening import declare
from tests.rules.test_faces import send
from tests.rules.test_routing_by_rules import MINUTE, hear, labelled, route, signal
from tests.rules.test_trying import LEFT_OUT, not_opened, says
from tests.rules.test_trying import draft as draft  # noqa: PLC0414

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def other(cast):
    return System.objects.create(slug="other", name="Other")


@pytest.fixture
def heard(monitor, time):
    """Hear signals, and route them."""

    def take(*events):
        hear(monitor, *events)
        route(time)

    return take


@pytest.fixture
def resolves(monitor):
    monitor.resolves_incidents = True
    monitor.save()


def to_other(draft, expression="has(signal.labels.app)", **more):
    return draft("mapping", expression, set_system="other", **more)


def test_what_opened_an_incident_alone_would_have_joined_another(heard, other, draft, time):
    heard(labelled("x", system="other"))
    time.forward(MINUTE)
    heard(labelled("a", app="y"))
    trial = to_other(draft)
    assert says(trial) == {"a": "system: Credit scorer → Other; would have joined INC-1; INC-2 would not have opened"}
    assert (not_opened(trial), trial.opened) == (["INC-2"], 0)
    Incident.objects.filter(number=1).update(state=State.RESOLVED, resolved_at=time.now() - timedelta(seconds=30))
    trial = to_other(draft)
    assert (not_opened(trial), trial.opened) == (["INC-2"], 1), "it was over by then"


def test_what_opened_an_incident_with_others_leaves_it_to_the_next(heard, other, draft, time):
    heard(labelled("a", app="y"))
    time.forward(5 * MINUTE)
    heard(labelled("b", title="Second"))
    trial = to_other(draft)
    assert says(trial) == {
        "a": "system: Credit scorer → Other; would have opened an incident of its own; "
        "INC-1 would have opened 5 min later by “Second”",
        "b": "would have opened INC-1 5 min later",
    }
    assert (trial.not_opened, trial.opened) == ([], 1)
    assert "nobody knows" in trial.notes[0]


def test_several_that_would_share_an_incident_are_one(heard, other, draft, time):
    heard(labelled("a", system="", severity=4, title="First", app="y"))
    time.forward(MINUTE)
    heard(labelled("b", system="", severity=4, app="y"))
    trial = to_other(draft)
    assert says(trial) == {
        "a": "system: none → Other; would have opened an incident",
        "b": "system: none → Other; would have joined the incident that “First” would have opened",
    }
    assert (trial.opened, trial.changed) == (1, 2)


def test_what_comes_before_the_incident_of_its_system_would_have_opened_it_earlier(heard, other, draft, time):
    heard(labelled("a", system="", severity=4, title="Early", app="y"))
    time.forward(3 * MINUTE)
    heard(labelled("b", system="other"))
    trial = to_other(draft)
    assert says(trial) == {
        "a": "system: none → Other; would have opened INC-1 3 min earlier",
        "b": "INC-1 would have opened 3 min earlier by “Early”",
    }
    assert (trial.opened, trial.not_opened) == (0, [])


def test_what_asks_for_nobody_any_more_opens_nothing_and_joins_what_is_open(heard, draft, time):
    heard(labelled("a", env="dev"))
    heard(labelled("b", system="nobody", env="dev"))
    time.forward(MINUTE)
    heard(labelled("c"))
    trial = draft("mapping", "has(signal.labels.env)", severity=5)
    assert says(trial) == {
        "a": "severity: S3 → S5; would have opened no incident by itself; INC-1 would have opened 1 min later by "
        f"“{signal('c').title}”",
        "b": "severity: S3 → S5; would have opened no incident by itself; INC-2 would not have opened",
        "c": "would have opened INC-1 1 min later",
    }
    assert (not_opened(trial), trial.opened) == (["INC-2"], 0)


def test_an_incident_that_people_declared_stays_and_takes_what_would_have_been_of_its_system(
    cast, heard, other, draft, time
):
    declare(title="Seen by people", system=other, by=Actor.of(cast.lena))
    time.forward(MINUTE)
    heard(labelled("a", app="y"))
    trial = to_other(draft)
    assert says(trial) == {"a": "system: Credit scorer → Other; would have joined INC-1; INC-2 would not have opened"}


def test_a_restricted_incident_is_not_named_to_who_may_not_see_it(cast, heard, other, draft, client, signed_in, time):
    heard(labelled("x", system="other", title="Secret harm"))
    time.forward(MINUTE)
    heard(labelled("a", app="y"))
    Incident.objects.filter(number=1).update(restricted=True)
    trial = to_other(draft, by=cast.sam)
    assert says(trial) == {
        "a": "system: Credit scorer → Other; would have opened an incident of its own; INC-2 would not have opened"
    }
    assert "that you may not see" in trial.notes[-1]
    assert says(to_other(draft, by=cast.nadia))["a"].endswith("would have joined INC-1; INC-2 would not have opened")
    sent = {"kind": "mapping", "expression": "has(signal.labels.app)", "settings": {"set_system": "other"}}
    form = {"expression": sent["expression"], "set_system": "other", "also": "1"}
    for person, sees in ((cast.nadia, True), (cast.sam, False)):
        person.role = "admin" if sees else "lead"
        person.save()
        api = send(client, person, "post", "/try", sent, "rules:read").content.decode()
        page = signed_in(person).post(reverse("rule_create", args=["mapping"]), form).content.decode()
        for answer in (api, page):
            assert "would have" in answer
            assert ("INC-1" in answer) is sees
            assert ("that you may not see" in answer) is not sees


def test_without_signals_nothing_is_said(draft, other):
    for trial in (to_other(draft), draft("auto_close", hours=1)):
        assert (trial.opened, trial.not_opened, trial.lines, trial.notes) == (0, [], [], [])


def test_a_silence_that_ends_earlier_lets_several_share_an_incident(heard, rule, draft, time):
    standing = rule("silence")
    heard(labelled("a", title="First"))
    time.forward(MINUTE)
    heard(labelled("b"))
    trial = draft("silence", "signal.title == 'none'", instead_of=standing)
    assert says(trial) == {
        "a": "would not have waited; would have opened an incident",
        "b": "would not have waited; would have joined the incident that “First” would have opened",
    }
    assert trial.opened == 1


def test_auto_close_says_how_much_earlier_than_its_sender(heard, resolves, draft, time):
    heard(labelled("a"))
    time.forward(5 * HOUR)
    heard(labelled("a", status="resolved"))
    trial = draft("auto_close", hours=2)
    assert says(trial) == {
        "a": "would have counted as ended 3 h earlier than its sender said; INC-1 would have been resolved 3 h earlier"
    }
    assert draft("auto_close", hours=5).changed == 0


def test_auto_close_says_what_was_heard_twice_and_would_have_come_again(heard, resolves, draft, time):
    heard(labelled("a"))
    time.forward(5 * HOUR)
    heard(labelled("a"))
    time.forward(HOUR)
    trial = draft("auto_close", hours=2)
    assert says(trial) == {
        "a": "would have counted as ended after its first time, and 5 h later come as a new signal; "
        "INC-1 would have been resolved 4 h ago, and another opened after it"
    }
    assert trial.opened == 1


def test_auto_close_says_what_cannot_be_told(heard, resolves, draft, time):
    for pause in (1, 3, 0):
        heard(labelled("a"))
        time.forward(pause * HOUR)
    trial = draft("auto_close", hours=3)
    assert says(trial) == {}
    assert "cannot be told" in trial.notes[0]
    sure = draft("auto_close", hours=1)
    assert "at least once in between" in says(sure)["a"]
    assert "INC-1" not in says(sure)["a"]
    heard(labelled("a", status="resolved"))
    assert "cannot be told" in draft("auto_close", hours=3).notes[0]
    assert says(draft("auto_close", hours=1))["a"].endswith(
        "when, and whether it would have come again, cannot be told"
    )


def test_an_incident_is_resolved_only_when_all_of_its_signals_would_have_ended(heard, resolves, draft, time):
    heard(labelled("a", env="dev"), labelled("b"))
    time.forward(5 * HOUR)
    trial = draft("auto_close", "has(signal.labels.env)", hours=2)
    assert says(trial) == {"a": "would count as ended: nothing was heard for 5 h"}
    ended = draft("auto_close", hours=2)
    assert set(says(ended).values()) == {
        "would count as ended: nothing was heard for 5 h; INC-1 would have been resolved 3 h ago"
    }


def test_where_people_resolve_nothing_is_said_of_the_incident(heard, draft, time):
    heard(labelled("a"))
    time.forward(5 * HOUR)
    trial = draft("auto_close", hours=2)
    assert says(trial) == {"a": "would count as ended: nothing was heard for 5 h"}
    assert trial.notes == [
        "Of these signals' incidents one incident would have been for people to resolve all the same.",
        LEFT_OUT,
    ]


def test_an_incident_that_would_be_held_open_is_resolved_so_much_later(heard, resolves, rule, draft, time):
    rule("hold_open", minutes=60)
    heard(labelled("a"))
    time.forward(5 * HOUR)
    assert says(draft("auto_close", hours=2))["a"].endswith("INC-1 would have been resolved 2 h ago")


def test_an_auto_close_behind_another_or_in_its_place(heard, rule, draft, time):
    standing = rule("auto_close", hours=1)
    heard(labelled("a"))
    time.forward(5 * HOUR)
    trial = draft("auto_close", hours=2)
    assert (says(trial), len(trial.notes)) == ({}, 2)
    assert "already" in trial.notes[0]
    Signal.objects.update(status="resolved", resolved_at=time.now() - 4 * HOUR, dedup_reason="gone_quiet")
    assert says(draft("auto_close", hours=2, instead_of=standing)) == {"a": "would have counted as ended 1 h later"}


def test_older_signals_of_an_incident_are_taken_as_they_were(heard, resolves, draft, time, monkeypatch):
    heard(labelled("old"))
    time.forward(MINUTE)
    heard(labelled("a", app="y"))
    time.forward(5 * HOUR)
    monkeypatch.setattr("andon.rules.queries.TRIED_ON", 1)
    assert says(draft("auto_close", hours=2)) == {"a": "would count as ended: nothing was heard for 5 h"}
    Signal.objects.filter(fingerprint="old").update(status="resolved", resolved_at=time.now() - 4 * HOUR)
    assert says(draft("auto_close", hours=2))["a"].endswith("INC-1 would have been resolved 3 h ago")


def test_the_page_and_the_api_count_what_would_have_opened(cast, heard, other, client, signed_in, time):
    heard(labelled("a", system="", severity=4, app="y"), labelled("b", system="", severity=4, app="y"))
    form = {"expression": "true", "set_system": "other", "also": "1"}
    page = signed_in(cast.omar).post(reverse("rule_create", args=["mapping"]), form).content.decode()
    assert "1 that there was not" in page
    draft = {"kind": "mapping", "expression": "true", "settings": {"set_system": "other"}}
    assert send(client, cast.omar, "post", "/try", draft, "rules:read").json()["opened"] == 1


def test_what_would_have_opened_another_after_it_may_begin_with_what_opens_none(heard, resolves, draft, time):
    heard(labelled("a", severity=2))
    time.forward(MINUTE)
    heard(labelled("h", severity=5))
    time.forward(5 * HOUR)
    heard(labelled("h", severity=5))
    time.forward(30 * MINUTE)
    heard(labelled("b", severity=2))
    time.forward(MINUTE)
    trial = draft("auto_close", hours=2)
    assert "and another opened after it" in says(trial)["a"]
    assert trial.opened == 1


def test_where_people_resolve_what_comes_again_would_have_joined_and_not_opened_another(heard, draft, time):
    for _ in range(2):
        heard(labelled("a", severity=5))
        time.forward(MINUTE)
        heard(labelled("a", severity=5, status="resolved"))
        time.forward(MINUTE)
    assert draft("mapping", severity=2).opened == 1
