"""Pushing points at an address without the API's version, for whoever has nothing but numbers and curl.

It is the newest version of the route; a later version of the API that asks for other points keeps this address taking
what it takes today.
"""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.urls import resolve
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
@login_not_required
def points(request: HttpRequest, number: int) -> Any:
    """Answer as /api/v1/watches/<number>/points does, with its own tokens and its own problems."""
    found = resolve(f"/api/v1/watches/{number}/points")
    return found.func(request, *found.args, **found.kwargs)
