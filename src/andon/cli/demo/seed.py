"""The organisation of the demo: a consumer bank with seven people, two teams and three AI systems.

Made through the same actions as everything else. One system is not ready, for a reason that happens: its people are on
call on weekdays only, and somebody put it into production all the same, with a reason that stays visible.
"""

import secrets
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING

from andon.cli.demo.phones import Phones
from andon.kit import clock
from andon.practice.rotation import Cadence
from andon.practice.words import Criticality, OrgRole, RiskClass, Stage, SystemKind

if TYPE_CHECKING:
    from andon.oncall.models import Chain, Schedule
    from andon.people.models import Person, Team
    from andon.people.policy import Actor

ORGANISATION = "Example Bank"
BERLIN, NEW_YORK, SINGAPORE = "Europe/Berlin", "America/New_York", "Asia/Singapore"
PEOPLE = (
    ("nadia", "Nadia Okafor", OrgRole.ADMIN, BERLIN),
    ("omar", "Omar Haddad", OrgRole.LEAD, BERLIN),
    ("lena", "Lena Brandt", OrgRole.RESPONDER, BERLIN),
    ("tomas", "Tomas Novak", OrgRole.RESPONDER, NEW_YORK),
    ("rui", "Rui Almeida", OrgRole.RESPONDER, SINGAPORE),
    ("sam", "Sam Rivera", OrgRole.RESPONDER, BERLIN),
    ("vera", "Vera Lindqvist", OrgRole.LEAD, BERLIN),
)
WEEKDAYS = (0, 1, 2, 3, 4)
SCOPES = ("incidents:write", "signals:read", "systems:read", "oncall:read", "people:read", "reviews:write")
PHONE_SECONDS = 60.0


@dataclass(frozen=True)
class World:
    """What the story needs to know of what was made."""

    people: "dict[str, Person]"
    password: str
    lead_token: str
    intake_token: str
    ready: tuple[str, ...]


class Unseeded(Exception):  # noqa: N818  reads as what it is
    """Something that must have happened while seeding did not."""


def seed(phones: Phones) -> World:
    """Make everything; the database must be migrated and empty, the phones listening."""
    from andon.intake.actions import create_integration
    from andon.people.actions import make_token
    from andon.people.policy import Actor

    password = secrets.token_urlsafe(12)
    people = _people(password, phones)
    admin = Actor.of(people["nadia"])
    credit, assistants = _teams(people, admin)
    chains = _chains(people, credit, assistants, admin)
    ready = _systems(people, credit, assistants, chains, admin)
    _integration, intake_token = create_integration(
        slug="prometheus", name="Prometheus in production", kind="alertmanager", by=admin
    )
    minted = make_token(name="Demo", scopes=SCOPES, days=30, by=Actor.of(people["omar"]))
    return World(people, password, minted.token, intake_token, ready)


def _people(password: str, phones: Phones) -> "dict[str, Person]":
    """The people, each with a phone that was tried and with the one password. The first comes by the one-time link."""
    from andon.people import queries
    from andon.people.actions import create_person, setup_link, take_invitation
    from andon.people.policy import Actor

    people: dict[str, Person] = {}
    for key, name, role, zone in PEOPLE:
        email = f"{key}@example.org"
        if not people:
            link = setup_link()
            if link is None:
                raise Unseeded("The database of the demo is not empty.")
            invitation = queries.invitation_by_token(link.rpartition("/")[2], setup=True)
            people[key] = take_invitation(
                invitation, email=email, name=name, password=password, time_zone=zone, organisation=ORGANISATION
            )
            admin = Actor.of(people[key])
        else:
            people[key] = create_person(email=email, name=name, role=role, time_zone=zone, by=admin)
            people[key].password = people["nadia"].password  # the one password; hashing it for each would take seconds
            people[key].save(update_fields=["password"])
        _give_phone(people[key], key, phones)
    return people


def _give_phone(person: "Person", owner: str, phones: Phones) -> None:
    """A webhook as contact point, confirmed as a person confirms one: by the link of a test message that arrived."""
    from andon.paging.trying import try_contact_point
    from andon.people.actions import add_contact_point, verify_contact_point
    from andon.people.models import ChannelKind
    from andon.people.policy import Actor

    me = Actor.of(person)
    reach = add_contact_point(person, kind=ChannelKind.WEBHOOK, address=phones.address(owner), label="Phone", by=me)
    phones.secrets[owner] = reach.secret
    receipt = try_contact_point(reach.contact_point.pk, by=me)
    message = phones.wait(lambda rang: rang.owner == owner and rang.kind == "test", PHONE_SECONDS)
    if message is None:
        raise Unseeded(f"The test message did not reach {person}: {receipt.reason or 'nothing arrived'}")
    verify_contact_point(str(message.data["link"]).rstrip("/").rpartition("/")[2])


