"""Traffic that is split among deployments in percent, as Azure ML and Vertex AI have it, and the token to ask by."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from andon.containment.lever import LeverFault, Plan, Seen, State, answered
from andon.containment.probes import times, turns
from andon.containment.rest import Rest
from andon.containment.serving import shown
from andon.kit.errors import Invalid
from andon.kit.fields import Settings

__all__ = ["percentages", "plan", "read", "some_answer", "times", "token"]

_ALL: Final = 100


def percentages(value: str) -> str:
    """Deployments with whole percentages that are 100 in all, as a field's `check`."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not JSON: {error}.") from error
    if not isinstance(found, dict) or not all(_is_share(one) for one in found.values()):
        raise Invalid('Deployments and whole percentages, as {"v6": 100, "v7": 0}.')
    if sum(found.values()) != _ALL:
        raise Invalid(f"The percentages are {sum(found.values())} in all, not 100.")
    return value.strip()


def _is_share(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _ALL


def read(side: Rest, found: Any) -> dict[str, int]:
    """A split as the other side states it, without those that get nothing. Raises `LeverFault` where it is none."""
    if not isinstance(found, dict) or not all(_is_share(one) for one in found.values()):
        raise side.nonsense("with a traffic split that makes no sense")
    return {name: share for name, share in sorted(found.items()) if share}


def plan(what: str, wanted: str, prior: State) -> Plan:
    """The split that is wanted, and what changes."""
    traffic = {name: share for name, share in sorted(json.loads(wanted).items()) if share}
    before = prior["traffic"]
    if traffic == before:
        return Plan({"traffic": traffic}, f"Nothing would change: {what} has this traffic already.")
    changes = [
        f"{name} from {before.get(name, 0)} % to {traffic.get(name, 0)} %"
        for name in sorted({*before, *traffic})
        if before.get(name, 0) != traffic.get(name, 0)
    ]
    return Plan({"traffic": traffic}, f"The traffic of {what} goes: {', '.join(changes)}.")


def some_answer(settings: Settings, shows: str, allowed: Sequence[str]) -> Seen:
    """Whether each answer is of one that has a share; with no share at all there is nobody to look for."""
    if not allowed:
        return Seen.unclear("Nobody had a share of the traffic before, so there is nobody to look for.")
    met = []
    try:
        for _ in turns(int(settings["times"])):
            met.append(shown({**settings, "shows": shows}))
            if met[-1] not in allowed:
                return Seen.no(f"{met[-1]} still answers.", {"answered": met})
    except LeverFault as fault:
        return Seen.unclear(fault.text)
    return Seen.yes(f"{len(met)} requests were answered by {', '.join(sorted(set(met)))}.", {"answered": met})


def token(login: Rest, path: str, form: bytes, headers: Mapping[str, str]) -> str:
    """An access token (OAuth 2.0, RFC 6749, 5.1). Raises `LeverFault`, surely: nothing was changed yet."""
    answer = answered(login.who, login.ask("POST", path, form, headers=headers), changes=False)
    found = login.object_in(answer, changes=False).get("access_token")
    if not isinstance(found, str) or not found:
        raise login.nonsense("without a token")
    return found
