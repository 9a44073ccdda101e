"""Turning a flag of LaunchDarkly off, or on, in one environment; seen where decisions are served.

REST: "Update feature flag" with a semantic patch (turnFlagOff, turnFlagOn); "Get feature flag".
"""

from typing import Final

from andon.containment import serving
from andon.containment.lever import Done, LeverAdapter, Plan, Seen, State, web_address
from andon.containment.rest import Rest, segment
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_PATCH: Final = {"Content-Type": "application/json; domain-model=launchdarkly.semanticpatch"}


class Adapter(LeverAdapter):
    """The lever."""

    kind = "launchdarkly"
    title = "LaunchDarkly flag"
    line = "Turns a flag of LaunchDarkly off or on in one environment, and sees what is served."
    does = frozenset({ContainmentKind.DISABLE, ContainmentKind.CONSTRAIN, ContainmentKind.ROLL_BACK})
    fields = (
        Field("server", "LaunchDarkly’s address", "https://app.eu.launchdarkly.com for an account in the EU.",
              required=False, default="https://app.launchdarkly.com", check=web_address, target=True),
        Field("token", "Access token", "Of a service account.", secret=True),
        Field("project", "Project key"),
        Field("feature", "Flag key", "As credit-scorer."),
        Field("environment", "Environment key", required=False, default="production"),
        Field("turn", "Turn it", required=False, default="off", choices=(("off", "off"), ("on", "on"))),
        *serving.fields("whether the flag is on or off", example="/flag"),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """Whether targeting is on in the environment."""
        side = _side(settings)
        found = side.read(f"{_path(settings)}?env={segment(settings['environment'])}")
        try:
            on = found["environments"][settings["environment"]]["on"]
        except (KeyError, TypeError) as error:
            raise side.nonsense("without the flag’s environment") from error
        if not isinstance(on, bool):
            raise side.nonsense("without saying whether the flag is on")
        return {"on": on}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The flag off, or on."""
        turn = settings["turn"]
        expected = {"on": turn == "on"}
        what = f"flag {settings['feature']} in {settings['environment']}"
        if prior == expected:
            return Plan(expected, f"Nothing would change: {what} is {turn} already.")
        return Plan(expected, f"F{what[1:]} goes from {'on' if prior['on'] else 'off'} to {turn}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Turn it; the same twice is once."""
        return _turn(settings, key, on=bool(plan.expected["on"]))

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Turn it back."""
        return _turn(settings, key, on=bool(prior["on"]))

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the serving address shows `on` or `off`."""
        return serving.look(settings, "on" if plan.expected["on"] else "off")


def _side(settings: Settings) -> Rest:
    return Rest("LaunchDarkly", settings["server"], {"Authorization": settings["token"]})


def _path(settings: Settings) -> str:
    return f"/api/v2/flags/{segment(settings['project'])}/{segment(settings['feature'])}"


def _turn(settings: Settings, key: str, *, on: bool) -> Done:
    kind = "turnFlagOn" if on else "turnFlagOff"
    asked = {
        "environmentKey": settings["environment"],
        "comment": f"Andon, {key}",
        "instructions": [{"kind": kind}],
    }
    _side(settings).write("PATCH", _path(settings), asked, headers=_PATCH)
    return Done(f"LaunchDarkly turned the flag {'on' if on else 'off'}.", {"on": on})
