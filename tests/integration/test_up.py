"""`andon up`, `serve`, `engine`: from nothing to a first administrator, a clean end, and trouble said in a sentence."""

import re
import signal

import httpx
import pytest

from tests.support.command import andon, read_until, start
from tests.support.processes import ROOT, running_andon
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy]


@pytest.fixture
def bare(tmp_path):
    """The environment of a machine on which Andon never ran."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT / "src"),
        "ANDON_DATA_DIR": str(tmp_path / "data"),
    }


def test_up_from_nothing_prints_a_link_that_makes_the_first_administrator(bare):
    port = free_port()
    running = start(bare, "up", "--no-open", "--port", str(port))
    try:
        told = read_until(running, "Ctrl-C")
        assert f"http://localhost:{port}" in told
        link = re.search(rf"http://localhost:{port}/setup/\S+", told)
        assert link
        with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=20) as browser:
            form = browser.get(link[0])
            assert form.status_code == 200
            assert b"csrfmiddlewaretoken" in form.content
        second = andon(bare, "up", "--no-open", "--port", str(port))
        assert second.code == 1
        assert "Cannot listen" in second.err
        assert "--port" in second.err
    finally:
        running.send_signal(signal.SIGTERM)
        rest = running.communicate(timeout=40)[0]
    assert running.returncode == 0, rest
    assert "what was due stays due" in rest
    assert "Traceback" not in rest


def test_serve_and_engine_ask_for_the_tables_and_then_run_apart(bare, tmp_path):
    early = andon(bare, "serve")
    assert early.code == 2
    assert "andon up" in early.err
    assert andon(bare, "migrate").code == 0
    assert "already" in andon(bare, "migrate").out
    assert (tmp_path / "data" / "andon.sqlite3").stat().st_mode & 0o077 == 0
    running = start(bare, "engine")
    try:
        assert "engine runs on SQLite" in read_until(running, "engine runs")
    finally:
        running.send_signal(signal.SIGTERM)
        rest = running.communicate(timeout=40)[0]
    assert running.returncode == 0, rest


def test_a_database_that_is_gone_is_a_sentence(bare):
    gone = bare | {"ANDON_DATABASE_URL": f"postgresql://andon:very-secret@127.0.0.1:{free_port()}/andon"}
    said = andon(gone, "check")
    assert said.code == 2
    assert "database could not be used" in said.err
    assert "Traceback" not in said.err
    assert "very-secret" not in said.err


def test_a_setting_that_makes_no_sense_is_a_sentence(bare):
    said = andon(bare | {"ANDON_SMTP_URL": "mail.example.org"}, "check")
    assert said.code == 2
    assert "ANDON_SMTP_URL must look like" in said.err
    assert "Traceback" not in said.err


def test_two_processes_that_migrate_at_once_take_turns(tmp_path, database_url):
    database_url = database_url or f"sqlite:///{tmp_path / 'another.sqlite3'}"
    with running_andon(tmp_path, engine=False, server=False) as installed:
        environment = installed.environment | {"ANDON_DATABASE_URL": database_url}
        both = [start(environment, "migrate", "--json") for _ in range(2)]
        told = [one.communicate(timeout=90)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], told
