"""What changed from one version of a text to the next, line by line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

AROUND = 2
"""Unchanged lines shown on either side of a change."""


@dataclass(frozen=True)
class Line:
    """A line as it is shown: `same`, `added`, `removed`, or `skipped` for a run of unchanged lines left out."""

    kind: Literal["same", "added", "removed", "skipped"]
    text: str


def changes(before: str, after: str) -> list[Line]:
    """The lines of both texts, the removed before the added, long unchanged runs left out; empty if nothing changed."""
    if before == after:
        return []
    old, new = before.splitlines(), after.splitlines()
    matched = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    last = len(matched) - 1
    found: list[Line] = []
    for place, (tag, old_from, old_to, new_from, new_to) in enumerate(matched):
        if tag == "equal":
            found.extend(_run(old[old_from:old_to], first=place == 0, last=place == last))
        else:
            found.extend(Line("removed", text) for text in old[old_from:old_to])
            found.extend(Line("added", text) for text in new[new_from:new_to])
    return found


def _run(lines: Sequence[str], *, first: bool, last: bool) -> Iterator[Line]:
    """A run of unchanged lines, cut to what stands next to a change."""
    head, tail = 0 if first else AROUND, 0 if last else AROUND
    if len(lines) <= head + tail + 1:
        yield from (Line("same", text) for text in lines)
        return
    yield from (Line("same", text) for text in lines[:head])
    skipped = len(lines) - head - tail
    yield Line("skipped", f"{skipped} unchanged lines")
    yield from (Line("same", text) for text in lines[len(lines) - tail :])
