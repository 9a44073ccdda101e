"""A real Prometheus and a real Alertmanager (Debian's packages) fire a rule at the intake, and take it back."""

import time

import pytest

from tests.support.processes import running_andon
from tests.support.prometheus import missing, running_prometheus

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(180),
    pytest.mark.skipif(bool(missing()), reason=f"REAL ALERTMANAGER NOT TESTED: {', '.join(missing())} not installed"),
]


def test_a_rule_that_fires_is_a_signal_and_its_end_resolves_it(tmp_path):
    with running_andon(tmp_path, engine=False) as andon:
        sender = andon.integration("alertmanager", "prometheus")
        with running_prometheus(tmp_path, url=sender.url, token=sender.token) as gauge:
            gauge.value = 0.2
            (firing,) = eventually(andon, "firing")
            gauge.value = 0.01
            (resolved,) = eventually(andon, "resolved")

    status, title, system, type_, severity, count, first_delivery, last_delivery = firing
    assert (status, system, type_, severity) == ("firing", "credit-scorer", "performance_degradation", 2)
    assert title == "20% of credit decisions fail"
    assert resolved[0] == "resolved"
    assert resolved[7] != first_delivery
    assert count >= 1
    assert last_delivery


def eventually(andon, status, within=60.0):
    """The signals with this status, as soon as there are any."""
    deadline = time.monotonic() + within
    while True:
        rows = andon.sql(
            "SELECT status, title, system_hint, type_hint, severity_hint, count, first_delivery, last_delivery "
            "FROM intake_signal WHERE status = ?",
            status,
        )
        if rows:
            return rows
        assert time.monotonic() < deadline, andon.log("server")
        time.sleep(0.1)
