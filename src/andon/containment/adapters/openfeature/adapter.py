"""Setting a flag of any vendor that speaks OFREP, OpenFeature's remote evaluation protocol, and seeing its evaluation.

The protocol evaluates flags and sets none. So the flag is set by a request of the vendor's own API, or by a command
that the administrator of Andon's machine allowed (flagd reads a file). What comes of it is asked by the protocol, as
serving processes ask: `POST /ofrep/v1/evaluate/flags/{key}` (open-feature/protocol, service/openapi.yaml).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from andon.containment import allowed, probes, serving
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, json_object, web_address
from andon.containment.programs import carry_out
from andon.containment.rest import Rest, segment
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

VALUE: Final = "$value"
"""Stands in a request's body for the value that the flag is to have."""
_OFREP: Final = "/ofrep/v1/evaluate/flags/{key}"
_OK, _BAD, _NOT_FOUND = 200, 400, 404


def _json(value: str) -> str:
    try:
        json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Invalid('A value in JSON: true, false, a number, an object, or text in quotes, as "safe".') from error
    return value.strip()


class Adapter(LeverAdapter):
    """The lever."""

    kind = "openfeature"
    title = "OpenFeature flag (OFREP)"
    line = (
        "Sets a flag by its vendor’s own request or a command, and sees how it is evaluated by OpenFeature’s protocol."
    )
    does = frozenset(ContainmentKind)
    limit = 75.0
    fields = (
        Field("server", "Address of OFREP", "Without /ofrep/v1, as https://flags.example.org.", check=web_address,
              target=True),
        Field("flag", "Flag key", "As credit-scorer."),
        Field("value", "Value after the pull", 'In JSON: false, or "safe".', check=_json),
        Field("context", "Context of the evaluation", 'As serving processes send it: {"targetingKey": "customer-7"}.',
              required=False, long=True, check=json_object),
        Field("token", "Token of OFREP", "Sent as a bearer token and as X-API-Key; the protocol knows both.",
              secret=True, required=False),
        Field("change_url", "Address of the change", "Of the vendor’s own API; without it, a command.", required=False,
              check=web_address, target=True),
        Field("change_method", "Its method", required=False, default="PUT",
              choices=(("PUT", "PUT"), ("POST", "POST"), ("PATCH", "PATCH"))),
        Field("change_body", "Its body", f'JSON in which "{VALUE}" stands for the value, as {{"enabled": "{VALUE}"}}.',
              required=False, long=True, check=_json),
        Field("change_header", "Its Authorization header", "The whole value, as Bearer and a token.", secret=True,
              required=False),
        Field("undo_url", "Address of the undo", "Left empty, that of the change.", required=False, check=web_address,
              target=True),
        Field("undo_body", "Body of the undo", "Left empty, that of the change, with the value of before.",
              required=False, long=True, check=_json),
        Field("command", "Command", "In place of a request: its name among the commands in ANDON_LEVERS_FILE, where "
              "Andon’s engine runs.", required=False),
        *serving.fields("the flag’s value", required=False, example="/flag"),
    )  # fmt: skip

    def check(self, settings: Settings) -> Sequence[str]:
        """Exactly one way to set the flag."""
        if bool(settings.get("change_url")) is bool(settings.get("command")):
            return ("Give the address of the change, or a command: exactly one of them sets the flag.",)
        return ()

    def undoable(self, settings: Settings) -> bool:
        """With an undo command, an address or a body of an undo, or the value's place in the body of the change."""
        if name := settings.get("command"):
            return allowed.knows_way_back(name)
        own_way = settings.get("undo_url") or settings.get("undo_body")
        return bool(own_way) or f'"{VALUE}"' in settings.get("change_body", "")

    def state(self, settings: Settings) -> State:
        """How the flag is evaluated now; without `value` where callers go by the default in their code."""
        return _evaluated(settings)

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The flag with the value."""
        wanted, flag = json.loads(settings["value"]), settings["flag"]
        if "value" in prior and probes.same(prior["value"], wanted):
            return Plan({"value": wanted}, f"Nothing would change: flag {flag} is {_word(prior)} already.")
        return Plan({"value": wanted}, f"Flag {flag} goes from {_word(prior)} to {_word({'value': wanted})}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Send the request of the change, or run the command."""
        if name := settings.get("command"):
            return carry_out(allowed.command(name).run, key, plan.expected)
        return _send(settings, settings["change_url"], settings.get("change_body"), plan.expected, key)

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Send the request of the undo, or that of the change with the value of before; or run the command's undo."""
        if name := settings.get("command"):
            program = allowed.command(name).undo
            if program is None:
                raise LeverFault(f"The command {name} has no undo.", sure=True)
            return carry_out(program, key, prior)
        body = settings.get("undo_body") or settings.get("change_body")
        if not self.undoable(settings):
            raise LeverFault(
                f"The lever knows no way back: it has no address or body of an undo, and no {VALUE} in its body.",
                sure=True,
            )
        return _send(settings, settings.get("undo_url") or settings["change_url"], body, prior, key)

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """How the flag is evaluated, and what the serving address shows, if there is one."""
        try:
            found = _evaluated(settings)
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        said = f"By OpenFeature’s protocol the flag is {_word(found)}"
        if not _agree(found, plan.expected):
            return Seen.no(f"{said}, not {_word(plan.expected)}.", found)
        if not settings.get("serving") or "value" not in plan.expected:
            return Seen.yes(f"{said}.", found)
        seen = serving.look(settings, plan.expected["value"])
        return Seen(seen.holds, f"{said}. {seen.text}", {**found, **seen.facts})


