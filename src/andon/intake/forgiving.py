"""A second look at what did not decode as it should: no page is lost for a detail, nor for its neighbour in a batch.

What an adapter's struct may be without, it is without where what stands there cannot be meant: a link that is null, a
time that is none. A number where a text belongs is its text. What it may not be without (what it is about, whether it
fires or has ended) stays refused. All this is looked for only in what was refused at the first look, so what is as it
should be costs nothing more.
"""

from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from andon.intake.decoding import Key, convert, decode, plain
from andon.intake.events import Malformed, Said

T = TypeVar("T")

WHY = 180
"""Characters of what is wrong with a part, which may hold a word of the sender's: what is said of a batch, and what to
do, fits what a delivery keeps of it."""

MOST = 1_000
"""Things of a list up to which each is looked at; in a longer one a single odd one counts for all: a megabyte can hold
so many that the look would hold up everybody else."""

UNREAD = 20_000
"""Parts of a batch that may be left out: a megabyte can hold half a million that are none, and to look at each of those
would hold up everybody else for seconds. No monitor sends such."""

_any = msgspec.json.Decoder(Any)


def read(decoder: msgspec.json.Decoder[T], body: bytes | msgspec.Raw, *, at: str = "") -> T:
    """As `decode`, without details that cannot be meant. Raises `Malformed`."""
    try:
        return decode(decoder, body, at=at)
    except Malformed:
        value = decode(_any, body, at=at)
    return convert(_meant(value, decoder.type), decoder.type, at=at)


def fit(value: Any, to: type[T], *, at: str = "") -> T:
    """As `convert`, without details that cannot be meant. Raises `Malformed`."""
    try:
        return convert(value, to, at=at)
    except Malformed:
        return convert(_meant(value, to), to, at=at)


class LeftOut:
    """What of a batch could not be read while the rest was: how much, and what was wrong with the first of it.

    Args:
        part: What the sender calls one thing of the batch.
    """

    def __init__(self, part: str) -> None:
        self._part = part
        self.count = 0
        self._first: Malformed | None = None

    def add(self, error: Malformed) -> None:
        """One more, whose place is the error's field. Raises `Malformed` when they are too many to go on."""
        self.count += 1
        first = self._first = self._first or error
        if self.count > UNREAD:
            more = f"More than {UNREAD} {self._part}s of this body cannot be read. The first: {first.what[:WHY]}"
            raise Malformed(more, field=first.field)

    def tell(self, said: Said, *, of: int) -> Said:
        """The same, which says now what was left out of so many. Raises the first `Malformed` if nothing was read."""
        if self._first is None:
            return said
        if self.count >= of:
            raise self._first
        said.left_out = self.count
        parts = f"1 {self._part} was" if self.count == 1 else f"{self.count} {self._part}s were"
        said.why = f"{parts} not taken. {self._first.field}: {self._first.what[:WHY]}"
        return said


def _meant(value: Any, of: Any, *, must: bool = False) -> Any:
    """A JSON value without what does not fit where a struct may be without it; elsewhere it stays, to be refused.

    What `must` be there loses nothing that is in it.
    """
    kinds = get_args(of) if get_origin(of) in {Union, UnionType} else (of,)
    if isinstance(value, dict):
        if struct := next((kind for kind in kinds if _may_be(kind, value)), None):
            return _fields(value, struct)
        if dict[str, str] in kinds:
            return {name: plain(text) for name, text in value.items() if text is not None}
    if type(value) in {int, float} and (str in kinds or Key in kinds):
        return plain(value)
    listed = next((kind for kind in kinds if get_origin(kind) is list), None)
    if isinstance(value, list) and listed and len(value) <= MOST:
        (inner,) = get_args(listed)
        return [one for one in (_meant(each, inner) for each in value) if must or _fits(one, inner)]
    return value


def _may_be(kind: Any, value: Mapping[str, Any]) -> bool:
    """Whether an object is this struct, as far as its tag says."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return False
    config = kind.__struct_config__
    return config.tag is None or value.get(config.tag_field or "") == config.tag


def _fields(value: dict[str, Any], struct: type[msgspec.Struct]) -> dict[str, Any]:
    kept = dict(value)
    for field in msgspec.structs.fields(struct):
        name = field.encode_name
        if name in kept:
            kept[name] = _meant(kept[name], field.type, must=field.required)
            if not field.required and not _fits(kept[name], field.type):
                del kept[name]
    return kept


def _fits(value: Any, of: Any) -> bool:
    try:
        msgspec.convert(value, of)
    except msgspec.ValidationError:
        return False
    return True
