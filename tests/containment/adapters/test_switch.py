"""The kill switch as a lever: set once, seen at every process, undone only where nobody decided otherwise."""

from datetime import timedelta

import pytest

from andon.containment import actions
from andon.containment.actions import LeverFacts
from andon.containment.adapters import find
from andon.containment.lever import LeverFault, Plan, complaints
from andon.containment.models import Lever, Pull
from andon.containment.policy import visible_pulls
from andon.incidents import timeline
from andon.incidents.describe import describe
from andon.incidents.models import Incident, TimelineEntry
from andon.kit import clock
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState
from andon.practice.lifecycle import State
from andon.practice.severity import Severity
from andon.practice.words import ContainmentKind, IncidentType, SwitchMode
from andon.registry.models import System
from andon.response.containing import contain
from andon.response.resolving import resolve
from andon.sdk.guard.words import Limit
from andon.switch.actions import Setting, change_staleness, set_mode
from andon.switch.models import Revision, Switch
from tests.support import scenes
from tests.support.replicas import says, token_of

ADAPTER = find("switch")


@pytest.fixture
def system(cast, time):
    token_of(cast.credit_scorer)
    return cast.credit_scorer


@pytest.fixture
def incident(cast, system):
    return scenes.declared(cast, by=Actor.of(cast.rui), type_=IncidentType.PERFORMANCE_DEGRADATION)


def lever(cast, name="Use the rules", **settings):
    facts = LeverFacts(
        name=name, kind=ContainmentKind.CONSTRAIN, settings={"system": "credit-scorer", "mode": "safe"} | settings
    )  # fmt: skip
    return actions.create_lever(cast.credit_scorer, "switch", facts, by=Actor.of(cast.omar))


def pulled(one, incident, cast):
    return actions.run_pull(actions.pull(one, incident, by=Actor.of(cast.lena), why="It declines whom it should not."))


def test_a_pull_is_verified_once_every_process_says_that_it_applies_it(cast, system, incident, time):
    for name in ("one", "two", "three"):
        says(system, name)
    pull = pulled(lever(cast), incident, cast)
    assert pull.says == "credit-scorer goes from in service to on its safe fallback."
    assert pull.phase is PullState.ACTED
    assert pull.seen.startswith("0 of 3 replicas contained, 3 not yet: one.example.org (v7) does not apply it yet;")
    says(system, "one")
    says(system, "two")
    time.forward(timedelta(seconds=3))
    pull = actions.run_pull(pull)
    assert pull.phase is PullState.ACTED
    assert pull.seen.startswith("2 of 3 replicas contained, 1 not yet: three.example.org")
    says(system, "three")
    time.forward(timedelta(seconds=3))
    pull = actions.run_pull(pull)
    assert (pull.phase, pull.seen) == (PullState.VERIFIED, "3 of 3 replicas contained.")
    assert Revision.objects.filter(key=pull.key).count() == 1


def test_a_silent_process_is_never_taken_for_contained(cast, system, incident, time):
    says(system, "one")
    says(system, "two")
    heard = clock.now()
    pull = pulled(lever(cast), incident, cast)
    time.forward(timedelta(seconds=31))
    says(system, "one")
    pull = actions.run_pull(pull)
    assert pull.phase is PullState.ACTED
    assert pull.seen == (
        f"1 of 2 replicas contained, 1 silent since {heard:%H:%M} UTC: two.example.org (v7) says nothing any more."
    )
    for _ in range(20):
        time.forward(timedelta(seconds=10))
        says(system, "one")
        pull = actions.run_pull(pull)
    assert pull.phase is PullState.UNVERIFIED


def test_no_process_at_all_verifies_nothing(cast, system, incident):
    pull = pulled(lever(cast, mode="off"), incident, cast)
    assert (pull.phase, pull.seen) == (PullState.ACTED, "No replica has said anything.")


