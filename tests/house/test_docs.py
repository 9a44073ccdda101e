"""The papers say what is so: links lead somewhere, and every command, path, setting and test they name exists."""

import ast
import json
import re
import textwrap
from collections.abc import Iterator
from configparser import ConfigParser
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from andon.kit.webhooks import sign
from andon.paging.message import About, Message
from andon.site.environment import SETTINGS
from tools.lints import ROOT, tracked
from tools.test import VARIABLE as TEST_DATABASE

LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"^ *```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (?P<words>.+)$", re.MULTILINE)
SETTING = re.compile(r"\bANDON_[A-Z][A-Z_]*[A-Z]\b")
MAKE = re.compile(r"^(?:\$ )?make ([a-z][a-z-]*)")
ANDON = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?andon ([a-z].*)")
PATH = re.compile(
    r"^(?:src|tests|docs|tools|bench|\.ci)/[\w./<>*…-]*$|^(?:[A-Z]+\.md|pyproject\.toml|requirements(?:-dev)?\.lock)$|^Makefile$"
)
NAMED_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<name>test_\w+)`")


def papers() -> list[Path]:
    return [file for file in tracked() if file.suffix == ".md"]


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


every_paper = pytest.mark.parametrize("paper", papers(), ids=name)


def commands_in(text: str) -> Iterator[str]:
    """Every line of a shell block and every span of code, without comments."""
    for block in FENCE.finditer(text):
        if block["kind"] in {"sh", "bash", "console"}:
            joined = block["text"].replace("\\\n", " ")
            yield from (line.partition(" #")[0].strip() for line in joined.splitlines())
    yield from CODE.findall(FENCE.sub("", text))


def anchors(file: Path) -> set[str]:
    """The headings as a repository's pages link to them."""
    text = FENCE.sub("", file.read_text(encoding="utf-8"))
    plain = (re.sub(r"[`*]|\[|\]\([^)]*\)", "", found["words"]) for found in HEADING.finditer(text))
    return {re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-") for words in plain}


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@cache
def parser() -> click.Command:
    import typer.main

    from andon.cli.main import app

    return typer.main.get_command(app)


def problem_with(words: list[str]) -> str:
    """What is wrong with an `andon` command, word by word; empty when it exists with all its options."""
    command = parser()
    for place, word in enumerate(words):
        children = getattr(command, "commands", None)
        if children is None:
            return _unknown_option(command, words[place:])
        if word.startswith("-"):
            continue
        if word not in children:
            return f"there is no command {word!r}"
        command = children[word]
    return ""


def _unknown_option(command: click.Command, words: list[str]) -> str:
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}
    return f"it does not take {', '.join(sorted(given - known))}" if given - known else ""


@every_paper
def test_every_relative_link_leads_to_a_file_and_a_heading(paper: Path):
    text = FENCE.sub("", paper.read_text(encoding="utf-8"))
    for link in LINK.finditer(text):
        target, _, anchor = link["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (paper.parent / target).resolve() if target else paper
        assert file.exists(), f"{name(paper)} links to {target}, which is not there"
        assert not anchor or anchor in anchors(file), f"{name(paper)}: {target or 'it'} has no heading #{anchor}"


@every_paper
def test_every_make_command_exists(paper: Path):
    for command in commands_in(paper.read_text(encoding="utf-8")):
        if found := MAKE.match(command):
            assert found[1] in targets(), f"{name(paper)} names `make {found[1]}`, which the Makefile has not"


@every_paper
def test_every_andon_command_exists_with_its_options(paper: Path):
    for command in commands_in(paper.read_text(encoding="utf-8")):
        if found := ANDON.match(command):
            # `andon up | demo` and `andon serve` run with settings in front are prose; each command is looked at alone.
            words = found[1].split()
            problem = problem_with(words)
            assert not problem, f"{name(paper)} names `andon {found[1]}`: {problem}"


MADE = set((ROOT / ".gitignore").read_text(encoding="utf-8").split())


@every_paper
def test_every_path_exists(paper: Path):
    text = paper.read_text(encoding="utf-8")
    for span in CODE.findall(FENCE.sub("", text)):
        if not PATH.match(span) or "<" in span or "…" in span:
            continue
        if f"/{span}" in MADE:  # a folder that a command makes, named in .gitignore
            continue
        found = list(ROOT.glob(span.rstrip("/"))) if "*" in span else [ROOT / span]
        assert found, f"{name(paper)} names {span}, which matches nothing"
        assert all(path.exists() for path in found), f"{name(paper)} names {span}, which is not there"


def test_every_folder_on_the_map_exists_and_every_package_is_on_it():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    on_the_map = set(re.findall(r"^  (\w+)/ ", text, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "src" / "andon").glob("*/__init__.py")}
    assert on_the_map == packages


READERS = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "python": ast.parse,
    "ini": lambda text: ConfigParser().read_string(text),
}


