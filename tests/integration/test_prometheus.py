"""A real Prometheus and a real Alertmanager (Debian's packages) fire a rule at Andon: it pages, and it resolves.

Real processes throughout; a webhook on loopback plays the pager.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
import yaml

from tests.support.listener import listening
from tests.support.processes import RunningAndon, running_andon
from tests.support.prometheus import (
    alertmanager_config,
    free_port,
    missing,
    running_alertmanager,
    running_prometheus,
)

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(missing()), reason=f"REAL ALERTMANAGER NOT TESTED: {', '.join(missing())} not installed"),
]

ORGANISATION = """
from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, StepTarget
from andon.people.models import ContactPoint, Organisation, Person
from andon.registry.models import System
Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank"})
lena = Person.objects.create_user(email="lena@example.org", name="Lena", role="responder")
ContactPoint.objects.create(
    person=lena, kind="webhook", address=address, secret="whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    verified_at=clock.now(),
)
chain = Chain.objects.create(slug="credit", name="Credit")
StepTarget.objects.create(step=ChainStep.objects.create(chain=chain, position=1, wait_minutes=30), person=lena)
System.objects.create(slug="credit-scorer", name="Credit scorer", stage="production", criticality="high", chain=chain)
"""


def test_a_rule_that_fires_opens_an_incident_and_pages_and_its_end_resolves_it(tmp_path, database_url):
    through("alertmanager", tmp_path, database_url, severity=2)


@pytest.mark.parametrize(("kind", "severity"), [("pagerduty", 2), ("opsgenie", 3)])
def test_the_same_through_what_alertmanager_sends_to_other_pagers(tmp_path, kind, severity):
    through(kind, tmp_path, None, severity=severity)


def through(kind, tmp_path, database_url, *, severity):
    """The story of one rule, Alertmanager being set up as the integration's own help says."""
    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        andon.python(ORGANISATION, address=f"{pager.url}/pager")
        sender = andon.integration(kind, "prometheus", resolves_incidents=True)
        with running_prometheus(tmp_path, url=sender.url, token=sender.token, kind=kind) as gauge:
            gauge.value = 0.2
            until(lambda: pager.heard, andon)
            fired = signal(andon)
            opened = incident(andon)
            gauge.value = 0.01
            until(lambda: incident(andon)[0] == "resolved", andon)
            ended = signal(andon)

        status, title, system, type_, said, count, _ = fired
        assert (status, system, type_, said) == ("firing", "credit-scorer", "performance_degradation", severity)
        assert title == "20% of credit decisions fail"
        assert count >= 1
        assert ended[0] == "resolved"
        assert ended[-1], "it says why it went where it went"

        assert opened == ("open", "performance_degradation", "20% of credit decisions fail")
        assert len(pager.heard) == 1
        assert "20% of credit decisions fail" in json.dumps(json.loads(pager.heard[0].body))
        kinds = [kind for (kind,) in andon.sql("SELECT kind FROM incidents_timelineentry ORDER BY seq")]
        assert kinds[0] == "opened"
        assert {"page_sent", "signals_ended", "resolved"} <= set(kinds)
        assert andon.sql("SELECT count(*) FROM incidents_incident") == [(1,)]


ALERTS = 40


def test_overload_is_503_to_a_real_alertmanager_which_tries_again_until_nothing_is_missing(tmp_path):
    alertmanager = free_port()
    with running_andon(tmp_path, engine=False) as andon:
        sender = andon.integration("alertmanager", "prometheus")
        config = alertmanager_config("alertmanager", url=sender.url, token=sender.token)
        with running_alertmanager(tmp_path, config, port=alertmanager):
            with another_writer(andon):
                fire(alertmanager)
                until(lambda: failed(alertmanager) > 0, andon)
                assert andon.sql("SELECT count(*) FROM intake_signal") == [(0,)]
            until(lambda: andon.sql("SELECT count(*) FROM intake_signal") == [(ALERTS,)], andon, 90)
            heard = andon.sql("SELECT DISTINCT outcome FROM intake_delivery")
    assert heard == [("accepted",)]


def test_what_a_real_alertmanager_leaves_out_by_max_alerts_is_said(tmp_path):
    alertmanager = free_port()
    with running_andon(tmp_path, engine=False) as andon:
        sender = andon.integration("alertmanager", "prometheus")
        config = yaml.safe_load(alertmanager_config("alertmanager", url=sender.url, token=sender.token))
        config["receivers"][0]["webhook_configs"][0]["max_alerts"] = 3
        config["route"] |= {"group_by": [], "group_wait": "1s"}  # all in one group, sent once they are all there
        with running_alertmanager(tmp_path, yaml.safe_dump(config), port=alertmanager):
            fire(alertmanager)
            until(lambda: andon.sql("SELECT count(*) FROM intake_delivery") != [(0,)], andon)
            ((outcome, signals, why),) = andon.sql("SELECT outcome, signals, error FROM intake_delivery")
    assert (outcome, signals) == ("partly", 3)
    assert why.startswith(f"{ALERTS - 3} alerts were left out by the sender itself")


@contextmanager
def another_writer(andon: RunningAndon) -> Iterator[None]:
    """Somebody else holds the database for writing, as a long maintenance would: nothing can be written meanwhile."""
    connection = sqlite3.connect(andon.database_url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def fire(alertmanager: int) -> None:
    """Give Alertmanager alerts, as Prometheus does."""
    alerts = [
        {"labels": {"alertname": f"Alert{n}", "severity": "info"}, "startsAt": "2026-03-02T03:00:00Z"}
        for n in range(ALERTS)
    ]
    httpx.post(f"http://127.0.0.1:{alertmanager}/api/v2/alerts", json=alerts, timeout=10).raise_for_status()


def failed(alertmanager: int) -> float:
    """How many of its requests Alertmanager saw fail."""
    text = httpx.get(f"http://127.0.0.1:{alertmanager}/metrics", timeout=10).text
    name = 'alertmanager_notification_requests_failed_total{integration="webhook"}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def signal(andon: RunningAndon) -> tuple:
    """The one signal as the database has it."""
    (row,) = andon.sql(
        "SELECT status, title, system_hint, type_hint, severity_hint, count, reason_joined FROM intake_signal"
    )
    return row


def incident(andon: RunningAndon) -> tuple:
    """The one incident as the database has it."""
    (row,) = andon.sql("SELECT state, type, title FROM incidents_incident")
    return row


def until(true: Callable[[], object], andon: RunningAndon, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"{andon.log('engine')}\n{andon.log('server')}"
        time.sleep(0.1)
