"""The auditor finds what has no time at which it will happen, repairs it, and withholds the heartbeat."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from andon.engine.auditor import audit
from andon.engine.modules import Auditor, Heartbeat
from andon.incidents.actions import add_note
from andon.incidents.models import Incident
from andon.intake.models import Integration, Signal
from andon.kit.clock import FixedClock
from andon.paging import sending
from andon.paging.models import Mirror, Page
from andon.people.policy import Actor
from andon.practice.words import WatchKind
from andon.response.acknowledging import acknowledge
from andon.watch.actions import create_watch, pause_watch
from andon.watch.facts import WatchFacts
from andon.watch.models import Watch
from tests.support.cast import Cast
from tests.support.listener import Listener, listening
from tests.support.paging import Story, kinds, open_incident


@pytest.fixture
def story(time: FixedClock, cast: Cast) -> Story:
    return Story(time)


@pytest.fixture
def incident(cast: Cast, time: FixedClock) -> Incident:
    return open_incident(cast.credit_scorer, cast.vera)


def checks(time: FixedClock) -> list[str]:
    return [finding.check for finding in audit(time.now()).findings]


def test_a_healthy_night_passes(story: Story, incident: Incident):
    story.run()
    for _ in range(30):
        story.forward(minutes=1)
        assert audit(story.time.now()).passed


def test_a_silent_incident_is_paged_and_its_timeline_says_so(story: Story, incident: Incident, cast: Cast):
    story.run()
    Incident.objects.filter(pk=incident.pk).update(next_page_at=None)  # what must never happen
    found = audit(story.time.now())
    assert [(f.check, f.count, f.repaired) for f in found.findings] == [("silent_incidents", 1, 1)]
    assert "escalation_repaired" in kinds(incident)
    story.paged(cast.tomas)
    assert audit(story.time.now()).passed


def test_a_service_that_nobody_tells_is_found_and_one_under_another_clock_is_told(
    story: Story, incident: Incident, cast: Cast
):
    story.run()
    mirror = Mirror.objects.create(
        incident=incident, contact_point=cast.lena.contact_points.get(), due_at=story.time.now() - timedelta(minutes=3)
    )
    assert checks(story.time) == ["late_mirrors"]
    Mirror.objects.update(due_at=story.time.now() + timedelta(hours=3))
    assert checks(story.time) == ["clock_set_back"]
    story.run()
    mirror.refresh_from_db()
    assert mirror.due_at is None
    assert audit(story.time.now()).passed


def test_an_acknowledged_incident_may_be_silent(story: Story, incident: Incident, cast: Cast):
    acknowledge(incident, by=Actor.of(cast.lena), via="page")
    assert audit(story.time.now()).passed


def test_an_incident_contained_by_a_rule_still_needs_somebody(story: Story, incident: Incident):
    Incident.objects.filter(pk=incident.pk).update(state="contained", next_page_at=None)
    assert checks(story.time) == ["silent_incidents"]


def test_a_clock_that_is_set_back_silences_nothing(story: Story, incident: Incident, cast: Cast):
    story.paged(cast.lena)
    story.time.set(story.time.now() - timedelta(hours=6))
    assert [message.to for message in story.run()] == ["Tomas"]  # a page too many rather than six hours of silence
    assert story.forward(minutes=1) == []
    assert audit(story.time.now()).passed
    assert [message.to for message in story.forward(minutes=4)] == ["Omar"]


def test_a_note_that_is_written_after_the_clock_was_set_back_hides_no_page_that_lies_ahead(
    story: Story, incident: Incident, cast: Cast
):
    story.paged(cast.lena)
    story.time.set(story.time.now() - timedelta(hours=6))
    add_note(incident, text="Somebody looks at the logs.", by=Actor.of(cast.omar))
    assert "clock_set_back" in checks(story.time)
    assert [message.to for message in story.run()] == ["Tomas"]


def test_a_page_cut_off_before_the_clock_was_set_back_is_sent(story: Story, incident: Incident, cast: Cast):
    story.engine.modules[1].run_once(story.time.now(), 100)
    sending.claim(story.time.now(), 10, "one that dies")
    story.time.set(story.time.now() - timedelta(hours=6))
    assert "Lena" in [message.to for message in story.run()]


def test_a_round_that_took_long_does_not_end_the_lease_of_another_engine(story: Story, incident: Incident):
    began = story.time.now()
    auditor = Auditor()
    story.engine.modules[1].run_once(began, 100)
    story.time.forward(timedelta(minutes=2))
    page, *_ = sending.claim(story.time.now(), 10, "another")
    auditor.run_once(began, 100)
    assert Page.objects.get(pk=page.pk).due_at == story.time.now() + sending.LEASE


def test_steps_that_nobody_takes_are_found(story: Story, incident: Incident):
    story.time.forward(timedelta(minutes=2))
    assert checks(story.time) == []
    story.time.forward(timedelta(seconds=1))
    assert checks(story.time) == ["late_steps"]


def test_pages_that_nobody_sends_are_found(story: Story, incident: Incident):
    story.engine.modules[1].run_once(story.time.now(), 100)
    story.time.forward(timedelta(minutes=2))
    assert checks(story.time) == []
    story.time.forward(timedelta(seconds=1))
    assert checks(story.time) == ["late_pages"]


def test_pages_cut_off_and_not_taken_up_again_are_found(story: Story, incident: Incident):
    story.run()
    Page.objects.update(state="sending", due_at=story.time.now())
    story.time.forward(timedelta(minutes=2))
    assert checks(story.time) == []
    story.time.forward(timedelta(seconds=1))
    assert checks(story.time) == ["abandoned_pages"]


def test_signals_that_nobody_routes_are_found(story: Story, cast: Cast):
    now = story.time.now()
    source = Integration.objects.create(slug="prom", name="Prometheus", kind="alertmanager", token_digest="x")
    Signal.objects.create(
        integration=source,
        fingerprint="a",
        status="firing",
        title="Drift",
        first_at=now,
        last_at=now,
        dedup_reason="new",
        route_at=now,
    )
    assert checks(story.time) == []
    story.time.forward(timedelta(seconds=61))
    assert checks(story.time) == ["unrouted_signals"]


def test_it_audits_once_a_minute_also_when_the_clock_jumps_back(story: Story):
    auditor = Auditor()
    assert auditor.run_once(story.time.now(), 100) == 1
    assert auditor.run_once(story.time.forward(timedelta(seconds=59)), 100) == 0
    assert auditor.run_once(story.time.forward(timedelta(seconds=1)), 100) == 1
    story.time.set(story.time.now() - timedelta(hours=2))
    assert auditor.run_once(story.time.now(), 100) == 1


@pytest.fixture
def outside(settings: object) -> Iterator[Listener]:
    with listening() as listener:
        settings.HEARTBEAT_URL = f"{listener.url}/ping"
        yield listener


def test_the_heartbeat_tells_each_audit_that_passed_once(story: Story, outside: Listener):
    auditor = Auditor()
    heartbeat = Heartbeat(lambda: auditor.last, beside=False)
    heartbeat.run_once(story.time.now(), 1)
    assert outside.heard == []  # nothing was audited yet
    for _ in range(3):
        auditor.run_once(story.time.now(), 1)
        heartbeat.run_once(story.time.now(), 1)
        story.time.forward(timedelta(seconds=30))
    assert [heard.path for heard in outside.heard] == ["/ping", "/ping"]


def test_the_heartbeat_is_silent_while_the_audit_fails(story: Story, outside: Listener, incident: Incident):
    story.engine.modules[1].run_once(story.time.now(), 100)
    story.time.forward(timedelta(minutes=5))
    auditor = Auditor()
    auditor.run_once(story.time.now(), 1)
    Heartbeat(lambda: auditor.last, beside=False).run_once(story.time.now(), 1)
    assert outside.heard == []


def test_the_heartbeat_is_silent_when_the_auditor_has_stopped(story: Story, outside: Listener):
    auditor = Auditor()
    auditor.run_once(story.time.now(), 1)
    story.time.forward(timedelta(minutes=3))
    Heartbeat(lambda: auditor.last, beside=False).run_once(story.time.now(), 1)
    assert outside.heard == []


def test_a_watch_that_stands_still_is_found_and_runs_and_one_that_is_late_is_said(story: Story, cast: Cast):
    watch = create_watch(
        WatchFacts(system=cast.credit_scorer, name="Errors", kind=WatchKind.ERROR_RATE, what="error"),
        by=Actor.of(cast.omar),
    )
    story.run()
    assert audit(story.time.now()).passed
    Watch.objects.filter(pk=watch.pk).update(next_run_at=None)  # what must never happen
    found = audit(story.time.now())
    assert [(f.check, f.count, f.repaired) for f in found.findings] == [("watches_stand_still", 1, 1)]
    assert audit(story.time.now()).passed
    story.time.forward(timedelta(minutes=11))
    assert "late_watches" in checks(story.time)
    story.run()
    assert audit(story.time.now()).passed
    pause_watch(watch, by=Actor.of(cast.omar))
    assert Watch.objects.get(pk=watch.pk).next_run_at is None
    assert audit(story.time.now()).passed


def test_after_a_clock_that_was_set_back_watches_run_at_once(story: Story, cast: Cast):
    watch = create_watch(
        WatchFacts(system=cast.credit_scorer, name="Errors", kind=WatchKind.ERROR_RATE, what="error"),
        by=Actor.of(cast.omar),
    )
    story.run()
    story.time.set(story.time.now() - timedelta(days=1))
    assert "clock_set_back" in checks(story.time)
    story.run()
    watch.refresh_from_db()
    assert watch.ran_at == story.time.now()


def test_an_outside_that_does_not_answer_stops_nothing(story: Story, settings: object):
    settings.HEARTBEAT_URL = "http://127.0.0.1:1/"
    auditor = Auditor()
    auditor.run_once(story.time.now(), 1)
    Heartbeat(lambda: auditor.last, beside=False).run_once(story.time.now(), 1)


def test_each_check_is_answered_by_an_index(story: Story):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as asked:
        audit(story.time.now())
    reads = [query["sql"] for query in asked.captured_queries if query["sql"].startswith("SELECT")]
    assert len(reads) == 17  # thirteen checks, two times of watches and one of pulls, and whether Slack is set up
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL scans small tables whatever the index; the plan is judged on SQLite")
    with connection.cursor() as cursor:
        for sql in reads:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
            assert "USING" in plan, plan
            assert "INDEX" in plan, plan
