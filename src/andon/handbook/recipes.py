"""Watch recipes: what is worth watching on each kind of system, and how columns of a log are recognised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib.resources.abc import Traversable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from andon.handbook.source import Document, HandbookError, convert, raise_all, read
from andon.practice.words import Direction, FairnessMetric, Measure, SystemKind, WatchKind

FOLDER: Final = "watches"
COLUMNS_FILE: Final = f"{FOLDER}/columns.yaml"
BOOKS: Final = ("classifier", "ranker", "regression", "llm", "agent")
"""The files of recipes, one for each sort of system."""
FALLBACK: Final = "classifier"
"""The book for a kind of system that no book names."""

INPUT, IGNORED, GROUP = "input", "ignored", "group"
ALWAYS: Final = frozenset({"time", IGNORED, "subject", "score", "label", "output", GROUP})
"""Roles that are looked for whatever is watched: what they say is no input."""

_PLACE = re.compile(r"\{(\w+)\}")


class ColumnType(StrEnum):
    """What a column holds, as far as recipes care."""

    NUMBER = "number"
    TRUTH = "truth"
    TEXT = "text"
    TIME = "time"


class Join(StrEnum):
    """What becomes of several columns that play one role."""

    FIRST = "first"
    EACH = "each"
    ANY = "any"


class Role(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part that a column plays."""

    key: Annotated[str, Meta(description="Its name in recipes.")]
    names: Annotated[list[str], Meta(description="Words, one or more together, that stand in the column's name.")]
    types: Annotated[list[ColumnType], Meta(description="What the column holds; none named = anything.")] = []


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to watch it."""

    needs: Annotated[list[str], Meta(description="Roles that the log must have columns for.")] = []
    what: Annotated[
        str, Meta(description="What to count, with {role} for columns; empty = what the kind of watch counts.")
    ] = ""
    types: Annotated[
        dict[str, ColumnType], Meta(description="What a role's column must hold for this way, by the role.")
    ] = {}
    join: Annotated[Join, Meta(description="What becomes of several columns that play a role named in `what`.")] = (
        Join.FIRST
    )
    most: Annotated[int, Meta(description="Of how many columns at most.")] = 1
    low: Annotated[float | None, Meta(description="The least that the number can be, where there is one.")] = None
    high: Annotated[float | None, Meta(description="The most that the number can be, where there is one.")] = None


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A watch that is worth having."""

    key: Annotated[str, Meta(description="Its stable name in its book.")]
    kind: Annotated[WatchKind, Meta(description="The kind of watch.")]
    name: Annotated[str, Meta(description="What the watch will be called; may speak of a column as {role}.")]
    why: Annotated[str, Meta(description="Why it is worth having, in a sentence or two.")]
    ways: Annotated[list[Way], Meta(description="The first that the log has the columns for is taken.")]
    measure: Annotated[Measure | None, Meta(description="What is measured of a number.")] = None
    metric: Annotated[FairnessMetric | None, Meta(description="What is compared between groups.")] = None
    direction: Annotated[Direction | None, Meta(description="Which change alarms.")] = None
    by_group: Annotated[bool, Meta(description="Whether it is broken down by the log's groups.")] = False
    weekly: Annotated[
        bool,
        Meta(description="Whether it follows the hours of a week, and is judged so where the log shows enough weeks."),
    ] = False


class RecipeBook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """watches/classifier.yaml and its like: what is worth watching on one sort of system, most telling first."""

    title: Annotated[str, Meta(description="What these systems are called.")]
    systems: Annotated[list[SystemKind], Meta(description="The kinds of systems that it is for; each in one book.")]
    watches: Annotated[list[Recipe], Meta(description="In the order in which they are proposed.")]

    @property
    def roles(self) -> frozenset[str]:
        """The roles that its recipes speak of."""
        return frozenset(role for recipe in self.watches for way in recipe.ways for role in way.needs)


class ColumnsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """watches/columns.yaml: how columns of a decision log are recognised."""

    roles: Annotated[list[Role], Meta(description="A column plays the first whose type and name it has.")]


_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": tuple(WatchKind),
    "measure": tuple(Measure),
    "metric": tuple(FairnessMetric),
    "direction": tuple(Direction),
    "systems": tuple(SystemKind),
    "types": tuple(ColumnType),
    "join": tuple(Join),
}


def load_roles(root: Traversable) -> tuple[Role, ...]:
    """The roles of columns from the handbook at ``root``. Raises HandbookError naming the place."""
    document = read(root, COLUMNS_FILE)
    roles = convert(document, ColumnsFile, known=_KNOWN).roles
    raise_all(_wrong_roles(document, roles))
    return tuple(roles)


def _wrong_roles(document: Document, roles: list[Role]) -> Iterator[HandbookError]:
    for role in roles:
        if role.key == INPUT:
            yield document.error(f"roles[{role.key}]", "an input is what plays no other role. Take it out.")
        if not role.names or not all(name.strip() and name == name.lower() for name in role.names):
            yield document.error(f"roles[{role.key}].names", "names are words in lower case, at least one.")
    if missing := ALWAYS - {role.key for role in roles}:
        yield document.error("roles", f"{', '.join(sorted(missing))}: every log is asked for these.")


def load_books(root: Traversable) -> dict[str, RecipeBook]:
    """All books of recipes from the handbook at ``root``. Raises HandbookError naming the place."""
    roles = {role.key for role in load_roles(root)} | {INPUT}
    books: dict[str, RecipeBook] = {}
    wrong: list[HandbookError] = []
    for name in BOOKS:
        try:
            books[name] = _load_book(root, f"{FOLDER}/{name}.yaml", roles)
        except HandbookError as error:
            wrong += error.all
    named: dict[SystemKind, str] = {}
    for name, book in books.items():
        for kind in book.systems:
            if kind in named:
                what = f"{kind} stands in {named[kind]}.yaml too. Let one of them have it."
                wrong.append(read(root, f"{FOLDER}/{name}.yaml").error("systems", what))
            named[kind] = name
    raise_all(wrong)
    return books


def _load_book(root: Traversable, file: str, roles: set[str]) -> RecipeBook:
    document = read(root, file)
    book = convert(document, RecipeBook, known=_KNOWN)
    raise_all(_wrong_book(document, book, roles))
    return book


def _wrong_book(document: Document, book: RecipeBook, roles: set[str]) -> Iterator[HandbookError]:
    keys = [recipe.key for recipe in book.watches]
    for recipe in book.watches:
        place = f"watches[{recipe.key}]"
        if keys.count(recipe.key) > 1:
            yield document.error(f"{place}.key", "it stands more than once. Give each its own key.")
        if not recipe.name.strip() or not recipe.why.strip():
            yield document.error(place, "its name or its reason is empty. Say what for.")
        if not recipe.ways:
            yield document.error(f"{place}.ways", "there are none. Write at least one.")
        for way in recipe.ways:
            yield from _wrong_way(document, f"{place}.ways", recipe, way, roles)


def _wrong_way(document: Document, place: str, recipe: Recipe, way: Way, roles: set[str]) -> Iterator[HandbookError]:
    for role in (*way.needs, *way.types):
        if role not in roles:
            yield document.error(place, f"{role!r} is no role. Use one of: {', '.join(sorted(roles))}.")
    for role in _PLACE.findall(way.what + recipe.name):
        if role not in way.needs:
            yield document.error(place, f"{{{role}}} stands in its text, and it does not need {role}. Add it.")
    if way.most < 1:
        yield document.error(place, f"most is {way.most}. Write 1 or more.")
