"""Whether systems are ready, as rows in the database say it; and moving to production."""

from datetime import timedelta

import pytest
from django.test import Client
from typer.testing import CliRunner

from andon.cli.main import app
from andon.containment.models import Lever
from andon.kit import clock
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.oncall.models import ChainStep, StepTarget
from andon.people.models import ChannelKind, ContactPoint, Membership, Team
from andon.people.policy import Actor
from andon.practice.readiness import FindingCode
from andon.practice.words import Stage
from andon.registry import actions, queries
from andon.registry.models import System
from tests.oncall.support import make_schedule, utc
from tests.support import scenes
from tests.support.levers import rehearsed

pytestmark = pytest.mark.django_db


def codes(system):
    system = System.objects.get(pk=system.pk)
    return [finding.code for finding in queries.readiness(system, clock.now()).findings]


def first_step_asks(cast, **target):
    step = cast.chain.steps.first()
    step.targets.all().delete()
    StepTarget.objects.create(step=step, **target)


def lose_contact(person):
    ContactPoint.objects.filter(person=person).update(broken_at=clock.now())


def test_the_cast_is_ready(time, cast):
    assert codes(cast.credit_scorer) == []


def test_without_a_lever(time, cast):
    Lever.objects.update(ended_at=clock.now())
    assert codes(cast.credit_scorer) == [FindingCode.NO_LEVER]


def test_with_levers_none_of_which_was_rehearsed_lately_as_it_is_now(time, cast):
    Lever.objects.update(revision=2)
    assert codes(cast.credit_scorer) == [FindingCode.LEVER_UNREHEARSED]
    Lever.objects.update(rehearsed_revision=2)
    assert codes(cast.credit_scorer) == []
    time.forward(timedelta(days=90, seconds=1))
    assert codes(cast.credit_scorer) == [FindingCode.LEVER_UNREHEARSED]


def test_without_an_owner(time, cast):
    System.objects.update(owner=None)
    assert codes(cast.credit_scorer) == [FindingCode.NO_OWNER]


def test_with_an_owner_who_left(time, cast):
    cast.omar.is_active = False
    cast.omar.save()
    # Omar is also the whole of the third step.
    assert codes(cast.credit_scorer) == [FindingCode.OWNER_INACTIVE, FindingCode.STEP_UNREACHABLE]


def test_without_a_chain(time, cast):
    System.objects.update(chain=None)
    assert codes(cast.credit_scorer) == [FindingCode.NO_CHAIN]


def test_with_a_chain_that_has_no_steps(time, cast):
    cast.chain.steps.all().delete()
    assert codes(cast.credit_scorer) == [FindingCode.CHAIN_EMPTY]


def test_with_a_step_that_names_nobody(time, cast):
    ChainStep.objects.create(chain=cast.chain, position=4)
    assert codes(cast.credit_scorer) == [FindingCode.STEP_EMPTY]


def test_with_a_step_whose_people_have_no_working_contact_point(time, cast):
    lose_contact(cast.tomas)
    assert codes(cast.credit_scorer) == [FindingCode.STEP_UNREACHABLE, FindingCode.CONTACT_BROKEN]


def test_one_that_broke_beside_one_that_works_stands_against_it_and_says_whose_and_what_to_do(time, cast):
    ContactPoint.objects.create(
        person=cast.tomas,
        kind=ChannelKind.EMAIL,
        address="tomas@example.org",
        verified_at=clock.now(),
        broken_at=clock.now(),
        broken_reason="The mail server refused it: 550 no such user",
    )
    [finding] = queries.readiness(cast.credit_scorer, clock.now()).findings
    assert finding.text == (
        "E-mail of Tomas has been broken since Mon 02 Mar 2026 03:12 UTC: The mail server refused it: "
        "550 no such user. Pages still go by Log (for trying out). "
        "Tomas sends a test from their account page and confirms it, or removes it."
    )


def test_somebody_named_who_was_never_confirmed_is_named(time, cast):
    StepTarget.objects.create(step=cast.chain.steps.first(), person=cast.sam)  # beside Lena, who is reached
    cast.sam.contact_points.update(verified_at=None)
    [finding] = queries.readiness(cast.credit_scorer, clock.now()).findings
    assert finding.code == FindingCode.PERSON_UNREACHABLE
    assert "Sam cannot be paged: Log (for trying out) waits to be confirmed." in finding.text
    cast.sam.contact_points.update(removed_at=clock.now())
    [finding] = queries.readiness(cast.credit_scorer, clock.now()).findings
    assert "Sam cannot be paged: there is no contact point." in finding.text


