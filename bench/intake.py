"""How many alerts the intake takes durably, a second and a second of the server's processor time.

Real server process, real database file (or PostgreSQL with --postgres), keep-alive clients on loopback that post
Alertmanager webhooks. `new` are alerts never heard before, `again` ones that fire on. After each run the database is
asked whether every alert that was answered with 200 is there; a difference fails the bench.

Beside it, in the same run and turn by turn, a real Alertmanager (Debian's package), which keeps alerts in memory,
takes the same alerts at its own address: `ratio` is Andon's rate divided by Alertmanager's. Each measurement is
repeated in turns, and the median is kept, because the two share the machine with the clients and with whatever else
runs there.

Both answer before all is done: Andon copies its log later, Alertmanager dispatches and collects garbage (up to a core
of that fell into Andon's turns). So a turn begins when both have come to rest, and what a server does until then is
counted as its own processor time. `beside` is how much of a core the other server used during a turn all the same.
PostgreSQL's own processes are in neither.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.measuring import bytes_written, cpu_seconds, keep, percentile, table
from tests.support.postgres import fresh_database, running_postgres
from tests.support.processes import RunningAndon, Sender, running_andon
from tests.support.prometheus import free_port, running_alertmanager

KNOWN_ALERTS = 5_000  # how many different ones fire on in `again`
RESTING = 0.04  # of a core
REST_SECONDS, MOST_SECONDS = 0.5, 60.0  # how long it must use so little, and how long it may take until it does
# Its one group is looked at soon after it began, within the rest that follows its turn, and then not for hours.
NOBODY_TOLD = "route: {receiver: nobody, group_wait: 1s, group_interval: 12h}\nreceivers: [{name: nobody}]\n"
SAMPLE = Path(__file__).parents[1] / "src/andon/intake/adapters/alertmanager/samples/firing.json"


@dataclass
class Tally:
    """What the clients saw."""

    taken: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)


class Client(asyncio.Protocol):
    """One keep-alive connection that sends the next request as soon as it has an answer."""

    def __init__(self, requests: Iterator[bytes], tally: Tally, until: float) -> None:
        self.requests = requests
        self.tally = tally
        self.until = until
        self.done = asyncio.get_running_loop().create_future()
        self.sent_at = 0.0
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        self.send()

    def send(self) -> None:
        """The next request, or the end."""
        now = time.perf_counter()
        if now >= self.until:
            self.transport.close()
            return
        self.sent_at = now
        self.transport.write(next(self.requests))  # type: ignore[attr-defined]  # a socket's transport

    def data_received(self, data: bytes) -> None:
        """An answer: small, with a content-length, so its end is easy to see."""
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(body) < length:
            return
        self.tally.seconds.append(time.perf_counter() - self.sent_at)
        if head.startswith(b"HTTP/1.1 200"):
            self.tally.taken += 1
        else:
            self.tally.refused += 1
        self.answer = b""
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        """The end, or the server hung up."""
        if not self.done.done():
            self.done.set_result(error)


@dataclass(frozen=True)
class Target:
    """A server under load: where it listens, its process, and what one of its requests looks like.

    Attributes:
        head: The request line and headers, without the length.
        before: The body before the alerts; `after`, what follows them.
        alert: One alert, with FINGERPRINT where its name goes.
    """

    name: str
    port: int
    pid: int
    head: str
    before: bytes
    alert: bytes
    after: bytes


def andon_target(andon: RunningAndon, sender: Sender) -> Target:
    """Andon's intake, spoken to as Alertmanager does."""
    if andon.server is None:
        raise RuntimeError("The server is not running.")
    template = json.loads(SAMPLE.read_bytes())
    alert = template["alerts"][0] | {"fingerprint": "FINGERPRINT"}
    template["alerts"] = ["ALERTS"]
    before, after = (part.encode() for part in json.dumps(template, separators=(",", ":")).split('"ALERTS"'))
    path = sender.url[sender.url.index("/intake") :]
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {sender.token}\r\n"
    one = json.dumps(alert, separators=(",", ":")).encode()
    return Target("Andon", andon.port, andon.server.pid, head, before, one, after)


