"""A copy of the shipped handbook that a test may spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.handbook.book import texts_of
from andon.handbook.source import shipped


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """The shipped files, copied to a folder of the test's own."""
    for path, text in texts_of(shipped()).items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
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
