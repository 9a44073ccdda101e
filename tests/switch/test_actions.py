"""Setting a switch: who may, what is kept, what two at once see, and what a restored backup does to the numbers."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from andon.engine.modules import Retention
from andon.incidents.describe import describe
from andon.incidents.models import TimelineEntry
from andon.kit import clock
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.policy import Actor
from andon.practice import switching as rules
from andon.practice.switching import (
    FORGOTTEN_AFTER,
    MOST_AHEAD,
    ReplicaFacts,
    Tally,
    Wanted,
    next_revision,
    standing,
    tally,
)
from andon.practice.words import Criticality, ReplicaStanding, RiskClass, SwitchMode
from andon.registry.models import System
from andon.sdk.guard.sealing import Token
from andon.sdk.guard.words import Limit
from andon.switch import actions, queries
from andon.switch.actions import Setting
from andon.switch.models import Acknowledgement, GuardToken, Replica, Revision, Switch
from andon.switch.policy import access_replica, access_switch, access_token
from tests.support import scenes
from tests.support.replicas import says, token_of

OFF = Setting(SwitchMode.OFF, "It declines whom it should not.")
ON = Setting(SwitchMode.ON, "v6 is back and verified.")


def set_(cast, setting, person=None, **more):
    return actions.set_mode(cast.credit_scorer, setting, by=Actor.of(person or cast.lena), **more)


def test_a_setting_is_a_revision_and_the_switch_says_what_the_newest_says(cast, time):
    token_of(cast.credit_scorer)
    time.forward(timedelta(minutes=5))
    done = set_(cast, Setting(SwitchMode.LIMIT, " Slowly. ", Limit(share=0.1), "Gap below 3 %."))
    row = Switch.objects.get()
    for one in (done, row):
        assert (one.number, one.mode, one.share, one.per_second, one.limit) == (2, "limit", 0.1, None, Limit(share=0.1))
    assert (done.reason, done.until, done.by, done.created_at) == ("Slowly.", "Gap below 3 %.", cast.lena, clock.now())
    assert (row.mark, row.changed_at) == (done.mark, clock.now())
    set_(cast, OFF)
    assert Switch.objects.get().limit is None
    assert [one.mode for one in queries.revisions(row)] == ["off", "limit", "on"]


def test_what_a_system_falls_back_to_depends_on_what_hangs_on_it(cast):
    token_of(cast.credit_scorer)
    assert Switch.objects.get().on_stale == "safe"
    advisor = System.objects.create(slug="advisor", name="Advisor")
    token_of(advisor)
    assert Switch.objects.get(system=advisor).on_stale == "on"
    for criticality in Criticality:
        for risk in RiskClass:
            safe = criticality.at_least(Criticality.HIGH) or risk in {RiskClass.HIGH, RiskClass.PROHIBITED}
            assert (rules.falls_back_to(criticality, risk) is SwitchMode.SAFE) is safe


@pytest.mark.parametrize(
    ("setting", "field"),
    [
        (Setting(SwitchMode.OFF, "  "), "reason"), (Setting(SwitchMode.OFF, "x" * 2001), "reason"),
        (Setting(SwitchMode.OFF, "x", until="x" * 301), "reason"), (Setting(SwitchMode.LIMIT, "x"), "limit"),
        (Setting(SwitchMode.OFF, "x", Limit(share=0.1)), "limit"),
        (Setting(SwitchMode.LIMIT, "x", Limit(share=0.1, per_second=1.0)), "limit"),
        (Setting(SwitchMode.LIMIT, "x", Limit(share=1.1)), "share"),
        (Setting(SwitchMode.LIMIT, "x", Limit(share=float("nan"))), "share"),
        (Setting(SwitchMode.LIMIT, "x", Limit(share=1.0)), "share"),
        (Setting(SwitchMode.LIMIT, "x", Limit(per_second=-1.0)), "per_second"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_refused(cast, setting, field):
    with pytest.raises(Invalid) as refused:
        set_(cast, setting)
    assert refused.value.field == field
    assert not Revision.objects.exists()


def test_anybody_who_responds_may_hold_it_back_and_whoever_answers_for_it_may_let_it_go_on(cast):
    for person in (cast.sam, cast.lena, cast.omar, cast.nadia):
        set_(cast, OFF, person)
    for person in (cast.vera, cast.rui):
        for setting in (OFF, ON):
            with pytest.raises(Forbidden):
                set_(cast, setting, person)
    with pytest.raises(Forbidden, match="not a system of yours"):
        set_(cast, ON, cast.sam)
    for person in (cast.lena, cast.tomas, cast.omar, cast.nadia):
        set_(cast, ON, person)


def test_whoever_may_not_let_it_go_on_lets_it_decide_no_more_than_it_does(cast):
    limited = lambda **limit: Setting(SwitchMode.LIMIT, "Slowly.", Limit(**limit))  # noqa: E731
    for setting in (limited(share=0.5), limited(share=0.4), OFF):
        set_(cast, setting, cast.sam)
    for before, more in [
        (OFF, limited(share=0.1)), (OFF, limited(per_second=1e9)), (OFF, limited(per_second=0.0)),
        (limited(share=0.1), limited(share=0.11)), (limited(share=0.1), limited(per_second=0.1)),
        (limited(per_second=1.0), limited(per_second=1e9)), (limited(per_second=1.0), limited(share=0.99)),
        (Setting(SwitchMode.SAFE, "x"), limited(share=0.1)), (Setting(SwitchMode.REVIEW, "x"), limited(share=0.1)),
    ]:  # fmt: skip
        set_(cast, before)
        with pytest.raises(Forbidden, match="let it decide more than now: it is not a system of yours"):
            set_(cast, more, cast.sam)
        set_(cast, more)


LIMITS = st.one_of(st.builds(Limit, share=st.floats(0, 1)), st.builds(Limit, per_second=st.floats(0, 1e9)))
SAYS = st.one_of(
    st.tuples(st.sampled_from([mode for mode in SwitchMode if mode is not SwitchMode.LIMIT]), st.none()),
    st.tuples(st.just(SwitchMode.LIMIT), LIMITS),
)


@given(SAYS, SAYS)
def test_no_two_settings_that_differ_in_how_much_is_decided_can_be_walked_to_and_fro_without_loosening(one, other):
    def amount(mode, limit):
        return {SwitchMode.ON: "all", SwitchMode.LIMIT: limit}.get(mode, "nothing")

    there, back = rules.loosens(*one, *other), rules.loosens(*other, *one)
    assert (there or back) or amount(*one) == amount(*other)


@given(st.lists(SAYS, min_size=1))
def test_what_stands_back_never_comes_to_decide_by_steps_of_which_none_loosens(steps):
    before = (SwitchMode.OFF, None)
    for step in steps:
        if not rules.loosens(*before, *step):
            before = step
    assert before[0] in {SwitchMode.OFF, SwitchMode.SAFE, SwitchMode.REVIEW}


@given(SAYS, LIMITS)
def test_to_be_in_service_always_loosens_and_to_decide_nothing_never(before, limit):
    assert rules.loosens(*before, SwitchMode.ON, None)
    assert not any(rules.loosens(*before, mode, None) for mode in (SwitchMode.OFF, SwitchMode.SAFE, SwitchMode.REVIEW))
    assert not rules.loosens(SwitchMode.ON, None, SwitchMode.LIMIT, limit)
    assert not rules.loosens(SwitchMode.LIMIT, limit, SwitchMode.LIMIT, limit)


def test_leads_manage_tokens_and_staleness(cast):
    minted = actions.make_token(cast.credit_scorer, name="production", by=Actor.of(cast.omar))
    for person in (cast.lena, cast.vera, cast.rui, cast.sam):
        by = Actor.of(person)
        with pytest.raises(Forbidden):
            actions.make_token(cast.credit_scorer, name="x", by=by)
        with pytest.raises(Forbidden):
            actions.revoke_token(minted.row, by=by)
        with pytest.raises(Forbidden):
            actions.change_staleness(cast.credit_scorer, max_stale_seconds=60, on_stale=SwitchMode.ON, by=by)
        with pytest.raises(Forbidden):
            access_token(by, cast.credit_scorer, minted.row.pk)
    with pytest.raises(Forbidden):
        access_switch(Actor.of(cast.rui), "credit-scorer")
    assert access_switch(Actor.of(cast.vera), "credit-scorer").mode == "on"


def test_whoever_looked_before_somebody_else_switched_is_told(cast):
    token_of(cast.credit_scorer)
    set_(cast, OFF, expected=1)
    with pytest.raises(Conflict, match=r"switched off now \(revision 2\)"):
        set_(cast, ON, expected=1)
    with pytest.raises(Conflict, match="switched meanwhile"):
        actions.change_staleness(
            cast.credit_scorer, max_stale_seconds=60, on_stale=SwitchMode.ON, by=Actor.of(cast.omar), expected=1
        )
    assert Switch.objects.get().number == 2


def test_one_key_sets_it_once(cast):
    first, again = set_(cast, OFF, key="pull-7"), set_(cast, OFF, key="pull-7", expected=0)
    assert first == again
    assert Revision.objects.filter(mode="off").count() == 1


def test_a_setting_for_an_incident_stands_on_its_timeline(cast):
    incident = scenes.declared(cast)
    set_(cast, Setting(SwitchMode.LIMIT, "Half is enough.", Limit(share=0.5), "Gap closed", incident))
    (line,) = [line for line in describe(TimelineEntry.objects.filter(incident=incident)) if line.kind == "switched"]
    assert line.text == "Credit scorer is limited (50 % of requests) (revision 2): Half is enough. Until: Gap closed"
    secret = scenes.declared(cast, "Secret", restricted=True)
    revision = set_(cast, Setting(SwitchMode.OFF, "x", incident=secret), cast.omar)
    assert queries.shown_incidents(Actor.of(cast.sam), [revision]) == {}
    assert queries.shown_incidents(Actor.of(cast.omar), [revision]) == {secret.pk: secret.ref}


def test_the_database_refuses_to_change_what_was_set(cast):
    revision = set_(cast, OFF)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Revision.objects.filter(pk=revision.pk).update(mode="on")


def test_how_long_on_lasts_is_a_revision_too(cast):
    token_of(cast.credit_scorer)
    by = Actor.of(cast.omar)
    done = actions.change_staleness(cast.credit_scorer, max_stale_seconds=300, on_stale=SwitchMode.ON, by=by)
    assert (done.number, done.mode, done.max_stale_seconds, done.on_stale) == (2, "on", 300, "on")
    assert done.reason == "After 300 seconds without a word of Andon a process that is in service goes on."
    for seconds, mode in [(4, SwitchMode.ON), (10**7, SwitchMode.ON), (60, SwitchMode.LIMIT)]:
        with pytest.raises(Invalid):
            actions.change_staleness(cast.credit_scorer, max_stale_seconds=seconds, on_stale=mode, by=by)


def test_a_token_is_shown_once_and_works_until_it_is_revoked(cast):
    by = Actor.of(cast.omar)
    minted = actions.make_token(cast.credit_scorer, name=" production ", by=by)
    read = Token.read(minted.token)
    row = GuardToken.objects.get()
    assert (read.system, read.sent, row.name) == ("credit-scorer", minted.sent, "production")
    assert row.key.encode() == read.key
    with pytest.raises(Invalid):
        actions.make_token(cast.credit_scorer, name=" ", by=by)
    actions.revoke_token(row, by=by)
    with pytest.raises(Conflict):
        actions.revoke_token(row, by=by)


def seen(cast):
    return queries.seen(Switch.objects.get(system=cast.credit_scorer), clock.now())


def test_three_of_four_and_the_one_that_says_nothing_is_silent(cast, time):
    for name in ("one", "two", "three", "four"):
        says(cast.credit_scorer, name)
    set_(cast, OFF)
    assert seen(cast).says == "0 of 4 replicas contained, 4 not yet"
    time.forward(timedelta(seconds=20))
    for name in ("one", "two", "three"):
        says(cast.credit_scorer, name)
    assert seen(cast).says == "3 of 4 replicas contained, 1 not yet"
    time.forward(timedelta(seconds=20))
    for name in ("one", "two", "three"):
        says(cast.credit_scorer, name)
    heard = Replica.objects.get(instance="four").heard_at
    assert seen(cast).says == f"3 of 4 replicas contained, 1 silent since {heard:%H:%M} UTC"
    assert seen(cast).tally.everywhere is None
    says(cast.credit_scorer, "three", ended=True)
    assert seen(cast).says == f"2 of 3 replicas contained, 1 silent since {heard:%H:%M} UTC"
    time.forward(timedelta(seconds=40))
    assert seen(cast).says == f"0 of 3 replicas contained, 3 silent, the first since {heard:%H:%M} UTC"


@pytest.mark.parametrize(
    ("mode", "on_stale", "minutes"),
    [("safe", "on", 5), ("on", "safe", 6), ("on", "on", 24 * 60)],
)
def test_a_killed_replica_is_counted_until_it_would_hold_itself_back_if_it_ran(cast, time, mode, on_stale, minutes):
    """Whoever may go on deciding, cut off, is counted for a day."""
    token_of(cast.credit_scorer)
    lead = Actor.of(cast.omar)
    actions.change_staleness(cast.credit_scorer, max_stale_seconds=60, on_stale=SwitchMode(on_stale), by=lead)
    set_(cast, Setting(SwitchMode(mode), "As it was before it was killed."), cast.omar)
    says(cast.credit_scorer, "killed")
    # What the switch is set to since is not what the process goes by: it has not heard of it.
    actions.change_staleness(cast.credit_scorer, max_stale_seconds=3600, on_stale=SwitchMode.OFF, by=lead)
    time.forward(timedelta(minutes=minutes) - timedelta(seconds=1))
    assert [one.stands for one in seen(cast).replicas] == [ReplicaStanding.SILENT]
    time.forward(timedelta(seconds=2))
    assert seen(cast).says == "no replica has said anything"


def test_a_replica_that_was_never_told_anything_and_goes_on_is_counted_for_a_day(cast, time):
    token_of(cast.credit_scorer)
    says(cast.credit_scorer, "one", revision=0, mark="", mode="on", state="no_state")
    time.forward(timedelta(hours=23))
    assert [one.stands for one in seen(cast).replicas] == [ReplicaStanding.SILENT]


def test_a_silent_replica_that_is_known_to_be_gone_is_counted_no_more_until_it_speaks(cast, time):
    says(cast.credit_scorer, "one")
    gone = Replica.objects.get()
    by = Actor.of(cast.lena)
    with pytest.raises(Conflict, match="Only a silent replica"):
        actions.forget_replica(gone, by=by)
    time.forward(timedelta(minutes=1))
    with pytest.raises(Forbidden):
        actions.forget_replica(gone, by=Actor.of(cast.vera))
    actions.forget_replica(access_replica(by, cast.credit_scorer, gone.pk), by=by)
    with pytest.raises(Conflict):
        actions.forget_replica(gone, by=by)
    assert seen(cast).replicas == []
    says(cast.credit_scorer, "one")
    assert seen(cast).says == "1 of 1 replica in service"
    time.forward(timedelta(hours=25))
    assert seen(cast).replicas == []
    with pytest.raises(Missing):
        access_replica(by, System.objects.create(slug="other", name="Other"), gone.pk)


def test_after_a_restored_backup_the_next_revision_goes_beyond_what_replicas_have_heard(cast):
    token_of(cast.credit_scorer)
    says(cast.credit_scorer, "one", revision=9, mark="lost", mode="off", refused=1)
    assert seen(cast).says == "0 of 1 replica in service, 1 refusing it"
    assert Replica.objects.get().refused == 1
    assert set_(cast, OFF).number == 10
    says(cast.credit_scorer, "one")
    assert seen(cast).says == "1 of 1 replica contained"


def test_nobody_who_holds_a_token_uses_up_the_numbers(cast):
    token_of(cast.credit_scorer)
    says(cast.credit_scorer, "one", revision=2**53, mark="x")
    assert set_(cast, OFF).number == 2 + MOST_AHEAD


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_the_next_number_is_always_later(current, seen_):
    found = next_revision(current, seen_)
    assert current < found <= current + MOST_AHEAD + 1
    assert found > seen_ or seen_ > current + MOST_AHEAD


@given(
    st.integers(0, 3), st.sampled_from("ab"), st.sampled_from(list(SwitchMode)), st.integers(-100_000, 100_000),
    st.booleans(),
)  # fmt: skip
def test_what_is_silent_or_not_the_newest_is_never_taken_for_applied(revision, mark, mode, seconds, ended):
    now = clock.now()
    facts = ReplicaFacts(revision, mark, mode, now - timedelta(seconds=seconds), ended)
    found = standing(facts, Wanted(2, "a", SwitchMode.SAFE), now)
    applies = (revision, mark, mode) == (2, "a", SwitchMode.SAFE) and abs(seconds) <= 30 and not ended
    assert (found is ReplicaStanding.APPLIES) is applies
    assert (found is ReplicaStanding.ENDED) is (ended or seconds > 86_400)


@given(st.lists(st.sampled_from(list(ReplicaStanding))))
def test_a_tally_adds_up_and_everywhere_means_all(standings):
    found = tally((one, clock.now()) for one in standings)
    there = [one for one in standings if one is not ReplicaStanding.ENDED]
    assert found.total == len(there) == found.applies + found.behind + found.refuses + found.silent
    assert (found.everywhere is True) is (bool(there) and set(there) == {ReplicaStanding.APPLIES})
    assert found.says(SwitchMode.OFF)


def test_nobody_there_is_not_everywhere():
    assert Tally().everywhere is None
    assert Tally().says(SwitchMode.OFF) == "no replica has said anything"


def test_processes_of_long_ago_are_forgotten_a_little_at_a_time_and_who_speaks_stays(cast, time):
    token_of(cast.credit_scorer)
    for name in ("one", "two", "three"):
        says(cast.credit_scorer, name)
    time.forward(FORGOTTEN_AFTER)
    assert actions.forget_ended(time.now(), 10) == 0
    says(cast.credit_scorer, "two")
    time.forward(timedelta(seconds=1))
    assert actions.forget_ended(time.now(), 1) == 1
    assert actions.forget_ended(time.now(), 10) == 1
    assert actions.forget_ended(time.now(), 10) == 0
    assert list(Replica.objects.values_list("instance", flat=True)) == ["two"]
    assert set(Acknowledgement.objects.values_list("replica__instance", flat=True)) == {"two"}
    says(cast.credit_scorer, "one")
    assert Replica.objects.count() == 2


def test_the_engine_forgets_them(cast, time):
    says(cast.credit_scorer, "one")
    time.forward(FORGOTTEN_AFTER + timedelta(seconds=1))
    assert Retention().run_once(time.now(), 10) == 1
    assert not Replica.objects.exists()
