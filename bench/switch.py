"""The kill switch: how long from the click to the effect in every guarded process, and what a read costs.

A real `andon serve` on SQLite or (with --postgres) a PostgreSQL of its own, and guarded processes that are forked from
one parent, each with a stream, a copy on disk and acknowledgements of its own. A click is a request to the API; its
effect, in each process, the moment from which `mode()` gives the new mode (both by the machine's one monotonic clock).
That moment is noted where it is, and read by the bench once all is over: whoever is called on a change is called by
another thread, later, and a bench that woke at each word would take its processor time from those still to come.
`first` and `last` are the first and the last process of each click; `acknowledged` is when Andon knew of all of them.
Then, in one process: what `mode()` costs in service and contained. And with the server killed: what each process does
at once, and after an hour by its clock. The bench fails when a process misses a revision or does something else.
"""

import argparse
import logging
import os
import select
import subprocess
import sys
import tempfile
import time
import timeit
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[1]))

from andon.sdk.guard import Guard, Reading
from andon.sdk.guard.sealing import Token
from bench.measuring import cpu_seconds, keep, percentile, table
from tests.support.guarding import Desk, wait_for
from tests.support.postgres import fresh_database, running_postgres
from tests.support.processes import running_andon

LOOP = timeit.Timer("pass")
READS = 100_000
HOUR = 3600.0
SETTLES = 0.3
"""Seconds after the answer to a click in which the bench keeps out of the way."""
PATIENCE = 60.0
"""Seconds after which a process that says nothing has missed what it was told."""


class Noting(Guard):
    """Says from when on `mode()` gives the mode of a new revision."""

    told = -1
    first = 0

    def _tell_all(self, reading: Reading) -> None:
        at = time.monotonic()
        if self.told >= 0 and reading.revision > self.first:
            os.write(self.told, f"{reading.revision} {at} {self.mode()}\n".encode())
        super()._tell_all(reading)


def child(token: str, url: str, folder: Path, told: int, asks: int) -> None:
    """A guarded process: writes the moment of each revision, then what it does with the server dead."""
    guard = Noting(Token.read(token), url, folder=folder)
    before = guard.mode()
    must(guard.wait(60), f"Andon was not heard; the mode is {before}")
    guard.first = guard.reading().revision  # it may have been read from the copy of a sister: then nothing changes
    guard.told = told
    os.write(told, f"{guard.first} {time.monotonic()} {guard.mode()}\n".encode())
    while line := os.read(asks, 1):
        if line == b"!":  # an hour passes
            guard._clock = later(guard._clock)  # noqa: SLF001  the one way to make time pass in it
        found = guard.reading()
        os.write(told, f"= {found.state} {guard.mode()}\n".encode())


def later(clock: Callable[[], float]) -> Callable[[], float]:
    """The clock, an hour on."""
    return lambda: clock() + HOUR


def must(holds: object, words: str) -> None:
    """Fail where what was told was done is not there."""
    if not holds:
        raise SystemExit(words)


class Fleet:
    """The guarded processes."""

    def __init__(self, token: str, url: str, folder: Path, count: int) -> None:
        self.reader, told = os.pipe()
        self._asks, self._rest = [], b""
        self.pids: list[int] = []
        for _ in range(count):
            asked, asks = os.pipe()
            if (pid := os.fork()) == 0:
                os.close(asks)
                for other in self._asks:
                    os.close(other)
                try:
                    child(token, url, folder, told, asked)
                finally:
                    os._exit(0)
            os.close(asked)
            self._asks.append(asks)
            self.pids.append(pid)
        os.set_blocking(self.reader, True)

    def lines(self, count: int) -> list[list[str]]:
        """The next so many lines that they say."""
        found: list[list[str]] = []
        while len(found) < count:
            must(select.select([self.reader], [], [], PATIENCE)[0], f"{len(found)} of {count} processes said it")
            self._rest += os.read(self.reader, 65_536)
            *whole, self._rest = self._rest.split(b"\n")
            found += [line.decode().split() for line in whole]
        must(len(found) == count, f"{len(found)} lines in place of {count}")
        return found

    def ask(self, what: bytes) -> set[tuple[str, str]]:
        """What all of them do."""
        for asks in self._asks:
            os.write(asks, what)
        return {(state, mode) for _, state, mode in self.lines(len(self._asks))}

    def end(self) -> None:
        """Hang up on them."""
        for asks in self._asks:
            os.close(asks)
        for pid in self.pids:
            os.waitpid(pid, 0)


