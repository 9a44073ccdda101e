"""The demo: every step happens, nothing of the machine's own Andon is touched, and one can sign in afterwards."""

import re
import signal

import httpx
import pytest

from tests.support.command import andon, read_until, start
from tests.support.processes import ROOT
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
STEPS = [
    "signal", "opened", "estimated", "first_page", "second_page", "acknowledged", "served_before", "evidence", "contained",
    "served", "signal_ended", "resolved", "review_drafted", "actions", "verified",
]  # fmt: skip


@pytest.fixture
def machine(tmp_path):
    """A machine whose real Andon has a database that must not be touched."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT / "src"),
        "ANDON_DATA_DIR": str(tmp_path / "data"),
        "ANDON_DATABASE_URL": f"sqlite:///{tmp_path}/real.sqlite3",
    }


def test_once_every_step_happens_and_nothing_is_left(machine, tmp_path):
    said = andon(machine, "demo", "--once", "--json", "--port", str(free_port()), seconds=600)
    assert said.code == 0, said.err
    assert said.data["ok"] is True
    assert [step["key"] for step in said.data["steps"]] == STEPS
    times = {step["key"]: step["at"] for step in said.data["steps"]}
    # The page goes out at once and does not wait for what is estimated: either may be first.
    assert times["opened"] <= times.pop("estimated") <= times["second_page"]
    assert list(times.values()) == sorted(times.values())
    assert not (tmp_path / "real.sqlite3").exists()
    assert not (tmp_path / "data" / "demo").exists()


def test_afterwards_one_can_sign_in_and_read_the_review(machine, tmp_path):
    running = start(machine, "demo", "--port", str(free_port()))
    try:
        told = read_until(running, "phones of the demo ring here")
        address = re.search(r"Look at it:\s+(http://\S+?)/incidents/(\d+)", told)
        password = re.search(r"Password\s+(\S+)", told)
        assert address
        assert password
        with httpx.Client(base_url=address[1], follow_redirects=True, timeout=90) as browser:
            form = browser.get("/account/login/")
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text)
            assert token
            facts = {"login": "nadia@example.org", "password": password[1], "csrfmiddlewaretoken": token[1]}
            browser.post("/account/login/", data=facts, headers={"Referer": address[1]})
            incident = browser.get(f"/incidents/{address[2]}")
            assert incident.status_code == 200
            assert "Answer by the pinned model" in incident.text
            assert 'class="pull verified"' in incident.text
            assert "4 of 4 replicas contained" in told
            review = browser.get(f"/reviews/{address[2]}")
            assert "canary" in review.text
        another = andon(machine, "demo", "--port", str(free_port()))
        assert another.code == 1
        assert "running on this machine already" in another.err
    finally:
        running.send_signal(signal.SIGTERM)
        rest = running.communicate(timeout=240)[0]
    assert running.returncode == 0, rest
    assert not (tmp_path / "real.sqlite3").exists()
