"""One promise about false alarms for all watches together; what they have seen stays when it changes."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from andon.kit.errors import Forbidden, Invalid
from andon.people.policy import Actor
from andon.watch import actions, queries, shares
from andon.watch.actions.pushing import Batch, Point
from andon.watch.models import Watch
from tests.support.paging import Story
from tests.support.scenes import token
from tests.watch.conftest import MONDAY

HOUR = timedelta(hours=1)


@given(
    st.floats(0.1, 1000),
    st.lists(st.tuples(st.integers(2, 10**7), st.integers(1, 44_640)), min_size=1, max_size=50),
)
def test_whatever_watches_there_are_the_promise_holds(days, watches):
    budgets = [(max(own, shares.share(days, len(watches), minutes)), minutes) for own, minutes in watches]
    a_day = sum(1440 / (windows * minutes) for windows, minutes in budgets)
    assert a_day <= 1 / days * (1 + 1e-9)
    assert shares.promise(budgets) == pytest.approx(1 / a_day)
    assert shares.promise(budgets) >= days * (1 - 1e-9)


def test_a_share_in_figures():
    assert shares.share(30, 1, 60) == 720  # windows of an hour in 30 days
    assert shares.share(30, 20, 60) == 14_400
    assert shares.share(30, 2_000, 60) == 1_440_000
    assert shares.share(1, 1, 44_640) == 2  # a window longer than the time: more than one step all the same
    assert shares.promise([]) is None


@pytest.mark.django_db
def test_a_new_watch_moves_the_threshold_of_the_others_and_none_of_their_evidence(watched, cast, time):
    time.set(MONDAY)
    story, omar = Story(time), Actor.of(cast.omar)
    watch = watched(None, what="error", budget=100, baseline=0.05)
    time.set(MONDAY + 20 * HOUR + timedelta(minutes=4))
    points = [Point(MONDAY + hour * HOUR, 200, 12) for hour in range(20)]
    actions.push(watch, Batch("a", 1, points), by=omar)
    story.run()
    watch.refresh_from_db()
    before = watch.detector
    assert before["threshold"] == 720
    for number in range(9):
        watched(None, name=f"Other {number}", kind="volume")
    time.set(MONDAY + 21 * HOUR + timedelta(minutes=4))
    story.run()
    watch.refresh_from_db()
    assert watch.detector["threshold"] == 7200
    assert watch.detector["evidence"] == before["evidence"]  # nobody pushed: an empty window is no step
    actions.set_alarm_budget(60, by=omar)
    time.set(MONDAY + 22 * HOUR + timedelta(minutes=4))
    story.run()
    watch.refresh_from_db()
    assert watch.detector["threshold"] == 14_400
    assert watch.detector["evidence"] == before["evidence"]
    for other in Watch.objects.exclude(pk=watch.pk):
        actions.end_watch(other, by=omar)
    assert queries.budget_of(watch) == 1440


@pytest.mark.django_db
def test_a_watch_may_ask_for_more_than_its_share_and_never_gets_less(watched, cast):
    strict = watched(None, what="error", budget=1_000_000)
    loose = watched(None, what="error", budget=2)
    assert queries.budget_of(strict) == 1_000_000
    assert queries.budget_of(loose) == shares.share(30, 2, 60)
    found = queries.alarm_budget(Actor.of(cast.vera))
    assert (found.days, found.watches) == (30, 2)
    assert found.promised >= 30


@pytest.mark.django_db
def test_leads_set_the_budget_and_viewers_see_it(cast):
    for who, may in (("nadia", True), ("omar", True), ("lena", False), ("sam", False), ("vera", False), ("rui", False)):
        by = Actor.of(getattr(cast, who))
        if may:
            assert actions.set_alarm_budget(14, by=by).days == 14
        else:
            with pytest.raises(Forbidden):
                actions.set_alarm_budget(14, by=by)
    with pytest.raises(Forbidden):
        queries.alarm_budget(Actor.of(cast.rui))
    for wrong in (0, -1, 1e9, float("nan"), float("inf")):
        with pytest.raises(Invalid):
            actions.set_alarm_budget(wrong, by=Actor.of(cast.omar))


@pytest.mark.django_db
def test_over_the_api(cast):
    def ask(method, person, *scopes, **body):
        headers = {"HTTP_AUTHORIZATION": token(person, *scopes)["Authorization"]}
        data = (json.dumps(body),) if body else ()
        return getattr(Client(), method)("/api/v1/watches/budget", *data, content_type="application/json", **headers)

    assert ask("get", cast.vera, "watches:read").json() == {"days": 30.0, "watches": 0, "promised": None}
    assert ask("get", cast.vera, "points:write").status_code == 403
    assert ask("put", cast.lena, "watches:write", days=7).status_code == 403
    assert ask("put", cast.omar, "watches:read", days=7).status_code == 403
    assert ask("put", cast.omar, "watches:write", days=7).json()["days"] == 7
    assert ask("put", cast.omar, "watches:write", days=0).status_code == 422
    assert Client().get("/api/v1/watches/budget").status_code == 401