def _teams(people: "dict[str, Person]", admin: "Actor") -> "tuple[Team, Team]":
    from andon.people.actions import add_member, create_team
    from andon.people.models import Membership

    teams = []
    for name, manager, members in (
        ("Credit models", "omar", ("lena", "tomas", "rui")),
        ("Customer assistants", "vera", ("sam", "lena")),
    ):
        team = create_team(name=name, by=admin)
        add_member(team, people[manager], role=Membership.Role.MANAGER, by=admin)
        for member in members:
            add_member(team, people[member], by=admin)
        teams.append(team)
    return teams[0], teams[1]


def _chains(people: "dict[str, Person]", credit: "Team", assistants: "Team", admin: "Actor") -> "dict[str, Chain]":
    from andon.oncall.chains import create_chain, make_fallback
    from andon.oncall.facts import StepFacts

    sun = _follow_the_sun(people, credit, admin)
    week = _weekly(people, assistants, admin)
    office = _office_hours(people, assistants, admin)
    fallback = create_chain(by=admin, name="Fallback", repeats=2, steps=[StepFacts(5, (people["nadia"],))])
    make_fallback(by=admin, chain=fallback)
    return {
        "credit": create_chain(
            by=admin,
            name="Credit models",
            steps=[StepFacts(5, (sun,)), StepFacts(10, (people["omar"],)), StepFacts(15, (credit,))],
        ),
        "assistants": create_chain(
            by=admin, name="Customer assistants", steps=[StepFacts(10, (week,)), StepFacts(15, (people["vera"],))]
        ),
        "identity": create_chain(
            by=admin, name="Identity checks", steps=[StepFacts(10, (office,)), StepFacts(15, (people["vera"],))]
        ),
    }


def _follow_the_sun(people: "dict[str, Person]", team: "Team", admin: "Actor") -> "Schedule":
    """Three layers in three zones: America holds the base, Europe and Asia take their working hours on top."""
    from andon.oncall.actions import create_schedule, set_rotation
    from andon.oncall.facts import RotationFacts

    schedule = create_schedule(by=admin, name="Credit models around the clock", time_zone="UTC", team=team)
    start = clock.now().date() - timedelta(days=28)
    for name, who, zone, begins, ends in (
        ("America", "tomas", NEW_YORK, None, None),
        ("Europe", "lena", BERLIN, time(7), time(19)),
        ("Asia", "rui", SINGAPORE, time(8), time(14)),
    ):
        facts = RotationFacts(
            participants=(people[who],), time_zone=zone, start_date=start, handover=begins or time(9),
            cadence=Cadence.DAILY, window_from=begins, window_until=ends, name=name,
        )  # fmt: skip
        set_rotation(by=admin, schedule=schedule, facts=facts)
    return schedule


def _weekly(people: "dict[str, Person]", team: "Team", admin: "Actor") -> "Schedule":
    """Two people take weeks in turn, handed over on Mondays; on weekdays a third has the working hours."""
    from andon.oncall.actions import create_schedule, set_rotation
    from andon.oncall.facts import RotationFacts

    schedule = create_schedule(by=admin, name="Customer assistants", time_zone=BERLIN, team=team)
    today = clock.now().date()
    monday = today - timedelta(days=today.weekday() + 28)
    weeks = RotationFacts(
        participants=(people["sam"], people["vera"]), time_zone=BERLIN, start_date=monday, handover=time(9),
        cadence=Cadence.WEEKLY, name="Weeks",
    )  # fmt: skip
    hours = RotationFacts(
        participants=(people["lena"],), time_zone=BERLIN, start_date=monday, handover=time(9), cadence=Cadence.DAILY,
        weekdays=WEEKDAYS, window_from=time(9), window_until=time(17), name="Working hours",
    )  # fmt: skip
    set_rotation(by=admin, schedule=schedule, facts=weeks)
    set_rotation(by=admin, schedule=schedule, facts=hours)
    return schedule


