"""Pages of long lists. A cursor names the last row seen, so that rows coming in do not shift the pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID

from django.db import models

from andon.kit.errors import Invalid

M = TypeVar("M", bound=models.Model)
MOST: Final = 200
DEFAULT: Final = 50


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows of a list, and the cursor of those that follow; None at the end."""

    items: Sequence[M]
    next_cursor: str | None


def page(
    rows: models.QuerySet[M], *, cursor: str | None = None, limit: int = DEFAULT, newest_first: bool = True
) -> Page[M]:
    """One page of `rows`, which have UUIDv7 keys, in the order in which they were made.

    Args:
        rows: What may be listed; any order it has is replaced.
        cursor: `next_cursor` of the page before; None or empty for the first.
        limit: At most how many rows, 1 to 200.
        newest_first: False lists the oldest first.

    Raises:
        Invalid: The cursor or the limit cannot be taken (`field` says which).
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"limit must be between 1 and {MOST}, not {limit}.", field="limit")
    if cursor:
        rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": _read(cursor)})
    # One row more than asked for tells whether there is a next page without counting.
    found = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    more = len(found) > limit
    items = found[:limit]
    return Page(items=items, next_cursor=_write(items[-1].pk) if more else None)


def _write(key: UUID) -> str:
    return urlsafe_b64encode(key.bytes).decode().rstrip("=")


def _read(cursor: str) -> UUID:
    try:
        return UUID(bytes=urlsafe_b64decode(cursor.encode("ascii") + b"=="))
    except ValueError:  # not ASCII, not base64, or not 16 bytes
        raise Invalid(
            "This cursor is not one that Andon made. Leave it out to begin at the first page.", field="cursor"
        ) from None
