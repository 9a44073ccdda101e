"""100,000 open incidents whose next pages fall due: how late is the engine?

A real `andon engine` on SQLite or (with --postgres) a PostgreSQL of its own. Every incident has been paged once and is
not acknowledged; its chain waits half an hour between two steps, so that the next steps of all of them fall due evenly
over half an hour: 100,000 / 1,800 s = 56 a second. Measured over some seconds of that, and then for a burst: so many
steps due at one instant. `step` is the lag from when a step was due to when it was taken (its page is in the outbox);
`sent`, to when the page had been handed to its channel (Andon's log). Both include everything: finding it, taking it,
writing the timeline. 5,000 people are on call, so that no pace holds a page. The bench fails when a step that was due
was not taken.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.measuring import cpu_seconds, keep, percentile, table
from tests.support.postgres import fresh_database, running_postgres
from tests.support.processes import ROOT, RunningAndon, running_andon

PEOPLE = 5_000
WAIT_MINUTES = 30
LEAD = 15.0
"""Seconds from beginning to write what will be due, in a process of its own, to the first of it."""
AT_MOST = 300.0
MAKE = """
import sys
import django
django.setup()
from datetime import timedelta
from django.db import connection, transaction
from andon.incidents.models import Incident
from andon.kit import clock, db, ids
from andon.oncall.models import Chain, ChainStep, StepTarget
from andon.oncall.queries import freeze
from andon.paging.models import Page
from andon.people.models import ContactPoint, Organisation, Person
from andon.registry.models import System

number_of, people_of, wait = (int(given) for given in sys.argv[1:4])
now = clock.now()
Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank"})
people = [
    Person(email=f"p{n}@example.org", name=f"Person {n}", role="responder", password="!") for n in range(people_of)
]
Person.objects.bulk_create(people, batch_size=500)
points = [ContactPoint(person=one, kind="log", address=one.email, verified_at=now) for one in people]
ContactPoint.objects.bulk_create(points, batch_size=500)
chain = Chain.objects.create(slug="chain", name="Chain", repeats=100)
step = ChainStep.objects.create(chain=chain, position=1, wait_minutes=wait)
StepTarget.objects.create(step=step, person=people[0])
system = System.objects.create(slug="system", name="System", stage="production", chain=chain)
frozen = freeze(chain)
incident = Incident(
    number=0, title="Approvals fell by half", system=system, type="technical_failure", severity=2, detected_at=now,
    severity_reason="T3", chain=frozen, chain_step=1, protocol_slug="technical_failure", protocol_version="1",
    changed_at=now,
)
page = Page(
    step=1, round=1, channel="log", reason="step 1", first=True, key="", state="sent", send_after=now, sent_at=now
)


def rows(row, changes):
    fields = row._meta.concrete_fields
    values = {field.attname: getattr(row, field.attname) for field in fields}
    return [field.name for field in fields], [[(values | change)[f.attname] for f in fields] for change in changes]


