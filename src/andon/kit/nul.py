"""The one character that cannot be kept: PostgreSQL's text holds no NUL, and nobody types one."""

import re
from collections.abc import Iterable
from typing import Final

from django.http import HttpRequest

_IN_JSON: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # an even number of backslashes before it is text about it


def in_address(request: HttpRequest) -> bool:
    """Whether the path or a parameter of the query holds a NUL."""
    return "\0" in request.path or _in(request.GET.lists())


def in_form(request: HttpRequest) -> bool:
    """Whether a field of a form that was sent holds a NUL."""
    return _in(request.POST.lists())


def in_json(body: bytes) -> bool:
    r"""Whether a text in a JSON document says `\u0000`; a bare NUL is no JSON."""
    return _IN_JSON.search(body) is not None


def _in(fields: Iterable[tuple[str, Iterable[object]]]) -> bool:
    return any("\0" in name or any("\0" in str(value) for value in values) for name, values in fields)