def test_an_undo_brings_back_what_held(cast, system, incident, time):
    says(system)
    pull = pulled(lever(cast, mode="limit", share="0.1"), incident, cast)
    assert Switch.objects.get().share == 0.1
    says(system)
    time.forward(timedelta(seconds=3))
    assert actions.run_pull(pull).phase is PullState.VERIFIED
    undo = actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena)))
    assert Switch.objects.get().mode == "on"
    says(system)
    time.forward(timedelta(seconds=3))
    assert actions.run_pull(undo).phase is PullState.VERIFIED


def test_the_page_of_the_switch_names_who_pulled_which_lever(cast, system, incident, signed_in, time):
    says(system)
    pull = pulled(lever(cast), incident, cast)
    says(system)
    time.forward(timedelta(seconds=3))
    pull = actions.run_pull(pull)
    newest = Revision.objects.get(key=pull.key)
    assert (newest.reason, newest.by, newest.incident) == ("The lever “Use the rules” was pulled.", cast.lena, incident)
    page = " ".join(signed_in(cast.vera).get("/systems/credit-scorer/switch").text.split())
    assert f"by {cast.lena}" in page
    assert "The lever “Use the rules” was pulled." in page
    assert f"For {incident.ref}." in page
    assert not TimelineEntry.objects.filter(incident=incident, kind="switched").exists(), "the pull stands there"
    undo = actions.run_pull(actions.undo(pull, by=Actor.of(cast.tomas)))
    back = Revision.objects.get(key=undo.key)
    assert (back.reason, back.by) == ("The pull of the lever “Use the rules” was undone.", cast.tomas)


def test_an_undo_does_not_put_back_into_service_what_somebody_has_switched_off_since(cast, system, incident, time):
    says(system)
    pull = pulled(lever(cast), incident, cast)
    says(system)
    time.forward(timedelta(seconds=3))
    pull = actions.run_pull(pull)
    set_mode(system, Setting(SwitchMode.OFF, "Worse than we thought."), by=Actor.of(cast.tomas))
    undo = actions.run_pull(actions.undo(pull, by=Actor.of(cast.lena)))
    assert undo.phase is PullState.FAILED
    assert "was set by hand (revision 3: Worse than we thought.)" in undo.outcome
    assert Switch.objects.get().mode == "off"


def test_what_was_switched_between_the_look_and_the_act_is_not_overridden(cast, system):
    settings = {"system": "credit-scorer", "mode": "safe"}
    plan = ADAPTER.plan(settings, ADAPTER.state(settings))
    set_mode(system, Setting(SwitchMode.OFF, "I was quicker."), by=Actor.of(cast.tomas))
    with pytest.raises(LeverFault, match="switched off now") as fault:
        ADAPTER.act(settings, plan, "key-1")
    assert fault.value.sure
    assert ADAPTER.probe(settings, plan).holds is False


def test_the_same_key_sets_it_once(cast, system):
    settings = {"system": "credit-scorer", "mode": "safe"}
    plan = ADAPTER.plan(settings, ADAPTER.state(settings))
    assert ADAPTER.act(settings, plan, "key-1") == ADAPTER.act(settings, plan, "key-1")
    assert Switch.objects.get().number == 2


def test_a_plan_that_changes_nothing_says_so(cast, system):
    settings = {"system": "credit-scorer", "mode": "safe"}
    says_safe = {"mode": "safe", "limit": None, "revision": 4}
    assert (
        ADAPTER.plan(settings, says_safe).says == "Nothing would change: credit-scorer is on its safe fallback already."
    )


def test_a_system_without_a_switch_is_said(cast):
    settings = {"system": "credit-scorer", "mode": "off"}
    with pytest.raises(LeverFault, match="has no kill switch"):
        ADAPTER.state(settings)
    assert ADAPTER.probe(settings, Plan({}, "")).holds is None


@pytest.mark.parametrize(
    ("settings", "says_"),
    [
        ({"mode": "limit"}, "needs one figure"),
        ({"mode": "limit", "share": "0.1", "per_second": "3"}, "needs one figure"),
        ({"mode": "off", "share": "0.1"}, "has a figure"),
        ({"mode": "limit", "share": "1"}, "holds nothing back"),
    ],
)
def test_settings_that_cannot_be_meant(settings, says_):
    assert says_ in complaints(ADAPTER, {"system": "credit-scorer"} | settings)[0]
    assert complaints(ADAPTER, {"system": "credit-scorer", "mode": "limit", "per_second": "3"}) == []


