"""A backup holds everything, a restore brings it back whole or changes nothing, on both databases."""

import sqlite3
import stat
import time
from contextlib import closing, contextmanager

import pytest

from andon.cli import dumps
from andon.cli.say import Trouble
from tests.support.command import andon
from tests.support.processes import running_andon

pytestmark = [pytest.mark.heavy]
LENA = ("--as", "lena@example.org")

TWO_PEOPLE_AND_AN_INCIDENT = """
from andon.people.actions import create_person
from andon.people.policy import Actor
from andon.response.opening import declare
lena, _ = [create_person(email=f"{n.lower()}@example.org", name=n, by=Actor.operator()) for n in ("Lena", "Omar")]
declare(title="Errors", system=None, by=Actor.of(lena))
"""


@contextmanager
def an_organisation(folder, database_url):
    with running_andon(folder, database_url, engine=False, server=False) as installed:
        installed.python(TWO_PEOPLE_AND_AN_INCIDENT)
        yield installed


def titles(installed):
    return [title for (title,) in installed.sql("SELECT title FROM incidents_incident ORDER BY number")]


def test_what_was_backed_up_comes_back_and_what_came_after_goes(tmp_path, database_url):
    with an_organisation(tmp_path / "here", database_url) as installed:
        file = tmp_path / "monday.backup"
        written = andon(installed.environment, "backup", str(file))
        assert written.code == 0, written.err
        assert "Keep these too" in written.out
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert andon(installed.environment, "incident", "declare", "Later", *LENA).code == 0
        restored = andon(installed.environment, "restore", str(file), "--replace", "--json")
        assert restored.code == 0, restored.err
        assert restored.data["timelines"] == 1
        assert restored.data["keys_fit"] is True
        assert titles(installed) == ["Errors"]
        assert andon(installed.environment, "incident", "declare", "Again", *LENA).code == 0
        # What was restored can be backed up and restored in its turn.
        assert andon(installed.environment, "backup", str(file), "--force").code == 0
        assert andon(installed.environment, "restore", str(file), "--replace").code == 0
        assert titles(installed) == ["Errors", "Again"]


def test_what_cannot_be_done_is_refused_and_changes_nothing(tmp_path, database_url):
    with an_organisation(tmp_path / "here", database_url) as installed:
        file = tmp_path / "monday.backup"
        file.write_text("something dear")
        taken = andon(installed.environment, "backup", str(file))
        assert taken.code == 1
        assert "--force" in taken.err
        assert file.read_text() == "something dear"
        assert andon(installed.environment, "backup", str(file), "--force").code == 0

        full = andon(installed.environment, "restore", str(file))
        assert full.code == 1
        assert "(2 people)" in full.err
        assert "--replace" in full.err

        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) * 2 // 3])
        damaged = andon(installed.environment, "restore", str(file), "--replace")
        assert damaged.code == 1
        assert "Traceback" not in damaged.err
        file.write_bytes(b"nothing of the kind")
        assert "is not a backup" in andon(installed.environment, "restore", str(file), "--replace").err
        assert titles(installed) == ["Errors"]


def test_elsewhere_a_backup_is_of_use_only_with_its_keys(tmp_path, database_url):
    with an_organisation(tmp_path / "here", database_url) as installed:
        file = tmp_path / "monday.backup"
        written = andon(installed.environment, "backup", str(file), "--with-keys")
        assert "keep them apart" in written.out
        assert stat.S_IMODE((tmp_path / "monday.backup.keys").stat().st_mode) == 0o600
        data = installed.folder / "data"
        for name in ("secret_key", "field_keys"):
            (data / name).unlink()  # another machine
        without = andon(installed.environment, "restore", str(file), "--replace")
        assert without.code == 1
        assert "keys" in without.err
        assert "Traceback" not in without.err
        assert not (data / "field_keys").exists(), "keys that open nothing were made"
        (data / "field_keys").write_text("those of another installation\n")
        together = andon(installed.environment, "restore", str(file), "--replace", "--with-keys")
        assert together.code == 0, together.err
        assert andon(installed.environment, "user", "list").code == 0
        assert (data / "field_keys.before-restore").read_text() == "those of another installation\n"
        assert stat.S_IMODE((data / "field_keys").stat().st_mode) == 0o600


def test_nothing_is_restored_under_a_running_engine(tmp_path, database_url):
    with an_organisation(tmp_path / "here", database_url) as installed:
        file = tmp_path / "monday.backup"
        installed.start_engine()
        while not installed.sql("SELECT name FROM engine_enginebeat"):
            time.sleep(0.1)
        assert andon(installed.environment, "backup", str(file)).code == 0
        refused = andon(installed.environment, "restore", str(file), "--replace")
        assert refused.code == 1
        assert "Stop it first" in refused.err


@pytest.mark.parametrize("pages", [4096, 16384])
def test_a_backup_with_pages_of_another_size_comes_back_too(tmp_path, pages):
    with an_organisation(tmp_path / "here", None) as installed:
        file = tmp_path / "monday.backup"
        assert andon(installed.environment, "backup", str(file)).code == 0
        with closing(sqlite3.connect(file)) as backup:
            backup.execute(f"PRAGMA page_size={pages}")
            backup.execute("VACUUM")
        assert installed.sql("PRAGMA page_size") == [(8192,)]
        assert andon(installed.environment, "incident", "declare", "Later", *LENA).code == 0
        restored = andon(installed.environment, "restore", str(file), "--replace")
        assert restored.code == 0, restored.err
        assert titles(installed) == ["Errors"]
        assert installed.sql("PRAGMA page_size") == [(pages,)]
        assert installed.sql("PRAGMA journal_mode") == [("wal",)]
        assert andon(installed.environment, "incident", "declare", "Again", *LENA).code == 0


def test_a_restore_beside_an_open_transaction_is_refused_and_does_not_wait_for_ever(tmp_path):
    with an_organisation(tmp_path / "here", None) as installed:
        file = tmp_path / "monday.backup"
        assert andon(installed.environment, "backup", str(file)).code == 0
        with closing(sqlite3.connect(installed.folder / "data" / "andon.sqlite3", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            refused = andon(installed.environment, "restore", str(file), "--replace")
            writer.execute("ROLLBACK")
        assert refused.code == 1
        assert "in use" in refused.err
        assert titles(installed) == ["Errors"]


def test_a_missing_program_of_postgresql_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(dumps, "DEBIAN", tmp_path)
    with pytest.raises(Trouble, match="postgresql-client"):
        dumps.program("pg_dump")
