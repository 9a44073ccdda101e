"""Encryption at rest of what can reach or name a person (Fernet, with key rotation by MultiFernet)."""

import json
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class Undecryptable(Exception):  # noqa: N818  reads as what it is
    """A stored value was encrypted with a key that ANDON_FIELD_KEYS no longer holds."""


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
        raise Undecryptable(
            "A stored contact or secret was encrypted with a key that is no longer configured. "
            "Put the earlier key back behind the new one in ANDON_FIELD_KEYS."
        ) from error


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


class EncryptedTextField(_Text):
    """Text that is plain in Python and encrypted in the database. It cannot be searched by value."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in; empty stays empty so that 'no value' is visible."""
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper) -> str | None:
        """Decrypt on the way out."""
        return decrypt(value) if value else value


class EncryptedJSONField(_Object):
    """A small JSON object of texts, encrypted in the database as one text."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in."""
        return encrypt(json.dumps(value, ensure_ascii=False, sort_keys=True))

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> dict[str, str] | None:
        """Decrypt on the way out; None is a row that an outer join did not find."""
        read: dict[str, str] | None = None if value is None else json.loads(decrypt(value))
        return read


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
