"""A channel that does not answer takes the senders of no other, and repeats take none from first pages."""

import threading
from collections.abc import Iterator

import pytest

from andon.engine.modules import Delivery
from andon.kit.clock import FixedClock
from andon.paging import actions
from andon.paging.actions import Call, Reach
from andon.paging.channel import Channel, Destination, Receipt
from andon.paging.message import Message
from andon.paging.models import Page
from andon.paging.recording import RecordingChannel
from tests.support.cast import Cast
from tests.support.paging import open_incident

pytestmark = pytest.mark.django_db
SENDERS = 8


class Senders:
    """A delivery with few senders; what goes by webhook is answered when the test lets it."""

    def __init__(self, cast: Cast, time: FixedClock) -> None:
        self._cast, self._time = cast, time
        self._hang = threading.Event()
        self._hanging, self.quick = RecordingChannel(self._wait), RecordingChannel()
        self.delivery = Delivery("one", find=self._find, senders=SENDERS)

    def _wait(self, _message: Message, _destination: Destination) -> Receipt:
        assert self._hang.wait(30)
        return Receipt.sent()

    def _find(self, kind: str) -> Channel:
        return self._hanging if kind == "webhook" else self.quick

    def queue(self, channel: str, count: int, *, first: bool) -> None:
        """Pages to Lena, all due now."""
        incident = open_incident(None, self._cast.vera)
        for _ in range(count):
            call = Call(incident, [Reach(self._cast.lena, "on call")], step=1, round=1, on_fallback=False, first=first)
            ((page,),) = actions.queue([call], self._time.now())
            Page.objects.filter(pk=page.pk).update(channel=channel)

    def run(self) -> None:
        self.delivery.run_once(self._time.now(), 100)

    def answers(self) -> None:
        self._hang.set()

    def let_go(self) -> None:
        self.answers()
        self.delivery.stop()


@pytest.fixture
def senders(cast: Cast, time: FixedClock) -> Iterator[Senders]:
    made = Senders(cast, time)
    yield made
    made.let_go()


@pytest.mark.parametrize("first", [True, False])
def test_a_channel_that_hangs_delays_no_first_page_of_another(senders: Senders, first: bool):
    senders.queue("webhook", 3 * SENDERS, first=first)
    senders.run()
    senders.queue("log", 1, first=True)
    senders.run()
    senders.let_go()
    assert len(senders.quick.attempts) == 1
    assert Page.objects.get(channel="log").state == "sent"


def test_repeats_that_hang_delay_no_first_page_of_their_own_channel(senders: Senders):
    senders.queue("webhook", 3 * SENDERS, first=False)
    senders.run()
    senders.queue("webhook", 1, first=True)
    senders.run()
    assert Page.objects.get(first=True).state == "sending"


def test_pages_that_hang_are_not_all_that_is_looked_at(senders: Senders):
    senders.queue("webhook", 210, first=True)
    senders.run()
    senders.queue("log", 1, first=True)
    senders.run()
    assert Page.objects.get(channel="log").state in {"sending", "sent"}


def test_what_found_no_sender_goes_when_there_is_room(senders: Senders):
    senders.queue("webhook", SENDERS, first=True)
    senders.run()
    assert Page.objects.filter(state="pending").count() == SENDERS // 4
    senders.answers()
    while Page.objects.exclude(state="sent").exists():
        senders.run()