def _office_hours(people: "dict[str, Person]", team: "Team", admin: "Actor") -> "Schedule":
    """Weekdays from nine to six and nothing else: every night and weekend is a gap."""
    from andon.oncall.actions import create_schedule, set_rotation
    from andon.oncall.facts import RotationFacts

    schedule = create_schedule(by=admin, name="Identity checks, office hours", time_zone=BERLIN, team=team)
    facts = RotationFacts(
        participants=(people["sam"], people["vera"]), time_zone=BERLIN,
        start_date=clock.now().date() - timedelta(days=28), handover=time(9), cadence=Cadence.WEEKLY,
        weekdays=WEEKDAYS, window_from=time(9), window_until=time(18), name="Office hours",
    )  # fmt: skip
    set_rotation(by=admin, schedule=schedule, facts=facts)
    return schedule


def _systems(
    people: "dict[str, Person]", credit: "Team", assistants: "Team", chains: "dict[str, Chain]", admin: "Actor"
) -> tuple[str, ...]:
    """Three systems on four components; returns the short names of those that are ready once a lever is rehearsed."""
    from andon.registry.actions import ComponentFacts, SystemFacts, add_component, depend, move_stage, register
    from andon.registry.models import Component

    kinds = Component.Kind
    components = {
        slug: add_component(
            by=admin,
            slug=slug,
            facts=ComponentFacts(
                name=name, kind=kind, vendor=vendor, model=model, version=version, region="eu-central"
            ),
        )
        for slug, name, kind, vendor, model, version in (
            ("bureau-feed", "Credit bureau feed", kinds.DATA, "Example Bureau", "", "2026.2"),
            ("chat-model", "Hosted language model", kinds.MODEL, "Example Models", "chat-large", "2026-09"),
            ("embedding-api", "Embedding API", kinds.API, "Example Models", "embed-small", "2026-05"),
            ("document-reader", "Document reader", kinds.API, "Example Vision", "id-reader", "4.1"),
        )
    }
    scorer = register(
        by=admin, slug="credit-scorer", stage=Stage.PILOT,
        facts=SystemFacts(
            name="Credit scorer", purpose="Scores consumer credit applications; decides those below 5,000 by itself.",
            kind=SystemKind.SCORER, criticality=Criticality.CRITICAL, risk_class=RiskClass.HIGH,
            jurisdictions=("EU", "DE"), owner=people["omar"], team=credit, chain=chains["credit"],
            groups=("sex", "age band", "region"), decision_log="s3://example-bank/decisions/credit/*.parquet",
        ),
    )  # fmt: skip
    assistant = register(
        by=admin, slug="support-assistant", stage=Stage.PILOT,
        facts=SystemFacts(
            name="Support assistant", purpose="Answers customers in the app and hands over to people.",
            kind=SystemKind.GENERATIVE, criticality=Criticality.HIGH, risk_class=RiskClass.LIMITED,
            jurisdictions=("EU",), owner=people["vera"], team=assistants, chain=chains["assistants"],
            groups=("language",), decision_log="warehouse.support.conversations",
        ),
    )  # fmt: skip
    identity = register(
        by=admin, slug="identity-check", stage=Stage.PILOT,
        facts=SystemFacts(
            name="Identity check", purpose="Compares a selfie with an identity document when an account is opened.",
            kind=SystemKind.VISION, criticality=Criticality.HIGH, risk_class=RiskClass.HIGH, jurisdictions=("EU",),
            owner=people["vera"], team=assistants, chain=chains["identity"], groups=("age band", "skin tone"),
        ),
    )  # fmt: skip
    for system, slug, purpose in (
        (scorer, "bureau-feed", "external score and limits"),
        (assistant, "chat-model", "writes the answers"),
        (assistant, "embedding-api", "finds the right article"),
        (identity, "document-reader", "reads the document"),
    ):
        depend(by=admin, system=system, component=components[slug], purpose=purpose)
    reason = "It was live before levers were asked for; one is being prepared."
    move_stage(by=admin, system=scorer, to=Stage.PRODUCTION, override_reason=reason)
    reason = "Its lever is rehearsed as soon as its model server runs."
    move_stage(by=admin, system=assistant, to=Stage.PRODUCTION, override_reason=reason)
    reason = "It was live before this register; cover for nights and weekends begins next month."
    move_stage(by=admin, system=identity, to=Stage.PRODUCTION, override_reason=reason)
    return (assistant.slug,)
