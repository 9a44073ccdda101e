"""Idempotency-Key: a request that is sent again is answered again, and acts once.

The claim on a key is committed by itself, so that a second request sees it at once. What the request does and
the answer that is kept are one transaction, so that a crash leaves either both or neither.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from andon.api.models import KeptAnswer
from andon.kit import clock
from andon.kit.errors import Conflict, Invalid
from andon.people.api_auth import Caller, who

KEPT_FOR: Final = timedelta(hours=24)
_GIVEN_UP_AFTER: Final = timedelta(minutes=2)  # longer than any request runs: who claimed it has crashed
_SAFE: Final = {"GET", "HEAD", "OPTIONS", "TRACE"}
_KEPT_HEADERS: Final = ("Content-Type", "Location", "ETag")

Act = Callable[[], HttpResponseBase]


def once(request: HttpRequest, act: Act) -> HttpResponseBase:
    """Run `act`, or answer as it was answered before under the same key.

    Raises:
        Invalid: The key is unusable, or was used for another request.
        Conflict: A request with this key is being worked on.
    """
    key = request.headers.get("Idempotency-Key", "").strip()
    if request.method in _SAFE or not key:
        return act()
    if len(key) > 200:  # noqa: PLR2004  the column's width
        raise Invalid("An Idempotency-Key has at most 200 characters.", field="Idempotency-Key")
    known = who(request)
    if known is None:
        return act()  # which answers that nobody is signed in
    digest = _digest(request, known)
    row, ours = _claim(known.person.pk, key, digest)
    return _first_time(row, act) if ours else _again(row, digest)


def _digest(request: HttpRequest, known: Caller) -> str:
    """Two requests are the same when method, address and body are, and what their senders may.

    Else a token with fewer scopes would be answered what another of the same person was.
    """
    may = "all" if known.scopes is None else " ".join(sorted(known.scopes))
    parts = (request.method or "", request.get_full_path(), hashlib.sha256(request.body).hexdigest(), may)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _claim(person_id: UUID, key: str, digest: str) -> tuple[KeptAnswer, bool]:
    """The row of this key, and whether it is ours to work on."""
    now = clock.now()
    _forget(now)
    mine = KeptAnswer(person_id=person_id, key=key, request_digest=digest, claimed_at=now)
    try:
        with transaction.atomic():
            mine.save(force_insert=True)
    except IntegrityError:
        row = KeptAnswer.objects.filter(person_id=person_id, key=key).first()
        if row is None:  # let go of between the two statements
            raise _busy() from None
        return row, _taken_over(row, digest, now)
    return mine, True


def _taken_over(row: KeptAnswer, digest: str, now: datetime) -> bool:
    """Whether the claim of a process that crashed is now ours."""
    if row.answered_at or row.request_digest != digest or row.claimed_at > now - _GIVEN_UP_AFTER:
        return False
    taken = KeptAnswer.objects.filter(pk=row.pk, answered_at=None, claimed_at=row.claimed_at).update(claimed_at=now)
    row.claimed_at = now
    return taken == 1


def _forget(now: datetime) -> None:
    """Let go of what is older than a day. Asks before it deletes, because asking takes no write lock."""
    old = KeptAnswer.objects.filter(claimed_at__lt=now - KEPT_FOR)
    if old.exists():
        old.delete()


def _first_time(row: KeptAnswer, act: Act) -> HttpResponseBase:
    kept = False
    try:
        with transaction.atomic():
            response = act()
            if _keepable(response):
                kept = _keep(row, response)
            else:
                transaction.set_rollback(True)  # a refused request has done nothing, and may come again
    finally:
        if not kept:
            KeptAnswer.objects.filter(pk=row.pk, answered_at=None, claimed_at=row.claimed_at).delete()
    return response


def _keepable(response: HttpResponseBase) -> bool:
    return isinstance(response, HttpResponse) and response.status_code < HTTPStatus.BAD_REQUEST


def _keep(row: KeptAnswer, response: HttpResponseBase) -> bool:
    assert isinstance(response, HttpResponse)  # noqa: S101  _keepable has looked; this tells the type checker
    kept = KeptAnswer.objects.filter(pk=row.pk, answered_at=None, claimed_at=row.claimed_at).update(
        answered_at=clock.now(),
        status=response.status_code,
        headers={name: response[name] for name in _KEPT_HEADERS if name in response},
        body=response.content.decode(),
    )
    if kept != 1:  # taken over while we worked: leave the acting to whoever has it now
        transaction.set_rollback(True)
        raise _busy()
    return True


def _again(row: KeptAnswer, digest: str) -> HttpResponse:
    if row.request_digest != digest:
        raise Invalid(
            "This Idempotency-Key was used for another request within the last 24 hours. "
            "Use a new key for a new request.",
            field="Idempotency-Key",
            code="idempotency-key-reused",
        )
    if row.answered_at is None:
        raise _busy()
    response = HttpResponse(row.body, status=row.status, headers=row.headers)
    response["Idempotent-Replayed"] = "true"
    return response


def _busy() -> Conflict:
    return Conflict(
        "A request with this Idempotency-Key is being worked on. Ask again in a moment for its answer.",
        code="idempotency-key-busy",
    )
