"""A runbook in a file: Markdown with front matter, read into the values of the practice.

The file reads well wherever Markdown is shown: phases are headings of the second level, steps of the third, and below
each step's heading stands a fenced block ``step`` with what Andon has to know of it. Everything that is wrong in a file
is found at once, each with its line: a runbook is checked by day, and run by somebody who was woken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from typing import Final, TypeVar

from markdown_it import MarkdownIt
from markdown_it.token import Token

from andon.handbook import runbook_blocks as blocks
from andon.handbook.recipes import INPUT, load_roles
from andon.handbook.runbook_blocks import KNOWN, LONGEST_TITLE, Front, StepBlock, Wrong
from andon.handbook.source import Document, HandbookError, Kept, convert, shipped, text_of
from andon.handbook.source import read as read_yaml
from andon.practice.runbook import Ask, Outcome, Runbook, Step, missteps
from andon.practice.words import RunbookPhase, StepKind

T = TypeVar("T")

FOLDER: Final = "runbooks"
ENDING: Final = ".md"
LONGEST: Final = 200_000
"""Characters of a file."""
_FENCE: Final = "---"
_BLOCK: Final = "block.yaml"
_HEADINGS: Final = frozenset({"h1", "h2", "h3"})
_PHASES: Final = {phase.label.lower(): phase for phase in RunbookPhase}


class RunbookError(HandbookError):
    """What is wrong in a runbook's file, and at which line; reads as ``runbooks/x.md:12: …``."""

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(file, "", what, line)
        self.at = line
        self.args = (f"{file}:{line}: {what}",)


def digest(text: str) -> str:
    """The SHA-256 of a runbook's text, hex: what its version is known by."""
    return hashlib.sha256(text.encode()).hexdigest()


