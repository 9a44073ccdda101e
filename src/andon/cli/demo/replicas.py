"""The demo's model server as processes: started, asked as a customer asks, and gone when the demo is."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from andon.cli.demo.known_questions import NUMBERS, is_prime

REPLICAS: Final = 4
ASKED: Final = 50
"""Primes that each replica is asked about: enough to tell 98% right from 2%."""
_LEAVING_SECONDS: Final = 5.0
_ASKING_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Served:
    """What the replicas answered: how many of the questions right, and by which versions of the model."""

    right: int
    asked: int
    models: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share of right answers."""
        return self.right / self.asked


class Replicas:
    """The processes. `stop` ends them, and so does the end of this one, however it comes: their input closes."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []

    def start(self, address: str, token: str, folder: Path) -> None:
        """Start them, guarded by the Andon at this address, each with a folder of its own for what it heard."""
        for number in range(REPLICAS):
            env = {
                **{name: value for name, value in os.environ.items() if not name.startswith("ANDON_")},
                "ANDON_BASE_URL": address,
                "ANDON_GUARD_TOKEN": token,
                "ANDON_GUARD_DIR": str(folder / f"replica-{number}"),
            }
            started = subprocess.Popen(
                [sys.executable, "-m", "andon.cli.demo.assistant"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=env,
            )
            self.processes.append(started)
        for one in self.processes:
            said = one.stdout.readline().strip() if one.stdout else b""
            if not said.isdigit():
                raise OSError("a replica of the model server did not start")
            self.ports.append(int(said))

    def stop(self) -> None:
        """End them: ask by closing their input, then insist."""
        for one in self.processes:
            if one.stdin:
                with suppress(OSError):
                    one.stdin.close()
        for one in self.processes:
            try:
                one.wait(_LEAVING_SECONDS)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()
            if one.stdout:
                one.stdout.close()
        self.processes.clear()

    def ask(self) -> Served:
        """Ask each replica about primes, as a customer would, and count what is right."""
        primes = [number for number in NUMBERS if is_prime(number)][:ASKED]
        answers: list[dict[str, Any]] = []
        with httpx.Client(timeout=_ASKING_SECONDS, trust_env=False) as http:
            for port in self.ports:
                url = f"http://127.0.0.1:{port}/answer"
                answers += [http.get(url, params={"number": number}).json() for number in primes]
        right = sum(one["answer"] == "yes" for one in answers)
        return Served(right, len(answers), tuple(sorted({one["model"] for one in answers})))
