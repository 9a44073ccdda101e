"""Putting a step into a runbook's text: how what was missing in a run becomes a change that can be read as a diff."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from andon.handbook.runbook_file import Reader, plain


def insert(text: str, *, after: str, key: str, title: str, body: str) -> str:
    """A runbook's text with one more step of kind manual below another. Raises KeyError if there is no such step."""
    text = plain(text)
    _, drawn = Reader("", text).outline()
    lines = text.split("\n")
    for one in drawn:
        if one.block is not None and re.search(
            rf"^key\s*:\s*['\"]?{re.escape(after)}['\"]?\s*(?:#.*)?$", one.block.content, re.MULTILINE
        ):
            end = one.end
            while end > one.line and not lines[end - 1].strip():
                end -= 1
            new = [
                "",
                f"### {_one_line(title)}",
                "",
                "```step",
                f"key: {key}",
                "```",
                "",
                *body.strip().split("\n"),
                "",
            ]
            rest = lines[end:]
            while rest and not rest[0].strip():
                rest.pop(0)
            return plain("\n".join([*lines[:end], *new, *rest]))
    raise KeyError(after)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def key_for(title: str, taken: AbstractSet[str]) -> str:
    """A step's key made of its title, none of those that are taken."""
    words = re.findall(r"[a-z0-9]+", title.lower())
    stem = "-".join(words)[:40].strip("-")
    stem = stem if re.match(r"[a-z]", stem) else f"step-{stem}".strip("-")
    number, key = 2, stem
    while key in taken:
        key, number = f"{stem}-{number}", number + 1
    return key