keys = [ids.new() for _ in range(number_of)]
for start in range(0, number_of, 5000):
    incidents, pages = [], []
    for n in range(start, min(start + 5000, number_of)):
        person, point = people[n % people_of], points[n % people_of]
        target = {"kind": "person", "id": str(person.pk), "label": person.name}
        own = frozen | {"steps": [{"wait_minutes": wait, "targets": [target]}]}
        late = timedelta(minutes=wait) + timedelta(minutes=wait) * n / number_of
        named = {"id": keys[n], "number": n + 1, "group_key": f"bench:{n}"}
        incidents.append(named | {"chain": own, "next_page_at": now + late})
        reached = {"person_id": person.pk, "contact_point_id": point.pk}
        pages.append(reached | {"id": ids.new(), "incident_id": keys[n], "key": f"{n:032d}"})
    with transaction.atomic():
        db.insert_each(Incident, *rows(incident, incidents))
        db.insert_each(Page, *rows(page, pages))
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
"""
DUE = """
from datetime import datetime, timedelta, UTC
from andon.incidents.models import Incident
from andon.kit import clock, db
start = datetime.fromtimestamp(at, tz=UTC)
keys = dict(Incident.objects.filter(number__gt=first, number__lte=first + count).values_list("number", "pk"))
rows = [(start + timedelta(seconds=over * n / count), keys[first + n + 1]) for n in range(count)]
db.update_each(Incident, ["next_page_at"], rows)
"""
LAGS = """
from andon.paging.models import Page
pages = Page.objects.filter(first=False, incident__number__gt=first, incident__number__lte=first + count).order_by()
result = [
    [number, made.timestamp(), sent.timestamp() if sent else None]
    for number, made, sent in pages.values_list("incident__number", "created_at", "sent_at")
]
"""
AUDITED = "SELECT count(*) FROM engine_enginebeat WHERE audited_at IS NOT NULL"
AUDIT = """
from andon.engine.auditor import audit
from andon.kit import clock
started = clock.monotonic()
findings = [finding.check for finding in audit(clock.now()).findings]
result = [clock.monotonic() - started, findings]
"""


def measure(andon: RunningAndon, name: str, *, first: int, count: int, over: float) -> dict[str, Any]:
    """One line: let so many steps fall due over so many seconds; raises if one is not taken."""
    at = time.time() + LEAD
    andon.python(DUE, at=at, first=first, count=count, over=over)
    if andon.engine is None:
        raise RuntimeError("The engine is not running.")
    cpu = cpu_seconds(andon.engine.pid)
    time.sleep(max(0.0, at + over - time.time()))
    pages = andon.python(LAGS, first=first, count=count)
    while len(pages) < count or not all(sent for _, _, sent in pages):
        if time.time() > at + over + AT_MOST:
            raise SystemExit(f"{count} steps were due, {len(pages)} were taken:\n{andon.log('engine')[-3000:]}")
        time.sleep(1)
        pages = andon.python(LAGS, first=first, count=count)
    if len(pages) != count:
        raise SystemExit(f"{count} steps were due and {len(pages)} pages were made.")
    due = {number: at + over * (number - first - 1) / count for number, _, _ in pages}
    step = [made - due[number] for number, made, _ in pages]
    sent = [out - due[number] for number, _, out in pages]
    return {
        "due": name,
        "steps": count,
        "step p50 ms": percentile(step, 0.5) * 1000,
        "step p99 ms": percentile(step, 0.99) * 1000,
        "sent p50 ms": percentile(sent, 0.5) * 1000,
        "sent p99 ms": percentile(sent, 0.99) * 1000,
        "worst ms": max(sent) * 1000,
        "engine CPU-ms a step": (cpu_seconds(andon.engine.pid) - cpu) * 1000 / count,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite")
    given = parser.parse_args()
    rate = given.incidents / (WAIT_MINUTES * 60)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-")))
        url = None
        if given.postgres:
            server = stack.enter_context(running_postgres(durable=True))
            if server is None:
                raise SystemExit("There is no PostgreSQL: install Debian's package postgresql.")
            url = stack.enter_context(fresh_database(server))
        andon = stack.enter_context(running_andon(folder, url, engine=False, server=False))
        sizes = [str(given.incidents), str(min(PEOPLE, given.incidents)), str(WAIT_MINUTES)]
        subprocess.run([sys.executable, "-c", MAKE, *sizes], env=andon.environment, cwd=ROOT, check=True)
        andon.start_engine()
        while not andon.sql(AUDITED)[0][0]:  # it has started, has made its first audit, and is idle
            time.sleep(0.5)
        steady = max(1, round(rate * given.seconds))
        rows = [
            measure(andon, f"{rate:.0f} a second", first=0, count=steady, over=given.seconds),
            measure(andon, "all at once", first=steady, count=given.burst, over=0.0),
        ]
        audited, findings = andon.python(AUDIT)
    database = "PostgreSQL" if given.postgres else "SQLite"
    print(f"{given.incidents:,} open incidents on {database}\n{table(rows)}")
    print(f"An audit of all of them took {audited * 1000:,.0f} ms and found {findings or 'nothing'}.")
    path = keep(
        f"engine_{database.lower()}", rows, database=database, incidents=given.incidents, audit_ms=audited * 1000
    )
    print(f"written to {path.relative_to(Path(__file__).parents[1])}")


if __name__ == "__main__":
    main()
