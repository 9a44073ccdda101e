"""The `andon` command as a process of its own, as an operator runs it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COMMAND = (sys.executable, "-m", "andon.cli.main")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its JSON."""
        return json.loads(self.out)


def andon(environment: Mapping[str, str], *words: str, typed: str | None = None, seconds: float = 90) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [*COMMAND, *words], env=dict(environment), input=typed, capture_output=True, text=True, timeout=seconds, check=False
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def start(environment: Mapping[str, str], *words: str) -> "subprocess.Popen[str]":
    """Start a command that goes on; what it prints can be read from its `stdout` as it comes."""
    return subprocess.Popen(
        [*COMMAND, *words], env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1,
    )  # fmt: skip


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    """What a process prints up to the line that has `words` in it; the test's own time limit bounds the wait."""
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if words in line:
            return told
    raise AssertionError(f"It ended with {process.wait()} before it said {words!r}:\n{told}")
