"""Stories of a night on call: an incident, a clock, and who is paged when."""

from datetime import timedelta

import pytest

from andon.incidents.models import Incident
from andon.kit.clock import FixedClock
from andon.paging.channel import Receipt
from andon.paging.models import Page
from andon.people.models import ChannelKind, ContactPoint
from andon.people.policy import Actor
from andon.response.acknowledging import acknowledge
from tests.support.cast import Cast
from tests.support.paging import Story, kinds, open_incident, state_of


@pytest.fixture
def story(time: FixedClock, cast: Cast) -> Story:
    return Story(time)


def test_the_chain_is_walked_until_somebody_acknowledges(story: Story, cast: Cast):
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.paged(cast.lena)
    assert story.forward(minutes=4) == []
    story.time.forward(timedelta(minutes=1))
    story.paged(cast.tomas)
    acknowledge(incident, by=Actor.of(cast.tomas), via="page")
    assert story.forward(hours=1, minutes=50) == []  # until the executives ought to have heard of it
    assert kinds(incident).count("page_sent") == 2


def test_a_chain_that_ends_goes_round_again_and_then_to_the_fallback_for_ever(story: Story, cast: Cast):
    open_incident(cast.credit_scorer, cast.vera)
    names = [message.to for message in story.run()]
    for _ in range(14):
        names += [message.to for message in story.forward(minutes=5)]
    assert names[:7] == ["Lena", "Tomas", "Omar", "Lena", "Tomas", "Omar", "Nadia"]
    assert set(names[6:]) == {"Nadia"}
    assert len(names) > 10


def test_an_incident_of_no_known_system_pages_the_fallback(story: Story, cast: Cast):
    open_incident(None, cast.vera)
    story.paged(cast.nadia)


def test_a_person_with_two_contact_points_is_reached_on_each_in_its_time(story: Story, cast: Cast):
    ContactPoint.objects.create(
        person=cast.lena,
        kind=ChannelKind.EMAIL,
        address="lena@example.org",
        delay_minutes=2,
        verified_at=story.time.now(),
    )
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.paged(cast.lena)
    assert story.forward(minutes=1) == []
    story.time.forward(timedelta(minutes=1))
    story.paged(cast.lena)
    assert list(Page.objects.filter(incident=incident).values_list("channel", flat=True)) == ["log", "email"]


def test_an_acknowledgement_cancels_what_waits_and_says_so_once(story: Story, cast: Cast):
    ContactPoint.objects.create(
        person=cast.lena,
        kind=ChannelKind.EMAIL,
        address="lena@example.org",
        delay_minutes=2,
        verified_at=story.time.now(),
    )
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.paged(cast.lena)
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    assert story.forward(minutes=30) == []
    assert sorted(state_of(incident)) == ["cancelled", "sent"]
    assert kinds(incident).count("page_cancelled") == 1


def test_a_slow_provider_is_tried_again_under_the_same_key(story: Story, cast: Cast):
    story.answers(Receipt.retry("busy"), Receipt.retry("busy"))
    incident = open_incident(cast.credit_scorer, cast.vera)
    first = story.run()
    second = story.forward(seconds=5)
    third = story.forward(seconds=15)
    assert [len(first), len(second), len(third)] == [1, 1, 1]
    assert first[0].key == second[0].key == third[0].key
    assert first[0].link == third[0].link
    page = Page.objects.get(incident=incident)
    assert (page.state, page.attempts, page.last_error) == ("sent", 3, "")
    assert kinds(incident).count("page_sent") == 1


def test_a_page_that_cannot_be_sent_is_given_up_loudly_and_the_next_step_comes_forward(story: Story, cast: Cast):
    story.answers(Receipt.unable("No mail server is set."))
    incident = open_incident(cast.credit_scorer, cast.vera)
    assert [message.to for message in story.run()] == ["Lena", "Tomas"]  # in the same moment, not five minutes later
    assert state_of(incident) == ["failed", "sent"]
    entry = incident.timeline.get(kind="page_failed")
    assert entry.body["brought_forward"] is True
    assert entry.body["reason"] == "No mail server is set."
    assert cast.lena.contact_points.get().works  # it is not the contact point's fault


