"""Giving an application on Ray Serve another configuration, and seeing which one answers.

REST of the Serve agent on the head node, `/api/serve/applications/`: a PUT declares all applications and deletes those
that it leaves out. So what runs now is read first, and only this application's part is another one.
"""

import copy
import json
import re
from typing import Any, Final

from andon.containment import serving
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, json_object, web_address
from andon.containment.rest import Rest, at, bearer
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_PATH: Final = "/api/serve/applications/"
_SECRET: Final = re.compile(r"(?i)secret|token|passw|credential|key")
_HIDDEN: Final = "(kept out of the record)"


class Adapter(LeverAdapter):
    """The lever."""

    kind = "rayserve"
    title = "Ray Serve application"
    line = "Gives an application on Ray Serve another configuration, and sees what is served."
    does = frozenset({ContainmentKind.ROLL_BACK, ContainmentKind.CONSTRAIN})
    fields = (
        Field("server", "Ray’s address", "Of the dashboard on the head node, as http://ray.example.org:8265.",
              check=web_address, target=True),
        Field("token", "Token", "Where Ray’s authentication is on.", required=False, secret=True),
        Field("application", "Application", "Its name in Serve."),
        Field("config", "Configuration to go to", "The application’s part of what serve build writes, as JSON, "
              "with import_path and what differs.", long=True, check=json_object),
        *serving.fields("what is served"),
        Field("shown", "What it must show after the pull", "As v6."),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The configuration that the application was given, and what is served now."""
        side = _side(settings)
        config = _configs(side, side.read(_PATH)).get(settings["application"])
        if config is None:
            raise LeverFault(f"Ray Serve runs no application {settings['application']} by a config.", sure=True)
        return {"config": _masked(config), "shown": serving.shown_if_told(settings)}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The other configuration."""
        wanted = _wanted(settings)
        expected = {"config": _masked(wanted), "shown": settings["shown"]}
        what = settings["application"]
        if prior["config"] == expected["config"]:
            return Plan(expected, f"Nothing would change: {what} has this configuration already.")
        before, after = prior["config"], _masked(wanted)
        changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return Plan(expected, f"{what} gets another {', '.join(changed)}, and serves {settings['shown']}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """PUT all applications, this one with the configuration of the lever."""
        _ = plan, key
        return _put(settings, _wanted(settings))

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """PUT all applications, this one with the configuration that it had."""
        _ = key
        return _put(settings, prior["config"])

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the application runs with the configuration, and what is served."""
        side = _side(settings)
        try:
            found = side.read(_PATH)
            config = _configs(side, found).get(settings["application"])
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        if config is None or _masked(config) != plan.expected["config"]:
            return Seen.no("The application has another configuration.")
        status = str(found["applications"][settings["application"]].get("status"))
        if status in {"DEPLOY_FAILED", "UNHEALTHY"}:
            return Seen.no(f"Ray Serve says {status}.", {"status": status})
        seen = serving.look_for(settings, plan.expected["shown"])
        return Seen(seen.holds, f"Ray Serve says {status}. {seen.text}", {"status": status, **seen.facts})


def _side(settings: Settings) -> Rest:
    return Rest("Ray Serve", settings["server"], bearer(settings))


def _wanted(settings: Settings) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(settings["config"])
    return config | {"name": settings["application"]}


def _configs(side: Rest, found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The configurations of all applications that were declared, by name."""
    applications = found.get("applications")
    if not isinstance(applications, dict) or not all(isinstance(one, dict) for one in applications.values()):
        raise side.nonsense("without its applications")
    if imperative := sorted(name for name, one in applications.items() if one.get("source") == "imperative"):
        raise LeverFault(
            f"{imperative[0]} was deployed by code and not by a config: Ray Serve would delete it.", sure=True
        )
    return {
        name: one["deployed_app_config"]
        for name, one in applications.items()
        if isinstance(one.get("deployed_app_config"), dict)
    }


def _put(settings: Settings, config: Any) -> Done:
    side = _side(settings)
    found = side.read(_PATH)
    configs = _configs(side, found)
    name = settings["application"]
    configs[name] = _unmasked(config, configs.get(name, {}), _wanted(settings))
    whole: dict[str, Any] = {"applications": list(configs.values())}
    for part in ("proxy_location", "http_options", "grpc_options"):
        if found.get(part):
            whole[part] = found[part]
    side.write("PUT", _PATH, whole)
    return Done(f"Ray Serve took the configuration of {name}.", {"application": name})


def _environments(config: Any) -> list[dict[str, Any]]:
    """Where a configuration has environment variables: of the application, and of its deployments' actors."""
    deployments = config.get("deployments")
    holders = [config]
    if isinstance(deployments, list):
        holders += [at(one, "ray_actor_options") for one in deployments]
    found = [at(one, "runtime_env", "env_vars") for one in holders]
    return [one for one in found if isinstance(one, dict)]


def _masked(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration as it is recorded and shown: without the values of variables that are named as secrets are."""
    shown = copy.deepcopy(config)
    for variables in _environments(shown):
        variables.update({name: _HIDDEN for name in variables if _SECRET.search(name)})
    return shown


def _unmasked(config: Any, *known: dict[str, Any]) -> dict[str, Any]:
    """With those values again, from the configuration in force or the lever's. Raises `LeverFault`, surely."""
    whole: dict[str, Any] = copy.deepcopy(dict(config))
    values: dict[str, Any] = {}
    for one in reversed(known):
        for variables in _environments(one):
            values |= {name: value for name, value in variables.items() if value != _HIDDEN}
    for variables in _environments(whole):
        for name, value in variables.items():
            if value == _HIDDEN and name not in values:
                raise LeverFault(f"The value of {name} was kept out of the record and is no longer there.", sure=True)
            variables[name] = values[name] if value == _HIDDEN else value
    return whole
