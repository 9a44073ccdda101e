"""A real Prometheus and a real Alertmanager (Debian's packages) fire a rule at Andon: it pages, and it resolves.

Real processes throughout; a webhook on loopback plays the pager.
"""

import json
import time
from collections.abc import Callable

import pytest

from tests.support.listener import listening
from tests.support.processes import RunningAndon, running_andon
from tests.support.prometheus import missing, running_prometheus

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
    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        andon.python(ORGANISATION, address=f"{pager.url}/pager")
        sender = andon.integration("alertmanager", "prometheus", resolves_incidents=True)
        with running_prometheus(tmp_path, url=sender.url, token=sender.token) as gauge:
            gauge.value = 0.2
            until(lambda: pager.heard, andon)
            fired = signal(andon)
            opened = incident(andon)
            gauge.value = 0.01
            until(lambda: incident(andon)[0] == "resolved", andon)
            ended = signal(andon)

        status, title, system, type_, severity, count, _ = fired
        assert (status, system, type_, severity) == ("firing", "credit-scorer", "performance_degradation", 2)
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
