"""Who calls the API: a personal token or the signed-in browser, and what its scopes leave of their rights."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db.models import Q
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from andon.kit import clock, ids
from andon.kit.errors import Forbidden, Refused
from andon.people.models import ApiToken, Person
from andon.people.policy import Actor

TOKEN_PREFIX: Final = "andon_pat"  # noqa: S105  the public beginning of every token
SESSION_COOKIE: Final = "sessionid"
_SAFE: Final = {"GET", "HEAD", "OPTIONS", "TRACE"}
_TOUCH_EVERY: Final = timedelta(minutes=1)


class Area(StrEnum):
    """What a token's scopes speak of; each can be read or written."""

    INCIDENTS = "incidents"
    SIGNALS = "signals"
    RULES = "rules"
    HANDBOOK = "handbook"
    WATCHES = "watches"
    SYSTEMS = "systems"
    ONCALL = "oncall"
    PEOPLE = "people"
    REVIEWS = "reviews"
    RUNBOOKS = "runbooks"
    POINTS = "points"
    SWITCHES = "switches"
    LEVERS = "levers"


SCOPES: Final[tuple[str, ...]] = tuple(f"{area}:{way}" for area in Area for way in ("read", "write"))


class Unauthenticated(Refused):
    """Nobody is known to be calling: no token, or one that does not work any more."""

    status = 401
    code = "unauthenticated"


@dataclass(frozen=True)
class Caller:
    """A person behind an API request. `scopes` is None in a signed-in browser: all they may.

    `ends` is when the token that they call with expires; None for one that does not, and for a browser.
    """

    person: Person
    scopes: frozenset[str] | None
    ends: datetime | None = None

    def allows(self, scope: str) -> bool:
        """Whether the scopes cover `scope`; writing an area includes reading it."""
        if self.scopes is None:
            return True
        area, _, way = scope.partition(":")
        return scope in self.scopes or (way == "read" and f"{area}:write" in self.scopes)

    def outlived_by(self, days: int | None) -> bool:
        """Whether what lasts `days` from now (None: until revoked) outlasts the token that they call with."""
        return self.ends is not None and (days is None or days > (self.ends - clock.now()) / timedelta(days=1))


def caller(request: HttpRequest, scope: str) -> Actor:
    """The person who calls, as an actor, if their token's scopes cover `scope`.

    Raises `Unauthenticated` (401) when nobody is known, `Forbidden` (403) when the token is not for this.
    `scope` is `<area>:read` or `<area>:write`; one that is not in `SCOPES` is a programming error.
    """
    if scope not in SCOPES:
        raise LookupError(f"{scope} is no scope; andon.people.api_auth.SCOPES lists them.")
    known = who(request)
    if known is None:
        raise Unauthenticated("Nobody is signed in. Send a personal token: Authorization: Bearer andon_pat_…")
    if not known.allows(scope):
        raise Forbidden(
            f"This token does not have the scope {scope}. Make one that has it on your account page.",
            code="scope-missing",
        )
    return Actor.of(known.person)


def who(request: HttpRequest) -> Caller | None:
    """Whoever calls, by token or else by session; None when neither is there. Answers once a request.

    A token that is there and does not work is an error, never a reason to look at the session. Raises
    `Unauthenticated` for such a token and `Forbidden` for a browser's unsafe request without its CSRF token.
    """
    found: Caller | None = getattr(request, "andon_caller", None)
    if found is None:
        given = _bearer(request)
        found = _by_token(given) if given is not None else _by_session(request)
        request.andon_caller = found  # type: ignore[attr-defined]  # kept on the request for its own duration
    return found


def _bearer(request: HttpRequest) -> str | None:
    """The token of the Authorization header; None when there is no such header."""
    header = request.headers.get("Authorization", "").strip()
    if not header:
        return None
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header must read: Bearer andon_pat_…")
    return token.strip()


def _by_token(given: str) -> Caller:
    token = ApiToken.objects.select_related("person").filter(digest=ids.digest(given)).first()
    now = clock.now()
    if token is None:
        raise Unauthenticated("No such token. Make one on your account page.", code="token-unknown")
    if why := unusable(token, now):
        raise Unauthenticated(why, code="token-unusable")
    if token.last_used_at is None or token.last_used_at <= now - _TOUCH_EVERY:
        # Read here, written at most once a minute, so that reading does not mean writing all the time.
        ApiToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=now - _TOUCH_EVERY), pk=token.pk).update(
            last_used_at=now
        )
    return Caller(token.person, frozenset(token.scopes), token.expires_at)


def unusable(token: ApiToken, now: datetime) -> str:
    """Why a token does not work, in words; empty when it does."""
    if token.revoked_at:
        return "This token was revoked. Make a new one on your account page."
    if token.expires_at and token.expires_at <= now:
        return "This token has expired. Make a new one on your account page."
    if not token.person.is_active:
        return "The account behind this token is deactivated. An administrator can change that."
    return ""


def _by_session(request: HttpRequest) -> Caller | None:
    person = request.user
    if not isinstance(person, Person) or not person.is_active:
        return None
    if request.method not in _SAFE and check_csrf(request) is not None:
        raise Forbidden(
            "A browser's request that changes something needs its CSRF token in the header X-CSRFToken. "
            "Programs use a personal token instead.",
            code="csrf",
        )
    return Caller(person, scopes=None)


class PersonalToken(HttpBearer):
    """`Authorization: Bearer andon_pat_…`, as the OpenAPI document calls it."""

    openapi_description = (
        "A personal token, made on the account page. It can do what its person can, within its scopes."
    )

    def __call__(self, request: HttpRequest) -> Caller | None:
        """The caller, or None to let the next way try."""
        return who(request)

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:  # noqa: ARG002  Ninja's signature
        """The caller behind the header."""
        return who(request)


class BrowserSession(APIKeyCookie):
    """The cookie of a signed-in browser, with its CSRF token on unsafe methods."""

    param_name = SESSION_COOKIE

    def __call__(self, request: HttpRequest) -> Caller | None:
        """The caller, or None when nobody is signed in."""
        return who(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:  # noqa: ARG002  Ninja's signature
        """The caller behind the cookie."""
        return who(request)
