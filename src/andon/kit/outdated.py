"""What a view does on a server that is older than the rules of its database; `site.older` asks it. See docs/adr/0014.

Of itself a view shows what there is by GET, and is refused for anything else. A view that is to do otherwise says so
here: one that is asked by POST and changes nothing goes on; one that changes something by GET is refused.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.http import HttpRequest, HttpResponse

from andon.kit.errors import Outdated

V = TypeVar("V", bound=Callable[..., Any])
Answer = Callable[[HttpRequest], HttpResponse | None]
"""What to answer instead of the view; None where it goes on. Raises `Outdated` to refuse in the usual way."""

OUTDATED: Final = (
    "This server runs an older version of Andon than its engine: it shows what there is and takes signals, but changes "
    "nothing. Update it, or go by one that is updated."
)
"""What a server says that finds the rules of the database newer than its own."""
READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SAID: Final = "when_outdated"


def when_outdated(answer: Answer) -> Callable[[V], V]:
    """Let `answer` say what becomes of a request to the view on such a server."""

    def marked(view: V) -> V:
        setattr(view, _SAID, answer)
        return view

    return marked


def said_by(view: object) -> Answer | None:
    """What a view says of itself; None for one that says nothing."""
    said: Answer | None = getattr(view, _SAID, None)
    return said


def by_method(request: HttpRequest) -> None:
    """What holds for a view that says nothing: reading goes on, and everything else is refused."""
    if request.method not in READS:
        raise Outdated(OUTDATED)


def go_on(request: HttpRequest) -> None:
    """For a view that changes no row which an engine reads by its rules, whatever the method."""


def go_on_trying(request: HttpRequest) -> None:
    """For a form whose second button only tries what is in it (`also`): that goes on, and keeping it is refused."""
    if "also" not in request.POST:
        by_method(request)