def test_a_channel_that_is_switched_off_reaches_nobody(time, cast, settings):
    settings.MAIL_CONFIGURED = False
    cast.tomas.contact_points.update(kind=ChannelKind.EMAIL)
    found = queries.readiness(cast.credit_scorer, clock.now()).findings
    assert [finding.code for finding in found] == [FindingCode.STEP_UNREACHABLE, FindingCode.PERSON_UNREACHABLE]
    assert found[1].text.startswith("Tomas cannot be paged by E-mail: ")


def test_one_that_was_long_not_tried_is_advice_and_no_obstacle(time, cast, signed_in):
    time.forward(timedelta(days=91))
    Lever.objects.update(rehearsed_at=clock.now())
    ContactPoint.objects.update(kind=ChannelKind.WEBHOOK)
    verdict = queries.readiness(cast.credit_scorer, clock.now())
    assert verdict.ready
    assert {finding.code for finding in verdict.advice} == {FindingCode.CONTACT_UNTRIED}
    page = signed_in(cast.vera).get(f"/systems/{cast.credit_scorer.slug}").text
    assert "Nothing has been sent to Webhook of Lena for 91 days." in page
    ContactPoint.objects.update(proved_at=clock.now())
    assert queries.readiness(cast.credit_scorer, clock.now()).advice == ()


def test_whoever_is_paged_by_the_log_alone_is_told_that_it_wakes_nobody(time, cast, signed_in):
    verdict = queries.readiness(cast.credit_scorer, clock.now())
    assert verdict.ready  # one tries things out so
    assert {finding.code for finding in verdict.advice} == {FindingCode.WAKES_NOBODY}
    page = signed_in(cast.vera).get(f"/systems/{cast.credit_scorer.slug}").text
    assert "Lena is paged by Log (for trying out) alone, and nobody is woken by that." in page
    for person in {point.person for point in ContactPoint.objects.all()}:
        ContactPoint.objects.create(
            person=person, kind=ChannelKind.WEBHOOK, address="https://pager.example.org/", verified_at=clock.now()
        )
    assert queries.readiness(cast.credit_scorer, clock.now()).advice == ()


def test_a_team_is_reached_by_any_of_its_members(time, cast):
    first_step_asks(cast, team=cast.credit_team)
    cast.lena.contact_points.update(verified_at=None)
    assert codes(cast.credit_scorer) == []
    nobody = Team.objects.create(slug="empty", name="Empty")
    first_step_asks(cast, team=nobody)
    assert codes(cast.credit_scorer) == [FindingCode.STEP_UNREACHABLE]
    Membership.objects.create(team=nobody, person=cast.sam)
    assert codes(cast.credit_scorer) == []


def test_a_gap_is_found_with_its_times(time, cast):
    schedule = make_schedule("primary", cast.lena, weekdays=[0, 1, 2, 3, 4, 5])
    first_step_asks(cast, schedule=schedule)
    time.set(utc(2026, 3, 4, 12))
    found = queries.readiness(cast.credit_scorer, clock.now()).findings
    assert {finding.code for finding in found} == {FindingCode.SCHEDULE_GAP}
    assert (found[0].at, found[0].until) == (utc(2026, 3, 7, 23), utc(2026, 3, 8, 23))
    assert "schedule Primary" in found[0].text
    assert len(found) == 4


def test_a_shift_of_somebody_who_cannot_be_paged_is_found_with_its_times(time, cast):
    schedule = make_schedule("primary", cast.lena, cast.sam, cadence="weekly")
    first_step_asks(cast, schedule=schedule)
    time.set(utc(2026, 3, 4, 12))
    assert codes(cast.credit_scorer) == []
    lose_contact(cast.sam)
    [finding, broken] = queries.readiness(cast.credit_scorer, clock.now()).findings
    assert broken.code == FindingCode.CONTACT_BROKEN
    assert finding.code == FindingCode.SHIFT_UNREACHABLE
    assert finding.text.startswith("Sam is on call in schedule Primary from Mon 09 Mar 2026 08:00 UTC")
    assert finding.at == utc(2026, 3, 9, 8)
    # Somebody else in the same step hears it all the same.
    StepTarget.objects.create(step=cast.chain.steps.first(), person=cast.lena)
    assert codes(cast.credit_scorer) == [FindingCode.CONTACT_BROKEN]


def test_uncovered_takes_the_same_few_queries_for_many_systems(time, cast, django_assert_max_num_queries):
    schedule = make_schedule("primary", cast.lena, cast.tomas)
    first_step_asks(cast, schedule=schedule)
    for number in range(20):
        rehearsed(
            System.objects.create(slug=f"s{number:02}", name=f"S{number:02}", stage=Stage.PRODUCTION, chain=cast.chain)
        )
    System.objects.create(slug="sketch", name="Sketch", stage=Stage.DEVELOPMENT)
    with django_assert_max_num_queries(14):
        found = queries.uncovered(utc(2026, 3, 4, 12))
    assert [one.system.slug for one in found] == [f"s{number:02}" for number in range(20)]
    assert {f.code for one in found for f in one.readiness.findings} == {FindingCode.NO_OWNER}