def plain(text: str) -> str:
    """A text with the line ends and the one line end at its end that every runbook has."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"


def read(text: str, file: str) -> Runbook:
    """The runbook in a file. Raises the first `RunbookError`; `problems` gives all of them.

    Roles of columns are not looked at: a text that is kept was checked against those of its handbook.
    """
    found = Reader(file, plain(text))
    runbook = found.runbook()
    if runbook is None or found.errors:
        raise min(found.errors, key=lambda error: error.at)
    return runbook


def problems(text: str, file: str, roles: Iterable[str] | None = None) -> list[RunbookError]:
    """Everything that is wrong in a runbook's file, by line; none if it can be run.

    `roles` are those that a column may play in a query; None = those of the handbook that comes with Andon.
    """
    found = Reader(file, plain(text), _shipped_roles() if roles is None else frozenset(roles))
    found.runbook()
    return sorted(found.errors, key=lambda error: error.at)


def texts(root: Traversable) -> dict[str, str]:
    """The texts of the runbooks in a handbook, by their path in it, in order. Raises HandbookError."""
    return {path: text_of(root, path) for path in paths(root)}


def paths(root: Traversable) -> list[str]:
    """The paths of the runbooks in a handbook, in order."""
    folder = root.joinpath(FOLDER)
    names = sorted(one.name for one in folder.iterdir() if one.name.endswith(ENDING)) if folder.is_dir() else []
    return [f"{FOLDER}/{name}" for name in names]


def roles_of(root: Traversable) -> frozenset[str]:
    """The roles that columns may play in the queries of a handbook. Raises HandbookError."""
    return frozenset(role.key for role in load_roles(root)) | {INPUT}


@cache
def _shipped_roles() -> frozenset[str]:
    return roles_of(shipped())


@dataclass
class Drawn:
    """A step while its file is read: its heading, its block, and where its body lies, in lines from 0."""

    title: str
    line: int
    phase: RunbookPhase | None
    block: Token | None = None
    draft: Token | None = None
    end: int = 0


class Reader:
    """Reads one file and gathers what is wrong in it."""

    def __init__(self, file: str, text: str, roles: frozenset[str] | None = None) -> None:
        self.file = file
        self._roles = roles
        self.errors: list[RunbookError] = []
        self._lines = text.split("\n")
        self._begin = self._front_end()  # lines before the Markdown: the front matter's

    def wrong(self, line: int, what: str) -> None:
        """Note what is wrong at a line, from 1."""
        self.errors.append(RunbookError(self.file, line, what))

    def _all(self, wrongs: Iterable[Wrong]) -> None:
        for line, what in wrongs:
            self.wrong(line, what)

    def runbook(self) -> Runbook | None:
        """The runbook, as far as it can be read; None where its front matter or its steps cannot."""
        if sum(map(len, self._lines)) > LONGEST:
            self.wrong(1, f"it is longer than {LONGEST:,} characters. Part it into several runbooks.")
            return None
        begin = self._begin
        front = self._front(begin) if begin else None
        intro, drawn = self.outline()
        steps = [step for one in drawn if (step := self._step(one)) is not None]
        if not drawn and begin:
            self.wrong(
                begin + 1, "it has no steps. Write ## Contain, below it ### and what to do, below that a step block."
            )
        if front is None or not steps:
            return None
        made = Runbook(
            key=front.key, title=front.title.strip(), summary=front.summary.strip(), owner=front.owner.strip(),
            types=tuple(front.types), reviewed=front.reviewed, review_days=front.review_every_days,
            minutes=front.minutes, steps=tuple(steps), systems=tuple(front.systems),
            components=tuple(front.components), watches=tuple(front.watches), signs=tuple(front.signs), intro=intro,
        )  # fmt: skip
        if len(steps) == len(drawn):
            for misstep in missteps(made):
                lines = [step.line for step in steps if step.key == misstep.step]
                named = f"step {misstep.step}: " if misstep.step else ""
                self.wrong(lines[-1] if lines else begin + 1, f"{named}{misstep.text}")
        return made

    # Front matter

    def _front_end(self) -> int:
        """The line after the front matter, from 0; 0 if there is none."""
        if self._lines[0].rstrip() != _FENCE:
            self.wrong(
                1, "it does not begin with ---. A runbook begins with its front matter between two lines of ---."
            )
            return 0
        for place, line in enumerate(self._lines[1:], start=1):
            if line.rstrip() == _FENCE:
                return place + 1
        self.wrong(1, "its front matter is not closed. Write --- on a line of its own below it.")
        return 0

    def _front(self, end: int) -> Front | None:
        found = self._convert(Front, 1, end - 1)
        if found is None:
            return None
        front, at = found
        name = self.file.rsplit("/", 1)[-1]
        self._all(blocks.wrong_front(front, at, name.removesuffix(ENDING) if name.endswith(ENDING) else ""))
        return front

    # Outline

    def outline(self) -> tuple[str, list[Drawn]]:
        """What stands before the first phase, and the steps as they are drawn."""
        tokens = MarkdownIt("commonmark").parse("\n".join(self._lines[self._begin :]))
        drawn: list[Drawn] = []
        phase: RunbookPhase | None = None
        seen: set[RunbookPhase] = set()
        first = len(self._lines)
        for place, token in enumerate(tokens):
            if token.level or token.map is None:
                continue
            line = self._begin + token.map[0] + 1
            if token.type == "fence":
                self._fence(token, line, drawn)
            elif token.type == "heading_open" and token.tag in _HEADINGS:
                words = tokens[place + 1].content.strip()
                first = min(first, line - 1)
                if drawn and not drawn[-1].end:
                    drawn[-1].end = line - 1
                if token.tag == "h1":
                    self.wrong(line, "a runbook has no heading of the first level: its title is in the front matter.")
                elif token.tag == "h2":
                    phase = self._phase(line, words, seen)
                else:
                    drawn.append(self._heading(line, words, phase, phases=bool(seen)))
        if drawn and not drawn[-1].end:
            drawn[-1].end = len(self._lines)
        return "\n".join(self._lines[self._begin : first]).strip(), drawn

    def _heading(self, line: int, words: str, phase: RunbookPhase | None, *, phases: bool) -> Drawn:
        if phase is None and not phases:
            self.wrong(line, "this step stands below no phase. Write ## Contain, or another phase, above it.")
        if not words:
            self.wrong(line, "this step has no title. Say in a line what to do.")
        if len(words) > LONGEST_TITLE:
            self.wrong(line, f"the title is longer than {LONGEST_TITLE} characters. Say it shorter.")
        return Drawn(words, line, phase)

    def _phase(self, line: int, words: str, seen: set[RunbookPhase]) -> RunbookPhase | None:
        found = _PHASES.get(words.lower())
        if found is None:
            names = ", ".join(phase.label for phase in RunbookPhase)
            self.wrong(line, f"“{words}” is no phase. Headings of the second level are: {names}.")
        elif found in seen:
            self.wrong(line, f"{found.label} stands twice. Put its steps below one heading.")
        else:
            seen.add(found)
        return found

    def _fence(self, token: Token, line: int, drawn: list[Drawn]) -> None:
        name = token.info.strip()
        if name not in {"step", "draft"}:
            return
        if not drawn:
            self.wrong(line, f"this {name} block stands below no step. Write ### and what to do above it.")
            return
        last = drawn[-1]
        if token.map is not None and not self._lines[self._begin + token.map[1] - 1].strip().startswith(token.markup):
            self.wrong(line, f"this {name} block is not closed. Write {token.markup} on a line of its own below it.")
        if getattr(last, "block" if name == "step" else "draft") is not None:
            self.wrong(line, f"“{last.title}” has two {name} blocks. Put them together, or write another ### heading.")
        elif name == "step":
            last.block = token
        else:
            last.draft = token

    # Steps

    def _step(self, one: Drawn) -> Step | None:
        if one.block is None or one.block.map is None:
            self.wrong(one.line, f"“{one.title}” has no step block. Write ```step, key: …, ``` below its heading.")
            return None
        begin = self._at(one.block)
        found = self._convert(StepBlock, begin, begin + one.block.content.count("\n"))
        if found is None or one.phase is None:
            return None
        block, at = found
        self._all(blocks.wrong_block(block, at, begin + 1, self._roles))
        self._draft(one, block)
        if block.kind in {StepKind.MANUAL, StepKind.DECISION} and not self._body(one):
            self.wrong(one.line, f"“{one.title}” says nothing below its heading. Say how, and when it is done.")
        ask = None
        if block.kind is StepKind.QUERY and block.measure is not None:
            ask = Ask(
                block.measure, block.what.strip(), block.only.strip(), block.by.strip(),
                blocks.WINDOW_MINUTES if block.window_minutes is None else block.window_minutes,
                blocks.HOURS if block.hours is None else block.hours,
            )  # fmt: skip
        return Step(
            key=block.key, phase=one.phase, kind=block.kind, title=one.title, body=self._body(one), line=one.line,
            minutes=block.minutes, optional=block.optional, then=block.then,
            outcomes=tuple(Outcome(row.key, row.when.strip(), row.to) for row in block.outcomes),
            does=block.does, lever=block.lever, ask=ask, audience=block.audience.strip(), within=block.within.strip(),
            draft=one.draft.content.strip() if one.draft else "",
        )  # fmt: skip

    def _at(self, token: Token) -> int:
        """The first line inside a fenced block, from 0."""
        assert token.map is not None  # noqa: S101  blocks have one; this tells the type checker
        return self._begin + token.map[0] + 1

    def _body(self, one: Drawn) -> str:
        """What stands below the step's heading, without its blocks."""
        out: set[int] = set()
        for token in (one.block, one.draft):
            if token is not None and token.map is not None:
                out.update(range(self._begin + token.map[0], self._begin + token.map[1]))
        return "\n".join(self._lines[at] for at in range(one.line, one.end) if at not in out).strip()

    def _draft(self, one: Drawn, block: StepBlock) -> None:
        if one.draft is None:
            return
        begin = self._at(one.draft) + 1
        if block.kind is not StepKind.NOTICE:
            self.wrong(begin - 1, f"a draft belongs to a step of kind notice; this one is {block.kind}.")
        self._all(blocks.wrong_draft(one.draft.content, begin))

    def _convert(self, model: type[T], begin: int, end: int) -> tuple[T, Lines] | None:
        """A YAML block between two lines, from 0, with the lines of its fields; None and an error where it is none."""
        try:
            document = read_yaml(Kept({_BLOCK: "\n".join(self._lines[begin:end])}), _BLOCK)
            return convert(document, model, known=KNOWN), Lines(document, begin)
        except HandbookError as error:
            for one in error.all:
                self.wrong(begin + (one.line or 1), one.what)
        return None


class Lines:
    """The lines, from 1, on which the fields of a block stand; its first for one that is not written."""

    def __init__(self, document: Document, begin: int) -> None:
        self._document = document
        self._begin = begin

    def __getitem__(self, name: str) -> int:
        return self._begin + (self._document.line(name) or 1)
