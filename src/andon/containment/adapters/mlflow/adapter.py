"""Rolling a model back in MLflow: an alias is set to another version, and what serves it is told to load it.

The registry is no proof. A process that loaded `models:/scorer@champion` keeps the version that it loaded, so the probe
asks the serving address. REST: "Get Registered Model", "Set/Delete Registered Model Alias", "Search Model Versions" of
MLflow 2.3 and later; a server that asks for a password takes it as HTTP Basic.
"""

from collections.abc import Sequence
from typing import Any, Final

from andon.containment import serving
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, web_address
from andon.containment.rest import Rest, bearer, segment
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_API: Final = "/api/2.0/mlflow"
_ALIAS: Final = f"{_API}/registered-models/alias"
_MOST_VERSIONS: Final = 1000


def _goal(value: str) -> str:
    """A version by its number, or by an alias that points to it, as @fallback."""
    if not (value.isascii() and value.isdigit()) and not (value.startswith("@") and len(value) > 1):
        raise Invalid("A version’s number, as 6, or an alias that points to it, as @fallback.")
    return value


class Adapter(LeverAdapter):
    """The lever."""

    kind = "mlflow"
    title = "MLflow model alias"
    line = "Sets an alias of a registered model to an earlier version, and sees that this version is served."
    does = frozenset({ContainmentKind.ROLL_BACK})
    fields = (
        Field("server", "MLflow’s address", "As https://mlflow.example.org.", check=web_address, target=True),
        Field("token", "Token", "Sent as a bearer token.", secret=True, required=False),
        Field("user", "User", "Where MLflow asks for a user and a password.", required=False),
        Field("password", "Password", secret=True, required=False),
        Field("model", "Registered model", "Its name, as credit-scorer."),
        Field("alias", "Alias", "By which the serving process loads the model.", required=False, default="champion"),
        Field("version", "Version to go back to", "Its number, or another alias that points to it, as @fallback. Left "
              "empty: the newest ready version before the one that the alias points to.", required=False, check=_goal),
        Field("reload", "Address that reloads", "Asked by POST after the alias is set, for a server that keeps what it "
              "loaded. Its token is the serving address’s.", required=False, check=web_address, target=True),
        *serving.fields("the version that it serves"),
    )  # fmt: skip

    def check(self, settings: Settings) -> Sequence[str]:
        """An alias cannot be its own goal."""
        if settings.get("version") == f"@{settings.get('alias', 'champion')}":
            return ("The version to go back to is the alias itself, so nothing would change.",)
        return ()

    def state(self, settings: Settings) -> State:
        """The version that the alias points to (None without the alias), and the one to go back to."""
        side = _side(settings)
        found = side.read(f"{_API}/registered-models/get?name={segment(settings['model'])}")
        try:
            aliases = {one["alias"]: str(int(one["version"])) for one in found["registered_model"].get("aliases", [])}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise side.nonsense("without the model and its aliases") from error
        version = aliases.get(settings["alias"])
        return {"version": version, "goal": _resolve(side, settings, aliases, version)}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The alias on the goal."""
        what = f"{settings['model']}@{settings['alias']}"
        if prior["version"] == prior["goal"]:
            return Plan({"version": prior["goal"]}, f"Nothing would change: {what} is version {prior['goal']} already.")
        came = f"from version {prior['version']}" if prior["version"] else "from no version"
        return Plan({"version": prior["goal"]}, f"{what} goes {came} to version {prior['goal']}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Set the alias, then have the server load it. MLflow takes no idempotency key; the same twice is once."""
        _ = key
        return _set(settings, plan.expected["version"])

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Set the alias as it was, or take it away where there was none."""
        _ = key
        return _set(settings, prior["version"])

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the serving address shows the version."""
        version = plan.expected["version"]
        if version is None:
            return Seen.unclear("The alias pointed to no version before, so there is none to look for.")
        return serving.look(settings, version)


def _side(settings: Settings) -> Rest:
    return Rest("MLflow", settings["server"], bearer(settings))


def _resolve(side: Rest, settings: Settings, aliases: dict[str, str], current: str | None) -> str:
    """The version to go back to, by number."""
    wanted = settings.get("version", "")
    if wanted.startswith("@"):
        if wanted[1:] not in aliases:
            raise LeverFault(f"{settings['model']} has no alias {wanted[1:]} in MLflow.", sure=True)
        return aliases[wanted[1:]]
    numbers = _ready(side, settings["model"])
    if wanted:
        if int(wanted) not in numbers:
            raise LeverFault(f"{settings['model']} has no ready version {wanted} in MLflow.", sure=True)
        return str(int(wanted))
    earlier = [number for number in numbers if current and number < int(current)]
    if not earlier:
        raise LeverFault(
            f"{settings['model']} has no ready version before {current or 'none'} to go back to.", sure=True
        )
    return str(max(earlier))


def _ready(side: Rest, model: str) -> set[int]:
    """The numbers of the versions that can be served."""
    quoted = segment("name='" + model.replace("'", "''") + "'")
    found = side.read(f"{_API}/model-versions/search?max_results={_MOST_VERSIONS}&filter={quoted}")
    try:
        return {int(one["version"]) for one in found.get("model_versions", []) if one.get("status", "READY") == "READY"}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise side.nonsense("without the model’s versions") from error


def _set(settings: Settings, version: str | None) -> Done:
    side = _side(settings)
    facts: dict[str, Any] = {"version": version}
    name = {"name": settings["model"], "alias": settings["alias"]}
    if version is None:
        side.write("DELETE", _ALIAS, name)
        text = f"MLflow took the alias {settings['alias']} away."
    else:
        side.write("POST", _ALIAS, name | {"version": version})
        text = f"MLflow set the alias {settings['alias']} to version {version}."
    if settings.get("reload"):
        facts["reload"] = _reload(settings, text)
        text += f" The server was told to load it and answered {facts['reload']}."
    return Done(text, facts)


def _reload(settings: Settings, before: str) -> int:
    """Have the server load the alias anew; its status. What fails here is not sure: the alias is set by now."""
    token = settings.get("serving_token")
    server = Rest("The serving process", settings["reload"], {"Authorization": f"Bearer {token}"} if token else None)
    try:
        return server.write("POST", "").status
    except LeverFault as fault:
        raise LeverFault(f"{before} But {fault.text[0].lower()}{fault.text[1:]}", sure=False) from fault
