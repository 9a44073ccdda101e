"""A storm: 100,000 alerts of 500 systems, posted as senders would. How late is the first page of each incident?

Real processes: `andon serve`, `andon engine` beside it, SQLite or (with --postgres) a PostgreSQL of its own; keep-alive
clients on loopback that post Alertmanager webhooks as fast as they are answered, and again what was answered with 503.
The lag of an incident runs from when its first signal was heard to when its first page had been handed to its channel:
Andon's log (`sent_at`, which is written after the channel took it), or with --webhook a listener on loopback, by the
listener's own clock. Afterwards the database is asked whether every alert that was answered with 200 is in it, has been
routed, and found the one incident of its system; a difference fails the bench.

With --mixed each system has a type of its own of the five, and its alerts come in all severities by chance: an incident
opens with whichever comes first, but for an S5, which is kept as a hazard until one is open, and rises with what is
worse, which pages again.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from andon.practice.words import IncidentType
from bench.measuring import cpu_seconds, keep, percentile, table
from tests.support.listener import Listener, listening
from tests.support.postgres import fresh_database, running_postgres
from tests.support.processes import RunningAndon, Sender, running_andon

AT_MOST = 600.0
"""Seconds after which a storm that is not over has failed."""
RETRY = 0.5
SEVERITIES = ("info", "warning", "error", "critical", "s1")
TYPES = [word.value for word in IncidentType]
ORGANISATION = """
from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, StepTarget
from andon.people.models import ContactPoint, Organisation, Person
from andon.registry.models import System
Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank"})
people = [
    Person.objects.create_user(email=f"p{n}@example.org", name=f"Person {n}", role="responder") for n in range(50)
]
ContactPoint.objects.bulk_create(
    ContactPoint(person=one, kind="webhook" if pager else "log", address=pager or one.email,
                 secret="whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", verified_at=clock.now())
    for one in people
)
chains = [Chain.objects.create(slug=f"chain-{n}", name=f"Chain {n}") for n in range(25)]
for n, chain in enumerate(chains):
    for position in (1, 2):
        step = ChainStep.objects.create(chain=chain, position=position, wait_minutes=30)
        StepTarget.objects.create(step=step, person=people[2 * n + position - 1])
