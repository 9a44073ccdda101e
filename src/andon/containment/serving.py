"""Asking what serves decisions which version, route or flag it decides by: the data plane, as a caller meets it.

A registry, a flag server or a cluster says what should be served. Only the serving address says what is: a process that
has loaded a model keeps serving it. Adapters take `FIELDS` among theirs and give `look` what must be seen.
"""

import json
from dataclasses import replace
from typing import Any, Final

from andon.containment import probes
from andon.containment.lever import LeverFault, Seen, answered, read_json, web_address
from andon.containment.rest import Rest, bearer
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings


def _shows(value: str) -> str:
    if not value or any(character.isspace() for character in value):
        raise Invalid("A JSON pointer as /version, or the name of a header as X-Model-Version.")
    return value


def fields(what: str, *, required: bool = True, example: str = "/version") -> tuple[Field, ...]:
    """The settings of a look at the serving address; `what` it must show: "the version that it serves"."""
    return (
        Field("serving", "Serving address", f"What callers ask for decisions; its answer shows {what}.",
              required=required, check=web_address, target=True),
        Field("shows", "Where the answer shows it", f"A JSON pointer, as {example}, or the name of a header, as "
              "X-Model-Version.", required=False, default=example, check=_shows),
        Field("asks", "Body to ask with", "JSON that is sent by POST; without it the address is asked by GET.",
              required=False, long=True),
        Field("serving_token", "Token of the serving address", "Sent as a bearer token.", required=False, secret=True),
        Field("times", "Requests in one look", "As many as it takes to meet every replica; each must show it.",
              required=False, default="1", check=probes.times),
    )  # fmt: skip


NAMES: Final = frozenset(one.name for one in fields(""))


def look(settings: Settings, expected: Any) -> Seen:
    """Whether each answer of the serving address shows what is expected. `Seen.unclear` without an address.

    What is expected is a value of JSON; a header shows it as text.
    """
    if not settings.get("serving"):
        return Seen.unclear("The lever has no serving address, so nobody knows what callers get.")
    shows = settings.get("shows", "/version")
    body = settings.get("asks", "").encode()
    headers = {"Content-Type": "application/json"} if body else {}
    if token := settings.get("serving_token"):
        headers["Authorization"] = f"Bearer {token}"
    plain = probes.Probe(
        settings["serving"], method="POST" if body else "GET", headers=headers, body=body,
        times=int(settings.get("times", "1")), status=200,
    )  # fmt: skip
    if shows.startswith("/"):
        return probes.look(replace(plain, pointer=shows, equals=expected))
    text = expected if isinstance(expected, str) else json.dumps(expected)
    return probes.look(replace(plain, header=shows, header_equals=text))


def shown(settings: Settings) -> str:
    """What the serving address shows now. Raises `LeverFault`, surely, where that cannot be told."""
    body = settings.get("asks", "")
    side = Rest("The serving address", settings["serving"], bearer({"token": settings.get("serving_token", "")}))
    answer = answered(side.who, side.ask("POST" if body else "GET", "", body.encode() if body else None), changes=False)
    where = settings.get("shows", "/version")
    if not where.startswith("/"):
        found: Any = answer.headers.get(where.lower())
    else:
        found = probes.point(read_json(side.who, answer, changes=False), where)
    if found is None or probes.found_nothing(found) or isinstance(found, dict | list):
        raise side.nonsense(f"without a value at {where}")
    return str(found) if not isinstance(found, bool) else str(found).lower()


def shown_if_told(settings: Settings) -> str | None:
    """As `shown`; None where it cannot be told: a system that answers nothing must still be contained."""
    try:
        return shown(settings)
    except LeverFault:
        return None


def look_for(settings: Settings, expected: str | None) -> Seen:
    """As `look`, for something that may not be known."""
    if expected is None:
        return Seen.unclear("What was served before could not be told, so there is nothing to look for.")
    return look(settings, expected)
