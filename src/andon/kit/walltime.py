"""Local wall time in the database: a reading of a clock on a wall, which is no instant until a zone is beside it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:  # Django's fields take type arguments in their stubs alone
    _Char = models.CharField[Any, Any]
else:
    _Char = models.CharField


class WallTimeField(_Char):
    """A naive datetime to the minute, stored as ISO text so that no database driver converts it (it sorts as time)."""

    if TYPE_CHECKING:  # what the type checker's Django plugin looks for on a field
        _pyi_private_set_type: datetime  # type: ignore[assignment]  # CharField's own say text
        _pyi_private_get_type: datetime  # type: ignore[assignment]  # as above

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 16
        super().__init__(*args, **kwargs)

    def get_prep_value(self, value: Any) -> Any:
        """To text; refuses an aware datetime, which would not be wall time."""
        if isinstance(value, datetime):
            if value.tzinfo is not None:
                raise ValueError("Wall time carries no zone of its own; the row's time_zone says it.")
            return value.isoformat(timespec="minutes")
        return value

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> datetime | None:
        """Back to a naive datetime."""
        return datetime.fromisoformat(value) if value else None

    def to_python(self, value: Any) -> Any:
        """From a form or a fixture."""
        return datetime.fromisoformat(value) if isinstance(value, str) and value else value