def alertmanager_target(port: int, pid: int) -> Target:
    """Alertmanager's own intake, spoken to as Prometheus does, with the same labels and annotations."""
    sample = json.loads(SAMPLE.read_bytes())["alerts"][0]
    alert = {
        "labels": sample["labels"] | {"instance": "FINGERPRINT"},  # its fingerprint is made of the labels
        "annotations": sample["annotations"],
        "startsAt": datetime.now(tz=UTC).isoformat(),
        "endsAt": (datetime.now(tz=UTC) + timedelta(hours=1)).isoformat(),
        "generatorURL": sample["generatorURL"],
    }
    head = "POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return Target("Alertmanager", port, pid, head, b"[", json.dumps(alert, separators=(",", ":")).encode(), b"]")


def requests(target: Target, alerts: int, *, again: bool) -> Iterator[bytes]:
    """Requests of so many alerts each, endless."""
    number = 0
    mark = time.time_ns()
    while True:
        names = [n % KNOWN_ALERTS if again else mark + n for n in range(number, number + alerts)]
        number += alerts
        body = b",".join(target.alert.replace(b"FINGERPRINT", b"%016x" % name) for name in names)
        whole = target.before + body + target.after
        yield f"{target.head}Content-Length: {len(whole)}\r\n\r\n".encode() + whole


async def load(port: int, made: Iterator[bytes], clients: int, seconds: float) -> Tally:
    """Send from so many connections for so long."""
    tally = Tally()
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    running = []
    for _ in range(clients):
        _, client = await loop.create_connection(lambda: Client(made, tally, until), "127.0.0.1", port)
        running.append(client.done)
    await asyncio.gather(*running)
    return tally


@dataclass
class Measured:
    """One run against one target: what the clients saw, and what it cost the server."""

    tally: Tally
    rate: float
    per_cpu: float
    written: float
    beside: float


def run(target: Target, others: list[Target], made: Iterator[bytes], alerts: int, **how: Any) -> Measured:
    """Load a target, and let it come to rest; rates are in alerts."""
    cpu, written, started = cpu_seconds(target.pid), bytes_written(target.pid), time.perf_counter()
    beside = sum(cpu_seconds(other.pid) for other in others)
    tally = asyncio.run(load(target.port, made, **how))
    elapsed = time.perf_counter() - started
    beside = sum(cpu_seconds(other.pid) for other in others) - beside
    come_to_rest([target, *others])
    used = cpu_seconds(target.pid) - cpu
    taken = tally.taken * alerts
    written = bytes_written(target.pid) - written
    return Measured(tally, taken / elapsed, taken / used, written / taken, beside / elapsed)


def come_to_rest(targets: list[Target]) -> None:
    """Wait until none of the servers has anything to do; raises if that takes too long to be only what was sent."""
    until = time.perf_counter() + MOST_SECONDS
    while True:
        used = sum(cpu_seconds(target.pid) for target in targets)
        time.sleep(REST_SECONDS)
        if sum(cpu_seconds(target.pid) for target in targets) - used <= RESTING * REST_SECONDS * len(targets):
            return
        if time.perf_counter() > until:
            raise SystemExit(f"After {MOST_SECONDS:.0f} s one of the servers is still at work.")


