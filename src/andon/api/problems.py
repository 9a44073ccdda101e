"""Every error of the API as RFC 9457 problem details, in the words that the screens use too."""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from andon.kit.errors import Refused

PROBLEM_TYPE: Final = "application/problem+json"
_log = logging.getLogger("andon.api")

Answer = Callable[[HttpRequest, Any], HttpResponse]


def problem(
    status: int,
    detail: str,
    *,
    code: str = "",
    field: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """A response that says what happened, what it means and what to do.

    Args:
        status: HTTP status.
        detail: The words.
        code: A stable name for machines; it is also the end of `type`.
        field: Which field the problem is about, in dotted notation.
        errors: Several such problems, each with `field` and `detail`.
        headers: Further headers.
    """
    code = code or HTTPStatus(status).phrase.lower().replace(" ", "-")
    body: dict[str, Any] = {
        "type": f"urn:andon:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if field:
        body["field"] = field
    if errors:
        body["errors"] = list(errors)
    response = JsonResponse(body, status=status, content_type=PROBLEM_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="andon"'
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def of(refusal: Refused) -> HttpResponse:
    """A refusal of an action."""
    return problem(refusal.status, refusal.what, code=refusal.code, field=refusal.field)


def not_found(_request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
    """An address of the API that leads nowhere."""
    return problem(404, "There is nothing at this address. /api/v1/openapi.json lists what there is.", code="not-found")


def not_allowed(allowed: str) -> HttpResponse:
    """An address that does not take this method."""
    return problem(405, f"This address takes {allowed}.", code="method-not-allowed", headers={"Allow": allowed})


def too_big() -> HttpResponse:
    """A body above the bound."""
    return problem(413, "The body is larger than 2 MB. Send less at a time.", code="too-large")


def not_text() -> HttpResponse:
    """A NUL, which PostgreSQL cannot hold, or half of a surrogate pair, which nothing can."""
    return problem(
        400,
        "The request holds a NUL (U+0000) or half of a surrogate pair, which is no text. Leave it out.",
        code="malformed",
    )


def unavailable() -> HttpResponse:
    """The database is busy or gone; nothing was written."""
    return problem(
        503,
        "The database did not answer. Nothing was written; try again in a few seconds.",
        code="database-unavailable",
        headers={"Retry-After": "5"},
    )


def _invalid(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [
        {
            "field": _field(one.get("loc", ())),
            "detail": str(one.get("msg", "")).removeprefix("Value error, "),  # as the library begins our own words
            "code": str(one.get("type", "")),
        }
        for one in error.errors
    ]
    first = errors[0] if errors else {"field": "", "detail": "The request cannot be read."}
    said = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
    more = f" ({len(errors) - 1} more in errors)" if len(errors) > 1 else ""
    return problem(422, f"{said}.{more}", code="invalid", field=first["field"], errors=errors)


def _field(location: Sequence[Any]) -> str:
    """`("body", "data", "name")` becomes `name`: where Ninja read it says nothing to a caller."""
    parts = [str(part) for part in location]
    if parts and parts[0] in {"body", "form"}:
        parts = parts[2:] or ["body"]
    elif parts and parts[0] in {"query", "path", "header", "cookie"}:
        parts = parts[1:]
    return ".".join(parts)


def _http_error(_request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error, AuthenticationError):
        return problem(
            401,
            "Nobody is signed in. Send a personal token: Authorization: Bearer andon_pat_…",
            code="unauthenticated",
        )
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return problem(400, "The body is not JSON that can be read.", code="malformed", field="body")
    return problem(error.status_code, error.message)


def database(request: HttpRequest, error: Exception) -> HttpResponse:
    """The database did not answer: 503, and a line in the log."""
    _log.warning("The database did not answer %s %s: %s", request.method, request.path, error)
    return unavailable()


def _unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    # Django's own handling would answer with an HTML page; its signal is sent so that whoever watches for
    # errors (the test client among them) hears of this one too.
    got_request_exception.send(sender=type(error), request=request)
    _log.error("Unexpected error in %s %s", request.method, request.path, exc_info=error)
    return problem(500, "Something in Andon is broken; its log says what. Nothing was written.", code="broken")


def attach(api: NinjaAPI) -> None:
    """Answer every error of `api` as a problem."""
    handlers: dict[type[Exception], Answer] = {
        Refused: lambda _request, refusal: of(refusal),
        ValidationError: _invalid,
        HttpError: _http_error,
        Http404: not_found,
        RequestDataTooBig: lambda _request, _error: too_big(),
        UnicodeEncodeError: lambda _request, _error: not_text(),
        OperationalError: database,
        InterfaceError: database,
        Exception: _unexpected,
    }
    for kind, answer in handlers.items():
        api.add_exception_handler(kind, answer)
