"""Running a command that the administrator of Andon's machine allowed by name: no shell, nothing of the lever in it.

`run` ends with status 0 when it is done, with 3 when it certainly changed nothing; anything else is not known. `state`
prints a JSON object; `undo` gets that object on its standard input; `probe` gets what is expected, and ends with 0 when
it sees it, with 1 when it does not. PULL_KEY in the environment is the same for the same pull.
"""

import json
from typing import Any

from andon.containment import allowed
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, json_object
from andon.containment.programs import Program, carry_out, run
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind


class Adapter(LeverAdapter):
    """The lever."""

    kind = "command"
    title = "Command"
    line = "Runs a command that the administrator of Andon’s machine allowed."
    does = frozenset(ContainmentKind)
    limit = 75.0
    fields = (
        Field("command", "Command", "Its name among the commands in ANDON_LEVERS_FILE of the machine on which Andon’s "
              "engine runs."),
        Field("expected", "Expected state", "A JSON object, as its state command prints it after the pull.",
              required=False, long=True, check=json_object),
    )  # fmt: skip

    def undoable(self, settings: Settings) -> bool:
        """With an undo command."""
        return allowed.knows_way_back(settings.get("command", ""))

    def state(self, settings: Settings) -> State:
        """What the state command prints; nothing without one."""
        program = allowed.command(settings["command"]).state
        return _printed(program) if program else {}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """What was said to be expected."""
        expected: dict[str, Any] = json.loads(settings.get("expected", "{}"))
        changed = {name: value for name, value in expected.items() if prior.get(name) != value}
        if expected and not changed:
            return Plan(expected, f"Nothing would change: {_shown(expected)} holds already.")
        after = f", after which {_shown(changed)} is expected" if changed else ""
        return Plan(expected, f"The command {settings['command']} runs{after}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Run it."""
        return carry_out(allowed.command(settings["command"]).run, key, plan.expected)

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Run its undo command."""
        program = allowed.command(settings["command"]).undo
        if program is None:
            raise LeverFault(f"The command {settings['command']} has no undo.", sure=True)
        return carry_out(program, key, prior)

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Run its probe command."""
        try:
            program = allowed.command(settings["command"]).probe
            if program is None:
                return Seen.unclear(f"The command {settings['command']} has no probe.")
            ended = run(program, given=json.dumps(dict(plan.expected)))
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        facts = {"status": ended.status}
        if ended.status == 0:
            return Seen.yes(f"{program.name} sees it: {ended.said}", facts)
        if ended.status == 1:
            return Seen.no(f"{program.name} does not see it: {ended.said}", facts)
        return Seen.unclear(f"{program.name} ended with {ended.status}: {ended.said}", facts)


def _printed(program: Program) -> State:
    try:
        ended = run(program)
    except LeverFault as fault:
        raise LeverFault(fault.text, sure=True) from fault  # asking changes nothing
    if ended.status:
        raise LeverFault(f"{program.name} ended with {ended.status}: {ended.said}", sure=True)
    try:
        found = json.loads(ended.output)
    except (ValueError, RecursionError) as error:
        raise LeverFault(f"{program.name} did not print JSON.", sure=True) from error
    if not isinstance(found, dict):
        raise LeverFault(f"{program.name} printed JSON that is not an object.", sure=True)
    return found


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:120]
