"""Which system an incident is about is said later: its people come, its severity counts, its levers and signals follow."""

from datetime import timedelta

import pytest
from django.urls import reverse

from andon.containment import actions as levers
from andon.containment.models import Pull
from andon.incidents import actions
from andon.incidents.models import Incident
from andon.incidents.policy import visible
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.containment import ApprovalRule, PullState
from andon.practice.grouping import group_key
from andon.practice.lifecycle import State
from andon.practice.severity import Severity
from andon.practice.words import Criticality, IncidentType, SystemKind
from andon.registry.models import System
from andon.response import acknowledging, assessing, containing, escalating, naming, opening, resolving
from tests.cli.conftest import andon  # noqa: F401  as below
from tests.containment.conftest import facts, lever, service  # noqa: F401  fixtures
from tests.support import scenes
from tests.support.cast import make_chain

pytestmark = pytest.mark.django_db


@pytest.fixture
def nameless(cast, time) -> Incident:
    """Declared by Rui without a system; the fallback was paged."""
    found = opening.declare(title="Odd letters went out", system=None, by=Actor.of(cast.rui))
    escalating.escalate_due(time.now(), 10)
    return fresh(found)


@pytest.fixture
def chat(cast) -> System:
    """Another system: Sam is on call for it."""
    return System.objects.create(
        slug="chat",
        name="Chat assistant",
        purpose="Answers customers.",
        kind=SystemKind.GENERATIVE,
        criticality=Criticality.LOW,
        owner=cast.sam,
        chain=make_chain("chat", [cast.sam]),
    )


def fresh(incident):
    return Incident.objects.select_related("system").get(pk=incident.pk)


def paged(incident):
    return list(incident.pages.order_by("pk").values_list("person__name", flat=True))


def entries(incident, kind="system_changed"):
    return [entry.body for entry in incident.timeline.filter(kind=kind).order_by("seq")]


def test_its_chain_is_paged_from_its_first_step_while_nobody_has_it(cast, time, nameless):
    assert paged(nameless) == ["Nadia"]
    named = naming.set_system(nameless, cast.credit_scorer, by=Actor.of(cast.sam), why="The letters are refusals.")
    assert named.next_page_at == time.now()
    escalating.escalate_due(time.now(), 10)
    assert paged(nameless) == ["Nadia", "Lena"]
    escalating.escalate_due(time.forward(timedelta(minutes=5)), 10)
    assert paged(nameless) == ["Nadia", "Lena", "Tomas"]
    said = {"before": "", "after": "credit-scorer", "name": "Credit scorer", "reason": "The letters are refusals."}
    assert entries(nameless) == [said]


def test_who_is_on_call_for_it_is_called_once_where_somebody_else_has_it(cast, time, nameless):
    acknowledging.acknowledge(nameless, by=Actor.of(cast.nadia), via="page")
    named = naming.set_system(fresh(nameless), cast.credit_scorer, by=Actor.of(cast.nadia))
    assert named.next_page_at is None
    assert named.acknowledged_by == cast.nadia
    assert paged(nameless) == ["Nadia", "Lena"]
    assert "it is about Credit scorer" in nameless.pages.get(person=cast.lena).reason
    assert escalating.escalate_due(time.forward(timedelta(hours=1)), 10) == 0


@pytest.mark.parametrize("who", ["has it", "says it"])
def test_nobody_is_called_where_who_is_on_call_has_it_or_says_it(cast, nameless, who):
    has, says = (cast.lena, cast.nadia) if who == "has it" else (cast.nadia, cast.lena)
    acknowledging.acknowledge(nameless, by=Actor.of(has), via="page")
    naming.set_system(fresh(nameless), cast.credit_scorer, by=Actor.of(says))
    assert paged(nameless) == ["Nadia"]


def test_its_criticality_raises_the_severity_and_never_lowers_it(cast, nameless, chat):
    cast.credit_scorer.criticality = Criticality.CRITICAL
    cast.credit_scorer.save()
    before = nameless.level
    named = naming.set_system(nameless, cast.credit_scorer, by=Actor.of(cast.lena))
    assert named.level is assessing.classification_of(named).severity
    assert named.level.worse_than(before)
    promised = dict(named.promises.filter(applies=True).values_list("key", "within"))
    other = naming.set_system(named, chat, by=Actor.of(cast.lena))
    assert other.level == named.level  # milder is for an approver to say
    assert dict(other.promises.filter(applies=True).values_list("key", "within")) == promised


