"""The command in this process, on the test's database: what a person types, what they read, the exit code."""

import json as json_module
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from andon.cli.main import app


@dataclass
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its JSON."""
        return json_module.loads(self.out)


@pytest.fixture
def andon() -> Callable[..., Said]:
    def run(*words: str, typed: str | None = None) -> Said:
        done = CliRunner().invoke(app, list(words), input=typed, prog_name="andon", catch_exceptions=False)
        return Said(done.exit_code, done.stdout, done.stderr)

    return run
