"""What every page is given."""

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:  # noqa: ARG001  a context processor's signature
    """Nothing yet beyond what the request carries."""
    return {}
