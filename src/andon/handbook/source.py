"""Reading one file of the handbook: strict, and with errors that a person can act on.

A handbook is edited by people who run an organisation, not only by programmers. So every mistake is answered
with the file, the place in it by its keys (``steps[pull-lever].phase``, not ``$.steps[1].phase``), and what
would be right.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

import msgspec
import yaml

T = TypeVar("T")

_AT = re.compile(r" - at `\$?(?P<path>[^`]*)`$")
_PART = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")


class HandbookError(Exception):
    """A file of the handbook cannot be used as it stands. Says which, where in it, and what to do.

    Attributes:
        file: Path inside the handbook, such as ``protocols/safety.yaml``.
        place: Where in the file, by its keys; empty for the file as a whole.
    """

    def __init__(self, file: str, place: str, what: str) -> None:
        super().__init__(f"Handbook file {file}, {place}: {what}" if place else f"Handbook file {file}: {what}")
        self.file = file
        self.place = place


def shipped() -> Traversable:
    """The handbook that comes with Andon, as package data."""
    return files("andon.handbook")


def read(root: Traversable, file: str) -> object:
    """The content of a YAML file of the handbook, with nothing executed. Raises HandbookError.

    Args:
        root: The folder of the handbook.
        file: Path below it, with forward slashes.
    """
    try:
        text = root.joinpath(*file.split("/")).read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise HandbookError(file, "", "the file is missing. Restore it, or take its subject out.") from error
    except UnicodeDecodeError as error:
        raise HandbookError(file, "", f"it is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    try:
        return yaml.load(text, Loader=_OneKeyLoader)  # noqa: S506  a SafeLoader that is stricter, see below
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise HandbookError(file, place, f"it is not valid YAML: {problem}.") from error


def convert(data: object, model: type[T], *, file: str, known: Mapping[str, Iterable[str]] = {}) -> T:
    """The content as a strict value; unknown and missing keys and wrong types are refused by HandbookError.

    Args:
        data: What `read` returned.
        model: A msgspec struct with ``forbid_unknown_fields``.
        file: The file's path, for the error.
        known: For a field name, the words it accepts; listed where another word stood.
    """
    try:
        return msgspec.convert(data, type=model, strict=True)
    except msgspec.ValidationError as error:
        what = str(error)
        found = _AT.search(what)
        place, field = _place(data, found["path"]) if found else ("", "")
        words = ", ".join(known.get(field, ()))
        hint = f" Use one of: {words}." if words else ""
        raise HandbookError(file, place, f"{_AT.sub('', what)}.{hint}") from error


def _place(data: object, path: str) -> tuple[str, str]:
    """A msgspec path by the keys of the list elements it goes through, and the last field named in it."""
    at: object = data
    text, field = "", ""
    for part in _PART.finditer(path):
        if name := part["name"]:
            field = name
            at = at.get(name) if isinstance(at, dict) else None
            text += f".{name}"
        elif index := part["index"]:
            at = at[int(index)] if isinstance(at, list) else None
            key = at.get("key") if isinstance(at, dict) else None
            text += f"[{key or index}]"
        else:
            # msgspec does not say which key of a mapping it was in; nor can we.
            at = None
            text += "[some key]"
    return text.removeprefix("."), field


class _OneKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, refusing a key given twice: the last would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002  the base's signature
        """Construct a mapping whose keys are all different."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