@every_paper
def test_every_example_can_be_read_by_what_it_is_for(paper: Path):
    for block in FENCE.finditer(paper.read_text(encoding="utf-8")):
        if reader := READERS.get(block["kind"]):
            text = textwrap.dedent(block["text"])
            if "{{" not in text:
                reader(text)


def test_the_example_that_verifies_a_webhook_verifies_ours():
    text = (ROOT / "docs" / "reference" / "webhooks.md").read_text(encoding="utf-8")
    (example,) = (block["text"] for block in FENCE.finditer(text) if block["kind"] == "python")
    names: dict[str, Any] = {}
    exec(example, names)
    secret, body = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", b'{"type":"test"}'
    headers = {
        "webhook-id": "key",
        "webhook-timestamp": "1772421180",
        "webhook-signature": sign("key", 1772421180, body, secret),
    }
    assert names["genuine"](headers, body, secret)
    assert not names["genuine"](headers, body + b" ", secret)


def test_the_example_of_what_a_webhook_carries_has_every_field_of_ours():
    text = (ROOT / "docs" / "reference" / "webhooks.md").read_text(encoding="utf-8")
    (example,) = (json.loads(block["text"]) for block in FENCE.finditer(text) if block["kind"] == "json")
    about = About("INC-1", "t", "S2", "safety", "s", "real", "u", datetime(2026, 3, 2, tzinfo=UTC))
    message = Message("k", "page", about.opened_at, "Lena", "h", "w", "l", "ll", about=about)
    assert example["data"].keys() == message.data().keys()
    assert example["data"]["incident"].keys() == message.data()["incident"].keys()


@every_paper
def test_every_setting_is_one(paper: Path):
    known = {setting.name for setting in SETTINGS} | {TEST_DATABASE}
    named = set(SETTING.findall(paper.read_text(encoding="utf-8")))
    assert named <= known, f"{name(paper)} names {', '.join(sorted(named - known))}, which Andon does not read"


@every_paper
def test_every_test_that_is_named_exists(paper: Path):
    for found in NAMED_TEST.finditer(paper.read_text(encoding="utf-8")):
        file = ROOT / found["file"]
        assert file.exists(), f"{name(paper)} names {found['file']}, which is not there"
        assert f"def {found['name']}(" in file.read_text(encoding="utf-8"), f"{name(paper)}: no {found[0]}"


def test_every_decision_is_in_the_index_under_a_number_of_its_own():
    files = sorted(path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md") if not path.name.startswith("0000"))
    numbers = [file[:4] for file in files]
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert numbers == [f"{number:04}" for number in range(1, len(files) + 1)]
    assert [found[1] for found in re.finditer(r"^\| \[\d{4}\]\((\S+)\)", index, re.MULTILINE)] == files


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("verify INC-42", False),
        ("incident list --all", False),
        ("incident lisst", True),
        ("verify --force", True),
        ("veriffy", True),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, wrong: bool):
    assert bool(problem_with(command.split())) is wrong
