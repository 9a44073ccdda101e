"""The demo's model server: guarded processes that end with whoever started them, however that ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.processes import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]
LONGEST = 90

PARENT = """
import signal
import sys
from pathlib import Path
from andon.cli.demo.replicas import Replicas
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have it ignored
replicas = Replicas()
replicas.start("http://127.0.0.1:9", sys.argv[2], Path(sys.argv[1]))
print(*(one.pid for one in replicas.processes), flush=True)
sys.stdin.read()
replicas.stop()
print("stopped", flush=True)
"""


def is_there(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[int]) -> bool:
    ends = time.monotonic() + LONGEST
    while any(is_there(pid) for pid in pids):
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def parent(tmp_path):
    token = f"andon_guard.support-assistant.{'a' * 20}.{'b' * 43}"
    started = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), token],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield started
    if started.poll() is None:
        started.kill()
    started.wait()
    started.stdin.close()
    started.stdout.close()


def test_they_end_when_they_are_told_to(parent):
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 4
    assert all(is_there(pid) for pid in pids)
    parent.stdin.close()
    assert parent.stdout.readline() == "stopped\n"
    assert gone(pids)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_they_end_when_their_parent_dies(parent, how):
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.send_signal(how)
    parent.wait()
    assert gone(pids)
