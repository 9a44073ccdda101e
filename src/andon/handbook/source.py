"""Reading one file of the handbook: strict, and with errors that a person can act on.

A handbook is edited by people who run an organisation, not only by programmers. So every mistake is answered
with the file, the line, the place in it by its keys (``steps[pull-lever].phase``, not ``$.steps[1].phase``), and what
would be right.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import yaml

from andon.handbook.likeness import unlike

T = TypeVar("T")

_PART = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")
_PLACE = re.compile(r"\[(?P<element>[^\]]*)\]|(?P<name>[^.\[\]]+)")
_UNKNOWN = re.compile(r"no key `(?P<name>[^`]*)`")


class HandbookError(Exception):
    """A file of the handbook cannot be used as it stands. Says which, where in it, and what to do.

    Attributes:
        file: Path inside the handbook, such as ``protocols/safety.yaml``.
        place: Where in the file, by its keys; empty for the file as a whole.
        what: What is wrong there, and what would be right.
        line: The line, counted from one; None for the file as a whole.
        others: What else is wrong in the same file.
    """

    others: tuple[HandbookError, ...] = ()

    def __init__(self, file: str, place: str, what: str, line: int | None = None) -> None:
        where = [f"line {line}"] if line else []
        super().__init__(f"Handbook file {', '.join([file, *where, *([place] if place else [])])}: {what}")
        self.file = file
        self.place = place
        self.what = what
        self.line = line

    @property
    def all(self) -> tuple[HandbookError, ...]:
        """Everything that is wrong in the file, this first."""
        return self, *self.others


def raise_all(found: Iterable[HandbookError]) -> None:
    """Raise what was found wrong, if anything was: the first, with all that follows in `others`."""
    errors = list(found)
    if errors:
        first = errors[0]
        first.others = tuple(errors[1:])
        raise first


class Document(NamedTuple):
    """A YAML file of the handbook, read.

    Attributes:
        file: Its path inside the handbook.
        data: What it says, in plain values.
        node: The same with the place of everything; None where it says nothing.
    """

    file: str
    data: object
    node: yaml.Node | None

    def line(self, place: str) -> int | None:
        """The line of a place, counted from one: of its key where it has one; of what is nearest around it, if not."""
        node, at = self.node, self.node
        for part in _PLACE.finditer(place):
            found = _inside(node, part["element"] or part["name"])
            if found is None:
                break
            at, node = found
        return at.start_mark.line + 1 if at is not None else None

    def error(self, place: str, what: str) -> HandbookError:
        """What is wrong at a place, to be raised."""
        return HandbookError(self.file, place, what, self.line(place) if place else None)


def shipped() -> Traversable:
    """The handbook that comes with Andon, as package data."""
    return files("andon.handbook")


def text_of(root: Traversable, file: str) -> str:
    """The text of a file of the handbook. Raises HandbookError.

    Args:
        root: The folder of the handbook.
        file: Path below it, with forward slashes.
    """
    place = root.joinpath(*file.split("/"))
    if isinstance(place, Path) and place.exists() and root != shipped():  # installers may link the files of a package
        if not place.resolve().is_relative_to(Path(str(root)).resolve()):
            raise HandbookError(file, "", "it is a link that leads out of the folder. Put the file itself here.")
        if not place.is_file():
            raise HandbookError(file, "", "it is no file with text in it. Take it out, or put the file here.")
    try:
        return place.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError) as error:
        what = "the file is missing. `andon handbook init` writes what is missing, and leaves the rest as it is."
        raise HandbookError(file, "", what) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise HandbookError(file, "", f"it is not UTF-8 text ({error.reason}). Save it as UTF-8.", line) from error
    except OSError as error:
        raise HandbookError(file, "", f"it cannot be read: {error.strerror}.") from error


def read(root: Traversable, file: str) -> Document:
    """The content of a YAML file of the handbook, with nothing executed. Raises HandbookError."""
    loader = _OneKeyLoader(text_of(root, file))
    try:
        node = loader.get_single_node()
        return Document(file, loader.construct_document(node) if node is not None else None, node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise HandbookError(file, "", f"it is not valid YAML: {problem}.", mark.line + 1 if mark else None) from error
    except RecursionError as error:
        raise HandbookError(file, "", "it is nested too deeply to be read. Write it flatter.") from error
    finally:
        loader.dispose()


def convert(document: Document, model: type[T], *, known: Mapping[str, Iterable[str]] = {}) -> T:
    """The content as a strict value. Raises HandbookError, with everything that is not as the model says.

    Args:
        document: What `read` returned.
        model: A msgspec struct with ``forbid_unknown_fields``.
        known: For a field name, the words it accepts; listed where another word stood.
    """
    raise_all(_error(document, model, known, path, what) for path, what in unlike(document.data, model))
    return msgspec.convert(document.data, type=model, strict=True)


def _error(document: Document, model: type, known: Mapping[str, Iterable[str]], path: str, what: str) -> HandbookError:
    """What is not as the model says at a path, in words and with its line."""
    place, field = _place(document.data, path)
    words = ", ".join(known.get(field, ()))
    hint = f" Use one of: {words}." if words else ""
    unknown = _UNKNOWN.search(what)
    at = document.line(".".join(filter(None, [place, unknown["name"] if unknown else ""])))
    if unknown and (near := get_close_matches(unknown["name"], _fields(model), n=1)):
        hint = f" Do you mean {near[0]}?"
    return HandbookError(document.file, place, f"{what}{'' if what.endswith('.') else '.'}{hint}", at)


def _fields(model: type) -> set[str]:
    """The names of all keys that a file of this model, or a part of it, may have."""
    parts = msgspec.json.schema(model).get("$defs", {}).values()
    return {name for part in parts for name in part.get("properties", {})}


def _inside(node: yaml.Node | None, part: str) -> tuple[yaml.Node, yaml.Node] | None:
    """What a part of a place names inside a node: where that is said, and what is said; None if nothing is.

    A value of a mapping by its key; an element of a sequence by its name, or by its index where it has none.
    """
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if not isinstance(node, yaml.SequenceNode):
        return None
    for index, element in enumerate(node.value):
        pairs = element.value if isinstance(element, yaml.MappingNode) else []
        name = name_of({key.value: value.value for key, value in pairs if isinstance(key.value, str)})
        if part == (name or str(index)):
            return element, element
    numbered = int(part) if part.isdecimal() else len(node.value)  # what YAML reads as a number or a date has no name
    return (node.value[numbered], node.value[numbered]) if numbered < len(node.value) else None


def name_of(element: Mapping[str, object]) -> str | None:
    """What an element of a list is called: its key, or what it says first of itself (a role, an audience)."""
    name = element.get("key", next(iter(element.values()), None))
    return name if isinstance(name, str) else None


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
            text += f"[{(name_of(at) if isinstance(at, dict) else None) or index}]"
        else:
            # msgspec does not say which key of a mapping it was in; nor can we.
            at = None
            text += "[some key]"
    return text.removeprefix("."), field


class _OneKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, refusing a key given twice, for the last would silently win; and what refers to itself."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, with no reference to another: a handbook says what it means where it stands."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                problem="it refers to another place by *, which a handbook may not", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002  the base's signature
        """Construct a value; what looks like a date and is none is told with its place."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(problem=str(error), problem_mark=node.start_mark) from error

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


