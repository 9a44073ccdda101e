"""Running a program of this machine for a lever: no shell, a cleaned environment, bounded time and output."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from andon.containment.lever import Done, LeverFault, State

SECONDS: Final = 15.0
"""How long a program may take unless its entry says otherwise."""
UNCHANGED: Final = 3
"""The status by which a command says that it changed nothing."""
_SHOWN: Final = 4000
"""Bytes of what it prints that are kept."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Program:
    """A program with its words, as the administrator allowed it; `seconds` is its limit."""

    words: tuple[str, ...]
    seconds: float = SECONDS
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None

    @property
    def name(self) -> str:
        """What people read."""
        return os.path.basename(self.words[0])  # noqa: PTH119  a word, no file


@dataclass(frozen=True)
class Ended:
    """How a program ended: its status (negative: by that signal), and what it printed, cut."""

    status: int
    output: str
    errors: str

    @property
    def said(self) -> str:
        """Its last words, for a person."""
        lines = [line.strip() for line in (self.errors or self.output).splitlines() if line.strip()]
        return lines[-1][:200] if lines else "It printed nothing."


def run(program: Program, key: str = "", given: str = "") -> Ended:
    """Run it, with `given` on its standard input and the pull's key as PULL_KEY in its environment.

    It gets nothing of Andon's own environment, where secrets stand. When its time is up, it and all that it started are
    killed. Raises `LeverFault`: sure where it was never started, not sure where its time was up.
    """
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", "PULL_KEY": key, **program.environment}
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(given.encode())
        stdin.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603  an allow-listed program, no shell
                program.words, stdin=stdin, stdout=stdout, stderr=stderr, env=environment, cwd=program.folder or "/",
                start_new_session=True, close_fds=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise LeverFault(f"{program.name} could not be started: {error}", sure=True) from error
        try:
            status = process.wait(program.seconds)
        except subprocess.TimeoutExpired as error:
            raise LeverFault(
                f"{program.name} did not end in {program.seconds:g} seconds and was killed; what it did is not known.",
                sure=False,
            ) from error
        finally:
            _end(process)
        return Ended(status, _printed(stdout), _printed(stderr))


def carry_out(program: Program, key: str, given: State) -> Done:
    """Run what changes something, with what is to hold as JSON on its standard input.

    Raises `LeverFault` unless it ends well; sure only if it ends with `UNCHANGED`, or was never started.
    """
    ended = run(program, key, json.dumps(dict(given)))
    if ended.status:
        raise LeverFault(f"{program.name} ended with {ended.status}: {ended.said}", sure=ended.status == UNCHANGED)
    return Done(f"{program.name} ended well: {ended.said}", {"status": 0})


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill what is left of its session: it must not go on after its time, nor leave something behind."""
    with contextlib.suppress(ProcessLookupError):  # nothing is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _printed(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(_SHOWN).decode("utf-8", "replace")
