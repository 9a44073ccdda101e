"""Bytes that are plain in Python and take less room in the database: what is long is compressed on the way in.

Less is written for it, and less is waited for the disk. The least effort of zlib is taken: on bodies of alerts it finds
nearly all that there is to find, in a tenth of a millisecond for 64 KiB, and other threads run meanwhile.
"""

import zlib
from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

MARK: Final = b"\x00packed\x00"
"""How what is packed begins. Bytes that begin so by themselves are packed however few they are, so none is mistaken."""
LONG: Final = 2_000
"""Bytes from which it pays: half a page of SQLite."""
_LEAST_EFFORT: Final = 1

if TYPE_CHECKING:  # Django's fields take type arguments in their stubs alone
    _Bytes = models.BinaryField[bytes, bytes]
else:
    _Bytes = models.BinaryField


def pack(plain: bytes) -> bytes:
    """As it is to lie in the database."""
    marked = plain.startswith(MARK)
    if len(plain) < LONG and not marked:
        return plain
    packed = MARK + zlib.compress(plain, _LEAST_EFFORT)
    return packed if marked or len(packed) < len(plain) else plain


def unpack(kept: bytes) -> bytes:
    """What was packed. What lay there before anything was packed, and only looks like it, is given as it lies."""
    if not kept.startswith(MARK):
        return kept
    try:
        return zlib.decompress(kept[len(MARK) :])
    except zlib.error:
        return kept


class PackedBytesField(_Bytes):
    """A column of bytes as `BinaryField` has it, long ones packed. A migration sees no difference."""

    def deconstruct(self) -> Any:
        """As the plain field: rows from before are read as they lie, so no table has to be written anew."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002  Django's signature
        """Pack on the way in."""
        packed = None if value is None else pack(bytes(value))
        return super().get_db_prep_value(packed, connection, prepared)

    def from_db_value(self, value: Any, _expression: object, _connection: BaseDatabaseWrapper) -> bytes | None:
        """Unpack on the way out; None is a row that an outer join did not find."""
        return None if value is None else unpack(bytes(value))
