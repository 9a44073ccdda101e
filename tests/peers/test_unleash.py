"""A real Unleash with a PostgreSQL: a flag is turned off, seen in its evaluation, and turned on again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, cleaned
from tests.peers.conftest import answers, until
from tests.support import peers
from tests.support.postgres import fresh_database, running_postgres
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("unleash", "Unleash")]

ADMIN, FRONTEND = "*:*.of-the-tests", "default:development.of-the-tests"
FLAGS = "/api/admin/projects/default/features"


@pytest.fixture(scope="module")
def unleash(tmp_path_factory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("unleash")
    with running_postgres() as server:
        if server is None:
            pytest.skip("REAL UNLEASH NOT TESTED: there is no PostgreSQL")
        with fresh_database(server) as database:
            yield from running(folder, database)


def running(folder: Path, database: str) -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = peers.environment() | {
        "DATABASE_URL": database, "DATABASE_SSL": "false", "HTTP_HOST": "127.0.0.1", "PORT": str(port),
        "CHECK_VERSION": "false", "SEND_TELEMETRY": "false", "INIT_ADMIN_API_TOKENS": ADMIN,
        "INIT_FRONTEND_API_TOKENS": FRONTEND, "HOME": os.environ.get("HOME", "/"),
    }  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            peers.node("unleash", "unleash-server/dist/server.js"), env=environment, cwd=folder, stdout=log, stderr=log
        )
    try:
        until(lambda: answers(f"{url}/health"), 150, folder / "log")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def flag(unleash: str, name: str) -> dict[str, str]:
    """A flag that is on for everybody, and the lever of it."""
    with httpx.Client(base_url=unleash, headers={"Authorization": ADMIN}, timeout=30) as admin:
        admin.post(FLAGS, json={"name": name, "type": "kill-switch"}).raise_for_status()
        where = f"{FLAGS}/{name}/environments/development"
        strategy = {
            "name": "flexibleRollout",
            "parameters": {"rollout": "100", "stickiness": "default", "groupId": name},
        }
        admin.post(f"{where}/strategies", json=strategy).raise_for_status()
        admin.post(f"{where}/on").raise_for_status()
    given = {
        "server": unleash, "token": ADMIN, "frontend_token": FRONTEND, "feature": name, "environment": "development",
        "context": "userId=17",
    }  # fmt: skip
    return cleaned(adapters.find("unleash").fields, given)


def test_a_flag_is_turned_off_seen_and_turned_on_again(unleash):
    adapter, given = adapters.find("unleash"), flag(unleash, "credit-scorer")
    prior = adapter.state(given)
    until(lambda: adapter.probe(given, Plan(prior, "")).holds is True, 60)
    plan = adapter.plan(given, prior)
    assert plan.says == "Flag credit-scorer in development goes from on to off."
    adapter.act(given, plan, "PULL-1")
    assert adapter.state(given) == {"enabled": False}
    until(lambda: adapter.probe(given, plan).holds is True, 60)
    adapter.undo(given, prior, "PULL-2")
    assert adapter.state(given) == prior
    until(lambda: adapter.probe(given, Plan(prior, "")).holds is True, 60)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"token": "*:*.of-nobody"}, "401"),
        ({"token": FRONTEND}, "40"),
        ({"environment": "nowhere"}, "40"),
        ({"feature": "no-such"}, "404"),
    ],
)
def test_what_unleash_refuses_was_surely_not_done(unleash, changed, status):
    given = cleaned(adapters.find("unleash").fields, {
        "server": unleash, "token": ADMIN, "frontend_token": FRONTEND, "feature": "x", "environment": "development",
    } | changed)  # fmt: skip
    with pytest.raises(LeverFault, match=f"Unleash answered {status}") as caught:
        adapters.find("unleash").act(given, Plan({"enabled": False}, ""), "PULL-1")
    assert caught.value.sure is True