def test_production_is_refused_until_ready_and_names_each_finding(time, cast):
    System.objects.update(stage=Stage.PILOT, owner=None)
    lose_contact(cast.tomas)
    system = System.objects.get()
    with pytest.raises(Conflict) as refused:
        actions.move_stage(by=Actor.of(cast.omar), system=system, to=Stage.PRODUCTION)
    assert "Nobody is named as owner" in refused.value.what
    assert "no working contact point for Tomas" in refused.value.what
    assert System.objects.get().stage == Stage.PILOT
    assert not system.stage_changes.exists()

    System.objects.update(owner=cast.omar)
    ContactPoint.objects.update(broken_at=None)
    actions.move_stage(by=Actor.of(cast.omar), system=System.objects.get(), to=Stage.PRODUCTION)
    assert System.objects.get().stage == Stage.PRODUCTION


def test_an_override_takes_an_administrator_and_stays_visible_until_ready(time, cast):
    System.objects.update(stage=Stage.PILOT, owner=None)
    system = System.objects.get()
    with pytest.raises(Forbidden):
        actions.move_stage(
            by=Actor.of(cast.omar), system=system, to=Stage.PRODUCTION, override_reason="The old one is gone."
        )
    change = actions.move_stage(
        by=Actor.of(cast.nadia), system=system, to=Stage.PRODUCTION, override_reason="The old one is gone."
    )
    assert (change.before, change.after, change.by) == (Stage.PILOT, Stage.PRODUCTION, cast.nadia)
    assert [finding["code"] for finding in change.findings] == [FindingCode.NO_OWNER]
    assert queries.override_of(system, queries.readiness(system, clock.now())) == change

    System.objects.update(owner=cast.omar)
    system = System.objects.get()
    assert queries.override_of(system, queries.readiness(system, clock.now())) is None


def test_a_reason_that_was_not_needed_is_no_override(time, cast):
    System.objects.update(stage=Stage.PILOT)
    change = actions.move_stage(
        by=Actor.of(cast.omar), system=System.objects.get(), to=Stage.PRODUCTION, override_reason="because"
    )
    assert change.override_reason == ""


def test_two_who_move_a_system_at_once(time, cast):
    system = System.objects.get()
    System.objects.update(stage=Stage.RETIRED)
    with pytest.raises(Conflict, match="meanwhile"):
        actions.move_stage(by=Actor.of(cast.omar), system=system, to=Stage.PILOT)


def test_a_system_does_not_begin_in_production(time, cast):
    facts = actions.SystemFacts(name="Chat helper")
    with pytest.raises(Invalid):
        actions.register(by=Actor.of(cast.omar), facts=facts, stage=Stage.PRODUCTION)
    assert actions.register(by=Actor.of(cast.omar), facts=facts).slug == "chat-helper"


def test_who_is_asked_first_for_each_system(time, cast, django_assert_max_num_queries):
    schedule = make_schedule("primary", cast.lena, cast.tomas)
    first_step_asks(cast, schedule=schedule)
    for number in range(20):
        System.objects.create(slug=f"s{number:02}", name=f"S{number:02}")
    with django_assert_max_num_queries(20):
        rows = {row.system.slug: row for row in queries.on_call_for(queries.systems(), utc(2026, 3, 4, 12))}
    credit = rows["credit-scorer"]
    assert [(r.person, r.via) for r in credit.reached] == [(cast.lena, "on call for Primary")]
    assert credit.schedules[0].next.person == cast.tomas
    assert credit.schedules[0].next.starts - utc(2026, 3, 4, 12) == timedelta(hours=20)
    assert [r.person for r in rows["s00"].reached] == [cast.nadia], "no chain: the fallback is asked"


def test_a_lever_rehearsed_too_long_ago_stands_against_it_on_every_face(time, cast, signed_in):
    time.forward(timedelta(days=90, seconds=1))
    said = "None of its levers was rehearsed in the last 90 days as it is now."
    page = signed_in(cast.omar).get("/systems/credit-scorer").content.decode()
    assert said in page
    api = Client(headers=scenes.token(cast.omar, "systems:read"))
    told = api.get("/api/v1/systems/credit-scorer/readiness").json()
    assert told["ready"] is False
    assert [finding["code"] for finding in told["findings"]] == ["lever_unrehearsed"]
    shell = CliRunner().invoke(app, ["check"], prog_name="andon", catch_exceptions=False)
    assert shell.exit_code == 1
    assert "NOT READY  credit-scorer" in shell.stdout
    assert said in " ".join(shell.stdout.split())
