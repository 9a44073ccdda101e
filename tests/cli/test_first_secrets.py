"""Secrets that an installation makes for itself, the first time that it starts."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from andon.site import environment

ROOT = Path(__file__).parents[2]
ASK = "from andon.site import environment; print(environment.secret_key(), *environment.field_keys())"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("ANDON_SECRET_KEY", "ANDON_FIELD_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANDON_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_processes_that_start_at_once_agree_on_one_secret(folder):
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASK], stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )
        for _ in range(6)
    ]  # fmt: skip
    told = {one.communicate(timeout=90)[0] for one in asking}
    assert len(told) == 1
    assert len(told.pop().split()) == 2
    assert {path.name for path in folder.iterdir()} == {"secret_key", "field_keys"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_whoever_is_slower_takes_what_is_there(folder, monkeypatch):
    def make():
        (folder / "secret_key").write_text("the other's\n")
        return "ours"

    assert environment.keep("ANDON_SECRET_KEY", "secret_key", make) == "the other's"
    assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_a_disk_that_refuses_leaves_no_half_of_a_secret(folder, monkeypatch):
    def refuse(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space"):
            environment.field_keys()
    assert list(folder.iterdir()) == []
    (key,) = environment.field_keys()
    assert environment.field_keys() == [key]


def test_a_file_system_without_hard_links_holds_secrets_too(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert environment.secret_key() == environment.secret_key() != ""
    assert [path.name for path in folder.iterdir()] == ["secret_key"]