def measure(database_url: str | None, count: int, clicks: int, folder: Path) -> dict[str, Any]:
    """One run: figures in milliseconds."""
    with running_andon(folder, database_url, engine=False) as andon, Desk.of(andon) as desk:
        server = cast("subprocess.Popen[bytes]", andon.server)
        fleet = Fleet(desk.token, andon.base_url, folder / "guard", count)
        fleet.lines(count)  # each has heard of revision 1
        wait_for(lambda: desk.says() == f"{count} of {count} replicas in service", 120)
        before, figures = cpu_seconds(server.pid), defaultdict(list)
        for number in range(clicks):
            mode = "on" if number % 2 else "safe"
            begun = time.monotonic()
            revision = desk.set(mode)["revision"]
            answered = time.monotonic()
            time.sleep(SETTLES)
            said = fleet.lines(count)
            must({(int(one), at_mode) for one, _, at_mode in said} == {(revision, mode)}, f"Somebody missed {revision}")
            effects = [(float(at) - begun) * 1000 for _, at, _ in said]
            figures["effect"] += effects
            figures["first"].append(min(effects))
            figures["last"].append(max(effects))
            figures["answered"].append((answered - begun) * 1000)
            wait_for(lambda: desk.show()["applies_everywhere"], 60)
            figures["acknowledged"].append((time.monotonic() - begun) * 1000)
        used = cpu_seconds(server.pid) - before
        begun, rests = time.monotonic(), cpu_seconds(server.pid)
        time.sleep(5)
        rests = (cpu_seconds(server.pid) - rests) / (time.monotonic() - begun)
        if desk.show()["mode"] != "on":
            desk.set("on")
            fleet.lines(count)
        andon.kill_server()
        at_once, later = fleet.ask(b"?"), fleet.ask(b"!")
        must((at_once, later) == ({("live", "on")}, {("stale", "safe")}), f"Without a server: {at_once}, {later}")
        fleet.end()
    return {
        "processes": count, "clicks": clicks,
        **{f"{name} p{share}": percentile(figures[name], share / 100) for name, share in [
            ("effect", 50), ("effect", 99), ("first", 50), ("last", 50), ("last", 99), ("answered", 50),
            ("acknowledged", 50),
        ]},
        "server CPU-ms a click": used / clicks * 1000, "at rest, % of a core": rests * 100,
    }  # fmt: skip


def read_costs(folder: Path) -> list[dict[str, Any]]:
    """Nanoseconds of one read: the least of seven rounds, the empty loop taken off."""
    from andon.sdk import timing
    from andon.sdk.guard.sealing import Snapshot, seal
    from andon.sdk.guard.words import Mode

    token = Token.read("andon_guard.credit-scorer.1.key")
    guard = Guard(token, "", folder=folder, background=False)
    rows = []
    for revision, mode in enumerate((Mode.ON, Mode.SAFE), start=1):
        line = seal(token.key, Snapshot("credit-scorer", revision, "m", mode, None, 60.0, Mode.SAFE, "nonce", 0.0))
        must(guard.take(line, "nonce", timing.since_boot()), "A snapshot was not believed")
        for name, call in (
            ("mode()", guard.mode),
            ("reading()", guard.reading),
            ("the clock alone", timing.since_boot),
        ):
            guard.mode()
            empty = min(LOOP.repeat(7, READS))
            spent = min(timeit.repeat(call, number=READS, repeat=7)) - empty
            rows.append({"mode": str(mode), "what": name, "ns": spent / READS * 1e9})
    return rows


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    logging.getLogger("andon.sdk").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        url = None
        if given.postgres:
            server = stack.enter_context(running_postgres(durable=True))
            must(server, "PostgreSQL is not installed")
            url = stack.enter_context(fresh_database(str(server)))
        row = measure(url, given.processes, given.clicks, Path(folder))
        print("Milliseconds from the click; all processes of all clicks, and of each click the last")
        print(table([row]), flush=True)
        costs = read_costs(Path(folder) / "alone")
    print("\nOne read, nanoseconds")
    print(table(costs))
    print(f"\nkept in {keep('switch', [row], reads=costs, postgres=given.postgres)}")


if __name__ == "__main__":
    main()
