"""`python -m tests.simulation`: plays seeds and says what became of them. `andon sim` runs this.

One line of JSON a seed goes to standard output; the exit code is 1 if a promise was broken.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def main(arguments: list[str] | None = None) -> int:
    """Play the seeds that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after this long, however many seeds are left")
    parser.add_argument("--keep-going", action="store_true", help="go on after a broken promise")
    asked = parser.parse_args(arguments)
    with _store(asked.database) as store:
        return _play(asked, store)


def _play(asked: argparse.Namespace, store: Any) -> int:
    from tests.simulation.chance import Chance, Time, governed
    from tests.simulation.run import STEPS, Run
    from tests.simulation.world import FURNISHED_AT, furnish

    with governed(Chance(0), Time(FURNISHED_AT)):
        world = store.prepare(furnish)
    ends = time.monotonic() + asked.minutes * 60 if asked.minutes else float("inf")
    code = 0
    for seed in range(asked.seed, asked.seed + asked.count):
        began = time.monotonic()
        outcome = Run(seed, store, world, steps=asked.steps or STEPS).play()
        line: dict[str, Any] = {
            "seed": seed, "steps": outcome.steps, "seconds": round(time.monotonic() - began, 3),
            "trace": outcome.trace, "figures": outcome.figures, "faults": outcome.faults,
        }  # fmt: skip
        if outcome.violation:
            code = 1
            line |= {
                "promise": outcome.violation.promise, "broken": outcome.violation.what, "events": outcome.events,
            }  # fmt: skip
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        if (code and not asked.keep_going) or time.monotonic() > ends:
            break
    return code


@contextmanager
def _store(database: str) -> Iterator[Any]:
    """The database that is asked for, with Django set up on it."""
    with TemporaryDirectory(prefix="andon-simulation-") as folder:
        os.environ["ANDON_DATA_DIR"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.simulation.settings"
        if database == "sqlite":
            os.environ["ANDON_DATABASE_URL"] = f"sqlite:///{Path(folder) / 'simulation.sqlite3'}"
            _set_up()
            from tests.simulation.store import SqliteStore

            store: Any = SqliteStore()
            try:
                yield store
            finally:
                store.close()
            return
        from tests.support.postgres import running_postgres

        with running_postgres() as url:
            if url is None:
                raise SystemExit(
                    "There is no PostgreSQL: install it (Debian: apt install postgresql), or name a server."
                )
            os.environ["ANDON_DATABASE_URL"] = url
            _set_up()
            from tests.simulation.store import PostgresStore

            store = PostgresStore(url)
            try:
                yield store
            finally:
                store.close()


def _set_up() -> None:
    import django

    django.setup()
    from tests.simulation import targets

    targets.plug_in()


if __name__ == "__main__":
    sys.exit(main())