def _evaluated(settings: Settings) -> dict[str, Any]:
    """The flag's value as the protocol gives it; without one where callers go by the default in their code."""
    token = settings.get("token")
    headers = {"Authorization": f"Bearer {token}", "X-API-Key": token} if token else {}
    side = Rest("The flag server", settings["server"], headers)
    context = json.loads(settings.get("context", "{}"))
    answer = side.ask("POST", _OFREP.format(key=segment(settings["flag"])), {"context": context})
    if answer.status in {_BAD, _NOT_FOUND}:
        problem = side.object_in(answer, changes=False)
        what = problem.get("errorCode", answer.status)
        raise LeverFault(f"The flag server cannot evaluate {settings['flag']}: {what}."[:300], sure=True)
    if answer.status != _OK:
        raise LeverFault(f"The flag server answered {answer.status} in place of the flag.", sure=True)
    found = side.object_in(answer, changes=False)
    if found.get("key") != settings["flag"] or found.get("reason") == "ERROR":
        raise side.nonsense("without this flag’s evaluation")
    return {"value": found["value"]} if found.get("value") is not None else {}


def _send(settings: Settings, url: str, body: str | None, state: State, key: str) -> Done:
    filled = _filled(json.loads(body), state) if body else None
    headers = {"Idempotency-Key": key}
    if settings.get("change_header"):
        headers["Authorization"] = settings["change_header"]
    answer = Rest("The flag server", url, headers).write(settings["change_method"], "", filled)
    return Done(f"The flag server took the change ({answer.status}).", {"status": answer.status})


def _filled(body: Any, state: State) -> Any:
    """The body with the value in it, wherever it says so."""
    if body == VALUE:
        if "value" not in state:
            raise LeverFault("What the flag was before is not known: callers went by their own default.", sure=True)
        return state["value"]
    if isinstance(body, Mapping):
        return {name: _filled(one, state) for name, one in body.items()}
    return [_filled(one, state) for one in body] if isinstance(body, list) else body


def _agree(found: State, expected: State) -> bool:
    if "value" not in expected:
        return "value" not in found
    return "value" in found and probes.same(found["value"], expected["value"])


def _word(state: State) -> str:
    return json.dumps(state["value"], ensure_ascii=False)[:80] if "value" in state else "each caller’s own default"
