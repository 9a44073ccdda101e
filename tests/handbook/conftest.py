"""A copy of the shipped handbook that a test may spoil."""

from __future__ import annotations

import shutil
from importlib.resources import as_file
from pathlib import Path

import pytest

from andon.handbook.source import shipped


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """The shipped YAML files, copied to a folder of the test's own."""
    with as_file(shipped()) as source:
        for path in Path(source).rglob("*.yaml"):
            target = tmp_path / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return tmp_path


@pytest.fixture
def spoil(handbook: Path):
    """Replace one passage of a file of the copy; the passage has to be there."""

    def replace(file: str, old: str, new: str) -> Path:
        path = handbook / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return handbook

    return replace