def test_signals_of_the_system_join_it_unless_another_incident_takes_them(cast, nameless):
    shared = group_key(cast.credit_scorer.pk, IncidentType.TECHNICAL_FAILURE, "")
    lena = Actor.of(cast.lena)
    assert naming.set_system(nameless, cast.credit_scorer, by=lena).group_key == shared
    second = opening.declare(title="Another", system=None, by=lena)
    assert naming.set_system(second, cast.credit_scorer, by=lena).group_key != shared
    resolving_first = naming.set_system(fresh(nameless), None, by=lena)
    assert resolving_first.group_key != shared
    third = opening.declare(title="A third", system=None, by=lena, restricted=True)
    assert naming.set_system(third, cast.credit_scorer, by=lena).group_key != shared


def test_saying_it_again_changes_nothing_and_the_second_of_two_is_told(cast, nameless, chat):
    lena, sam = Actor.of(cast.lena), Actor.of(cast.sam)
    naming.set_system(nameless, cast.credit_scorer, by=lena, known="")
    count = fresh(nameless).timeline_count
    naming.set_system(nameless, cast.credit_scorer, by=sam, known="")
    assert fresh(nameless).timeline_count == count
    with pytest.raises(Conflict, match=r"is about Credit scorer now"):
        naming.set_system(nameless, chat, by=sam, known="")
    assert fresh(nameless).system == cast.credit_scorer
    naming.set_system(nameless, chat, by=sam, known="credit-scorer")
    assert entries(nameless)[-1]["before"] == "credit-scorer"


def test_what_is_over_pages_nobody_and_what_is_closed_stays_as_it_is(cast, time, nameless):
    lena = Actor.of(cast.lena)
    acknowledging.acknowledge(nameless, by=Actor.of(cast.nadia), via="page")
    containing.waive_containment(fresh(nameless), reason="Only letters", by=lena)
    resolving.resolve(fresh(nameless), summary="A template", by=lena)
    named = naming.set_system(fresh(nameless), cast.credit_scorer, by=lena)
    assert (named.system, named.next_page_at, paged(named)) == (cast.credit_scorer, None, ["Nadia"])
    resolving.reopen(named, reason="They go out again", by=lena)
    escalating.escalate_due(time.now(), 10)
    assert paged(named) == ["Nadia", "Lena"]
    Incident.objects.filter(pk=named.pk).update(state=State.CLOSED, next_page_at=None)
    with pytest.raises(Conflict, match="Reopen it first"):
        naming.set_system(fresh(named), None, by=lena)


def test_naming_the_system_of_a_restricted_incident_lets_its_owner_in(cast, time, nameless):
    actions.restrict(nameless, restricted=True, by=Actor.of(cast.nadia))
    assert not visible(Actor.of(cast.omar)).exists()
    naming.set_system(fresh(nameless), cast.credit_scorer, by=Actor.of(cast.nadia))
    assert visible(Actor.of(cast.omar)).get() == nameless
    assert not visible(Actor.of(cast.sam)).exists()


@pytest.mark.parametrize("who", ["vera", "rui"])
def test_who_may_not_act_on_it_names_nothing(cast, nameless, who):
    with pytest.raises(Forbidden):
        naming.set_system(nameless, cast.credit_scorer, by=Actor.of(getattr(cast, who)))
    assert fresh(nameless).system is None


def test_a_pull_says_which_system_it_is_about_and_needs_no_word_before(cast, nameless, lever):  # noqa: F811
    pull = levers.pull(lever, nameless, by=Actor.of(cast.sam))
    named = fresh(nameless)
    assert pull.state == PullState.APPROVED
    assert named.system == cast.credit_scorer
    assert named.acknowledged_by == cast.sam
    assert entries(named)[-1]["reason"] == f"“Roll back to v6” was pulled for it ({pull.ref})"
    assert paged(named) == ["Nadia", "Lena"]  # whose system was pulled hears of it
    levers.run_pull(Pull.objects.get())
    assert fresh(nameless).state == State.CONTAINED


def test_a_pull_that_somebody_must_agree_to_calls_the_chain_of_its_system_for_that(cast, nameless, lever):  # noqa: F811
    Incident.objects.update(severity=Severity.S4)
    lever.approval = ApprovalRule.SECOND
    lever.save()
    levers.pull(lever, fresh(nameless), by=Actor.of(cast.sam))
    assert "agree to pull" in nameless.pages.get(person=cast.lena).reason
    assert paged(nameless) == ["Nadia", "Lena"]


