"""The fixed cast. Every test speaks of the same people, so that a reader knows who may do what.

nadia  administrator · omar  lead, owner of credit-scorer · lena  responder, first on call · tomas  responder, second on call
sam  responder in another team: the stranger to credit-scorer's restricted incidents · vera  viewer · rui  reporter
"""

from dataclasses import dataclass

from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, StepTarget
from andon.people.models import ChannelKind, ContactPoint, Membership, Organisation, Person, Team
from andon.practice.words import Criticality, OrgRole, Stage, SystemKind
from andon.registry.models import System

PASSWORD = "a long password for tests"


@dataclass
class Cast:
    nadia: Person
    omar: Person
    lena: Person
    tomas: Person
    sam: Person
    vera: Person
    rui: Person
    credit_team: Team
    chain: Chain
    credit_scorer: System


def person(name: str, role: OrgRole, *, zone: str = "UTC", reachable: bool = True) -> Person:
    someone = Person.objects.create_user(
        email=f"{name.lower()}@example.org", password=PASSWORD, name=name, role=role, time_zone=zone
    )
    if reachable:
        ContactPoint.objects.create(
            person=someone, kind=ChannelKind.LOG, address=someone.email, verified_at=clock.now()
        )
    return someone


def make() -> Cast:
    Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank", "time_zone": "Europe/Berlin"})
    nadia = person("Nadia", OrgRole.ADMIN)
    omar = person("Omar", OrgRole.LEAD, zone="Europe/Berlin")
    lena = person("Lena", OrgRole.RESPONDER, zone="Europe/Berlin")
    tomas = person("Tomas", OrgRole.RESPONDER, zone="America/New_York")
    sam = person("Sam", OrgRole.RESPONDER)
    vera = person("Vera", OrgRole.VIEWER)
    rui = person("Rui", OrgRole.REPORTER)
    team = Team.objects.create(slug="credit-models", name="Credit models")
    for member in (omar, lena, tomas):
        Membership.objects.create(team=team, person=member)
    chain = make_chain("credit", [lena], [tomas], [omar])
    make_chain("fallback", [nadia], is_fallback=True)
    system = System.objects.create(
        slug="credit-scorer",
        name="Credit scorer",
        purpose="Scores consumer credit applications.",
        kind=SystemKind.SCORER,
        stage=Stage.PRODUCTION,
        criticality=Criticality.HIGH,
        owner=omar,
        team=team,
        chain=chain,
        groups=["sex", "age band"],
    )
    return Cast(nadia, omar, lena, tomas, sam, vera, rui, team, chain, system)


def make_chain(slug: str, *steps: list[Person], is_fallback: bool = False, wait_minutes: int = 5) -> Chain:
    chain = Chain.objects.create(slug=slug, name=slug.capitalize(), repeats=1, is_fallback=is_fallback)
    for position, people in enumerate(steps, start=1):
        step = ChainStep.objects.create(chain=chain, position=position, wait_minutes=wait_minutes)
        for someone in people:
            StepTarget.objects.create(step=step, person=someone)
    return chain
