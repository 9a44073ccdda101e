"""JSON into typed structs by msgspec, with errors that name the field; and bodies that come compressed."""

import re
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from andon.intake.events import HIDDEN, Malformed, Request, Sender

T = TypeVar("T")

Key: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
"""What tells one thing from another: an empty one would make all of them the same."""

_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
"""Where a text in JSON escapes something; `half` where that is a surrogate by itself."""


def decode(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, *, at: str = "") -> T:
    """The body, or what stands in it at this path, as the decoder's type; raises `Malformed`.

    What is no character becomes U+FFFD: a title that its sender cut in the middle of an emoji, or wrote in Latin-1,
    must lose no alert.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _named(error, decoder.type, at) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        whole = bytes(body)
        if not whole.strip():
            raise Malformed("The body is empty; send what the integration's page shows.") from error
        if (mended := _mended(whole)) != whole:
            return decode(decoder, mended, at=at)
        raise Malformed(f"The body is not JSON: {error}.", field=at) from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.", field=at) from error


def _mended(body: bytes) -> bytes:
    """A body that is UTF-8, without a mark before it, and has no half of a surrogate pair (RFC 8259, 8.1 and 8.2)."""
    text = body.decode("utf-8-sig", "replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], text)


def convert(value: Any, to: type[T], *, at: str = "") -> T:
    """A decoded JSON value as a typed struct; `at` is the path of the value in the body. Raises `Malformed`."""
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        raise _named(error, to, at) from error


def unpacked(request: Request, most: int) -> Request:
    """The request with its body as the sender had it before it was compressed; raises `Malformed`.

    Never more than `most` bytes are unpacked: a thousandfold more can hide in a small body.
    """
    encoding = _encoding(request.headers)
    if encoding == "identity":
        return request
    if encoding not in _GZIP:
        raise Malformed(f"The body is compressed with {encoding}; gzip and none are understood.")
    body, wrong = _inflated(request.body, most)
    if wrong:
        raise Malformed(wrong)
    return msgspec.structs.replace(request, body=body)


def _inflated(packed: bytes, most: int) -> tuple[bytes, str]:
    """What a body in gzip has, up to so many bytes, and what is wrong with it, in words; empty if nothing is.

    There may be several members, one after the other (RFC 1952, 2.2). They are unpacked in pieces: zlib hands back
    what follows a member, and whole that would be copied once for each of fifty thousand empty ones.
    """
    found = bytearray()
    unpacking = zlib.decompressobj(_GZIP_HEADER)
    for begin in range(0, len(packed), _PIECE):
        piece = packed[begin : begin + _PIECE]
        while piece:
            if unpacking.eof:
                unpacking = zlib.decompressobj(_GZIP_HEADER)
            try:
                found += unpacking.decompress(piece, most - len(found) + 1)
            except zlib.error:
                return bytes(found), "The body is said to be gzip and is not" + (" to its end." if found else ".")
            if len(found) > most:
                return bytes(found[:most]), f"Unpacked, the body has more than {most} bytes; send less at once."
            piece = unpacking.unused_data
    return bytes(found), "" if unpacking.eof else "The body is said to be gzip and breaks off."


_PIECE = 4096


_SECRET_FROM = 16
"""Characters from which a routing key is taken for one: a shorter word fills a field that may not be empty."""
_SAYS_NOTHING = 5
"""So many characters of the beginning of a token may be the end of any text."""


def token_inside(adapter: Sender, request: Request) -> str:
    """The token that the body holds; none where that cannot be read."""
    try:
        return adapter.token_in(unpacked(request, adapter.most_unpacked).body)
    except Malformed:
        return ""


def to_look_at(adapter: Sender, request: Request, token: str, most: int) -> bytes:
    """What is kept of a body, without the token where it may stand in it: whoever reads it could send as its sender."""
    if not adapter.token_in_body:
        return _readable(adapter, request, most)
    tokens = {each for each in (token, token_inside(adapter, request)) if len(each) >= _SECRET_FROM}
    shown = _readable(adapter, request, most + max(map(len, tokens), default=0))
    for each in tokens:
        shown = _without(each.encode(), shown)
    return adapter.hide(shown)


def _without(token: bytes, shown: bytes) -> bytes:
    """A text without a token, nor its beginning at the end, where the text may have been cut."""
    shown = shown.replace(token, HIDDEN)
    cut = next((length for length in range(len(token) - 1, _SAYS_NOTHING, -1) if shown.endswith(token[:length])), 0)
    return shown[:-cut] + HIDDEN if cut else shown


def _readable(adapter: Sender, request: Request, most: int) -> bytes:
    """A body for a person to look at: the beginning of what was compressed, or what came if it cannot be unpacked."""
    shown = adapter.shown(request, most)
    if shown is not None:
        return shown
    if _encoding(request.headers) not in _GZIP:
        return request.body
    found, wrong = _inflated(request.body, most)
    return request.body if wrong and not found else found


_GZIP = {"gzip", "x-gzip"}  # two names of one (RFC 9110, 8.4.1.3)
_GZIP_HEADER = zlib.MAX_WBITS | 16  # 16: with gzip's header


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "identity").strip().lower() or "identity"


def plain(value: Any) -> str:
    """A value as a label's text; anything that is no text as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _named(error: msgspec.ValidationError, expected: Any, at: str = "") -> Malformed:
    words = str(error)
    place = _AT.search(words)
    path = at + (("." if at and not place["path"].startswith("[") else "") + place["path"] if place else "")
    what = words[: place.start()] if place else words
    if missing := _MISSING.search(what):
        path = f"{path}.{missing['name']}" if path else missing["name"]
    elif choices := _choices(expected).get(path.rpartition(".")[2]) if "enum" in what else None:
        what = f"{what}: give one of {', '.join(choices)}"
    return Malformed(f"{what}.", field=path)


@cache
def _choices(expected: Any) -> dict[str, list[str]]:
    """The values that fields with enumerated ones take, by the field's name, in a struct and those inside it."""
    found: dict[str, list[str]] = {}

    def look(info: Any) -> None:
        for field in getattr(info, "fields", ()):
            for one in getattr(field.type, "types", (field.type,)):
                if isinstance(one, msgspec.inspect.LiteralType):
                    found[field.encode_name] = [str(value) for value in one.values]
                look(one)
        if inner := getattr(info, "item_type", None):
            look(inner)

    look(msgspec.inspect.type_info(expected))
    return found
