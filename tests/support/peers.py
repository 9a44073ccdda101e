"""Programs in the environments that `make peers` made: the other sides, real and by themselves.

pytestmark = needs("evidently")

run("evidently", CODE, url=sender.url, token=sender.token)
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
QUIET = {
    # None of them is to tell anybody outside that it runs.
    "DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "MLFLOW_DISABLE_TELEMETRY": "true",
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1",
}  # fmt: skip


def python(name: str) -> Path:
    """The peer's Python, there or not."""
    return ROOT / ".venv-peers" / name / "bin" / "python"


def node(name: str, script: str) -> list[str]:
    """The command that runs a script of a peer for Node."""
    return ["node", str(ROOT / ".venv-peers" / name / "node_modules" / script)]


def needs(name: str, what: str) -> pytest.MarkDecorator:
    """Skip, loudly, where the peer is missing."""
    missing = not (ROOT / ".venv-peers" / name / ".installed").exists()
    return pytest.mark.skipif(missing, reason=f"REAL {what.upper()} NOT TESTED: run `make peers`")


def environment() -> dict[str, str]:
    """For a peer's process: quiet, and with this repository's SDK to import."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANDON_", "DJANGO_", "PYTHON"))}
    return kept | QUIET | {"PYTHONPATH": str(ROOT / "src")}


def run(name: str, code: str, **given: Any) -> Any:
    """Run code in the peer's environment; what it puts into `result` comes back as JSON."""
    begins = "import json, sys\nresult = None\nglobals().update(json.load(sys.stdin))\n"
    program = f"{begins}{code}\nprint('\\x1e' + json.dumps(result, default=str))\n"
    done = subprocess.run(
        [str(python(name)), "-W", "ignore", "-c", program],
        input=json.dumps(given),  # an argument can only be so long
        env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(done.stderr[-5_000:])
    return json.loads(done.stdout.rpartition("\x1e")[2])
