"""The organisation that is simulated: the cast, twenty systems, a rota over a change of clocks, three senders."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from andon.intake.actions import create_integration
from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, Layer, LayerParticipant, Schedule, StepTarget
from andon.paging.models import ChannelPace
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.rotation import Cadence
from andon.practice.words import Criticality, Stage, SystemKind
from andon.registry.models import System
from tests.support import cast as the_cast

FURNISHED_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SYSTEMS = ("credit-scorer", *(f"system-{number}" for number in range(1, 20)))
LONGEST_WAIT_MINUTES = 2
LONGEST_DELAY_MINUTES = 1


@dataclass(frozen=True)
class Sender:
    """An integration, from the sender's side."""

    kind: str
    slug: str
    token: str
    key: str

    @property
    def path(self) -> str:
        return f"/intake/{self.kind}/{self.slug}"


@dataclass(frozen=True)
class World:
    """What a run needs to know of the organisation."""

    senders: tuple[Sender, ...]
    responders: tuple[str, ...]
    """Keys of people who may act on incidents."""


def furnish() -> World:
    """Write the organisation into an empty database."""
    with clock.use(clock.FixedClock(FURNISHED_AT)):
        people = the_cast.make()
        ChainStep.objects.update(wait_minutes=LONGEST_WAIT_MINUTES)
        second = ContactPoint(kind=ChannelKind.LOG, address="lena-phone", delay_minutes=LONGEST_DELAY_MINUTES)
        second.person, second.verified_at = people.lena, clock.now()
        second.save()
        chains = [people.chain, _rota_chain(people.lena, people.tomas), _short_chain(people.tomas), None]
        for number, slug in enumerate(SYSTEMS[1:], start=1):
            System.objects.create(
                slug=slug, name=slug.capitalize(), purpose="Simulated.", kind=SystemKind.SCORER, owner=people.omar,
                stage=Stage.PRODUCTION, criticality=Criticality.HIGH, team=people.credit_team,
                chain=chains[number % len(chains)],
            )  # fmt: skip
        ChannelPace.objects.create(channel=ChannelKind.LOG, person_a_minute=6, channel_a_minute=12)
        Person.objects.filter(pk=people.tomas.pk).update(quiet_from=time(22), quiet_until=time(7))
        senders = tuple(
            _sender(kind, slug, by=Actor.of(people.nadia), resolves=resolves)
            for kind, slug, resolves in (
                ("alertmanager", "prometheus", True), ("generic", "scripts", False), ("generic", "probes", True),
            )
        )  # fmt: skip
        return World(senders, tuple(str(person.pk) for person in (people.lena, people.tomas, people.omar)))


def _sender(kind: str, slug: str, *, by: Actor, resolves: bool) -> Sender:
    made, token = create_integration(slug=slug, name=slug, kind=kind, by=by, resolves_incidents=resolves)
    return Sender(kind, slug, token, made.pk.hex)


def _rota_chain(*people: Person) -> Chain:
    """Whoever is on call, handed over every six hours of Berlin's wall clock; then everybody in the team."""
    rota = Schedule.objects.create(slug="night", name="Night", time_zone="Europe/Berlin")
    layer = Layer.objects.create(
        schedule=rota, position=1, time_zone="Europe/Berlin", start_date=date(2026, 1, 1), handover=time(2, 30),
        cadence=Cadence.DAILY, effective_from=None,
    )  # fmt: skip
    for position, person in enumerate(people):
        LayerParticipant.objects.create(layer=layer, position=position, person=person)
    chain = Chain.objects.create(slug="rota", name="Rota", repeats=0)
    first = ChainStep.objects.create(chain=chain, position=1, wait_minutes=1)
    StepTarget.objects.create(step=first, schedule=rota)
    second = ChainStep.objects.create(chain=chain, position=2, wait_minutes=LONGEST_WAIT_MINUTES)
    StepTarget.objects.create(step=second, person=people[-1])
    return chain


def _short_chain(person: Person) -> Chain:
    return the_cast.make_chain("short", [person], wait_minutes=1)
