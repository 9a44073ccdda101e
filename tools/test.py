"""The whole suite: on SQLite, then on PostgreSQL. `make test` runs this; arguments go to pytest.

PostgreSQL is the one that ANDON_TEST_POSTGRES_URL names, else a throw-away server from this machine's own binaries.
Where there is neither, that is said loudly, and on a CI machine (CI=true) it is a failure.
"""

import os
import signal
import subprocess
import sys

from tests.support.postgres import running_postgres

VARIABLE = "ANDON_TEST_POSTGRES_URL"
WORKERS = ("-n", str((os.cpu_count() or 1) + 1), "--dist", "loadgroup")
"""One more than there are cores: a quarter of the time a test waits, for a process, a lease, a page that goes out."""
SLOWEST = ("--durations=60", "--durations-min=5")
"""Printed each time: the whole is to take less than 40 minutes, and this says where they go."""
# What asks no database needs one run, and the simulation plays on both by itself; browsers drive the same pages
# whatever is behind them. Peers speak to a server on a database of its own, the SDK to none.
ONCE = (
    "-m", "not browser",
    "--ignore=tests/house", "--ignore=tests/practice", "--ignore=tests/simulation",
    "--ignore=tests/peers", "--ignore=tests/sdk", "--ignore=tests/detect",
    "--ignore=tests/cli/test_sim.py",
)  # fmt: skip
# These start real processes on both databases by themselves in the first run, with a server of their own.
BOTH_BY_THEMSELVES = ("--ignore=tests/integration",)
MISSING = f"POSTGRESQL WAS NOT TESTED: {VARIABLE} is not set, and initdb is not here (Debian: apt install postgresql)."


def main(arguments: list[str]) -> int:
    """Run both and print pytest's closing lines last; the first failure is the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server below is stopped then, too
    closing: list[str] = []
    codes = [_pytest("SQLite", None, arguments, closing)]
    with running_postgres() as url:
        if url:
            left_out = ONCE if os.environ.get(VARIABLE) else (*ONCE, *BOTH_BY_THEMSELVES)
            codes.append(_pytest("PostgreSQL", url, [*left_out, *arguments], closing))
        else:
            closing += [MISSING, "!" * len(MISSING)]
            codes.append(1 if os.environ.get("CI") == "true" else 0)
    print()
    print("\n".join(closing))
    return next((code for code in codes if code), 0)


def _pytest(name: str, url: str | None, arguments: list[str], closing: list[str]) -> int:
    """Run pytest with its output as it comes; keep its closing line. No test found (5) is a failure, too."""
    environment = {key: value for key, value in os.environ.items() if key != VARIABLE}
    if url:
        environment[VARIABLE] = url
    print(f"\n== The suite on {name} ==", flush=True)
    command = [sys.executable, "-m", "pytest", *WORKERS, *SLOWEST, *arguments]
    last = "pytest said nothing"
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout is not None  # noqa: S101  asked for above; this tells the type checker
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.strip():
                last = line.strip()
    closing += [f"On {name}:", last]
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
