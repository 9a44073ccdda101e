"""The organisation that is simulated: the cast, sixty systems, a rota over a change of clocks, rules, three senders, a
lever for each system."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from andon.containment.actions import LeverFacts, create_lever
from andon.intake.actions import create_integration
from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, Layer, LayerParticipant, Schedule, StepTarget
from andon.paging.models import ChannelPace
from andon.paging.providers.actions import set_up
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from andon.practice.rotation import Cadence
from andon.practice.rules import RuleKind
from andon.practice.words import ContainmentKind, Criticality, Stage, SystemKind
from andon.registry.models import System
from andon.rules.actions import create_rule
from andon.rules.facts import RuleFacts
from andon.rules.models import Rule
from tests.simulation.targets import KIND
from tests.support import cast as the_cast

FURNISHED_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SYSTEMS = ("credit-scorer", *(f"system-{number}" for number in range(1, 60)))
LONGEST_WAIT_MINUTES = 2
LONGEST_DELAY_MINUTES = 1
VERIFY_SECONDS = 20
RULED: dict[str, tuple[RuleKind, dict[str, Any]]] = {
    "system-51": (RuleKind.SILENCE, {}),
    "system-52": (RuleKind.THRESHOLD, {"count": 2, "minutes": 10}),
    "system-53": (RuleKind.THRESHOLD, {"count": 3, "minutes": 10, "counting": "events"}),
    "system-54": (RuleKind.INHIBITION, {"source": "signal.severity == 1", "equal": ["system"]}),
    "system-55": (RuleKind.HOLD_OPEN, {"minutes": 2}),
    "system-56": (RuleKind.AUTO_CLOSE, {"hours": 1}),
}
"""Systems about whose signals a rule says something, and what."""
BEATING = "system-57"
BEAT = "the-beat"
"""The fingerprint of a heartbeat that is expected every minute, a minute late at most."""
LENAS_NUMBER = "+4930901820"
PHONE_TOKEN = "an auth token"
WEBHOOK_SECRET = "a-secret-that-pagerduty-made-up"


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
    lead: str
    """Key of the one who may make and end any rule."""


def furnish() -> World:
    """Write the organisation into an empty database."""
    with clock.use(clock.FixedClock(FURNISHED_AT)):
        people = the_cast.make()
        ChainStep.objects.update(wait_minutes=LONGEST_WAIT_MINUTES)
        phone = {"server": "http://127.0.0.1:9", "account": "AC01", "token": PHONE_TOKEN, "sender": "+15005550006"}
        set_up(ChannelKind.SMS, phone, by=Actor.of(people.nadia))
        second = ContactPoint(kind=ChannelKind.SMS, address=LENAS_NUMBER, delay_minutes=LONGEST_DELAY_MINUTES)
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
        for slug, (kind, settings) in RULED.items():
            make_rule(kind, slug, settings, by=Actor.of(people.omar), hours=24 * 365)
        beat = {"expression": f'signal.fingerprint == "{BEAT}"'}
        make_rule(
            RuleKind.HEARTBEAT, BEATING, {"every_minutes": 1, "grace_minutes": 1}, by=Actor.of(people.omar), **beat
        )
        senders = tuple(
            _sender(kind, slug, by=Actor.of(people.nadia), resolves=resolves)
            for kind, slug, resolves in (
                ("alertmanager", "prometheus", True), ("generic", "scripts", False), ("generic", "probes", True),
            )
        )  # fmt: skip
        for system in System.objects.order_by("slug"):
            facts = LeverFacts(
                name=f"Roll back {system.slug}", kind=ContainmentKind.ROLL_BACK, settings={"target": system.slug},
                verify_seconds=VERIFY_SECONDS, every_seconds=5,
            )  # fmt: skip
            create_lever(system, KIND, facts, by=Actor.of(people.omar))
        set_up(ChannelKind.PAGERDUTY, {"webhook_secrets": WEBHOOK_SECRET}, by=Actor.of(people.nadia))
        ChannelPace.objects.create(channel=ChannelKind.PAGERDUTY, person_a_minute=6, channel_a_minute=12)
        return World(
            senders, tuple(str(person.pk) for person in (people.lena, people.tomas, people.omar)), str(people.omar.pk)
        )


def make_rule(
    kind: RuleKind, system: str, settings: dict[str, Any], *, by: Actor, hours: float = 0, expression: str = ""
) -> Rule:
    """A rule about one system; a silence lasts so long."""
    ends = clock.now() + timedelta(hours=hours) if kind is RuleKind.SILENCE else None
    facts = RuleFacts(
        kind, f"{kind.label} of {system}", expression, System.objects.get(slug=system), "It is known.",
        ends_at=ends, settings=settings,
    )  # fmt: skip
    return create_rule(facts, by=by)


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