System.objects.bulk_create(
    System(slug=f"system-{n}", name=f"System {n}", stage="production", chain=chains[n % len(chains)])
    for n in range(systems)
)
"""
OUTCOME = """
from django.db.models import Count, F, Min
from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.paging.models import Page
heard = dict(Signal.objects.exclude(incident=None).values_list("incident").annotate(at=Min("first_at")))
firsts = Page.objects.filter(first=True).order_by().values_list("incident", "key", "sent_at")
result = {
    "incidents": Incident.objects.count(),
    "systems": Incident.objects.values("system").distinct().count(),
    "signals": Signal.objects.count(),
    "all pages": Page.objects.count(),
    "due": Signal.objects.filter(route_at__isnull=False).count(),
    "hazards": Signal.objects.filter(incident=None, reason_joined="hazard").count(),
    "astray": Signal.objects.exclude(incident=None).exclude(incident__system__slug=F("system_hint")).count()
    + Signal.objects.filter(incident=None).exclude(reason_joined="hazard").count(),
    "pages": [
        [str(incident), key, heard[incident].timestamp(), sent.timestamp() if sent else None]
        for incident, key, sent in firsts
    ],
}
"""
STATE = (
    "SELECT (SELECT count(*) FROM intake_signal WHERE route_at IS NOT NULL), "
    "(SELECT count(*) FROM incidents_incident), "
    "(SELECT count(DISTINCT incident_id) FROM paging_page WHERE sent_at IS NOT NULL)"
)


@dataclass
class Storm:
    """What is to be sent."""

    alerts: int
    systems: int
    per_request: int
    runs: bool
    mixed: bool = False

    def bodies(self) -> Iterator[bytes]:
        """Webhooks, each of some alerts; the systems mixed by chance, or one after the other."""
        numbers = list(range(self.alerts))
        if self.runs:
            numbers.sort(key=lambda number: number % self.systems)
        else:
            random.Random(7).shuffle(numbers)  # noqa: S311  the same storm each time, nothing secret
        for start in range(0, self.alerts, self.per_request):
            alerts = [self._alert(number) for number in numbers[start : start + self.per_request]]
            yield json.dumps({"version": "4", "status": "firing", "alerts": alerts}, separators=(",", ":")).encode()

    def _alert(self, number: int) -> dict[str, Any]:
        system = f"system-{number % self.systems}"
        said = {"severity": "critical"}
        if self.mixed:
            severity = SEVERITIES[number // self.systems % len(SEVERITIES)]
            said = {"severity": severity, "andon_type": TYPES[number % self.systems % len(TYPES)]}
        return {
            "status": "firing",
            "fingerprint": f"{number:016x}",
            "labels": {"alertname": "HighErrorRate", "system": system, "pod": f"pod-{number}", **said},
            "annotations": {"summary": f"Errors of {system}", "description": "More than 5 % of requests fail."},
            "startsAt": "2026-11-25T22:00:00Z",
        }


@dataclass
class Posted:
    """What the senders saw."""

    taken: int = 0
    refused: int = 0
    seconds: float = 0.0


async def post(andon: RunningAndon, sender: Sender, storm: Storm, clients: int) -> Posted:
    """Send it all from so many connections; what is refused with 503 is sent again."""
    posted = Posted()
    bodies = storm.bodies()
    path = sender.url[sender.url.index("/intake") :]
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {sender.token}\r\n"
    started = time.perf_counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", andon.port)
        for body in bodies:
            while True:
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                if answer.startswith(b"HTTP/1.1 200"):
                    posted.taken += 1
                    break
                if not answer.startswith(b"HTTP/1.1 503"):
                    raise SystemExit(f"A webhook was answered with {answer[:60]!r}.")
                posted.refused += 1
                await asyncio.sleep(RETRY)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    posted.seconds = time.perf_counter() - started
    return posted


def over(andon: RunningAndon, systems: int, deadline: float, look: Callable[[], None]) -> None:
    """Wait until nothing is due and every incident has had its first page."""
    while andon.sql(STATE)[0] != (0, systems, systems):
        if time.perf_counter() > deadline:
            raise SystemExit(f"The storm is not over: {andon.sql(STATE)[0]}\n{andon.log('engine')[-3000:]}")
        look()
        time.sleep(0.25)


def measure(andon: RunningAndon, storm: Storm, clients: int, pager: Listener | None) -> dict[str, Any]:
    """One line of the table; raises if an alert is lost or an incident is missing or doubled."""
    andon.python(ORGANISATION, systems=storm.systems, pager=f"{pager.url}/pager" if pager else "")
    sender = andon.integration("alertmanager", "storm")
    time.sleep(2)  # the engine has started, and is idle
    if andon.server is None or andon.engine is None:
        raise RuntimeError("The processes are not running.")
    pids = (andon.server.pid, andon.engine.pid)
    before = [cpu_seconds(pid) for pid in pids]
    started = time.perf_counter()
    posted = asyncio.run(post(andon, sender, storm, clients))
    over(andon, storm.systems, started + AT_MOST, lambda: None)
    elapsed = time.perf_counter() - started
    used = [cpu_seconds(pid) - earlier for pid, earlier in zip(pids, before, strict=True)]
    found = andon.python(OUTCOME)
    lost = storm.alerts - found["signals"]
    if found["hazards"] and not storm.mixed:
        raise SystemExit(f"{found['hazards']} alerts were taken for hazards, and none of them is one.")
    if lost or found["astray"] or found["incidents"] != storm.systems or found["systems"] != storm.systems:
        raise SystemExit(f"LOST OR DOUBLED: {found | {'pages': len(found['pages'])}}, {lost} alerts lost")
    lags = first_page_lags(found["pages"], pager)
    return {
        "alerts": storm.alerts,
        "incidents": found["incidents"],
        "lost": lost,
        "hazards": found["hazards"],
        "pages": found["all pages"],
        "taken/s": storm.alerts / posted.seconds,
        "refused": posted.refused,
        "all routed s": elapsed,
        "first page p50 s": percentile(lags, 0.5),
        "p99 s": percentile(lags, 0.99),
        "worst s": max(lags),
        "server CPU-s": used[0],
        "engine CPU-s": used[1],
    }


def first_page_lags(pages: list[list[Any]], pager: Listener | None) -> list[float]:
    """For each incident, the seconds from its first signal to its first page in the channel's hands."""
    if pager is not None:
        at = {heard.headers["webhook-id"]: heard.at for heard in reversed(list(pager.heard))}
        pages = [[incident, key, since, at.get(key)] for incident, key, since, _ in pages]
    lags: dict[str, float] = {}
    for incident, _, since, at_ in pages:
        if at_ is not None:
            lags[incident] = min(lags.get(incident, AT_MOST), at_ - since)
    return list(lags.values())


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--systems", type=int, default=500)
    parser.add_argument("--per-request", type=int, default=10)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--runs", action="store_true", help="all alerts of a system, then those of the next")
    parser.add_argument("--mixed", action="store_true", help="alerts of all severities, systems of all types")
    parser.add_argument("--webhook", action="store_true", help="page a listener on loopback in place of the log")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite")
    given = parser.parse_args()
    storm = Storm(given.alerts, given.systems, given.per_request, given.runs, given.mixed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-")))
        url = None
        if given.postgres:
            server = stack.enter_context(running_postgres(durable=True))
            if server is None:
                raise SystemExit("There is no PostgreSQL: install Debian's package postgresql.")
            url = stack.enter_context(fresh_database(server))
        pager = stack.enter_context(listening()) if given.webhook else None
        andon = stack.enter_context(running_andon(folder, url))
        rows = [measure(andon, storm, given.clients, pager)]
    database = "PostgreSQL" if given.postgres else "SQLite"
    channel = "a webhook on loopback" if given.webhook else "Andon's log"
    order = "one system after the other" if given.runs else "systems mixed"
    order += ", all severities and types" if given.mixed else ""
    print(f"A storm on {database}, {order}, {given.per_request} alerts a request, pages to {channel}\n{table(rows)}")
    name = "_".join(
        [
            "storm",
            database.lower(),
            *(["runs"] if given.runs else []),
            *(["mixed"] if given.mixed else []),
            *(["webhook"] if pager else []),
        ]
    )
    path = keep(name, rows, database=database, order=order, channel=channel, clients=given.clients)
    print(f"written to {path.relative_to(Path(__file__).parents[1])}")


if __name__ == "__main__":
    main()
