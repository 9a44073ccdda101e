"""From numbers that go wrong to an incident, a page, and the news that it is over: stories under a clock that is moved."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, connections

from andon.incidents.models import Incident
from andon.intake import own
from andon.intake.models import Integration, Signal
from andon.people.policy import Actor
from andon.practice.grouping import RouteReason
from andon.practice.words import ContainmentKind, HarmDimension, IncidentType, Measure, WatchKind
from andon.registry.models import System
from andon.response.acknowledging import acknowledge
from andon.response.assessing import estimate_onset, score_harm
from andon.response.containing import contain
from andon.response.resolving import resolve
from andon.response.routing import route_due
from andon.watch import actions
from andon.watch.actions import telling
from andon.watch.actions.pushing import Batch, Point
from andon.watch.actions.writing import question_of
from andon.watch.models import Alarm, Watch
from tests.support.paging import Story, kinds
from tests.watch.conftest import MONDAY

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
A_HOUR = 200
REGIONS = ("north", "south")


class Push(Story):
    """A story in which a service pushes what it counts, hour by hour."""

    def tell(self, watch, hours, failing):
        """Say of some hours how many of 200 failed, half of them in each region; None = say nothing."""
        points = []
        for hour in hours:
            failed = failing(hour)
            counts = failed if isinstance(failed, dict) or failed is None else dict.fromkeys(REGIONS, failed / 2)
            for region in REGIONS if counts else ():
                at = MONDAY + hour * HOUR
                points.append(Point(at, A_HOUR // 2, counts[region], segment={"region": region}))
        if points:
            actions.push(watch, Batch("test", hours[0], points), by=Actor.of(watch.made_by))

    def until(self, hour, *told, at_once=False):
        """Let hours pass; `told` are pairs of a watch and what fails of it in an hour."""
        step = hour - self.hour if at_once else 1
        for first in range(self.hour, hour, step):
            self.time.set(MONDAY + (first + step) * HOUR + timedelta(minutes=4))
            for watch, failing in told:
                self.tell(watch, range(first, first + step), failing)
            self.run()
        self.hour = hour


@pytest.fixture
def story(time, cast):
    time.set(MONDAY)
    one = Push(time)
    one.hour = 0
    return one


def entries(incident, kind):
    return [entry.body for entry in incident.timeline.filter(kind=kind)]


def step(at, before=10, after=30, back=10_000):
    """Out of 200 an hour `before` fail, and `after` from hour `at` until hour `back`."""
    return lambda hour: after if at <= hour < back else before


def ramp(hour):
    """10 of 200, from hour 40 on two more every four hours up to 30, and back at hour 110 after a rollback."""
    return 10 if hour < 40 or hour >= 110 else 10 + min(20, 2 * ((hour - 40) // 4))


@pytest.mark.heavy
def test_a_ramp_is_found_paged_contained_and_its_end_is_told(story, cast, watched):
    watch = watched(None, what="error", segments=["region"], budget=1000)
    story.until(40, (watch, ramp), at_once=True)
    assert not Incident.objects.exists()

    story.until(90, (watch, ramp))
    incident = Incident.objects.get()
    assert incident.incident_type is IncidentType.TECHNICAL_FAILURE
    assert incident.system == cast.credit_scorer
    assert incident.onset_low <= MONDAY + 44 * HOUR <= incident.onset_high
    assert incident.onset_low <= incident.onset <= incident.onset_high
    assert incident.onset < incident.detected_at
    (raised,) = entries(incident, "alarm_raised")
    assert raised["figures"]["n"] >= A_HOUR
    assert raised["affected"] > 0
    assert "were to be expected" in raised["says"]
    scale = incident.harm_scores.filter(dimension=HarmDimension.SCALE).order_by("created_at", "pk").last()
    assert (scale.value, scale.by) == (2, None)
    assert "Counted by machine" in scale.evidence
    assert kinds(incident).count("paged") >= 1
    opened = incident.timeline.get(kind="opened")
    assert "Watches" in opened.body["because"]

    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    contain(incident, kind=ContainmentKind.ROLL_BACK, note="rolled back", by=Actor.of(cast.lena))
    story.until(150, (watch, ramp))
    incident.refresh_from_db()
    assert incident.state == "contained"  # that it is back says nothing of why: a person resolves
    (recovered,) = entries(incident, "alarm_recovered")
    assert "before the onset" in recovered["says"]
    assert kinds(incident).count("signals_ended") == 1
    assert Signal.objects.get().status == "resolved"
    resolve(incident, summary="The rate is back; checked.", by=Actor.of(cast.lena))
    assert Incident.objects.count() == 1
    assert watch.alarms.count() == 1


@pytest.mark.heavy
def test_two_watches_that_see_one_cause_are_one_incident_of_two_types(story, cast, watched):
    errors = watched(None, what="error", budget=1000, segments=["region"])
    harmful = watched(None, kind="harmful_output", what="harmful", budget=1000, segments=["region"])
    told = (errors, step(40, after=50)), (harmful, step(40, after=24))
    story.until(39, *told, at_once=True)
    story.until(60, *told)
    incident = Incident.objects.get()
    assert incident.incident_type is IncidentType.TECHNICAL_FAILURE
    assert incident.secondary_types == ["safety"]
    assert len(entries(incident, "alarm_raised")) == 2
    reasons = set(Signal.objects.values_list("reason_joined", flat=True))
    assert reasons == {RouteReason.NO_INCIDENT_YET, RouteReason.ONSETS_OVERLAP}


def test_two_alarms_that_come_at_once_are_one_incident(story, cast, watched):
    one = watched(None, what="error", budget=1000, segments=["region"])
    other = watched(None, kind="harmful_output", what="harmful", budget=1000, segments=["region"])
    told = (one, step(40, after=60)), (other, step(40, after=60))
    story.until(39, *told, at_once=True)
    story.until(48, *told)
    assert Signal.objects.count() == 2
    assert len({signal.first_at for signal in Signal.objects.all()}) == 1
    assert Signal.objects.values_list("incident", flat=True).distinct().count() == Incident.objects.count() == 1


@pytest.mark.heavy
def test_alarms_that_began_apart_are_two_incidents_even_of_one_type(story, cast, watched):
    one = watched(None, what="error", budget=1000, segments=["region"])
    other = watched(None, kind="missing_inputs", what="missing", budget=1000, segments=["region"])
    told = (one, step(40, after=80)), (other, step(55, after=80))
    story.until(39, *told, at_once=True)
    story.until(60, *told)
    first, second = Incident.objects.order_by("number")
    assert first.type == second.type == IncidentType.TECHNICAL_FAILURE
    assert first.onset_high < second.onset_low
    assert Signal.objects.get(incident=second).reason_joined == RouteReason.ONSETS_APART
    assert Signal.objects.get(incident=first).reason_joined == RouteReason.NO_INCIDENT_YET


def test_an_alarm_of_the_past_opens_nothing_when_it_is_over(story, cast, watched):
    watch = watched(None, what="error", budget=1000)
    story.time.set(MONDAY + 140 * HOUR + timedelta(minutes=4))
    points = [Point(MONDAY + hour * HOUR, A_HOUR, step(40, after=80, back=60)(hour)) for hour in range(140)]
    actions.push(watch, Batch("backfill", 1, points), by=Actor.of(cast.omar))
    story.run()
    alarm = watch.alarms.get()
    assert alarm.recovered_at is not None
    assert alarm.signal is None
    assert not Signal.objects.exists()
    assert not Incident.objects.exists()


def test_an_alarm_of_the_past_that_goes_on_opens_an_incident(story, cast, watched):
    watch = watched(None, what="error", budget=1000)
    story.time.set(MONDAY + 100 * HOUR + timedelta(minutes=4))
    points = [Point(MONDAY + hour * HOUR, A_HOUR, step(40, after=80)(hour)) for hour in range(100)]
    actions.push(watch, Batch("backfill", 1, points), by=Actor.of(cast.omar))
    story.run()
    incident = Incident.objects.get()
    assert abs(incident.onset - (MONDAY + 40 * HOUR)) <= HOUR
    assert incident.onset_low <= incident.onset <= incident.onset_high


def test_a_segment_that_drives_it_is_named_with_its_counts(story, cast, watched):
    watch = watched(None, what="error", segments=["region"], budget=1000)

    def south(hour):
        return {"north": 5, "south": 45} if hour >= 40 else {"north": 5, "south": 5}

    story.until(39, (watch, south), at_once=True)
    story.until(50, (watch, south))
    (raised,) = entries(Incident.objects.get(), "alarm_raised")
    (driver,) = raised["drivers"]
    assert driver["segment"] == {"region": "south"}
    assert driver["total"] / driver["n"] == pytest.approx(0.45, abs=0.05)
    assert driver["total_before"] / driver["n_before"] == pytest.approx(0.05, abs=0.01)
    assert "region = south: 45.0% of" in raised["text"]


def test_a_group_of_one_column_is_named_though_segments_are_of_two(story, cast, watched, signed_in):
    watch = watched(None, what="error", segments=["region", "channel"], budget=1000)
    story.time.set(MONDAY + 60 * HOUR + timedelta(minutes=4))
    points = [
        Point(MONDAY + hour * HOUR, 50, 15 if hour >= 40 and region == "south" else 3, segment=segment)
        for hour in range(60)
        for region in REGIONS
        for channel in ("web", "branch")
        for segment in [{"region": region, "channel": channel}]
    ]
    actions.push(watch, Batch("backfill", 1, points), by=Actor.of(cast.omar))
    story.run()
    alarm = watch.alarms.get()
    (driver,) = alarm.drivers
    assert driver["segment"] == {"region": "south"}
    assert (driver["n"], driver["total"]) == (2_000, 600)
    assert driver["excess"] == pytest.approx(600 - 2_000 * 0.06, abs=1)
    page = signed_in(cast.lena).get(f"/watches/{watch.number}").context
    assert {small.name for small in page["segments"].smalls if small.driver} == {"south, web", "south, branch"}
    assert len(page["segments"].smalls) == 4


@pytest.mark.heavy
def test_what_people_have_said_of_onset_and_scale_stands(story, cast, watched):
    watch = watched(None, what="error", budget=1000, segments=["region"])
    story.until(45, (watch, ramp), at_once=True)
    while not Incident.objects.exists():
        story.until(story.hour + 1, (watch, ramp))
    incident = Incident.objects.get()
    lena = Actor.of(cast.lena)
    began = MONDAY + 39 * HOUR
    estimate_onset(incident, onset=began, low=None, high=None, why="the release", by=lena)
    score_harm(incident, dimension=HarmDimension.SCALE, value=4, evidence="All of Europe.", by=lena)
    story.until(story.hour + 25, (watch, ramp))
    incident.refresh_from_db()
    assert (incident.onset_low, incident.onset, incident.onset_high) == (None, began, None)
    assert incident.harm_scores.filter(dimension=HarmDimension.SCALE).order_by("created_at", "pk").last().value == 4
    assert "alarm_grew" in kinds(incident)


@pytest.mark.heavy
def test_the_onset_is_estimated_again_as_data_come_in_and_the_timeline_says_when_it_moves(story, cast, watched):
    watch = watched(None, what="error", budget=1000, segments=["region"])
    story.until(45, (watch, ramp), at_once=True)
    while not Incident.objects.exists():
        story.until(story.hour + 1, (watch, ramp))
    before = Incident.objects.get()
    story.until(story.hour + 30, (watch, ramp))
    after = Incident.objects.get()
    moved = entries(after, "onset_estimated")
    assert moved
    assert (before.onset_low, before.onset, before.onset_high) != (after.onset_low, after.onset, after.onset_high)
    assert moved[-1]["onset"] == after.onset.isoformat()
    assert "90% interval" in moved[-1]["why"]
    assert len(moved) <= 10


def test_silence_is_not_health_a_log_that_stops_alarms(story, cast, watched):
    watch = watched(None, kind="volume", what="decisions", budget=1000)
    story.until(40, (watch, lambda hour: 100), at_once=True)
    assert not Incident.objects.exists()
    story.until(50, (watch, lambda hour: None))
    incident = Incident.objects.get()
    assert incident.title.startswith("A watch of volume fell")
    (raised,) = entries(incident, "alarm_raised")
    assert raised["figures"]["total"] == 0
    assert raised["affected"] == pytest.approx(100 * raised["figures"]["windows"], rel=0.05)


def test_an_incident_resolves_when_the_measure_is_back_if_a_lead_has_decided_so(story, cast, watched):
    watch = watched(None, what="error", budget=1000, segments=["region"])
    story.until(39, (watch, step(40, after=80, back=50)), at_once=True)
    story.until(50, (watch, step(40, after=80, back=50)))
    Integration.objects.filter(slug=own.WATCHES.slug).update(resolves_incidents=True)
    story.until(65, (watch, step(40, after=80, back=50)))
    incident = Incident.objects.get()
    assert incident.state == "resolved"
    assert "alarm_recovered" in kinds(incident)


@pytest.mark.heavy
def test_what_comes_back_after_it_was_resolved_is_a_new_incident(story, cast, watched):
    watch = watched(None, what="error", budget=1000, segments=["region"])

    def twice(hour):
        return 80 if 40 <= hour < 50 or hour >= 70 else 10

    story.until(39, (watch, twice), at_once=True)
    story.until(50, (watch, twice))
    first = Incident.objects.get()
    acknowledge(first, by=Actor.of(cast.lena), via="page")
    contain(first, kind=ContainmentKind.ROLL_BACK, note="rolled back", by=Actor.of(cast.lena))
    story.until(65, (watch, twice))
    resolve(first, summary="It is back.", by=Actor.of(cast.lena))
    story.until(75, (watch, twice))
    assert Incident.objects.count() == 2
    assert watch.alarms.count() == 2


def test_a_watch_of_a_critical_system_that_cannot_be_read_is_a_signal_that_ends_when_it_can(
    story, cast, written, connected, watched, folder
):
    """Of another system it is only shown."""
    name = written([{"at": MONDAY.isoformat(), "failed": 0}, {"at": (MONDAY + HOUR).isoformat(), "failed": 0}])
    watched(connected(), what="failed")
    away = folder / f"{name}.away"
    for criticality, signals in (("moderate", 0), ("critical", 1)):
        System.objects.filter(pk=cast.credit_scorer.pk).update(criticality=criticality)
        (folder / name).rename(away)
        story.run()
        for _ in range(5):
            story.forward(minutes=16)
        assert Signal.objects.filter(status="firing").count() == signals
        away.rename(folder / name)
        story.forward(minutes=61)
        assert not Signal.objects.filter(status="firing").exists()
    incident = Incident.objects.get()
    assert incident.title == "Blind: WATCH-1 A watch of error_rate cannot be read"
    assert name in incident.description
    assert "No window from 2026-02-02 02:00 UTC on is read." in incident.description
    assert incident.incident_type is IncidentType.TECHNICAL_FAILURE
    assert incident.state == "resolved"


def test_a_gap_between_groups_makes_a_fairness_violation(story, cast, watched):
    """From the alarm on; that a gap alarms is held where gaps are judged."""
    watch = watched(None, what="approved")
    Watch.objects.filter(pk=watch.pk).update(
        kind=WatchKind.FAIRNESS_GAP,
        measure=Measure.GAP,
        severity_hint=None,
        judged_until=MONDAY + 48 * HOUR,
        detector={"since": MONDAY.isoformat()},
    )
    watch.refresh_from_db()
    story.time.set(MONDAY + 48 * HOUR)
    Alarm.objects.create(
        number=1,
        watch=watch,
        raised_at=story.time.now(),
        window_start=MONDAY + 47 * HOUR,
        window_end=MONDAY + 48 * HOUR,
        direction="up",
        statistic=20_000,
        threshold=10_000,
        baseline=0.02,
        observed=0.11,
        onset_low=MONDAY + 20 * HOUR,
        onset_at=MONDAY + 24 * HOUR,
        onset_high=MONDAY + 30 * HOUR,
    )
    telling.tell(watch, question_of(watch), story.time.now())
    story.run()
    incident = Incident.objects.get()
    assert incident.incident_type is IncidentType.FAIRNESS_VIOLATION
    assert (incident.onset_low, incident.onset_high) == (MONDAY + 20 * HOUR, MONDAY + 31 * HOUR)
    assert incident.technical == 3  # S2, as the kind asks
    assert incident.title == "A watch of error_rate rose to 11.0%, from 2.0%"
    assert len(entries(incident, "alarm_raised")) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer at a time")
def test_two_engines_that_take_two_alarms_at_once_make_one_incident(time, cast, watched):
    time.set(MONDAY + 48 * HOUR)
    for number, kind in enumerate((WatchKind.ERROR_RATE, WatchKind.HARMFUL_OUTPUT), start=1):
        watch = watched(None, kind=kind, what=f"metric {number}")
        watch.judged_until, watch.detector = (
            time.now(),
            {"since": MONDAY.isoformat(), "baseline": {"mean": 0.02, "n": 99}},
        )
        watch.save()
        Alarm.objects.create(
            number=number,
            watch=watch,
            raised_at=time.now(),
            window_start=MONDAY + 47 * HOUR,
            window_end=MONDAY + 48 * HOUR,
            direction="up",
            statistic=20_000,
            threshold=10_000,
            baseline=0.02,
            observed=0.11,
            onset_low=MONDAY + number * 4 * HOUR,
            onset_at=MONDAY + 24 * HOUR,
            onset_high=MONDAY + 30 * HOUR,
        )
        telling.tell(watch, question_of(watch), time.now())
    together = Barrier(2)

    def engine(_number):
        try:
            together.wait(20)
            return route_due(time.now(), 1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(engine, range(2)))
    while sum(taken) < 2:
        taken.append(route_due(time.now(), 2))
    assert Incident.objects.count() == 1
    assert Signal.objects.filter(incident__isnull=False).count() == 2
    reasons = set(Signal.objects.values_list("reason_joined", flat=True))
    assert reasons == {RouteReason.NO_INCIDENT_YET, RouteReason.ONSETS_OVERLAP}
    assert connection.vendor == "postgresql"