def test_a_pull_lets_nobody_into_a_restricted_incident(cast, nameless, lever):  # noqa: F811
    actions.restrict(nameless, restricted=True, by=Actor.of(cast.nadia))
    levers.pull(lever, fresh(nameless), by=Actor.of(cast.nadia))
    assert fresh(nameless).system is None
    assert paged(nameless) == ["Nadia"]
    levers.run_pull(Pull.objects.get())
    assert fresh(nameless).state == State.CONTAINED


def test_what_contained_another_system_does_not_contain_it(cast, nameless, lever, chat):  # noqa: F811
    levers.pull(lever, nameless, by=Actor.of(cast.lena))
    levers.run_pull(Pull.objects.get())
    moved = naming.set_system(fresh(nameless), chat, by=Actor.of(cast.lena))
    assert (moved.state, moved.contained_at) == (State.ACKNOWLEDGED, None)
    assert "a lever of another system" in entries(moved, "containment_ended")[0]["why"]
    assert moved.promises.get(key="contain").kept_at is None
    with pytest.raises(Invalid, match="say so first"):
        levers.pull(lever, fresh(nameless), by=Actor.of(cast.lena))


def test_a_persons_word_that_it_is_contained_stands_whatever_system_is_named(cast, nameless):
    lena = Actor.of(cast.lena)
    containing.contain(nameless, kind="disable", note="Printer off", by=lena)
    assert naming.set_system(fresh(nameless), cast.credit_scorer, by=lena).state == State.CONTAINED


def test_a_pull_for_the_system_named_before_comes_to_nothing_while_it_waits(cast, nameless, lever, chat):  # noqa: F811
    Incident.objects.update(severity=Severity.S4)
    lever.approval = ApprovalRule.SECOND
    lever.save()
    asked = levers.pull(lever, fresh(nameless), by=Actor.of(cast.sam))
    naming.set_system(fresh(nameless), chat, by=Actor.of(cast.sam))
    with pytest.raises(Conflict, match="about another system"):
        levers.approve(asked, by=Actor.of(cast.lena))


def test_the_page_asks_for_the_system_and_then_offers_its_levers(cast, nameless, lever, chat, signed_in):  # noqa: F811
    lena, at = signed_in(cast.lena), reverse("incident", args=[nameless.number])
    form = reverse("incident_system", args=[nameless.number])
    assert f'href="{form}"' in lena.get(at).content.decode()
    assert "It is restricted" not in lena.get(form).content.decode()
    answer = lena.post(form, {"system": cast.credit_scorer.pk, "why": "Refusals", "known": ""})
    assert answer.url == at
    page = lena.get(at).content.decode()
    assert "Roll back to v6" in page
    assert "It is about Credit scorer: Refusals" in page
    late = signed_in(cast.sam).post(form, {"system": chat.pk, "known": ""})
    assert late.status_code == 422
    assert "Somebody else was faster" in late.content.decode()


def test_the_api_and_the_command_line_say_it_in_the_same_words(cast, nameless, chat, client, andon):  # noqa: F811
    head = scenes.token(cast.lena, "incidents:write")

    def put(**given):
        at = f"/api/v1/incidents/{nameless.number}/system"
        return client.put(at, given, content_type="application/json", headers=head)

    said = client.get("/api/v1/openapi.json", headers=head).json()["paths"]["/api/v1/incidents/{number}/system"]["put"]
    assert "restricted incident opens it to that system's owner" in said["description"]
    assert put(system="chat", known="").json()["system"] == "chat"
    assert put(system="nothing").status_code == 422
    assert put(system="credit-scorer", known="").status_code == 409
    said = andon("incident", "system", nameless.ref, "credit-scorer", "--as", "lena@example.org", "--why", "Refusals")
    assert "It is about Credit scorer, and not about chat: Refusals" in " ".join(said.out.split())
    nobody_named = "incident", "system", nameless.ref, "", "--as", "lena@example.org", "--known"
    late = andon(*nobody_named, "chat")
    assert (late.code, fresh(nameless).system) == (1, cast.credit_scorer)
    assert "Somebody else was faster" in late.err
    assert andon(*nobody_named, "credit-scorer").code == 0
    assert fresh(nameless).system is None