@pytest.mark.parametrize(("field", "value"), [("share", "1.1"), ("share", "x"), ("per_second", "-1"), ("share", "nan")])
def test_figures_that_are_none(cast, field, value):
    with pytest.raises(Invalid):
        lever(cast, mode="limit", **{field: value})


def seen_to(pull, system, time):
    """The one process of the system says that it applies it, and the pull sees that."""
    says(system)
    time.forward(timedelta(seconds=3))
    return actions.run_pull(pull)


def by_hand(system, mode, by, **given):
    return set_mode(system, Setting(SwitchMode(mode), "By hand.", **given), by=Actor.of(by))


def told(incident):
    return list(incident.timeline.values_list("kind", flat=True))


@pytest.fixture
def contained(cast, system, incident, time):
    """The incident, contained by the lever."""
    says(system)
    assert seen_to(pulled(lever(cast), incident, cast), system, time).phase is PullState.VERIFIED
    incident.refresh_from_db()
    assert incident.state == State.CONTAINED
    return incident


def test_set_back_into_service_by_hand_the_incident_is_contained_no_more(cast, system, contained):
    since = contained.contained_at
    by_hand(system, "on", cast.omar)
    contained.refresh_from_db()
    assert (contained.state, contained.contained_at, contained.containment_note) == (State.ACKNOWLEDGED, None, "")
    assert told(contained)[-2:] == ["switched", "containment_ended"]
    lines = [line.text for line in describe(contained.timeline.all())][-2:]
    assert lines == [
        "Credit scorer is in service (revision 3): By hand.",
        "Contained no longer: Credit scorer is in service (revision 3)",
    ]
    assert contained.timeline.get(kind="containment_ended").body["since"] == since.isoformat()
    assert timeline.verify(contained) == []
    assert contained.promises.get(key="contain").kept_at is None
    by_hand(system, "off", cast.lena)  # what held the system back for the incident is over: it hears of this no more
    assert told(contained)[-1] == "containment_ended"


def test_held_back_otherwise_by_hand_the_incident_stays_contained_and_has_it_on_its_timeline(cast, system, contained):
    by_hand(system, "off", cast.sam)
    by_hand(system, "limit", cast.omar, limit=Limit(share=0.1))
    contained.refresh_from_db()
    assert contained.state == State.CONTAINED
    assert [line.text for line in describe(contained.timeline.all())][-2:] == [
        "Credit scorer is switched off (revision 3): By hand.",
        "Credit scorer is limited (10 % of requests) (revision 4): By hand.",
    ]
    by_hand(system, "on", cast.omar, incident=contained)
    contained.refresh_from_db()
    assert contained.state == State.ACKNOWLEDGED
    assert told(contained)[-2:] == ["switched", "containment_ended"]


def test_another_lever_that_holds_goes_on_containing(cast, system, contained, time):
    fraud = System.objects.create(slug="fraud-detector", name="Fraud detector", team=cast.credit_team)
    says(fraud)
    other = lever(cast, "Stop both", system="fraud-detector", mode="off")
    pull = pulled(other, contained, cast)
    assert seen_to(pull, fraud, time).phase is PullState.VERIFIED
    by_hand(system, "on", cast.omar)
    contained.refresh_from_db()
    assert (contained.state, told(contained)[-1]) == (State.CONTAINED, "switched")
    by_hand(fraud, "on", cast.nadia)
    contained.refresh_from_db()
    assert contained.state == State.ACKNOWLEDGED