class Kept(Traversable):
    """A handbook that is kept as texts by path, read as if it lay in a folder."""

    def __init__(self, texts: Mapping[str, str], path: str = "") -> None:
        self._texts = texts
        self._path = path

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self._path.rpartition("/")[2]

    def iterdir(self) -> Iterable[Kept]:  # type: ignore[override]  # typeshed wants an Iterator
        """What lies in this folder."""
        before = f"{self._path}/" if self._path else ""
        inside = {path[len(before) :].split("/")[0] for path in self._texts if path.startswith(before)}
        return iter([Kept(self._texts, f"{before}{name}") for name in sorted(inside)])

    def joinpath(self, *descendants: str | PathLike[str]) -> Kept:
        """What lies below."""
        parts = chain.from_iterable(part.split("/") for part in map(str, descendants))
        return Kept(self._texts, "/".join(filter(None, [self._path, *parts])))

    def is_file(self) -> bool:
        """Whether it is a text."""
        return self._path in self._texts

    def is_dir(self) -> bool:
        """Whether texts lie below."""
        return not self._path or any(path.startswith(f"{self._path}/") for path in self._texts)

    def read_text(self, encoding: str | None = None) -> str:  # noqa: ARG002  texts are texts already
        """The text. Raises FileNotFoundError."""
        if self._path not in self._texts:
            raise FileNotFoundError(self._path)
        return self._texts[self._path]

    def read_bytes(self) -> bytes:
        """The text in UTF-8. Raises FileNotFoundError."""
        return self.read_text().encode()

    def open(self, mode: str = "r", *_args: object, **_kwargs: object) -> object:  # type: ignore[override]
        """The text as a file that is open for reading. Raises FileNotFoundError."""
        import io

        return io.BytesIO(self.read_bytes()) if "b" in mode else io.StringIO(self.read_text())
