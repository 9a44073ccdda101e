"""PagerDuty's webhooks twice at once, beside a person and beside each other: in real threads, on both databases."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from andon.incidents.models import Incident, RoleAssignment
from andon.incidents.timeline import verify
from andon.kit.errors import Conflict
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.response import containing, resolving
from andon.response.acknowledging import acknowledge
from tests.engine.test_replicas import at_once
from tests.response.test_pagerduty import body_of, incident, outcome, post, story  # noqa: F401  fixtures
from tests.support.cast import Cast
from tests.support.paging import Story, kinds, open_incident

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 4


@pytest.fixture
def again(story: Story, cast: Cast) -> Callable[[], Incident]:  # noqa: F811
    """An incident that has just paged Lena in PagerDuty."""

    def make() -> Incident:
        made = open_incident(cast.credit_scorer, cast.vera)
        story.run()
        story.time.forward(timedelta(seconds=40))
        return made

    return make


def sending(event: dict[str, Any], said: list[str]) -> Callable[[], None]:
    """A webhook, whose outcome is noted; any answer but 202 fails."""
    return lambda: said.append(outcome(post(event)))


def doing(act: Callable[[], object], refused: list[str]) -> Callable[[], None]:
    """What a person does, who may be told that somebody was faster."""

    def run() -> None:
        try:
            act()
        except Conflict as conflict:
            refused.append(conflict.what)

    return run


def intact(made: Incident, *, acknowledged: int = 1) -> Incident:
    """The incident as it is: acknowledged once, led by that person, its chain whole and no page waiting."""
    now = Incident.objects.get(pk=made.pk)
    assert verify(now) == []
    assert kinds(now).count("acknowledged") == acknowledged
    leads = RoleAssignment.objects.filter(incident=now, role=RoleAssignment.Role.LEAD, ended_at=None)
    assert [lead.person for lead in leads] == [now.acknowledged_by]
    assert now.next_page_at is None
    assert not Page.objects.filter(incident=now, state=Page.State.PENDING).exists()
    return now


def test_one_webhook_many_times_at_once_is_one_acknowledgement(again, story, cast):  # noqa: F811
    for number in range(TIMES):
        made, said = again(), []
        event = body_of(made, mark=f"one-{number}", at=story.time.now())
        at_once(*[sending(event, said)] * 6)
        assert Counter(said) == {"acknowledged": 1, "ignored": 5}
        assert intact(made).acknowledged_by == cast.lena


def test_two_who_acknowledge_there_at_once_are_one_acknowledgement(again, story, cast):  # noqa: F811
    for number in range(TIMES):
        made, said = again(), []
        events = [body_of(made, mark=f"{which}-{number}", at=story.time.now()) for which in ("one", "two")]
        at_once(*[sending(event, said) for event in events * 2])
        assert Counter(said) == {"acknowledged": 1, "ignored": 3}
        assert intact(made).acknowledged_by == cast.lena


def test_beside_a_person_here_whoever_is_first_has_it_and_the_other_is_told(again, story, cast):  # noqa: F811
    for number in range(TIMES):
        made, said, refused = again(), [], []
        event = body_of(made, mark=f"one-{number}", at=story.time.now())
        here = doing(lambda: acknowledge(made, by=Actor.of(cast.tomas), via="page"), refused)  # noqa: B023
        at_once(sending(event, said), here, sending(event, said))
        now = intact(made)
        if now.acknowledged_by == cast.tomas:
            assert (Counter(said), refused) == ({"ignored": 2}, [])
        else:
            assert now.acknowledged_by == cast.lena
            assert (Counter(said), len(refused)) == ({"acknowledged": 1, "ignored": 1}, 1)
            assert "Lena" in refused[0]


def test_acknowledged_and_resolved_there_at_once_none_of_both_is_lost(again, story, cast):  # noqa: F811
    """Whichever comes first acknowledges; that it was resolved there is noted once, whatever the order."""
    for number in range(TIMES):
        made, said = again(), []
        events = [
            body_of(made, did, mark=f"{did}-{number}", at=story.time.now()) for did in ("acknowledged", "resolved")
        ]
        at_once(*[sending(event, said) for event in events * 2])
        assert said.count("acknowledged") == 1
        assert Counter(said) in ({"acknowledged": 1, "ignored": 3}, {"acknowledged": 1, "noted": 1, "ignored": 2})
        now = intact(made)
        assert (now.acknowledged_by, now.resolved_at) == (cast.lena, None)
        assert kinds(now).count("said_in_pagerduty") == 1


def test_beside_somebody_who_resolves_it_here_nothing_is_said_twice_and_it_stays_resolved(again, story, cast):  # noqa: F811
    for number in range(TIMES):
        made, said = again(), []
        by = Actor.of(cast.tomas)
        containing.waive_containment(made, reason="Nothing to contain.", by=by)  # it is Tomas's from here
        events = [
            body_of(made, did, mark=f"{did}-{number}", at=story.time.now()) for did in ("acknowledged", "resolved")
        ]
        at_once(
            *[sending(event, said) for event in events * 2],
            lambda: resolving.resolve(made, summary="Over.", by=by),  # noqa: B023
        )
        now = Incident.objects.get(pk=made.pk)
        assert verify(now) == []
        assert (now.acknowledged_by, now.resolved_at is None) == (cast.tomas, False)
        assert kinds(now).count("resolved") == 1
        assert said.count("noted") == kinds(now).count("said_in_pagerduty") <= 1
        assert said.count("acknowledged") == 0
