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
        yield path, f"Object contains unknown field `{key}`"
    for name, field in known.items():
        if name in value:
            yield from unlike(value[name], field.type, f"{path}.{name}")
        elif field.required and not get_close_matches(name, misspelt, n=1, cutoff=0.75):
            yield path, f"Object missing required field `{name}`"


def _leaf(value: object, model: Any, path: str, *, of: list[Any] | None = None) -> Iterator[tuple[str, str]]:
    """A value that is looked at as a whole; `of` is the list whose length counts, its elements apart."""
    if of is not None:
        least = next((one.min_length for one in _metas(model) if one.min_length is not None), 0)
        if len(of) < least:
            yield path, f"Expected `array` of length >= {least}"
        return
    try:
        msgspec.convert(value, type=model, strict=True)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        yield path + (found["path"] if found else ""), _AT.sub("", str(error))
        return
    for meta in _metas(model):
        pattern = (meta.extra_json_schema or {}).get("pattern")
        if pattern and isinstance(value, str) and not re.search(pattern, value):
            yield (
                path,
                str((meta.extra or {}).get(SAYS, "{value} is not written as it has to be.")).format(value=repr(value)),
            )


def _metas(model: Any) -> list[Meta]:
    return [one for one in get_args(model)[1:] if isinstance(one, Meta)] if get_origin(model) is Annotated else []
