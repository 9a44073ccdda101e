"""Numbers that are pushed: counted once each, added up, judged as those of a log are, and refused in words."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.policy import Actor
from andon.practice.words import Measure
from andon.sdk import sending, timing
from andon.sdk.counting import Counter
from andon.watch import actions
from andon.watch.actions import pushing
from andon.watch.actions.pushing import Batch, Outcome, Point
from andon.watch.models import Pushed, Watch, WindowState
from tests.support.paging import Story
from tests.support.scenes import token
from tests.watch.conftest import MONDAY

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def errors(watched, time):
    time.set(MONDAY + 10 * HOUR)
    return watched(None, what="error", segments=["region"])


def point(hour=0, n=100, total=5, **segment):
    return Point(MONDAY + hour * HOUR, n, total, segment=segment)


def batch(*points, instance="a", sequence=1):
    return Batch(instance, sequence, points or (point(),))


def sums(watch):
    rows = WindowState.objects.filter(watch=watch).order_by("window_start", "segment")
    return {(row.window_start, row.segment): (row.n, row.total, row.squares) for row in rows}


def test_a_batch_that_comes_again_counts_once_and_everything_else_adds(errors, cast):
    omar = Actor.of(cast.omar)
    one = batch(point(0, 100, 5, region="north"), point(1, 50, 1))
    assert actions.push(errors, one, by=omar) == Outcome(counted=1)
    assert actions.push(errors, one, by=omar) == Outcome(repeated=1)
    assert actions.push(errors, batch(point(0, 10, 1), sequence=2), by=omar) == Outcome(counted=1)
    assert actions.push(errors, batch(point(0, 10, 1), instance="b"), by=omar) == Outcome(counted=1)
    assert actions.push(errors, batch(point(1, 10, 1)), by=omar) == Outcome(counted=1)  # of another window
    assert sums(errors) == {
        (MONDAY, ""): (120, 7, 7),
        (MONDAY, '["north"]'): (100, 5, 5),
        (MONDAY + HOUR, ""): (60, 2, 2),
    }


pushes = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(1, 4),
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from(["north", "south", None])),
            min_size=1,
            max_size=4,
        ),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pushes, st.randoms(use_true_random=False))
def test_in_any_order_and_however_often_each_batch_counts_once(errors, cast, sent, random):
    WindowState.objects.filter(watch=errors).delete()
    Pushed.objects.filter(watch=errors).delete()
    Watch.objects.filter(pk=errors.pk).update(began_at=None)
    batches = {}
    for instance, sequence, points in sent:
        made = [point(hour, n, n // 2, **({"region": where} if where else {})) for hour, n, where in points]
        batches.setdefault((instance, sequence, min(hour for hour, _, _ in points)), Batch(instance, sequence, made))
    arriving = [*batches.values(), *random.choices(list(batches.values()), k=len(batches))] if batches else []
    random.shuffle(arriving)
    for one in arriving:
        actions.push(errors, one, by=Actor.of(cast.omar))
    wanted = {}
    for one in batches.values():
        for each in one.points:
            for segment in ["", *([json.dumps([each.segment["region"]])] if each.segment else [])]:
                n, total = wanted.get((each.at, segment), (0, 0))
                wanted[each.at, segment] = (n + each.n, total + each.total)
    assert {key: found[:2] for key, found in sums(errors).items()} == wanted


def test_every_watch_that_goes_by_a_metric_counts_it_and_an_unknown_one_is_said_with_those_there_are(
    errors, watched, cast
):
    other = watched(None, kind="metric", what="error", window_minutes=1440)
    watched(None, kind="volume")
    omar = Actor.of(cast.omar)
    assert actions.push_metric(cast.credit_scorer, "error", batch(), by=omar) == Outcome(counted=2)
    assert sums(errors)[MONDAY, ""] == sums(other)[MONDAY, ""] == (100, 5, 5)
    with pytest.raises(Missing, match=r"No watch of Credit scorer goes by a pushed metric “eror”\. .*error, volume"):
        actions.push_metric(cast.credit_scorer, "eror", batch(), by=omar)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (batch(point(0, 3, 4)), "points[0].total"),
        (batch(point(0, 3, -1)), "points[0].total"),
        (batch(point(), point(0, -3, 0)), "points[1].n"),
        (batch(point(0, 3, float("nan"))), "points[0].total"),
        (batch(point(11)), "points[0].at"),
        (batch(Point((MONDAY + HOUR).replace(tzinfo=None), 1, 1)), "points[0].at"),
        (batch(instance=" "), "instance"),
        (batch(instance="x" * 101), "instance"),
        (Batch("a", 1, ()), "points"),
        (Batch("a", 1, [point()] * (pushing.AT_ONCE + 1)), "points"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_nothing_of_its_batch_counts(errors, cast, wrong, field):
    with pytest.raises(Invalid) as refused:
        actions.push(errors, wrong, by=Actor.of(cast.omar))
    assert refused.value.field == field
    assert sums(errors) == {}
    assert not Pushed.objects.exists()


@pytest.mark.parametrize("year", [1, 1970])
def test_a_clock_that_was_never_set_makes_no_million_windows(errors, cast, year):
    with pytest.raises(Invalid, match="more than 20,000 windows of WATCH-1 back"):
        actions.push(errors, batch(replace(point(), at=MONDAY.replace(year=year))), by=Actor.of(cast.omar))
    errors.refresh_from_db()
    assert (sums(errors), errors.began_at) == ({}, None)


def test_what_is_beyond_any_count_is_refused_before_its_sum_is_infinite(watched, cast, time):
    time.set(MONDAY + 10 * HOUR)
    watch = watched(None, "volume", what="decisions")
    for wrong in (replace(point(), total=1e308), replace(point(), squares=1e308), replace(point(), n=10**15)):
        with pytest.raises(Invalid, match=r"cannot be meant|are counted"):
            actions.push(watch, batch(wrong), by=Actor.of(cast.omar))
    assert sums(watch) == {}


def test_a_mean_needs_bounds_and_sums_that_numbers_between_them_can_have(watched, cast, time):
    time.set(MONDAY + 10 * HOUR)
    with pytest.raises(Invalid, match="bounds"):
        watched(None, kind="latency", what="latency")
    watch = watched(None, kind="latency", what="latency", low=0.0, high=10.0)
    omar = Actor.of(cast.omar)
    for wrong in (Point(MONDAY, 2, 21, 300), Point(MONDAY, 2, 8, 20), Point(MONDAY, 2, 8)):
        with pytest.raises(Invalid):
            actions.push(watch, batch(wrong), by=omar)
    actions.push(watch, batch(Point(MONDAY, 2, 8, 34)), by=omar)
    assert sums(watch) == {(MONDAY, ""): (2, 8, 34)}


def test_a_watch_that_reads_a_log_or_has_ended_takes_no_numbers(errors, watched, written, connected, cast, time):
    written([{"at": MONDAY.isoformat(), "failed": 0}])
    reads = watched(connected(), what="failed")
    omar = Actor.of(cast.omar)
    with pytest.raises(Conflict, match="reads the decision log"):
        actions.push(reads, batch(), by=omar)
    actions.end_watch(errors, by=omar)
    with pytest.raises(Conflict, match="was ended"):
        actions.push(errors, batch(), by=omar)


def test_what_comes_late_is_added_and_what_was_judged_is_kept(errors, cast, time):
    omar, story = Actor.of(cast.omar), Story(time)
    Watch.objects.filter(pk=errors.pk).update(baseline=0.05)
    actions.push(errors, batch(point(0)), by=omar)
    time.set(MONDAY + 11 * HOUR)
    story.run()
    errors.refresh_from_db()
    assert errors.judged_until == MONDAY + 10 * HOUR
    assert sums(errors)[MONDAY + 5 * HOUR, ""] == (0, 0, 0)  # nobody pushed anything: that is known too
    actions.push(errors, batch(point(0, 10, 10), sequence=2), by=omar)
    state = WindowState.objects.get(watch=errors, window_start=MONDAY, segment="")
    assert (state.n, state.total) == (110, 15)
    assert [(was["n"], was["total"]) for was in state.was] == [(100, 5)]


def test_while_it_learns_late_numbers_are_learnt(errors, cast, time):
    omar, story = Actor.of(cast.omar), Story(time)
    actions.push(errors, batch(point(9)), by=omar)
    time.set(MONDAY + 11 * HOUR)
    story.run()
    actions.push(errors, batch(*[point(hour) for hour in range(9)], instance="backfill"), by=omar)
    story.run()
    errors.refresh_from_db()
    assert errors.detector["windows"] == 10
    assert errors.detector["n"] == 1000


def test_after_andon_was_away_it_waits_for_what_senders_kept(errors, cast, time):
    omar, story = Actor.of(cast.omar), Story(time)
    actions.push(errors, batch(point(9)), by=omar)
    time.set(MONDAY + 11 * HOUR)
    story.run()
    time.set(MONDAY + 20 * HOUR)
    story.run()
    errors.refresh_from_db()
    assert "waits for numbers that come late" in errors.error
    assert errors.read_until == MONDAY + 10 * HOUR
    actions.push(errors, batch(*[point(hour) for hour in range(10, 19)], sequence=2), by=omar)
    time.forward(timedelta(minutes=6))
    story.run()
    errors.refresh_from_db()
    assert (errors.error, errors.read_until) == (errors.detector["says"], MONDAY + 20 * HOUR) or errors.error == ""
    assert sums(errors)[MONDAY + 18 * HOUR, ""] == (100, 5, 5)


def test_too_many_segments_of_a_window_are_one_other_segment(errors, cast, monkeypatch):
    monkeypatch.setattr(pushing, "MOST_SEGMENTS", 2)
    actions.push(errors, batch(*[point(0, 10, 1, region=f"r{number}") for number in range(5)]), by=Actor.of(cast.omar))
    found = sums(errors)
    assert found[MONDAY, ""] == (50, 5, 5)
    assert found[MONDAY, '["(other)"]'] == (30, 3, 3)
    assert len(found) == 4


def test_batches_are_forgotten_after_a_while(errors, cast, time):
    actions.push(errors, batch(), by=Actor.of(cast.omar))
    assert pushing.forget(time.now() + timedelta(days=29), 10) == 0
    assert pushing.forget(time.now() + timedelta(days=31), 10) == 1
    assert not Pushed.objects.exists()


@pytest.mark.parametrize(
    ("who", "may"), [("nadia", True), ("omar", True), ("lena", True), ("sam", False), ("vera", False), ("rui", False)]
)
def test_leads_and_whoever_answers_for_the_system_push(errors, cast, who, may):
    by = Actor.of(getattr(cast, who))
    for push in (
        lambda: actions.push(errors, batch(), by=by),
        lambda: actions.push_metric(cast.credit_scorer, "error", batch(sequence=2), by=by),
    ):
        if may:
            assert push().counted == 1
        else:
            with pytest.raises(Forbidden):
                push()


# The API


BODY = {"instance": "a", "sequence": 1, "points": [{"at": MONDAY.isoformat(), "n": 100, "total": 5}]}


def post(path, headers, **more):
    return Client().post(f"/api/v1{path}", json.dumps(BODY | more), content_type="application/json", **headers)


def header(person, *scopes):
    return {"HTTP_AUTHORIZATION": token(person, *scopes)["Authorization"]}


def test_over_the_api_a_token_for_points_is_enough_and_nothing_else_is(errors, cast):
    assert post("/watches/1/points", {}).status_code == 401
    assert post("/watches/1/points", header(cast.omar, "signals:write", "systems:write")).status_code == 403
    assert post("/watches/1/points", header(cast.sam, "points:write")).status_code == 403
    allowed = header(cast.lena, "points:write")
    answer = post(f"/watches/{errors.number}/points", allowed)
    assert (answer.status_code, answer.json()) == (200, {"counted": 1, "repeated": 0})
    assert post(f"/watches/{errors.number}/points", allowed).json() == {"counted": 0, "repeated": 1}
    metric = post("/systems/credit-scorer/points", allowed, metric="error", sequence=2)
    assert metric.json() == {"counted": 1, "repeated": 0}
    assert sums(errors) == {(MONDAY, ""): (200, 10, 10)}


def test_points_may_be_pushed_without_the_version_in_the_address(errors, cast):
    def push(headers, **more):
        body = json.dumps(BODY | more)
        return Client().post(f"/api/watches/{errors.number}/points", body, content_type="application/json", **headers)

    assert push({}).status_code == 401
    assert push(header(cast.sam, "points:write")).status_code == 403
    assert push(header(cast.lena, "points:write"), points=[])["Content-Type"] == "application/problem+json"
    assert push(header(cast.lena, "points:write")).json() == {"counted": 1, "repeated": 0}
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.lena, backend="allauth.account.auth_backends.AuthenticationBackend")
    forged = browser.post(
        f"/api/watches/{errors.number}/points", BODY | {"sequence": 2}, content_type="application/json"
    )
    assert forged.status_code in {401, 403}
    assert sums(errors) == {(MONDAY, ""): (100, 5, 5)}


@pytest.mark.parametrize("at", [MONDAY.isoformat(), int(MONDAY.timestamp()), int(MONDAY.timestamp() * 1000)])
def test_a_time_may_be_unix_time_in_seconds_or_milliseconds(errors, cast, at):
    points = [{"at": at, "n": 100, "total": 5}]
    answer = post(f"/watches/{errors.number}/points", header(cast.lena, "points:write"), points=points)
    assert answer.json() == {"counted": 1, "repeated": 0}
    assert sums(errors) == {(MONDAY, ""): (100, 5, 5)}


@pytest.mark.parametrize(
    ("path", "more", "status", "says"),
    [
        ("/watches/99/points", {}, 404, "There is no watch WATCH-99"),
        ("/systems/nothing/points", {"metric": "error"}, 404, "nothing"),
        ("/systems/credit-scorer/points", {"metric": "eror"}, 404, "There are: error"),
        ("/watches/1/points", {"points": []}, 422, "points"),
        ("/watches/1/points", {"points": [{"at": "yesterday", "n": 1, "total": 1}]}, 422, "points"),
        (
            "/watches/1/points",
            {"points": [{"at": MONDAY.isoformat(), "n": 1, "total": 2}]},
            422,
            "cannot have the event",
        ),
        ("/watches/1/points", {"sequence": -1}, 422, "sequence"),
        ("/watches/1/points", {"sequnce": 1}, 422, "sequnce"),
    ],
)
def test_what_is_wrong_is_said_in_words(errors, cast, path, more, status, says):
    Watch.objects.filter(pk=errors.pk).update(number=1)
    answer = post(path, header(cast.omar, "points:write"), **more)
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"].startswith("application/problem+json")
    assert says in answer.content.decode()


def test_what_a_service_counts_arrives_in_the_windows_of_its_watch(errors, cast, time, monkeypatch):
    """The SDK's own bytes, through the API's own door; the first answer is lost on the way."""
    headers = header(cast.lena, "points:write")
    lost = [True]

    def attempt(_line, url, body):
        answer = Client().post(url.removeprefix("http://andon.test"), body, content_type="application/json", **headers)
        assert answer.status_code == 200, answer.content
        return sending.Tried(taken=not lost, again=bool(lost and lost.pop()), why="the answer was lost")

    monkeypatch.setattr(sending, "attempt", attempt)
    monkeypatch.setattr(timing, "now", lambda: time.now() - timedelta(minutes=5))
    monkeypatch.setattr(timing, "pause", lambda _seconds: None)
    counter = Counter(url="http://andon.test", token="t", background=False)
    for number in range(200):
        counter.count("credit-scorer", error=number % 20 == 0, segment={"region": ("north", "south")[number % 2]})
    assert counter.flush(60)
    start = errors.window_of(time.now() - timedelta(minutes=5))
    assert sums(errors) == {
        (start, ""): (200, 10, 10),
        (start, '["north"]'): (100, 10, 10),
        (start, '["south"]'): (100, 0, 0),
    }
    assert Measure(errors.measure) is Measure.RATE


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer at a time")
def test_the_same_batch_from_many_lines_at_once_counts_once(errors, cast):
    def push(_number):
        try:
            return actions.push(errors, batch(), by=Actor.of(cast.omar)).counted
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(push, range(12))) == 1
    assert sums(errors)[MONDAY, ""] == (100, 5, 5)
    assert connection.vendor == "postgresql"
