"""Shifting the traffic of an Azure ML online endpoint between deployments, and seeing which one answers.

REST of Azure Resource Manager, "Online Endpoints - Get, Create Or Update" (2024-10-01), as `az ml online-endpoint
update --traffic` uses it: the endpoint is read, and put with another `traffic`. An answer of the endpoint names the
deployment in `azureml-model-deployment`. The token is of a service principal (OAuth 2.0 client credentials, RFC 6749,
4.4).
"""

import copy
from typing import Any, Final
from urllib.parse import urlencode

from andon.containment import splits
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, web_address
from andon.containment.rest import Rest, segment
from andon.containment.serving import look
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_VERSION: Final = "?api-version=2024-10-01"
_HEADER: Final = "azureml-model-deployment"
_READ_ONLY: Final = frozenset({"provisioningState", "scoringUri", "swaggerUri"})
"""Properties that an endpoint is read with, and that a request to put it has not."""
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class Adapter(LeverAdapter):
    """The lever."""

    kind = "azureml"
    title = "Azure ML endpoint"
    line = "Shifts the traffic of an Azure ML online endpoint to another deployment, and sees which one answers."
    does = frozenset({ContainmentKind.ROLL_BACK, ContainmentKind.CONSTRAIN})
    fields = (
        Field("tenant", "Tenant id"),
        Field("client", "Client id", "Of a service principal."),
        Field("secret", "Client secret", secret=True),
        Field("subscription", "Subscription id"),
        Field("group", "Resource group"),
        Field("workspace", "Workspace"),
        Field("endpoint", "Online endpoint", "Its name."),
        Field("traffic", "Traffic after the pull", 'In percent, 100 in all, as {"v6": 100, "v7": 0}.', long=True,
              check=splits.percentages),
        Field("serving", "Scoring address", "Of the endpoint, as …/score.", check=web_address, target=True),
        Field("serving_token", "Key of the endpoint", secret=True),
        Field("asks", "Body to ask with", "JSON that the model answers harmlessly.", required=False, default="{}",
              long=True),
        Field("times", "Requests in one look", required=False, default="5", check=splits.times),
        Field("server", "Resource manager", required=False, default="https://management.azure.com", check=web_address,
              target=True),
        Field("login", "Sign-in", required=False, default="https://login.microsoftonline.com", check=web_address,
              target=True),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The traffic that is set."""
        side = _side(settings)
        return {"traffic": _traffic(side, side.read(_path(settings)))}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The other traffic."""
        return splits.plan(settings["endpoint"], settings["traffic"], prior)

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Put the endpoint with the traffic; the same twice is once."""
        _ = key
        return _set(settings, plan.expected["traffic"])

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Put it with the traffic that it had."""
        _ = key
        return _set(settings, prior["traffic"])

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the traffic is set and taken up, and only deployments that have some answer."""
        wanted = plan.expected["traffic"]
        try:
            side = _side(settings)
            found = side.read(_path(settings))
            traffic = _traffic(side, found)
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        if traffic != wanted:
            return Seen.no("The endpoint has another traffic.", {"traffic": traffic})
        state = found["properties"].get("provisioningState")
        if state != "Succeeded":
            return Seen.no(f"Azure ML is still at it: {state}.", {"state": state})
        some = [name for name, share in wanted.items() if share]
        if len(some) != 1:
            return splits.some_answer(settings, _HEADER, some)
        return look({**settings, "shows": _HEADER}, some[0])


def _side(settings: Settings) -> Rest:
    login = Rest("Azure’s sign-in", settings["login"])
    form = {
        "grant_type": "client_credentials", "client_id": settings["client"], "client_secret": settings["secret"],
        "scope": "https://management.azure.com/.default",
    }  # fmt: skip
    asked = f"/{segment(settings['tenant'])}/oauth2/v2.0/token"
    token = splits.token(login, asked, urlencode(form).encode(), _FORM)
    return Rest("Azure ML", settings["server"], {"Authorization": f"Bearer {token}"})


def _path(settings: Settings) -> str:
    workspace = (
        f"/subscriptions/{segment(settings['subscription'])}/resourceGroups/{segment(settings['group'])}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{segment(settings['workspace'])}"
    )
    return f"{workspace}/onlineEndpoints/{segment(settings['endpoint'])}{_VERSION}"


def _traffic(side: Rest, found: Any) -> dict[str, int]:
    properties = found.get("properties")
    if not isinstance(properties, dict):
        raise side.nonsense("without the endpoint’s properties")
    return splits.read(side, properties.get("traffic") or {})


def _set(settings: Settings, traffic: State) -> Done:
    side = _side(settings)
    whole = copy.deepcopy(side.read(_path(settings)))
    _traffic(side, whole)
    whole["properties"] = {name: one for name, one in whole["properties"].items() if name not in _READ_ONLY}
    whole["properties"]["traffic"] = dict(traffic)
    if isinstance(whole.get("identity"), dict):
        whole["identity"] = _identity(whole["identity"])
    body = {
        name: whole[name] for name in ("location", "kind", "identity", "sku", "tags", "properties") if whole.get(name)
    }
    side.write("PUT", _path(settings), body)
    return Done("Azure ML took the traffic.", {"traffic": dict(traffic)})


def _identity(found: dict[str, Any]) -> dict[str, Any]:
    """The endpoint's identity as it is put: without the ids that Azure has given to it."""
    named = found.get("userAssignedIdentities")
    return {"type": found.get("type"), **({"userAssignedIdentities": {name: {} for name in named}} if named else {})}
