"""Encryption at rest of what can reach or name a person (Fernet, with key rotation by MultiFernet)."""

import json
import zlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from andon.kit.errors import Refused

T = TypeVar("T")


class Undecryptable(Refused):
    """A stored value was encrypted with a key that ANDON_FIELD_KEYS no longer holds."""

    status = 503
    code = "key-missing"
    silent_variable_failure = True  # Django's: a template that names what is in such a value shows nothing there


LOST_KEY: Final = (
    "A stored contact or secret was encrypted with a key that is no longer configured. "
    "Put the earlier key back behind the new one in ANDON_FIELD_KEYS."
)


class Sealed:
    """What stands in a row for a value that no key opens. To use it in any way raises `Undecryptable`.

    So a row can be read and listed, and whatever does not need the value goes on. Saved with its row, what is encrypted
    stays as it is. It counts as there: no signature goes unchecked because its secret cannot be read.
    """

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    def __bool__(self) -> bool:
        """There is something."""
        return True

    def __repr__(self) -> str:
        """For a log; nothing of the value."""
        return "<sealed>"

    def __getattr__(self, name: str) -> Any:
        """Anything that a text or an object of texts has is not to be had."""
        if name.startswith("_") or name in _ASKED_BY_DJANGO:
            raise AttributeError(name)
        raise Undecryptable(LOST_KEY)

    def _refuse(self, *_args: object) -> Any:
        raise Undecryptable(LOST_KEY)

    __str__ = __len__ = __iter__ = __getitem__ = __contains__ = __add__ = __radd__ = __mod__ = __format__ = _refuse


_ASKED_BY_DJANGO: Final = frozenset({"resolve_expression", "as_sql", "prepare_database_save"})


def readable(value: object) -> bool:
    """Whether an encrypted field's value was decrypted."""
    return not isinstance(value, Sealed)


def unless_sealed(value: T, other: T) -> T:
    """The value of an encrypted field, or `other` where no key opens it: for what is only shown."""
    return value if readable(value) else other


def opened(value: T) -> T:
    """The value of an encrypted field, for whoever hands it on before it is used; raises `Undecryptable`."""
    if isinstance(value, Sealed):
        raise Undecryptable(LOST_KEY)
    return value


def hold_keys() -> None:
    """Read every key of this installation now, and make what is not there; for a process that goes on.

    Settings read them when they are first used. A folder that is emptied under a server must not let it go on with keys
    that are made anew, which nobody else has.
    """
    _fernet(tuple(settings.FIELD_KEYS))
    len(settings.SECRET_KEY)


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> str:
    """Encrypt with the first (newest) key of ANDON_FIELD_KEYS."""
    return _fernet(tuple(settings.FIELD_KEYS)).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Decrypt with whichever key fits; raises `Undecryptable` when none does."""
    try:
        return _fernet(tuple(settings.FIELD_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise Undecryptable(LOST_KEY) from error


def by_newest(token: str) -> bool:
    """Whether the first (newest) key fits what was encrypted."""
    try:
        Fernet(settings.FIELD_KEYS[0]).decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def encrypt_bytes(body: bytes) -> bytes:
    """As `encrypt`, for bytes."""
    return _fernet(tuple(settings.FIELD_KEYS)).encrypt(body)


def decrypt_bytes(token: bytes) -> bytes:
    """As `decrypt`, for bytes."""
    try:
        return _fernet(tuple(settings.FIELD_KEYS)).decrypt(token)
    except InvalidToken as error:
        raise Undecryptable(
            "Kept evidence was changed, or encrypted with a key that is no longer configured. "
            "Put the earlier key back behind the new one in ANDON_FIELD_KEYS."
        ) from error


if TYPE_CHECKING:  # Django's fields take type arguments in their stubs alone
    _Text = models.TextField[str, str]
    _Object = models.TextField[dict[str, str], dict[str, str]]
    _Bytes = models.BinaryField[bytes | None, bytes | None]
else:
    _Text = _Object = models.TextField
    _Bytes = models.BinaryField


def _unsealed(value: str, read: Callable[[str], T]) -> T:
    """What `read` makes of a stored value; a `Sealed` in its place where no key opens it."""
    try:
        return read(value)
    except Undecryptable:
        return cast("T", Sealed(value))


class EncryptedTextField(_Text):
    """Text that is plain in Python and encrypted in the database. It cannot be searched by value.

    Where no key opens it, it is a `Sealed`.
    """

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in; empty stays empty so that 'no value' is visible."""
        if isinstance(value, Sealed):
            return value.token
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper) -> str | None:
        """Decrypt on the way out."""
        return _unsealed(value, decrypt) if value else value


class EncryptedJSONField(_Object):
    """A small JSON object of texts, encrypted in the database as one text. Where no key opens it, it is a `Sealed`."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in."""
        if isinstance(value, Sealed):
            return value.token
        return encrypt(json.dumps(value, ensure_ascii=False, sort_keys=True))

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> dict[str, str] | None:
        """Decrypt on the way out; None is a row that an outer join did not find."""
        read: Callable[[str], dict[str, str]] = lambda token: json.loads(decrypt(token))  # noqa: E731  as `decrypt`
        return None if value is None else _unsealed(value, read)


class EncryptedBytesField(_Bytes):
    """Bytes that are plain in Python, compressed and encrypted in the database. None stays None."""

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002  Django's signature
        """Compress and encrypt on the way in."""
        sealed = None if value is None else encrypt_bytes(zlib.compress(bytes(value)))
        return super().get_db_prep_value(sealed, connection, prepared)

    def from_db_value(self, value: Any, _expression: object, _connection: BaseDatabaseWrapper) -> bytes | None:
        """Decrypt on the way out. Raises `Undecryptable`, or ValueError for what was never written here."""
        if value is None:
            return None
        try:
            return zlib.decompress(decrypt_bytes(bytes(value)))
        except zlib.error as error:
            raise ValueError(str(error)) from error


def lost() -> dict[str, int]:
    """How many rows of each kind have a text or settings that no key opens, by what people call the kind."""
    found: dict[str, int] = {}
    for model in apps.get_models():
        meta = model._meta  # noqa: SLF001  Django's documented API
        names = [one.name for one in meta.fields if isinstance(one, EncryptedTextField | EncryptedJSONField)]
        if not names:
            continue
        rows = models.QuerySet(model).order_by().values_list(*names).iterator(chunk_size=2_000)
        if count := sum(not all(map(readable, row)) for row in rows):
            found[str(meta.verbose_name_plural)] = count
    return found
