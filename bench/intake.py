"""How many alerts the intake takes durably, a second and a second of the server's processor time.

Real server process, real database file (or PostgreSQL with --postgres), keep-alive clients on loopback that post
Alertmanager webhooks. `new` are alerts never heard before, `again` ones that fire on. After each run the database is
asked whether every alert that was answered with 200 is there; a difference fails the bench.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.measuring import cpu_seconds, keep, percentile, table
from tests.support.postgres import fresh_database, running_postgres
from tests.support.processes import RunningAndon, Sender, running_andon

KNOWN_ALERTS = 5_000  # how many different ones fire on in `again`
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


def requests(sender: Sender, alerts: int, *, again: bool) -> Iterator[bytes]:
    """Webhooks of so many alerts each, endless."""
    template = json.loads(SAMPLE.read_bytes())
    alert = template["alerts"][0] | {"fingerprint": "FINGERPRINT"}
    template["alerts"] = ["ALERTS"]
    before, after = (part.encode() for part in json.dumps(template, separators=(",", ":")).split('"ALERTS"'))
    one = json.dumps(alert, separators=(",", ":")).encode()
    path = sender.url[sender.url.index("/intake") :]
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {sender.token}\r\n"
    number = 0
    mark = time.time_ns()
    while True:
        names = [n % KNOWN_ALERTS if again else mark + n for n in range(number, number + alerts)]
        number += alerts
        body = before + b",".join(one.replace(b"FINGERPRINT", b"%016x" % name) for name in names) + after
        yield f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def load(andon: RunningAndon, made: Iterator[bytes], clients: int, seconds: float) -> Tally:
    """Send from so many connections for so long."""
    tally = Tally()
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    running = []
    for _ in range(clients):
        _, client = await loop.create_connection(lambda: Client(made, tally, until), "127.0.0.1", andon.port)
        running.append(client.done)
    await asyncio.gather(*running)
    return tally


def measure(andon: RunningAndon, alerts: int, *, again: bool, clients: int, seconds: float) -> dict[str, Any]:
    """One line of the table; raises if the database does not hold what was confirmed."""
    sender = andon.integration("alertmanager", f"bench-{alerts}-{'again' if again else 'new'}")
    made = requests(sender, alerts, again=again)
    asyncio.run(load(andon, made, clients, 0.5))  # warm up: caches, and in `again` most alerts are known by now
    heard = heard_by(andon, sender)
    if andon.server is None:
        raise RuntimeError("The server is not running.")
    cpu, started = cpu_seconds(andon.server.pid), time.perf_counter()
    tally = asyncio.run(load(andon, made, clients, seconds))
    elapsed, used = time.perf_counter() - started, cpu_seconds(andon.server.pid) - cpu
    kept = heard_by(andon, sender) - heard
    if kept != tally.taken * alerts:
        raise SystemExit(f"LOST: {tally.taken * alerts} alerts were confirmed and {kept} are in the database.")
    return {
        "alerts a request": alerts,
        "alerts": "again" if again else "new",
        "requests/s": tally.taken / elapsed,
        "alerts/s": tally.taken * alerts / elapsed,
        "alerts/CPU-s": tally.taken * alerts / used,
        "p50 ms": percentile(tally.seconds, 0.5) * 1000,
        "p99 ms": percentile(tally.seconds, 0.99) * 1000,
        "refused": tally.refused,
    }


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
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--alerts", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL in place of SQLite")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="andon-bench-")))
        url = None
        if given.postgres:
            server = stack.enter_context(running_postgres())
            if server is None:
                raise SystemExit("There is no PostgreSQL: install Debian's package postgresql.")
            url = stack.enter_context(fresh_database(server))
        andon = stack.enter_context(running_andon(folder, url, engine=False))
        runs = [(alerts, again) for alerts in given.alerts for again in (False, True)]
        rows = [measure(andon, n, again=again, clients=given.clients, seconds=given.seconds) for n, again in runs]
    database = "PostgreSQL" if given.postgres else "SQLite"
    print(f"Durable intake on {database}, {given.clients} connections\n{table(rows)}")
    path = keep(f"intake_{database.lower()}", rows, database=database, clients=given.clients, seconds=given.seconds)
    print(f"written to {path.relative_to(Path(__file__).parents[1])}")


if __name__ == "__main__":
    main()
