"""A command that only looks leaves nothing behind, wherever it looks; and what is set wrongly is told before all else."""

import os
import signal
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Ended, andon, read_until, start
from tests.support.processes import ROOT

pytestmark = [pytest.mark.heavy]
Run = Callable[..., Ended]


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine on which Andon never ran, for a user whose data folder is nowhere yet."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANDON_", "DJANGO_", "XDG_"))
    }
    return inherited | {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture
def installed(tmp_path: Path, machine: dict[str, str]) -> dict[str, str]:
    """The environment of an installation in `andon`, with an account, and so with keys of its own."""
    environment = machine | {"ANDON_DATA_DIR": str(tmp_path / "andon")}
    assert andon(environment, "migrate").code == 0
    assert names(tmp_path / "andon") == {"andon.sqlite3"}, "keys are made by whoever needs them"
    assert andon(environment, "user", "create", "lena@example.org", "--name", "Lena").code == 0
    assert {"field_keys"} <= names(tmp_path / "andon")
    return environment


def names(folder: Path) -> set[str]:
    """What lies in a folder, but for the files that belong to the database beside it."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("andon.sqlite3-")}


@pytest.mark.parametrize("words", [("verify",), ("settings",), ("version",), ("runbook", "check", __file__)])
def test_where_andon_never_ran_nothing_is_made(tmp_path: Path, machine: dict[str, str], words: tuple[str, ...]) -> None:
    assert "Traceback" not in andon(machine, *words).err
    assert list(tmp_path.iterdir()) == []


def test_an_address_of_a_database_that_is_not_there_makes_nothing(tmp_path: Path, machine: dict[str, str]) -> None:
    url = f"sqlite:///{tmp_path}/else/where.sqlite3"
    ended = andon(machine | {"ANDON_DATABASE_URL": url}, "verify")
    assert (ended.code, ended.out) == (2, "")
    assert "There is no database" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ANDON_SMTP_LISTEN", "everywhere", "ANDON_SMTP_LISTEN must look like"),
        ("ANDON_DATABASE_URL", "mysql://localhost/andon", "ANDON_DATABASE_URL must begin with"),
        ("ANDON_SMTP_URL", "http://mail", "ANDON_SMTP_URL must look like"),
        ("ANDON_FIELD_KEYS", "short", "ANDON_FIELD_KEYS holds something that is no key"),
        ("ANDON_FIELD_KEYS", ",", "ANDON_FIELD_KEYS holds something that is no key"),
    ],
)
def test_a_wrong_setting_is_told_first_and_makes_nothing(
    tmp_path: Path, machine: dict[str, str], name: str, value: str, said: str
) -> None:
    ended = andon(machine | {name: value}, "verify")
    assert (ended.code, ended.out) == (2, "")
    assert f"A setting cannot be used: {said}" in ended.err
    assert "Traceback" not in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("verify",), ("user", "list"), ("engine",), ("serve",)], ids=" ".join)
def test_with_another_folder_no_keys_are_made_that_open_nothing(
    tmp_path: Path, installed: dict[str, str], words: tuple[str, ...]
) -> None:
    url = f"sqlite:///{tmp_path}/andon/andon.sqlite3"
    elsewhere = installed | {"ANDON_DATA_DIR": str(tmp_path / "other"), "ANDON_DATABASE_URL": url}
    ended = andon(elsewhere, *words)
    assert (ended.code, ended.out) == (2, "")
    assert "the same ANDON_FIELD_KEYS" in ended.err
    assert not (tmp_path / "other").exists()
    ended = andon(installed, "verify")
    assert ended.code == 0, ended.err


def test_to_look_at_a_database_claims_it_for_no_keys(tmp_path: Path, machine: dict[str, str]) -> None:
    environment = machine | {"ANDON_DATA_DIR": str(tmp_path / "andon")}
    assert andon(environment, "migrate").code == 0
    for words in (("verify",), ("user", "list"), ("check",)):
        assert "Traceback" not in andon(environment, *words).err
    assert names(tmp_path / "andon") == {"andon.sqlite3"}
    with closing(sqlite3.connect(tmp_path / "andon" / "andon.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM people_keycheck").fetchone() == (0,)


def test_what_runs_makes_folder_and_keys_for_its_owner_alone(tmp_path: Path, machine: dict[str, str]) -> None:
    environment = machine | {"ANDON_DATA_DIR": str(tmp_path / "andon")}
    assert andon(environment, "migrate").code == 0
    running = start(environment, "engine")
    try:
        read_until(running, "engine runs")
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=40)
    folder = tmp_path / "andon"
    assert {"andon.sqlite3", "field_keys", "secret_key"} <= names(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in names(folder)} == {0o600}


def test_a_folder_that_cannot_be_made_is_told_in_words(tmp_path: Path, machine: dict[str, str]) -> None:
    (tmp_path / "andon").write_text("a file")
    ended = andon(machine | {"ANDON_DATA_DIR": str(tmp_path / "andon")}, "migrate")
    assert (ended.code, ended.out) == (2, "")
    assert "The data folder cannot be used" in ended.err
