"""A lever by webhook: the other side is told, in a signed request, which state to take on, and may say which it has.

Headers as in `andon.kit.webhooks`; `webhook-id` is the pull's key, by which a double is known. Body: `{"type":
"lever.pull" | "lever.undo", "timestamp": …, "data": {"state": {…}}}`: the state to take on, or to go back to.
"""

import json
from collections.abc import Sequence
from typing import Any

from andon.containment.lever import (
    Done,
    LeverAdapter,
    LeverFault,
    Plan,
    Seen,
    State,
    answered,
    call,
    json_object,
    read_json,
    web_address,
)
from andon.kit import clock, webhooks
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_WHO = "The webhook"


class Adapter(LeverAdapter):
    """The lever."""

    kind = "webhook"
    title = "Signed webhook"
    line = "Tells a service of yours, in a signed request, which state to take on."
    does = frozenset(ContainmentKind)
    fields = (
        Field("url", "Web address", "What takes the request, as https://example.org/levers.", check=web_address,
              target=True),
        Field("secret", "Signing secret", "whsec_ and base64, or any text; both sides know it.", secret=True),
        Field("state", "State to take on", 'A JSON object, as {"model": "v6"}.', long=True, check=json_object),
        Field("state_url", "Address of the present state", "Answers GET with the state as a JSON object; without it "
              "nothing can be undone.", required=False, check=web_address, target=True),
    )  # fmt: skip

    def check(self, settings: Settings) -> Sequence[str]:
        """An empty state asks for nothing, and is seen in anything."""
        if not json.loads(settings["state"]):
            return ("The state to take on is empty, so nothing would be asked for, and anything would count as seen.",)
        return ()

    def undoable(self, settings: Settings) -> bool:
        """Where the other side says what it has."""
        return bool(settings.get("state_url"))

    def state(self, settings: Settings) -> State:
        """What the other side says that it has; nothing where it does not say."""
        url = settings.get("state_url")
        if not url:
            return {}
        answer = answered(_WHO, call(_WHO, "GET", url, changes=False), changes=False)
        found = read_json(_WHO, answer, changes=False)
        if not isinstance(found, dict):
            raise LeverFault("The webhook’s state is JSON, but not an object.", sure=True)
        return found

    def plan(self, settings: Settings, prior: State) -> Plan:
        """Each part of the state that would change."""
        expected: dict[str, Any] = json.loads(settings["state"])
        changes = [
            f"{name} goes from {_shown(prior.get(name))} to {_shown(value)}"
            if prior
            else f"{name} becomes {_shown(value)}"
            for name, value in expected.items()
            if name not in prior or prior[name] != value
        ]
        return Plan(
            expected, f"{'; '.join(changes)}." if changes else "Nothing would change: it has this state already."
        )

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """POST the state."""
        return self._tell(settings, "lever.pull", plan.expected, key)

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """POST what held before."""
        if not prior:
            raise LeverFault(
                "What held before is not known: this lever has no address of the present state.", sure=True
            )
        return self._tell(settings, "lever.undo", prior, key)

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the other side says that it has the state: its word, so a probe of the lever's own is better."""
        try:
            found = self.state(settings)
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        if not found:
            return Seen.unclear("The webhook does not say which state it has.")
        off = [name for name, value in plan.expected.items() if name not in found or found[name] != value]
        if off:
            return Seen.no(f"{off[0]} is {_shown(found.get(off[0]))}, not {_shown(plan.expected[off[0]])}.", found)
        return Seen.yes("The webhook says that it has the expected state.", found)

    def _tell(self, settings: Settings, kind: str, state: State, key: str) -> Done:
        whole = {"type": kind, "timestamp": clock.now().isoformat(), "data": {"state": state}}
        body = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
        headers = webhooks.headers(key, body, settings["secret"])
        answer = answered(_WHO, call(_WHO, "POST", settings["url"], body=body, headers=headers))
        return Done(f"The webhook answered {answer.status}.", {"status": answer.status})


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
