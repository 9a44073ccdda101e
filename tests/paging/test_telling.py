"""A contact point that broke: who hears of it and over what, once, and again after trouble."""

from datetime import timedelta

import pytest

from andon.engine import auditor
from andon.engine.telling import Telling
from andon.kit import clock
from andon.kit.clock import FixedClock
from andon.paging import telling
from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message
from andon.paging.recording import RecordingChannel
from andon.people import actions
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.people.policy import Actor
from tests.support.cast import Cast


def add(person: Person, kind: ChannelKind, **facts: object) -> ContactPoint:
    return ContactPoint.objects.create(person=person, kind=kind, address="x", **facts)


@pytest.fixture
def broken(cast: Cast, time: FixedClock) -> ContactPoint:
    """Lena's e-mail, beside her log."""
    return add(
        cast.lena,
        ChannelKind.EMAIL,
        verified_at=time.now(),
        broken_at=time.now(),
        broken_reason="550 no such user",
        tell_at=time.now(),
    )


@pytest.fixture
def channel() -> RecordingChannel:
    return RecordingChannel()


def tell(channel: RecordingChannel, time: FixedClock) -> list[Message]:
    before = len(channel.attempts)
    Telling("one", find=channel, beside=False).run_once(time.now(), 100)
    return channel.attempts[before:]


def test_its_owner_hears_of_it_by_another_way_and_so_does_every_administrator(
    broken: ContactPoint, cast: Cast, channel: RecordingChannel, time: FixedClock
):
    own, admins = tell(channel, time)
    assert (own.to, own.headline) == ("Lena", "Andon can no longer reach you by E-mail")
    assert own.link.endswith("/account#contact-points")
    assert (admins.to, admins.headline) == ("Nadia", "Andon can no longer reach Lena by E-mail")
    assert admins.link.endswith(f"/people/{cast.lena.pk}")
    for message in (own, admins):
        assert message.why.startswith("550 no such user. Pages do not go there any more")
        assert message.kind == "broken"
    assert tell(channel, time) == []
    broken.refresh_from_db()
    assert broken.tell_at is None


def test_without_another_way_the_administrators_are_told_all_the_same(
    broken: ContactPoint, cast: Cast, channel: RecordingChannel, time: FixedClock
):
    cast.lena.contact_points.filter(kind=ChannelKind.LOG).delete()
    assert [message.to for message in tell(channel, time)] == ["Nadia"]
    broken.refresh_from_db()
    assert broken.tell_at is None


def test_no_telephone_rings_for_it(broken: ContactPoint, cast: Cast, channel: RecordingChannel, time: FixedClock):
    add(cast.nadia, ChannelKind.VOICE, verified_at=time.now())
    cast.lena.contact_points.filter(kind=ChannelKind.LOG).update(kind=ChannelKind.VOICE)
    assert [message.to for message in tell(channel, time)] == ["Nadia"]


def test_who_was_not_reached_is_told_again_later_under_the_same_key(
    broken: ContactPoint, cast: Cast, channel: RecordingChannel, time: FixedClock
):
    def only_lena(message: Message, _destination: Destination) -> Receipt:
        return Receipt.sent() if message.to == "Lena" else Receipt.retry("busy")

    channel.answers = only_lena
    first = tell(channel, time)
    assert tell(channel, time) == []
    for wait in telling.BACKOFF:
        time.forward(wait)
        again = tell(channel, time)
        assert [message.key for message in again] == [message.key for message in first]
    time.forward(timedelta(days=2))
    assert tell(channel, time) == []  # the home page goes on saying it


def test_a_crash_between_claim_and_outcome_tells_it_again(
    broken: ContactPoint, channel: RecordingChannel, time: FixedClock
):
    (claimed,) = telling.claim(time.now(), 5, "the one that dies")
    assert telling.claim(time.now(), 5, "another") == []
    time.forward(telling.LEASE)
    (again,) = telling.claim(time.now(), 5, "another")
    telling.settle(telling.News(claimed, ()), set(), time.now())  # too late: it is another's now
    broken.refresh_from_db()
    assert (broken.told_by, broken.tell_at) == (again.told_by, time.now() + telling.LEASE)


@pytest.mark.parametrize("back", [timedelta(hours=3), timedelta(days=2)])
@pytest.mark.parametrize("crashed", [True, False])
def test_after_the_clock_was_set_back_it_is_told_now_and_once(
    broken: ContactPoint, channel: RecordingChannel, time: FixedClock, back: timedelta, crashed: bool
):
    if crashed:
        telling.claim(time.now(), 5, "the one that dies")
    earlier = FixedClock(time.now() - back)
    with clock.use(earlier):
        assert tell(channel, earlier) == []
        found = auditor.audit(earlier.now())
        assert [finding.check for finding in found.findings] == ["clock_set_back"]
        assert [message.to for message in tell(channel, earlier)] == ["Lena", "Nadia"]
        assert auditor.audit(earlier.now()).passed
        assert tell(channel, earlier) == []


def test_what_waits_for_its_next_attempt_is_left_to_wait(
    broken: ContactPoint, channel: RecordingChannel, time: FixedClock
):
    channel.answers = lambda _message, _destination: Receipt.retry("busy")
    for wait in telling.BACKOFF:
        assert tell(channel, time)
        assert auditor.audit(time.now()).passed
        assert tell(channel, time) == []
        time.forward(wait)


def test_what_was_repaired_or_removed_meanwhile_is_told_to_nobody(
    broken: ContactPoint, cast: Cast, channel: RecordingChannel, time: FixedClock
):
    actions.verify_contact_point(actions.contact_point_token(broken))
    assert tell(channel, time) == []
    ContactPoint.objects.filter(pk=broken.pk).update(broken_at=time.now(), tell_at=time.now())
    broken.refresh_from_db()
    actions.remove_contact_point(broken, by=Actor.of(cast.lena))
    assert tell(channel, time) == []


def test_a_channel_that_breaks_keeps_nobody_else_from_hearing(
    broken: ContactPoint, channel: RecordingChannel, time: FixedClock
):
    def fail(message: Message, _destination: Destination) -> Receipt:
        if message.to == "Lena":
            raise ZeroDivisionError
        return Receipt.sent()

    channel.answers = fail
    assert [message.to for message in tell(channel, time)] == ["Lena", "Nadia"]


def test_beside_the_loop_nothing_waits_for_it(broken: ContactPoint, channel: RecordingChannel, time: FixedClock):
    module = Telling("one", find=channel, beside=True)
    assert module.run_once(time.now(), 1) == 1
    module.stop()
    broken.refresh_from_db()
    assert broken.tell_at is None
    assert len(channel.attempts) == 2


def test_the_home_page_says_it_to_its_owner_and_to_administrators(broken: ContactPoint, cast: Cast, signed_in):
    own = signed_in(cast.lena).get("/").text
    assert "Your contact point E-mail broke" in own
    assert "Repair it" in own
    assert "Lena’s contact point E-mail broke" in signed_in(cast.nadia).get("/").text
    for other in (cast.omar, cast.tomas, cast.vera):
        assert "contact point E-mail broke" not in signed_in(other).get("/").text
