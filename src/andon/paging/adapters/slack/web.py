"""Slack's Web API, as far as Andon speaks it: one POST of JSON, and an answer that is ok or names what is wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from andon.kit import outbound
from andon.paging.answers import asked_wait

DEADLINE: Final = 10.0
_TOO_MANY: Final = 429

# Each as https://docs.slack.dev/reference/methods lists them.
_OF_THE_APP: Final = frozenset(
    {
        "access_denied", "account_inactive", "app_missing_action_url", "enterprise_is_restricted", "invalid_auth",
        "missing_scope", "no_permission", "not_allowed_token_type", "not_authed", "org_login_required",
        "restricted_action", "team_access_not_granted", "token_expired", "token_revoked", "user_is_restricted",
    }
)  # fmt: skip
_PASSING: Final = frozenset(
    {
        "fatal_error", "internal_error", "rate_limited", "ratelimited", "request_timeout", "service_unavailable",
        "team_added_to_org", "timeout",
    }
)  # fmt: skip


class Fault(StrEnum):
    """What kind of no it is."""

    NONE = "none"
    PASSING = "passing"
    APP = "app"
    THIS = "this"


@dataclass(frozen=True)
class Said:
    """What Slack answered.

    Attributes:
        fault: `NONE` when it was done; `PASSING`: later perhaps; `APP`: the app's token or scopes do not allow it;
            `THIS`: not this person, channel or message.
        error: Slack's own word for what is wrong, or what happened on the way.
        data: The answer's fields.
        wait: The least wait before another try, where Slack asked for one.
    """

    fault: Fault
    error: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    wait: timedelta = timedelta(0)

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.fault is Fault.NONE


def call(settings: Mapping[str, str], method: str, arguments: Mapping[str, Any], *, deadline: float = DEADLINE) -> Said:
    """One call of a method; every failure is an answer. Blocks for at most `deadline` seconds."""
    headers = {
        "Authorization": f"Bearer {settings['token']}",
        "Content-Type": "application/json; charset=utf-8",
    }
    return _post(f"{settings['url']}/{method}", arguments, headers, deadline)


def answer(url: str, arguments: Mapping[str, Any]) -> Said:
    """A message to the address that came with a click (`response_url`); it is its own credential."""
    return _post(url, arguments, {"Content-Type": "application/json; charset=utf-8"}, DEADLINE)


def _post(url: str, arguments: Mapping[str, Any], headers: Mapping[str, str], deadline: float) -> Said:
    body = json.dumps(arguments, ensure_ascii=False).encode()
    try:
        heard = outbound.post(url, body, headers, deadline=deadline)
    except outbound.TargetRefused as refused:
        return Said(Fault.APP, refused.what)
    except outbound.Unreachable as error:
        return Said(Fault.PASSING, str(error)[:300])
    if heard.status == _TOO_MANY:
        return Said(Fault.PASSING, "ratelimited", wait=asked_wait(heard))
    if not heard.ok:
        fault = Fault.PASSING if heard.status >= 500 else Fault.THIS  # noqa: PLR2004  the range of the server's faults
        return Said(fault, f"HTTP {heard.status}", wait=asked_wait(heard))
    return _read(heard.body)


def _read(body: bytes) -> Said:
    if body.strip() == b"ok":  # what a response_url says
        return Said(Fault.NONE)
    try:
        data = json.loads(body)
    except ValueError:
        return Said(Fault.PASSING, "The answer was no JSON.")
    if not isinstance(data, dict):
        return Said(Fault.PASSING, "The answer was no JSON object.")
    if data.get("ok"):
        return Said(Fault.NONE, data=data)
    error = str(data.get("error", "unknown_error"))[:100]
    fault = Fault.APP if error in _OF_THE_APP else Fault.PASSING if error in _PASSING else Fault.THIS
    return Said(fault, error, data)