def test_the_chain_does_not_come_forward_while_another_page_of_the_step_got_through(story: Story, cast: Cast):
    ContactPoint.objects.create(
        person=cast.lena, kind=ChannelKind.EMAIL, address="lena@example.org", verified_at=story.time.now()
    )
    story.answers(Receipt.unable("No mail server is set."))
    open_incident(cast.credit_scorer, cast.vera)
    assert [message.to for message in story.run()] == ["Lena", "Lena"]
    assert story.forward(minutes=4) == []


def test_retries_end_and_are_given_up_within_minutes(story: Story, cast: Cast):
    story.channel.answers = lambda message, _d: Receipt.retry("down") if message.to == "Lena" else Receipt.sent()
    incident = open_incident(cast.credit_scorer, cast.vera)
    for _ in range(120):
        story.forward(seconds=5)
    lena = Page.objects.filter(incident=incident, person=cast.lena).first()
    assert (lena.state, lena.attempts, lena.last_error) == ("failed", 6, "down")
    assert cast.lena.contact_points.get().works  # a provider that is down breaks nobody's address
    assert not incident.timeline.get(kind="page_failed").body["brought_forward"]  # Tomas was paged long before


def test_a_contact_point_that_says_it_is_gone_is_broken_at_once(story: Story, cast: Cast):
    story.answers(Receipt.broken("410", gone=True))
    open_incident(cast.credit_scorer, cast.vera)
    said = [(message.to, message.kind) for message in story.run()]
    assert sorted(said) == [
        ("Lena", "page"),
        ("Nadia", "broken"),
        ("Tomas", "page"),
    ]  # and an administrator hears of it
    point = cast.lena.contact_points.get()
    assert not point.works
    assert point.broken_reason == "410"


def test_refusals_in_a_row_break_a_contact_point_and_one_does_not(story: Story, cast: Cast):
    refuse = {"Lena"}
    story.channel.answers = lambda m, _d: Receipt.broken("550 no such user") if m.to in refuse else Receipt.sent()
    one = open_incident(cast.credit_scorer, cast.vera)
    story.run()
    assert cast.lena.contact_points.get().works
    acknowledge(one, by=Actor.of(cast.tomas), via="page")
    two = open_incident(None, cast.vera, "Another one")
    Incident.objects.filter(pk=two.pk).update(chain=one.chain)
    story.run()
    assert not cast.lena.contact_points.get().works


def test_a_removed_contact_point_gets_nothing_that_still_waited(story: Story, cast: Cast):
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.engine.modules[1].run_once(story.time.now(), 100)  # the step is taken, nothing is sent yet
    cast.lena.contact_points.update(removed_at=story.time.now())
    story.paged(cast.tomas)
    assert state_of(incident) == ["failed", "sent"]


def test_a_first_page_goes_ahead_of_repeats(story: Story, cast: Cast):
    old = open_incident(cast.credit_scorer, cast.vera)
    story.run()
    story.time.forward(timedelta(minutes=5))
    new = open_incident(None, cast.vera, "A new one")
    assert [message.about.ref for message in story.run()] == [new.ref, old.ref]


def test_a_message_says_why_and_what_to_do_first(story: Story, cast: Cast):
    incident = open_incident(cast.credit_scorer, cast.vera)
    (message,) = story.run()
    assert message.subject == f"[{incident.level.name}] {incident.ref} Credit scorer: Approvals fell by half"
    assert "step 1" in message.why
    assert message.first
    assert message.link.startswith("http://testserver/a/")
    assert message.text().count("http") == 1  # one link


def test_an_incident_whose_chain_is_broken_pages_administrators_and_holds_up_no_other(story: Story, cast: Cast):
    broken = open_incident(cast.credit_scorer, cast.vera)
    Incident.objects.filter(pk=broken.pk).update(chain={"steps": [{"of": "another version"}]})
    story.time.forward(timedelta(seconds=1))
    open_incident(None, cast.vera, "The next one")
    assert [message.to for message in story.run()] == ["Nadia", "Nadia"]
    assert {"step_failed", "page_sent"} <= set(kinds(broken))
    assert Incident.objects.get(pk=broken.pk).next_page_at > story.time.now()
    assert [message.to for message in story.forward(minutes=5)] == ["Nadia", "Nadia"]
