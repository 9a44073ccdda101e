"""Runs Apprise in a process of its own.

Apprise and its plugins connect by themselves, follow redirects, and set no limit to the whole. So they run apart: with
no secret but the person's URL, under a guard that judges every connection (see `runner`), and ended at the deadline.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEADLINE = 20.0
"""Seconds for a whole message, the start of the process included: less than the lease on a page."""
RUNNER = Path(__file__).with_name("runner.py")
_LARGEST_ANSWER = 4096
_SAFE_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")


class TooSlow(Exception):  # noqa: N818  reads as what it is
    """It was ended at the deadline."""


def run(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the runner says of a task; nothing when it says nothing that can be read. Raises `TooSlow`."""
    try:
        done = subprocess.run(  # noqa: S603  our own program, with nothing of the task among its arguments
            [sys.executable, "-I", str(RUNNER)],
            input=json.dumps(task).encode(),
            capture_output=True,
            timeout=DEADLINE,
            check=False,
            env={name: os.environ[name] for name in _SAFE_ENVIRONMENT if name in os.environ},
        )
    except subprocess.TimeoutExpired as error:
        raise TooSlow from error
    return read(done.stdout)


def read(said: bytes) -> Mapping[str, Any]:
    """The object on the last line; whatever else was written is a fault of ours or of a plugin."""
    lines = said[-_LARGEST_ANSWER:].splitlines()
    try:
        told = json.loads(lines[-1]) if lines else None
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
