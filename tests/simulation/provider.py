"""The other side of a page: providers that take it, refuse it, are slow, lose the answer, or see the sender die."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message
from tests.simulation.chance import Chance, Crash
from tests.simulation.processes import EngineProcess


@dataclass
class Attempt:
    """One time that a page was handed to a provider.

    Attributes:
        claimed_after: Virtual seconds that had passed when the round began in which it was claimed.
        jumps: How often the clock had jumped by then.
        taken: Whether the provider took it, whatever the engine then heard.
        refused: Whether the engine heard anything but that it was taken.
        hangs: Whether the provider answers only when another attempt has begun, and that it will never take it.
        about: The addresses of the incidents in it; first that which its link acknowledges.
        channel: The channel by which it came.
        lost: Whether the engine died while it was on the wire, and nobody hears what became of it.
    """

    key: str
    link: str
    to: str
    engine: str
    step: int
    passed: float
    claimed_after: float
    jumps: int
    taken: bool = False
    refused: bool = False
    hangs: bool = False
    lost: bool = False
    about: tuple[str, ...] = ()
    channel: str = ""

    @property
    def answered(self) -> bool:
        """Whether the provider has decided on it."""
        return self.taken or self.refused


class ChannelError(Exception):
    """A bug in a channel, as far as Andon can tell."""


@dataclass
class Providers:
    """All providers together.

    Attributes:
        begin: Called when an engine begins to send; makes the attempt and judges it.
        attempts: All of them, in order.
        taken: Keys of pages that a provider took.
    """

    chance: Chance
    begin: Callable[[EngineProcess, Message], Attempt]
    attempts: list[Attempt] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def of(self, engine: EngineProcess) -> Callable[[str], "Channel"]:
        """What an engine looks channels up with."""
        return lambda kind: Channel(self, engine, kind)

    def engine_died(self, engine: EngineProcess) -> None:
        """Of what was on the wire some had reached the provider, and nobody hears its answer."""
        while engine.wire.letters:
            if self.chance.rng.random() < 0.5:
                self.chance.struck["crash_on_the_wire"] += 1
                engine.wire.arrive(0)
            else:
                engine.wire.letters.pop(0)
        for attempt in self.attempts:
            attempt.lost = attempt.lost or (attempt.engine == engine.name and not attempt.answered)


class Channel:
    """One channel in the hands of one engine."""

    def __init__(self, providers: Providers, engine: EngineProcess, kind: str) -> None:
        self._providers = providers
        self._engine = engine
        self._kind = kind

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Hand a page over, under whatever strikes here."""
        if self._engine.beside:
            return self._answer(self._engine.wire.attempt)
        attempt = self._providers.begin(self._engine, message)
        self._maybe("crash_before_send")
        receipt = self._answer(attempt)
        self._maybe("crash_after_send")
        return receipt

    def _maybe(self, crash: str) -> None:
        """In the loop's own thread the engine may die around a send, or hang in it while the world goes on."""
        if self._providers.chance.strikes("send_slow"):
            self._engine.worker.pause()
        if self._providers.chance.strikes(crash):
            self._engine.worker.line.faults += 1
            self._engine.worker.line.dead = True
            raise Crash

    def _answer(self, attempt: Attempt) -> Receipt:
        strikes = self._providers.chance.strikes
        attempt.refused, attempt.channel = True, self._kind
        if attempt.hangs:
            return Receipt.broken("the provider thought about it for long, and knows no such address")
        if strikes("send_retry"):
            return Receipt.retry(
                "the provider is busy", after=timedelta(seconds=self._providers.chance.rng.choice((0, 20)))
            )
        if strikes("send_broken"):
            return Receipt.broken("the provider knows no such address")
        if strikes("send_fault"):
            raise ChannelError
        attempt.taken = True
        self._providers.taken.add(attempt.key)
        if strikes("send_answer_lost"):
            return Receipt.retry("the provider did not answer in time")
        attempt.refused = False
        return Receipt.sent("ref")
