"""The handbook speaks to tired people as to colleagues: no blame, no "just"."""

from __future__ import annotations

import re

import pytest

from andon.handbook.book import shipped_handbook
from andon.handbook.recipes import load_books
from andon.handbook.source import shipped
from andon.practice.words import IncidentType

UNWANTED = re.compile(
    r"\b(?:(?:should|could|would|ought to) have|if only|failed to|neglect\w*|forgot\w*|didn't bother"
    r"|(?:human|operator|user) error|careless\w*|negligen\w*|lazy|sloppy|inattentive|culprit|at fault|to blame"
    r"|just|simply|obvious(?:ly)?|clearly|merely|of course|easily)\b",
    re.IGNORECASE,
)


def texts():
    for type_ in IncidentType:
        protocol = shipped_handbook().protocols[type_]
        yield f"{type_}", protocol.title
        for step in protocol.steps:
            yield f"{type_}/{step.key}", f"{step.title}\n{step.body}"
    for section in shipped_handbook().sections:
        yield f"review/{section.key}", f"{section.title}\n{section.prompt}"
    for name, book in load_books(shipped()).items():
        yield f"watches/{name}", book.title
        for recipe in book.watches:
            yield f"watches/{name}/{recipe.key}", f"{recipe.name}\n{recipe.why}"


@pytest.mark.parametrize("said", ["They should have tested.", "Simply roll back.", "Human error.", "She forgot it."])
def test_the_list_of_unwanted_words_finds_them(said):
    assert UNWANTED.search(said)


def test_no_text_blames_or_belittles():
    found = [f"{where}: {match[0]!r}" for where, text in texts() for match in [UNWANTED.search(text)] if match]
    assert found == []


def test_titles_tell_what_to_do():
    """One thing to do, said plainly: a capital, no full stop, no question, no topic before a colon."""
    for type_ in IncidentType:
        for step in shipped_handbook().protocols[type_].steps:
            assert re.fullmatch(r"[A-Z][a-z]+,? [^?!]*[^.?!]", step.title), step.title
            assert not re.match(r"[^,]{0,30}: ", step.title), step.title