def measure(
    andon: RunningAndon, alerts: int, *, again: bool, clients: int, seconds: float, turns: int, beside: Target | None
) -> dict[str, Any]:
    """One line of the table; raises if the database does not hold what was confirmed."""
    sender = andon.integration("alertmanager", f"bench-{alerts}-{'again' if again else 'new'}")
    target = andon_target(andon, sender)
    targets = [target, *([beside] if beside else [])]
    streams = {each.name: requests(each, alerts, again=again) for each in targets}
    runs: dict[str, list[Measured]] = {each.name: [] for each in targets}
    for each in targets:  # warm up: caches, and in `again` most alerts are known by now
        asyncio.run(load(each.port, streams[each.name], clients, 0.5))
    come_to_rest(targets)
    heard = heard_by(andon, sender)
    for _ in range(turns):
        for each in targets:
            others = [other for other in targets if other is not each]
            one = run(each, others, streams[each.name], alerts, clients=clients, seconds=seconds)
            runs[each.name].append(one)
    ours = runs[target.name]
    taken = sum(one.tally.taken for one in ours) * alerts
    kept = heard_by(andon, sender) - heard
    if kept != taken:
        raise SystemExit(f"LOST: {taken} alerts were confirmed and {kept} are in the database.")
    waits = [wait for one in ours for wait in one.tally.seconds]
    row: dict[str, Any] = {
        "alerts a request": alerts,
        "alerts": "again" if again else "new",
        "alerts/s": _median(ours, lambda one: one.rate),
        "alerts/CPU-s": _median(ours, lambda one: one.per_cpu),
        "bytes/alert": _median(ours, lambda one: one.written),
        "p50 ms": percentile(waits, 0.5) * 1000,
        "p99 ms": percentile(waits, 0.99) * 1000,
        "beside": _median(ours, lambda one: one.beside),
        "refused": sum(one.tally.refused for one in ours),
    }
    if beside is not None:
        theirs = runs[beside.name]
        row |= {
            "Alertmanager/s": _median(theirs, lambda one: one.rate),
            "its /CPU-s": _median(theirs, lambda one: one.per_cpu),
            "its beside": _median(theirs, lambda one: one.beside),
            "its refused": sum(one.tally.refused for one in theirs),
        }
        row |= {
            "ratio": row["alerts/s"] / row["Alertmanager/s"],
            "ratio /CPU-s": row["alerts/CPU-s"] / row["its /CPU-s"],
        }
    return row


def _median(runs: list[Measured], what: Callable[[Measured], float]) -> float:
    return median(what(one) for one in runs)


def heard_by(andon: RunningAndon, sender: Sender) -> int:
    """How many firing events of a sender the database has counted."""
    statement = (
        "SELECT coalesce(sum(s.count), 0) FROM intake_signal s JOIN intake_integration i ON i.id = s.integration_id "
        "WHERE i.slug = ?"
    )
    return int(andon.sql(statement, sender.slug)[0][0])


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--turns", type=int, default=3, help="runs of each target, turn by turn; the median is kept")
    parser.add_argument("--alerts", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--workers", type=int, default=0, help="processes of Andon's server; 0: as it is by default")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite")
    parser.add_argument("--alone", action="store_true", help="without an Alertmanager beside it")
    given = parser.parse_args()
    facts = {"clients": given.clients, "seconds": given.seconds, "turns": given.turns, "workers": given.workers}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-")))
        url = None
        if given.postgres:
            server = stack.enter_context(running_postgres(durable=True))
            if server is None:
                raise SystemExit("There is no PostgreSQL: install Debian's package postgresql.")
            url = stack.enter_context(fresh_database(server))
        andon = stack.enter_context(running_andon(folder, url, engine=False, workers=given.workers))
        beside = None if given.alone else _alertmanager(stack, folder)
        rows = [
            measure(andon, alerts, again=again, clients=given.clients, seconds=given.seconds,
                    turns=given.turns, beside=beside)
            for alerts in given.alerts for again in (False, True)
        ]  # fmt: skip
    database = "PostgreSQL" if given.postgres else "SQLite"
    print(f"Durable intake on {database}, {given.clients} connections\n{table(rows)}")
    path = keep(f"intake_{database.lower()}", rows, database=database, **facts)
    print(f"written to {path.relative_to(Path(__file__).parents[1])}")


def _alertmanager(stack: ExitStack, folder: Path) -> Target | None:
    """A real Alertmanager that sends nothing on, if this machine has one."""
    if shutil.which("prometheus-alertmanager") is None:
        print("No Alertmanager beside it: install Debian's package prometheus-alertmanager.")
        return None
    port = free_port()
    pid = stack.enter_context(running_alertmanager(folder, NOBODY_TOLD, port=port))
    return alertmanager_target(port, pid)


if __name__ == "__main__":
    main()
