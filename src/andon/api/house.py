"""What every address of the API has in common: problems, keys that act once, ETags, and its document."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, re_path
from django.utils.cache import get_conditional_response, patch_vary_headers, set_response_etag
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation, PathView

from andon.api import idempotency, problems
from andon.kit import nul, outdated
from andon.kit.errors import Refused

View = Callable[..., HttpResponseBase]
_SAFE: Final = {"GET", "HEAD"}
_UNSAFE: Final = {"post", "put", "patch", "delete"}


class HouseAPI(NinjaAPI):
    """Ninja with the manners of the house."""

    @property
    def urls(self) -> tuple[list[URLResolver | URLPattern], str, str]:
        """Ninja's addresses, each passed through `answered`, and a last one for all that lead nowhere."""
        patterns, app_name, namespace = super().urls
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _with_words(answered(pattern.callback), _operations(pattern.callback))
        return [*patterns, re_path(r"^.*$", answered(problems.not_found))], app_name, namespace

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """`people_invite`: the slice and the function, which is how client generators name their methods."""
        module = operation.view_func.__module__.removeprefix("andon.").removesuffix(".api")
        return f"{module}_{operation.view_func.__name__}".replace(".", "_")

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """The document, with the problem that any operation may answer, and the key that unsafe ones take."""
        document = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        document["components"]["schemas"]["Problem"] = _PROBLEM
        for methods in document["paths"].values():
            for method, operation in methods.items():
                _complete(method, operation)
        return document


def _operations(view: View) -> Sequence[Operation]:
    """What Ninja runs behind a view; the view closes over it and names it nowhere. Nothing behind the document's."""
    behind = inspect.getclosurevars(view).nonlocals.get("self") if inspect.isfunction(view) else None
    return behind.operations if isinstance(behind, PathView) else ()


def _with_words(view: View, operations: Sequence[Operation]) -> View:
    """The view, saying of a server that is older than its database what its operations say; see `kit.outdated`."""
    said = {method: words for one in operations if (words := outdated.said_by(one.view_func)) for method in one.methods}
    if not said:
        return view
    return outdated.when_outdated(lambda request: said.get(str(request.method), outdated.by_method)(request))(view)


def answered(view: View) -> View:
    """A view of the API: its callers are known by Ninja's own auth, so the sign-in page is not for them."""

    @login_not_required
    @wraps(view)
    def respond(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if unfit := _unfit(request):
            return unfit
        try:
            response = idempotency.once(request, lambda: view(request, *args, **kwargs))
        except Refused as refusal:
            return problems.of(refusal)
        except Http404:
            return problems.not_found(request)
        except (OperationalError, InterfaceError) as error:
            return problems.database(request, error)
        if response.status_code == 405:  # noqa: PLR2004  Method Not Allowed, which Ninja answers as text
            return problems.not_allowed(response["Allow"])
        return _conditional(request, response)

    respond.csrf_exempt = True  # type: ignore[attr-defined]  # people.api_auth checks CSRF where a session is used
    return respond


def _unfit(request: HttpRequest) -> HttpResponse | None:
    """The answer to a request that is not looked into: one too large, or with what is no text."""
    if _declared_size(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return problems.too_big()
    return problems.not_text() if nul.in_address(request) or nul.in_json(request.body) else None


def _declared_size(request: HttpRequest) -> int:
    given = request.META.get("CONTENT_LENGTH") or "0"
    return int(given) if str(given).isdigit() else 0


def _conditional(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """ETag and If-None-Match on what is read; nobody but the caller may keep a copy."""
    patch_vary_headers(response, ["Authorization", "Cookie"])
    response.setdefault("Cache-Control", "private, no-cache")
    if request.method not in _SAFE or response.status_code != 200 or not isinstance(response, HttpResponse):  # noqa: PLR2004  OK
        return response
    if not response.has_header("ETag"):
        set_response_etag(response)
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


def _complete(method: str, operation: dict[str, Any]) -> None:
    """The first sentence of the docstring is the summary; the rest stays the description."""
    said = str(operation.get("description", "")).strip()
    if said:
        first, _, rest = said.partition("\n")
        operation["summary"] = first.rstrip(".")
        operation["description"] = rest.strip() or first
    operation["responses"]["default"] = {
        "description": "A problem, in words",
        "content": {problems.PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if method in _UNSAFE:
        operation["parameters"].append(_KEY)


_KEY: Final = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": ("Sent again with the same key and body within 24 hours, it acts once and is answered the same."),
}
_PROBLEM: Final = {
    "title": "Problem",
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, what it means, what to do."},
        "code": {"type": "string", "description": "A stable name for machines."},
        "field": {"type": "string", "description": "The field that it is about, dotted."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
