"""Whether a runbook can be run: its file, and whether what its queries ask is an expression that can be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable

from andon.handbook import runbook_file
from andon.handbook.queries import in_force
from andon.handbook.recipes import INPUT
from andon.handbook.runbook_file import RunbookError, plain, problems, read
from andon.handbook.source import HandbookError, text_of
from andon.kit.errors import Invalid, Refused
from andon.practice.runbook import Runbook
from andon.watch.reading import expressions

_ROLE = re.compile(r"\{(\w+)\}")
_SHOWN = 20


def check(root: Traversable) -> list[HandbookError]:
    """Everything that is wrong in the runbooks of a handbook, by file and line. What `andon handbook check` asks."""
    try:
        roles: Iterable[str] | None = runbook_file.roles_of(root)
    except HandbookError:
        roles = None  # what is wrong with the columns is said with the recipes; those that ship stand in
    found: list[HandbookError] = []
    for file in runbook_file.paths(root):
        try:
            found += wrong(text_of(root, file), file, roles)
        except HandbookError as error:
            found.append(error)
    return found


def wrong(text: str, file: str, roles: Iterable[str] | None) -> list[RunbookError]:
    """Everything that is wrong in one file, by line; `roles` are those that a column may play, None those that ship."""
    found = problems(text, file, roles)
    return found or sorted(_queries(read(text, file), plain(text), file), key=lambda error: error.at)


def must_read(text: str, file: str = "") -> str:
    """The text with plain line ends, if it can be run. Raises `Invalid` with every line that is wrong."""
    text = plain(text)
    found = wrong(text, file, [*(role.key for role in in_force().roles), INPUT])
    if found:
        said = [f"Line {error.at}: {error.what}" if not file else str(error) for error in found[:_SHOWN]]
        more = f"\n{len(found) - _SHOWN} more." if len(found) > _SHOWN else ""
        raise Invalid("\n".join(said) + more, field="text", code="runbook-broken")
    return text


def _queries(runbook: Runbook, text: str, file: str) -> Iterator[RunbookError]:
    lines = text.split("\n")
    for step in runbook.steps:
        if step.ask is None:
            continue
        for name, asked in (("what", step.ask.what), ("only", step.ask.only)):
            if not asked:
                continue
            try:
                expressions.parse(_ROLE.sub(r'"\1"', asked), field=name)
            except Refused as refused:
                at = next((n for n, line in enumerate(lines[step.line :], step.line + 1) if _is(line, name)), step.line)
                yield RunbookError(file, at, f"step {step.key}: {refused.what}")


def _is(line: str, name: str) -> bool:
    return re.match(rf"{name}\s*:", line) is not None
