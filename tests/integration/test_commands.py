"""Commands as processes of their own: in the suite's process Django is set up already, in a shell it is not."""

import os

import pytest

from tests.support.command import andon
from tests.support.processes import ROOT

AS = ("--as", "lena@example.org")
COMMANDS = (
    ("incident", "list"),
    ("incident", "list", "--system", "credit-scorer"),
    ("incident", "show", "INC-1"),
    ("incident", "declare", "Errors", *AS),
    ("incident", "ack", "INC-1", *AS),
    ("incident", "contain", "INC-1", "--kind", "disable", "--note", "off", *AS),
    ("incident", "waive", "INC-1", "--reason", "a false alarm", *AS),
    ("incident", "resolve", "INC-1", "--summary", "over", *AS),
    ("incident", "reopen", "INC-1", "--reason", "it goes on", *AS),
    ("incident", "close", "INC-1", *AS),
    ("incident", "note", "INC-1", "seen", *AS),
    ("check",),
    ("oncall",),
    ("verify",),
    ("user", "list"),
    ("user", "create", "lena@example.org", "--name", "Lena"),
    ("user", "role", "lena@example.org", "lead"),
    ("user", "deactivate", "lena@example.org"),
    ("user", "reactivate", "lena@example.org"),
    ("user", "reset-link", "lena@example.org"),
    ("evidence", "list", "INC-1"),
    ("lever", "list"),
    ("runbook", "list"),
    ("rule", "list"),
    ("watch", "list"),
    ("switch", "show", "credit-scorer"),
    ("handbook", "export", "practice"),
    ("backup", "monday.andon"),
    ("engine",),
    ("serve",),
)


@pytest.mark.heavy
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_in_a_fresh_process_answers_in_words(tmp_path, words):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANDON_", "DJANGO_"))}
    environment |= {"ANDON_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT / "src")}
    ended = andon(environment, *words)
    assert "Traceback" not in ended.err
    assert (ended.code, ended.out) == (2, "")
    assert "`andon up` makes it" in ended.err
    assert list(tmp_path.iterdir()) == [], "it made something where nothing was"


@pytest.mark.heavy
@pytest.mark.parametrize("url", ["sqlite:///{folder}/a%20b.sqlite3", "sqlite:///{folder}/c.sqlite3?timeout=5"])
def test_a_database_is_found_however_its_address_is_written(tmp_path, url):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANDON_", "DJANGO_"))}
    environment |= {"ANDON_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT / "src")}
    environment["ANDON_DATABASE_URL"] = url.format(folder=tmp_path)
    assert andon(environment, "migrate").code == 0
    ended = andon(environment, "verify")
    assert ended.code == 0, ended.err
