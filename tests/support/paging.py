"""What tests of pages share: an incident, its story under a fast-forwarded clock, and who was paged when."""

from dataclasses import dataclass, field
from datetime import timedelta

from andon.engine.loop import Engine, build
from andon.incidents.models import Incident, TimelineEntry
from andon.kit.clock import FixedClock
from andon.paging.channel import Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.paging.recording import RecordingChannel
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import IncidentType
from andon.registry.models import System
from andon.response.opening import declare


def open_incident(system: System | None, by: Person, title: str = "Approvals fell by half") -> Incident:
    return declare(title=title, system=system, by=Actor.of(by), type_=IncidentType.FAIRNESS_VIOLATION)


def kinds(incident: Incident) -> list[str]:
    return list(TimelineEntry.objects.filter(incident=incident).values_list("kind", flat=True))


@dataclass
class Story:
    """An engine that sends in this thread over a channel that keeps everything, under a clock that the test moves."""

    time: FixedClock
    channel: RecordingChannel = field(default_factory=RecordingChannel)
    engine: Engine = field(init=False)
    _read: int = 0

    def __post_init__(self) -> None:
        self.engine = build(find=self.channel, senders=0)

    def run(self) -> list[Message]:
        """Let the engine do all that is due now; the messages that went out since the last look."""
        self.engine.run_until_idle(self.time.now())
        assert not self.engine.failing, self.engine.failing
        new, self._read = self.channel.attempts[self._read :], len(self.channel.attempts)
        return new

    def forward(self, **step: float) -> list[Message]:
        """Fast-forward, then as `run`."""
        self.time.forward(timedelta(**step))
        return self.run()

    def paged(self, *people: Person) -> None:
        """Expect that exactly these people are paged now, in this order."""
        assert [message.to for message in self.run()] == [person.name for person in people]

    def answers(self, *receipts: Receipt) -> None:
        """The channel's next answers; after them it takes everything."""
        waiting = list(receipts)
        self.channel.answers = lambda _m, _d: waiting.pop(0) if waiting else Receipt.sent()


def state_of(incident: Incident) -> list[str]:
    return list(Page.objects.filter(incident=incident).order_by("created_at").values_list("state", flat=True))
