"""One folder for each kind of lever, found by its name: copy a folder, and there is another.

A folder holds `adapter.py` with a class `Adapter` made from `andon.containment.lever.LeverAdapter`, and `help.md` with
what to prepare on the other side, for whoever sets the lever up. Nothing else lists it.
"""

import pkgutil
from functools import cache
from importlib import import_module, resources
from typing import cast

from andon.containment.lever import LeverAdapter


@cache
def kinds() -> frozenset[str]:
    """The kinds that have a folder."""
    return frozenset(folder.name for folder in pkgutil.iter_modules(__path__) if folder.ispkg)


@cache
def find(kind: str) -> LeverAdapter:
    """The adapter of a kind. Raises LookupError when Andon has no such folder."""
    if kind not in kinds():
        raise LookupError(f"Andon has no lever {kind!r}. It has: {', '.join(sorted(kinds()))}.")
    return cast("LeverAdapter", import_module(f"{__name__}.{kind}.adapter").Adapter())


def all_of_them() -> list[LeverAdapter]:
    """Every adapter, in order of their titles."""
    return sorted((find(kind) for kind in kinds()), key=lambda adapter: adapter.title.lower())


def help_text(kind: str) -> str:
    """The Markdown that says what to prepare on the other side."""
    return (resources.files(__name__) / kind / "help.md").read_text(encoding="utf-8")
