"""What the code has and the papers must say: settings, commands, API; and that the imports go down only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from andon.intake.adapters import adapters
from andon.site.environment import SETTINGS
from tools import lints, reference


def test_the_generated_pages_say_what_the_code_says():
    assert list(reference.stale()) == []


@pytest.mark.parametrize("kind", sorted(adapters()))
def test_every_kind_of_sender_has_its_page_and_stands_in_the_list(kind):
    found = reference.sender_pages()
    assert f"({kind}.md)" in found["README.md"]
    assert adapters()[kind].line in found[f"{kind}.md"]


def test_every_setting_is_documented():
    page = (reference.FOLDER / "settings.md").read_text(encoding="utf-8")
    assert [setting.name for setting in SETTINGS if f"`{setting.name}`" not in page] == []


def test_every_command_says_what_it_does():
    page = reference.cli_page()
    empty = [part.splitlines()[0] for part in page.split("\n## ")[1:] if not part.splitlines()[2].strip()]
    assert empty == []


def test_every_operation_of_the_api_says_what_it_does():
    rows = [line for line in reference.api_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.rstrip("| ").endswith("`")] == []


def test_imports_only_go_down():
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(lints.ROOT / "src")}
    done = subprocess.run(
        [command, "--no-cache"], cwd=lints.ROOT, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
