"""Turning a flag of Unleash off, or on, in one environment; seen in what Unleash's evaluation gives to its clients.

Admin API: "Toggle a feature on or off in an environment" of Unleash 4.8 and later. The frontend API evaluates as the
SDKs do and lists what is enabled. Processes that evaluate by themselves ask every 15 seconds or so: where one has an
address that shows what it does, the lever asks that as well.
"""

from typing import Final

from andon.containment import serving
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, web_address
from andon.containment.rest import Rest, segment
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_FLAG: Final = "/api/admin/projects/{project}/features/{feature}/environments/{environment}"


class Adapter(LeverAdapter):
    """The lever."""

    kind = "unleash"
    title = "Unleash flag"
    line = "Turns a flag of Unleash off or on in one environment, and sees how Unleash evaluates it."
    does = frozenset({ContainmentKind.DISABLE, ContainmentKind.CONSTRAIN, ContainmentKind.ROLL_BACK})
    fields = (
        Field("server", "Unleash’s address", "As https://unleash.example.org.", check=web_address, target=True),
        Field("token", "Token of a service account", "In the open-source edition, of an administrator.", secret=True),
        Field("project", "Project", required=False, default="default"),
        Field("feature", "Flag", "Its name, as credit-scorer."),
        Field("environment", "Environment", required=False, default="production"),
        Field("turn", "Turn it", "Off contains, unless it is a kill switch that stops something by being on.",
              required=False, default="off", choices=(("off", "off"), ("on", "on"))),
        Field("frontend_token", "Frontend token", "Of the same environment: with it Andon asks how the flag is read.",
              secret=True),
        Field("context", "Context of the evaluation", "As a query, userId=17, where the flag "
              "has strategies that look at it.", required=False),
        *serving.fields("whether the flag is on", required=False, example="/flag"),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """Whether the flag is enabled in the environment."""
        side = _side(settings)
        enabled = side.read(_path(settings)).get("enabled")
        if not isinstance(enabled, bool):
            raise side.nonsense("without saying whether the flag is enabled")
        return {"enabled": enabled}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The flag off, or on."""
        turn = settings["turn"]
        what = f"Flag {settings['feature']} in {settings['environment']}"
        expected = {"enabled": turn == "on"}
        if prior == expected:
            return Plan(expected, f"Nothing would change: {what[0].lower()}{what[1:]} is {turn} already.")
        return Plan(expected, f"{what} goes from {_word(enabled=bool(prior['enabled']))} to {turn}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Turn it; the same twice is once."""
        _ = key
        return _turn(settings, enabled=bool(plan.expected["enabled"]))

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Turn it back."""
        _ = key
        return _turn(settings, enabled=bool(prior["enabled"]))

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """How Unleash evaluates the flag, and what the serving address shows, if there is one."""
        expected = bool(plan.expected["enabled"])
        try:
            evaluated = _evaluated(settings)
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        said = f"Unleash evaluates the flag as {_word(enabled=evaluated)}"
        if evaluated is not expected:
            return Seen.no(f"{said}, not {_word(enabled=expected)}.", {"evaluated": evaluated})
        if not settings.get("serving"):
            return Seen.yes(f"{said}.", {"evaluated": evaluated})
        seen = serving.look(settings, _word(enabled=expected))
        return Seen(seen.holds, f"{said}. {seen.text}", {"evaluated": evaluated, **seen.facts})


def _word(*, enabled: bool) -> str:
    return "on" if enabled else "off"


def _side(settings: Settings) -> Rest:
    return Rest("Unleash", settings["server"], {"Authorization": settings["token"]})


def _path(settings: Settings) -> str:
    return _FLAG.format(**{name: segment(settings[name]) for name in ("project", "feature", "environment")})


def _turn(settings: Settings, *, enabled: bool) -> Done:
    word = _word(enabled=enabled)
    _side(settings).write("POST", f"{_path(settings)}/{word}")
    return Done(f"Unleash turned the flag {word}.", {"enabled": enabled})


def _evaluated(settings: Settings) -> bool:
    """Whether the flag is among those that the frontend API lists: it lists what is enabled for the context."""
    side = Rest("Unleash", settings["server"], {"Authorization": settings["frontend_token"]})
    context = settings.get("context", "").strip("?&")
    found = side.read(f"/api/frontend{'?' + context if context else ''}")
    try:
        return any(one["name"] == settings["feature"] and one["enabled"] is True for one in found["toggles"])
    except (KeyError, TypeError) as error:
        raise side.nonsense("without its list of flags") from error
