"""Which watches a decision log could have: recipes of the handbook, fitted to the columns that the log has. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import msgspec

from andon.handbook.recipes import (
    ALWAYS,
    GROUP,
    IGNORED,
    INPUT,
    ColumnType,
    Join,
    Recipe,
    RecipeBook,
    Role,
    Way,
)
from andon.practice.words import Direction, FairnessMetric, Measure, WatchKind

MOST_GROUPS: Final = 2
"""Group columns by which a suggested watch is broken down: every further one divides its rows again."""

OUTPUT: Final = "output"

_PLACE = re.compile(r"\{(\w+)\}")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TYPES: Final = (
    (re.compile(r"u?int|float|decimal"), ColumnType.NUMBER),
    (re.compile(r"bool"), ColumnType.TRUTH),
    (re.compile(r"timestamp|date|time"), ColumnType.TIME),
    (re.compile(r"string"), ColumnType.TEXT),
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a log by the part that each plays: `roles` by their key, `types` by the column's name."""

    roles: Mapping[str, Sequence[str]]
    types: Mapping[str, ColumnType | None]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A watch that the log could have.

    `columns` are those it goes by; what is None or empty is what the kind of watch brings.
    """

    recipe: str
    kind: WatchKind
    name: str
    why: str
    columns: tuple[str, ...] = ()
    what: str = ""
    measure: Measure | None = None
    metric: FairnessMetric | None = None
    direction: Direction | None = None
    segments: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    weekly: bool = False


@dataclass(frozen=True, slots=True)
class Lacking:
    """A recipe that the log has no columns for: which parts nobody plays in the way that asks for least."""

    recipe: str
    name: str
    why: str
    roles: tuple[str, ...]


def columns_of(
    found: Mapping[str, str], said: Mapping[str, Sequence[str]], roles: Sequence[Role], book: RecipeBook
) -> Columns:
    """Which part each column of a log plays. What the log calls its output may play another part too.

    Args:
        found: Names and types of the columns, as Ibis says them.
        said: What the log says of itself: columns by role. It goes before what is recognised.
        roles: How columns are recognised, in the order in which they are asked.
        book: The recipes: a role that none of them speaks of is not looked for.
    """
    types = {name: _type(kind) for name, kind in found.items()}
    played: dict[str, list[str]] = {role: list(names) for role, names in said.items() if names}
    taken = {name for names in played.values() for name in names}
    outputs = set(played.get(OUTPUT, ())) - {name for role, names in played.items() if role != OUTPUT for name in names}
    for role in roles:
        if role.key not in ALWAYS | book.roles:
            continue
        fits = [name for name in found if name not in taken - outputs and _plays(name, types[name], role)]
        if said.get(role.key):
            continue  # the log names its own: what merely looks like it stays an input
        played.setdefault(role.key, []).extend(fits)
        taken.update(fits)
    usable = (ColumnType.NUMBER, ColumnType.TRUTH, ColumnType.TEXT)
    played[INPUT] = [name for name in found if name not in taken and types[name] in usable]
    played.pop(IGNORED, None)
    return Columns({role: tuple(names) for role, names in played.items() if names}, types)


def _type(kind: str) -> ColumnType | None:
    plain = kind.lower().lstrip("!")
    return next((one for pattern, one in _TYPES if pattern.match(plain)), None)


def _plays(name: str, kind: ColumnType | None, role: Role) -> bool:
    if role.types and kind not in role.types:
        return False
    words = f" {' '.join(word.lower() for word in _WORDS.findall(name))} "
    return any(f" {wanted} " in words for wanted in role.names)


def propose(
    book: RecipeBook, columns: Columns, counted: Mapping[WatchKind, str]
) -> tuple[list[Proposal], list[Lacking]]:
    """What the log could have of a book, in its order; and what it lacks columns for.

    `counted` is what each kind of watch counts where a recipe leaves it to the kind, with `{role}` for columns.
    """
    found: list[Proposal] = []
    lacking: list[Lacking] = []
    for recipe in book.watches:
        ways = [(way, _unmet(way, columns)) for way in recipe.ways]
        way = next((way for way, unmet in ways if not unmet), None)
        if way is not None:
            whole = msgspec.structs.replace(way, what=way.what or counted.get(recipe.kind, ""))
            found.extend(_fitted(recipe, whole, columns))
        else:
            least = min((unmet for _, unmet in ways), key=len)
            lacking.append(Lacking(recipe.key, _plain(recipe.name), recipe.why, least))
    return found, lacking


def _unmet(way: Way, columns: Columns) -> tuple[str, ...]:
    """The roles of a way that no column plays, or none of the type that it asks for."""
    return tuple(role for role in way.needs if not _players(way, role, columns))


def _players(way: Way, role: str, columns: Columns) -> list[str]:
    wanted = way.types.get(role)
    names = columns.roles.get(role, ())
    return [name for name in names if wanted is None or columns.types[name] is wanted][: way.most]


def _fitted(recipe: Recipe, way: Way, columns: Columns) -> list[Proposal]:
    """A recipe with the log's columns in it: one proposal, or one for each column."""
    spoken = list(dict.fromkeys(_PLACE.findall(way.what)))
    players = {role: _players(way, role, columns) for role in way.needs if role != GROUP}
    groups = tuple(columns.roles.get(GROUP, ())[:MOST_GROUPS])
    segments = groups if recipe.by_group or GROUP in way.needs else ()
    if way.join is Join.ANY:
        (role,) = spoken
        what = " OR ".join(_filled(way.what, {role: name}) for name in players[role])
        return [_proposal(recipe, way, what, recipe.name, tuple(players[role]), segments)]
    choices = [players[role] if way.join is Join.EACH else players[role][:1] for role in spoken]
    found = []
    for names in product(*choices):
        chosen = dict(zip(spoken, names, strict=True))
        used = names or tuple(players[role][0] for role in players)
        apart = tuple(one for one in segments if one not in used)
        called = _PLACE.sub(lambda match, chosen=chosen: chosen.get(match[1], match[1]), recipe.name)  # type: ignore[misc]
        found.append(_proposal(recipe, way, _filled(way.what, chosen), called, used, apart))
    return found


def _proposal(
    recipe: Recipe, way: Way, what: str, name: str, used: tuple[str, ...], segments: tuple[str, ...]
) -> Proposal:
    return Proposal(
        recipe=recipe.key,
        kind=recipe.kind,
        name=name,
        why=recipe.why,
        columns=used,
        what=what,
        measure=recipe.measure,
        metric=recipe.metric,
        direction=recipe.direction,
        segments=segments,
        low=way.low,
        high=way.high,
        weekly=recipe.weekly,
    )


def _filled(what: str, chosen: Mapping[str, str]) -> str:
    """An expression with columns in it, each in quotes, so that a name of any letters is a name."""
    return _PLACE.sub(lambda match: '"' + chosen[match[1]].replace('"', '""') + '"', what)


def _plain(name: str) -> str:
    return _PLACE.sub(lambda match: f"each {match[1]}", name)