def test_the_undo_for_one_incident_lets_go_another_that_the_same_switch_contained(cast, system, contained, time):
    other = scenes.declared(cast, by=Actor.of(cast.rui), type_=IncidentType.FAIRNESS_VIOLATION)
    assert (
        seen_to(pulled(lever(cast, "Switch it off", mode="off"), other, cast), system, time).phase is PullState.VERIFIED
    )
    assert told(contained)[-1] == "switched"  # it is off now, for the other's sake
    undo = actions.run_pull(actions.undo(contained.pulls.get(), by=Actor.of(cast.lena)))
    other.refresh_from_db()
    assert (other.state, told(other)[-2:]) == (State.ACKNOWLEDGED, ["switched", "containment_ended"])
    assert seen_to(undo, system, time).phase is PullState.VERIFIED
    contained.refresh_from_db()
    assert (contained.state, told(contained).count("containment_ended")) == (State.ACKNOWLEDGED, 1)


def test_what_was_set_back_between_the_look_and_its_writing_contains_nothing(cast, system, incident, time, monkeypatch):
    says(system)
    pull = pulled(lever(cast), incident, cast)
    looked = type(ADAPTER).probe

    def look_and_be_slow(self, settings, plan):
        found = looked(self, settings, plan)
        by_hand(system, "on", cast.omar)
        return found

    monkeypatch.setattr(type(ADAPTER), "probe", look_and_be_slow)
    assert seen_to(pull, system, time).phase is PullState.VERIFIED  # as it was seen
    incident.refresh_from_db()
    assert (incident.state, incident.contained_at) == (State.ACKNOWLEDGED, None)
    assert "switched" in told(incident)


def test_how_long_on_lasts_may_be_changed_between_a_pull_and_its_undo(cast, system, contained, time):
    change_staleness(system, max_stale_seconds=30, on_stale=SwitchMode.REVIEW, by=Actor.of(cast.omar))
    undo = actions.run_pull(actions.undo(contained.pulls.get(), by=Actor.of(cast.lena)))
    assert seen_to(undo, system, time).phase is PullState.VERIFIED
    assert (Switch.objects.get().mode, Switch.objects.get().max_stale_seconds) == ("on", 30)


def test_an_undo_of_what_is_as_it_was_before_already_sets_nothing(cast, system, contained, time):
    by_hand(system, "on", cast.omar)
    undo = actions.run_pull(actions.undo(contained.pulls.get(), by=Actor.of(cast.lena)))
    assert undo.outcome == "credit-scorer is in service already (revision 3)."
    assert seen_to(undo, system, time).phase is PullState.VERIFIED
    assert Switch.objects.get().number == 3


def test_a_persons_word_that_an_incident_is_contained_stays_theirs(cast, system, incident):
    by_hand(system, "off", cast.lena, incident=incident)
    contain(incident, kind=ContainmentKind.DISABLE, note="Switched off", by=Actor.of(cast.lena))
    by_hand(system, "on", cast.omar)
    incident.refresh_from_db()
    assert (incident.state, told(incident)[-1]) == (State.CONTAINED, "switched")
    resolve(incident, summary="The model of before serves again.", by=Actor.of(cast.lena))
    by_hand(system, "off", cast.lena)
    by_hand(system, "on", cast.omar)
    assert told(incident).count("switched") == 2


def test_what_a_lever_holds_back_goes_into_service_by_hand_only_with_the_word_that_its_undo_needs(
    cast, system, contained
):
    Incident.objects.update(severity=Severity.S3)
    Lever.objects.update(approval=ApprovalRule.SECOND)
    for who in (cast.omar, cast.lena):
        with pytest.raises(Conflict, match=r"“Use the rules” holds Credit scorer back \(PULL-1\).* one more person"):
            by_hand(system, "on", who)
    by_hand(system, "off", cast.sam)  # to hold it back otherwise takes nobody's word
    undo = actions.undo(Pull.objects.get(), by=Actor.of(cast.lena))
    with pytest.raises(Conflict):
        by_hand(system, "on", cast.omar)
    actions.approve(undo, by=Actor.of(cast.tomas))
    by_hand(system, "on", cast.omar)
    assert Switch.objects.get().mode == "on"
    by_hand(system, "on", cast.omar)


