"""How long the server takes for the page of an incident with 10,000 timeline entries (budget: 100 ms).

The view, its queries and its template in this process, on an embedded database of its own; wall and processor time of
each request. Beside it the same page with ten entries, so that what the length of the timeline costs can be seen.
"""

import os
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.measuring import keep, percentile, table

BUDGET_MS = 100.0
REQUESTS = 60
LENGTHS = (10, 10_000)


def main() -> int:
    """Measure both lengths; returns 1 when an answer was not the page."""
    with tempfile.TemporaryDirectory(prefix="andon-bench-") as folder:
        os.environ |= {"ANDON_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "andon.site.settings"}
        os.environ |= {"ANDON_BASE_URL": "http://testserver", "ANDON_LOG_LEVEL": "warning"}
        import django

        django.setup()
        rows = _measure()
    print(table(rows))
    print(f"kept in {keep('incident_page', rows, budget_ms=BUDGET_MS)}")
    return 0


def _measure() -> list[dict[str, float | int | str]]:
    from django.core.management import call_command
    from django.db import transaction
    from django.test import Client

    from andon.incidents.timeline import hold, record
    from andon.people.policy import Actor
    from andon.response import opening
    from tests.support.cast import make

    call_command("migrate", verbosity=0)
    cast = make()
    browser = Client()
    browser.force_login(cast.lena, backend="allauth.account.auth_backends.AuthenticationBackend")
    rows: list[dict[str, float | int | str]] = []
    for length in LENGTHS:
        incident = opening.declare(title=f"{length} entries", system=cast.credit_scorer, by=Actor.of(cast.omar))
        with transaction.atomic():
            held = hold(incident.pk)
            while held.timeline_count < length:
                record(held, "note", {"text": f"note {held.timeline_count}"}, by=Actor.of(cast.lena))
        wall, cpu = [], []
        for _ in range(REQUESTS):
            wall_before, cpu_before = time.perf_counter(), time.process_time()
            answer = browser.get(f"/incidents/{incident.number}")
            wall.append((time.perf_counter() - wall_before) * 1000)
            cpu.append((time.process_time() - cpu_before) * 1000)
            if answer.status_code != HTTPStatus.OK or f"{length} entries" not in answer.content.decode():
                raise SystemExit("That was not the page.")
        wall, cpu = wall[5:], cpu[5:]  # the first ones compile templates
        rows.append(
            {
                "timeline entries": length,
                "wall p50 ms": percentile(wall, 0.5),
                "wall p95 ms": percentile(wall, 0.95),
                "CPU p50 ms": percentile(cpu, 0.5),
                "bytes": len(answer.content),
            }
        )
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
