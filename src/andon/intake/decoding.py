"""JSON into typed structs by msgspec, with errors that name the field."""

import re
from typing import Any, TypeVar

import msgspec

from andon.intake.events import Malformed

T = TypeVar("T")

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body as the decoder's type; raises `Malformed`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _named(error) from error
    except msgspec.DecodeError as error:
        raise Malformed(f"The body is not JSON: {error}.") from error
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error


def convert(value: Any, to: type[T], *, at: str = "") -> T:
    """A decoded JSON value as a typed struct; `at` is the path of the value in the body. Raises `Malformed`."""
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        raise _named(error, at) from error


def _named(error: msgspec.ValidationError, at: str = "") -> Malformed:
    words = str(error)
    place = _AT.search(words)
    path = at + (("." if at and not place["path"].startswith("[") else "") + place["path"] if place else "")
    what = words[: place.start()] if place else words
    if missing := _MISSING.search(what):
        path = f"{path}.{missing['name']}" if path else missing["name"]
    return Malformed(f"{what}.", field=path)