def test_nor_is_it_let_decide_more_by_hand_without_that_word(cast, system, incident, time):
    says(system)
    pull = pulled(lever(cast, mode="limit", share="0.1"), incident, cast)
    assert seen_to(pull, system, time).phase is PullState.VERIFIED
    Incident.objects.update(severity=Severity.S3)
    Lever.objects.update(approval=ApprovalRule.SECOND)
    for limit in (Limit(share=0.2), Limit(share=0.99), Limit(per_second=1e9)):
        with pytest.raises(Conflict, match=r"“Use the rules” holds Credit scorer back \(PULL-1\)"):
            by_hand(system, "limit", cast.omar, limit=limit)
    by_hand(system, "limit", cast.omar, limit=Limit(share=0.05))
    by_hand(system, "off", cast.omar)
    with pytest.raises(Conflict):
        by_hand(system, "limit", cast.omar, limit=Limit(share=0.05))
    undo = actions.undo(Pull.objects.get(), by=Actor.of(cast.lena))
    actions.approve(undo, by=Actor.of(cast.tomas))
    by_hand(system, "limit", cast.omar, limit=Limit(share=0.5))


def test_a_pull_that_was_not_looked_at_yet_holds_as_well(cast, system, incident, time):
    says(system)
    pull = pulled(lever(cast), incident, cast)
    Incident.objects.update(severity=Severity.S3)
    Lever.objects.update(approval=ApprovalRule.SECOND)
    for state in (PullState.ACTED, PullState.ACTING):
        Pull.objects.update(state=state)
        with pytest.raises(Conflict, match=rf"PULL-1 is {state.words}: wait until it was looked at, and undo it"):
            by_hand(system, "on", cast.lena)
    Pull.objects.update(state=PullState.ACTED)
    assert seen_to(pull, system, time).phase is PullState.VERIFIED


def test_what_was_let_go_by_hand_holds_no_more_when_it_is_held_back_anew(cast, system, contained, time):
    by_hand(system, "on", cast.omar)  # at S1 nobody is waited for
    Incident.objects.update(severity=Severity.S3)
    Lever.objects.update(approval=ApprovalRule.SECOND)
    by_hand(system, "off", cast.omar)
    by_hand(system, "on", cast.omar)
    again = actions.pull(Lever.objects.get(), contained, by=Actor.of(cast.lena))
    actions.approve(again, by=Actor.of(cast.tomas))
    assert seen_to(actions.run_pull(again), system, time).phase is PullState.VERIFIED
    change_staleness(system, max_stale_seconds=30, on_stale=SwitchMode.ON, by=Actor.of(cast.omar))
    with pytest.raises(Conflict, match="PULL-2"):
        by_hand(system, "on", cast.omar)


def test_whoever_may_not_see_the_pull_hears_of_a_lever_and_no_more(cast, system, contained):
    Incident.objects.update(severity=Severity.S3, restricted=True)
    Lever.objects.update(approval=ApprovalRule.SECOND)
    for who in (cast.omar, cast.nadia):
        assert visible_pulls(Actor.of(who)).exists()
        with pytest.raises(Conflict, match="PULL-1"):
            by_hand(system, "on", who)
    assert not visible_pulls(Actor.of(cast.tomas)).exists()
    with pytest.raises(Conflict) as refused:
        by_hand(system, "on", cast.tomas)
    assert refused.value.what == (
        "A lever holds Credit scorer back, and to let it go needs one more person to agree. "
        "An administrator or the system's owner can ask for it."
    )


def test_a_lead_alone_puts_it_back_where_a_lead_alone_may_undo(cast, system, contained):
    Incident.objects.update(severity=Severity.S3)
    Lever.objects.update(approval=ApprovalRule.LEAD)
    with pytest.raises(Conflict, match="a lead or administrator to agree"):
        by_hand(system, "on", cast.lena)
    by_hand(system, "on", cast.omar)


def test_what_was_contained_for_an_incident_that_is_over_needs_nobodys_word(cast, system, contained):
    Lever.objects.update(approval=ApprovalRule.SECOND)
    resolve(contained, summary="Retrained.", by=Actor.of(cast.lena))
    by_hand(system, "on", cast.omar)
