"""Guarded processes, as real ones: each reads its switch, and says in a file what it reads.

with guarded(andon, "credit-scorer", tmp_path) as replica:
    replica.until("safe")
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, RunningAndon

PROGRAM = """
import json, os, sys, time
import andon

out = open(os.environ["GUARDED_LOG"], "a", buffering=1)
switch = andon.guard("credit-scorer", version=os.environ.get("GUARDED_VERSION", ""))
def say(*_):
    r = switch.reading()
    out.write(json.dumps({"mode": switch.mode(), "state": r.state, "revision": r.revision, "at": time.time()}) + "\\n")
switch.mode()
switch.on_change(say)
say()
for line in sys.stdin:  # each line asks what holds
    say()
"""


@dataclass
class Guarded:
    """One guarded process."""

    process: "subprocess.Popen[str]"
    log: Path

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def ask(self) -> dict[str, Any]:
        """What holds now."""
        before = len(self.said())
        assert self.process.stdin is not None
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        wait_for(lambda: len(self.said()) > before)
        return self.said()[-1]

    def until(self, mode: str, **more: Any) -> dict[str, Any]:
        """Wait until it has read this mode (and state, revision)."""
        wanted = {"mode": mode, **more}
        wait_for(lambda: wanted.items() <= self.ask().items(), what=lambda: f"{wanted}, last {self.said()[-3:]}")
        return self.said()[-1]


def wait_for(true: Any, seconds: float = 40.0, *, what: Any = lambda: "it") -> None:
    """Look again until it is so."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"waited in vain for {what()}"
        time.sleep(0.05)


def guard_token(andon: RunningAndon, system: str = "credit-scorer") -> str:
    """A guard token, made as a lead would; the cast is there afterwards."""
    return andon.python(
        "from andon.registry.models import System\nfrom andon.people.policy import Actor\n"
        "from tests.support import cast\nfrom andon.switch.actions import make_token\n"
        "if not System.objects.exists(): cast.make()\n"
        "result = make_token(System.objects.get(slug=system), name='production', by=Actor.operator()).token",
        system=system,
    )


def command(andon: RunningAndon, *arguments: str) -> Any:
    """`andon switch …` as another process, its answer as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "andon.cli.main", "switch", *arguments, "--json"],
        env=andon.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def guarded(
    andon: RunningAndon, token: str, folder: Path, name: str = "one", *, url: str = "", version: str = "v7"
) -> Iterator[Guarded]:
    """A guarded process; it ends with the block."""
    log = folder / f"{name}.jsonl"
    environment = andon.environment | {
        "ANDON_BASE_URL": url or andon.base_url, "ANDON_GUARD_TOKEN": token, "ANDON_GUARD_DIR": str(folder / "guard"),
        "GUARDED_LOG": str(log), "GUARDED_VERSION": version,
    }  # fmt: skip
    with (folder / f"{name}.err").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment, stdin=subprocess.PIPE, text=True, stderr=errors, cwd=ROOT
        )
    try:
        yield Guarded(process, log)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
            raise
