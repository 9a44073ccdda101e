"""What would change between two handbooks, in words, place by place. Pure.

Texts are compared by what they say: a file that says the same in other words of YAML has changed in layout only, and
that is said too, so that two handbooks without a difference are the same to the comma.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Final

import msgspec

from andon.handbook.source import Kept, name_of, read

_LONG: Final = 60
"""Characters of a text from which on it is said to be reworded, and not shown."""


class Difference(msgspec.Struct, frozen=True):
    """One thing that changes.

    Attributes:
        file: In which file of the handbook.
        place: Where in it, by its keys; empty for the file as a whole.
        says: What changes there, as a sentence.
    """

    file: str
    place: str
    says: str

    def __str__(self) -> str:
        return f"{self.file}{f', {self.place}' if self.place else ''}: {self.says}"


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Everything that changes from one handbook's texts to another's; both can be used."""
    found: list[Difference] = []
    for file in sorted({*before, *after}):
        old, new = before.get(file), after.get(file)
        if old is None or new is None:
            found.append(Difference(file, "", "This file is new." if old is None else "This file goes."))
        elif old != new:
            changes = [Difference(file, place, says) for place, says in _inside(file, old, new)]
            found += changes or [Difference(file, "", "Only its comments or its layout change.")]
    return found


def _inside(file: str, old: str, new: str) -> Iterator[tuple[str, str]]:
    if not file.endswith(".yaml"):
        yield from _in_markdown(file, old, new)
        return
    yield from _changes("", read(Kept({file: old}), file).data, read(Kept({file: new}), file).data)


def _in_markdown(file: str, old: str, new: str) -> Iterator[tuple[str, str]]:
    """What changes in a text with front matter: there key by key, below it heading by heading."""
    (front, body), (front_new, body_new) = _parts(old), _parts(new)
    yield from _changes("", read(Kept({file: front}), file).data, read(Kept({file: front_new}), file).data)
    before, after = _sections(body), _sections(body_new)
    for heading in dict.fromkeys((*before, *after)):
        if heading not in before:
            yield heading, "It is new."
        elif heading not in after:
            yield heading, "It goes."
        elif before[heading] != after[heading]:
            lines = SequenceMatcher(None, before[heading], after[heading], autojunk=False).get_opcodes()
            gone = sum(to - start for tag, start, to, _, _ in lines if tag != "equal")
            come = sum(to - start for tag, _, _, start, to in lines if tag != "equal")
            yield heading, f"Lines that come: {come}; that go: {gone}."
    if [one for one in before if one in after] != [one for one in after if one in before]:
        yield "", "Its headings come in another order."


def _parts(text: str) -> tuple[str, str]:
    """The front matter of a text, which stands between two lines of ---, and what stands below it."""
    begin, _, rest = text.partition("---\n")
    front, ends, body = rest.partition("\n---\n")
    return (front, body) if ends and not begin.strip() else ("", text)


def _sections(body: str) -> dict[str, list[str]]:
    """The lines below each heading of a text; before the first one they stand under no name."""
    found: dict[str, list[str]] = {"": []}
    at = ""
    for line in body.splitlines():
        if line.startswith("#"):
            at = line.lstrip("# ").strip()
        found.setdefault(at, []).append(line)
    return found


def _changes(place: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    """What changes at a place and below."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            inner = f"{place}.{key}" if place else str(key)
            if key not in old:
                yield inner, f"{_said(new[key])} comes, where nothing stood."
            elif key not in new:
                yield inner, f"{_said(old[key])} goes."
            else:
                yield from _changes(inner, old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list) and (named := _named(old, new)):
        yield from _list_changes(place, *named)
    elif old != new or type(old) is not type(new):
        reworded = isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > _LONG
        yield place, "It is reworded." if reworded else f"{_said(old)} becomes {_said(new)}."


def _list_changes(place: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What changes in a list whose elements have names."""
    for name in dict.fromkeys((*old, *new)):
        inner = f"{place}[{name}]"
        if name not in old:
            yield inner, "It is new."
        elif name not in new:
            yield inner, "It goes."
        else:
            yield from _changes(inner, old[name], new[name])
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield place, f"They come in another order: {', '.join(new)}."


def _named(*lists: list[Any]) -> list[dict[str, Any]] | None:
    """Lists by the names of their elements; None if one of them has none, or not one of its own."""
    found = []
    for elements in lists:
        names = [name_of(one) if isinstance(one, dict) else one if isinstance(one, str) else None for one in elements]
        if None in names or len(set(names)) < len(names):
            return None
        found.append(dict(zip((str(name) for name in names), elements, strict=True)))
    return found


def _said(value: Any) -> str:
    """A value as people read it in a sentence, cut where it is long."""
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    text = " ".join(text.split())
    return f"“{text}”" if len(text) <= _LONG else f"“{text[: _LONG - 1]}…”"
