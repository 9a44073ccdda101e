"""Everything in which plain values are not as a msgspec model says, and not only the first thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

_AT: Final = re.compile(r" - at `\$?(?P<path>[^`]*)`$")
_GOT: Final = re.compile(r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`")
_WORD: Final = re.compile(r"Invalid enum value (?P<value>.+)")
_KINDS: Final[Mapping[str, str]] = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of keys",
    "null": "nothing",
    "date": "a day",
    "datetime": "a time",
}
_BARE: Final = frozenset({"int", "float", "bool", "date", "datetime"})
"""What YAML reads out of a text without quotes: `off` is false to it, and 1.10 a number."""
SAYS: Final = "says"
"""In the `extra` of a `Meta`: the sentence for a text that does not match its pattern, with {value} for the text."""


def unlike(value: object, model: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each place at which a value is not as a model says, as msgspec writes paths, and what is wrong there."""
    plain = get_args(model)[0] if get_origin(model) is Annotated else model
    members = [one for one in get_args(plain) if one is not NoneType]
    if get_origin(plain) in {Union, UnionType} and len(members) == 1:
        if value is not None:
            yield from unlike(value, members[0], path)
    elif isinstance(plain, type) and issubclass(plain, msgspec.Struct) and isinstance(value, dict):
        yield from _struct(value, plain, path)
    elif get_origin(plain) is list and isinstance(value, list):
        yield from _leaf([], model, path, of=value)
        for index, one in enumerate(value):
            yield from unlike(one, members[0], f"{path}[{index}]")
    elif get_origin(plain) in {dict, Mapping} and isinstance(value, dict):
        for key, one in value.items():
            yield from unlike(key, members[0], path)
            yield from unlike(one, members[1], f"{path}.{key}")
    else:
        yield from _leaf(value, model, path)


@cache
def _known(model: type[msgspec.Struct]) -> dict[str, FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(model)}


def _struct(value: dict[Any, Any], model: type[msgspec.Struct], path: str) -> Iterator[tuple[str, str]]:
    known = _known(model)
    misspelt = [str(key) for key in value if key not in known]
    for key in misspelt:
        yield path, f"there is no key `{key}` here."
    for name, field in known.items():
        if name in value:
            yield from unlike(value[name], field.type, f"{path}.{name}")
        elif field.required and not get_close_matches(name, misspelt, n=1, cutoff=0.75):
            yield path, f"the key `{name}` is missing."


def _leaf(value: object, model: Any, path: str, *, of: list[Any] | None = None) -> Iterator[tuple[str, str]]:
    """A value that is looked at as a whole; `of` is the list whose length counts, its elements apart."""
    if of is not None:
        least = next((one.min_length for one in _metas(model) if one.min_length is not None), 0)
        if len(of) < least:
            yield path, f"this list has a length of at least {least}."
        return
    try:
        msgspec.convert(value, type=model, strict=True)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        says = next((str(meta.extra[SAYS]) for meta in _metas(model) if meta.extra and SAYS in meta.extra), "")
        yield path + (found["path"] if found else ""), _put(says, value) if says else _plain(_AT.sub("", str(error)))
        return
    for meta in _metas(model):
        pattern = (meta.extra_json_schema or {}).get("pattern")
        if pattern and isinstance(value, str) and not re.search(pattern, value):
            yield path, _put(str((meta.extra or {}).get(SAYS, "{value} is not written as it has to be.")), value)


def _put(says: str, value: object) -> str:
    """A sentence about a value, which stands in it as YAML has it."""
    return says.format(value=repr(value) if isinstance(value, str) else "nothing" if value is None else value)


def _plain(what: str) -> str:
    """What msgspec says of a value, as people say it; what has no other words stays as it is."""
    if "RFC3339" in what:
        return "it is no date. Write it as 2026-01-31."
    if what.startswith("Expected `int"):
        return "it is no whole number. Write one, such as 60."
    if found := _WORD.fullmatch(what):
        return f"{found['value']} is no word that is known here."
    found = _GOT.fullmatch(what)
    if found is None:
        return what
    expected = " or ".join(_KINDS.get(one, one) for one in found["expected"].split(" | "))
    quotes = " Put it into quotes." if found["expected"] == "str" and found["got"] in _BARE else ""
    return f"{expected} is expected here, and {_KINDS.get(found['got'], found['got'])} is given.{quotes}"


def _metas(model: Any) -> list[Meta]:
    return [one for one in get_args(model)[1:] if isinstance(one, Meta)] if get_origin(model) is Annotated else []
