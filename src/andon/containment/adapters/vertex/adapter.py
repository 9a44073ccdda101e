"""Setting the traffic split of a Vertex AI endpoint, and seeing which deployed model answers.

REST: `projects.locations.endpoints` get, patch with `updateMask=trafficSplit`, and predict, whose answer names the
`deployedModelId`. The token is of a service account (OAuth 2.0 by JWT, RFC 7523).
"""

import json
from typing import Any, Final
from urllib.parse import urlencode

import jwt

from andon.containment import splits
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, web_address
from andon.containment.rest import Rest, segment
from andon.containment.serving import look
from andon.kit import clock
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_HOUR: Final = 3600


def _account(value: str) -> str:
    """A service account's key file."""
    try:
        found = json.loads(value)
        usable = found["type"] == "service_account" and found["client_email"] and found["private_key"]
    except (ValueError, TypeError, KeyError, RecursionError):
        usable = False
    if not usable:
        raise Invalid("The key file of a service account: JSON with type, client_email and private_key.")
    return value.strip()


class Adapter(LeverAdapter):
    """The lever."""

    kind = "vertex"
    title = "Vertex AI endpoint"
    line = "Sets the traffic split of a Vertex AI endpoint, and sees which deployed model answers."
    does = frozenset({ContainmentKind.ROLL_BACK, ContainmentKind.CONSTRAIN})
    fields = (
        Field("account", "Key of a service account", "The JSON file.", secret=True, long=True, check=_account),
        Field("project", "Project"),
        Field("region", "Region", "As europe-west4."),
        Field("endpoint", "Endpoint", "Its number."),
        Field("traffic", "Traffic after the pull", 'In percent by deployed model, as {"5123": 100}.', long=True,
              check=splits.percentages),
        Field("asks", "Body to ask with", "JSON that the model answers harmlessly.", required=False,
              default='{"instances": [{}]}', long=True),
        Field("times", "Requests in one look", required=False, default="5", check=splits.times),
        Field("server", "Address of the API", "Left empty, that of the region.", required=False, check=web_address,
              target=True),
        Field("login", "Sign-in", required=False, default="https://oauth2.googleapis.com", check=web_address,
              target=True),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The split that is set."""
        side, _ = _side(settings)
        found = side.read(_path(settings))
        if "trafficSplit" not in found:
            raise side.nonsense("without the endpoint’s traffic split")
        return {"traffic": splits.read(side, found["trafficSplit"])}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The other split."""
        return splits.plan(f"endpoint {settings['endpoint']}", settings["traffic"], prior)

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Patch the split; the same twice is once."""
        _ = key
        return _set(settings, plan.expected["traffic"])

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Patch it back."""
        _ = key
        return _set(settings, prior["traffic"])

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the split is set, and only models that have a share answer."""
        wanted = plan.expected["traffic"]
        try:
            side, token = _side(settings)
            traffic = splits.read(side, side.read(_path(settings)).get("trafficSplit"))
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        if traffic != wanted:
            return Seen.no("The endpoint has another split.", {"traffic": traffic})
        asked = {**settings, "serving": f"{_server(settings)}{_path(settings)}:predict", "serving_token": token}
        some = [name for name, share in wanted.items() if share]
        if len(some) != 1:
            return splits.some_answer(asked, "/deployedModelId", some)
        return look({**asked, "shows": "/deployedModelId"}, some[0])


def _server(settings: Settings) -> str:
    return settings.get("server") or f"https://{settings['region']}-aiplatform.googleapis.com"


def _side(settings: Settings) -> tuple[Rest, str]:
    """The API, and the token for it."""
    account = json.loads(settings["account"])
    now = int(clock.now().timestamp())
    audience = "https://oauth2.googleapis.com/token"
    claims = {"iss": account["client_email"], "scope": _SCOPE, "aud": audience, "iat": now, "exp": now + _HOUR}
    headers = {"kid": account["private_key_id"]} if account.get("private_key_id") else None
    try:
        signed = jwt.encode(claims, account["private_key"], algorithm="RS256", headers=headers)
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise LeverFault("The private key in the service account’s key file cannot be read.", sure=True) from error
    form = urlencode({"grant_type": _GRANT, "assertion": signed}).encode()
    token = splits.token(Rest("Google’s sign-in", settings["login"]), "/token", form, _FORM)
    return Rest("Vertex AI", _server(settings), {"Authorization": f"Bearer {token}"}), token


def _path(settings: Settings) -> str:
    return (
        f"/v1/projects/{segment(settings['project'])}/locations/{segment(settings['region'])}"
        f"/endpoints/{segment(settings['endpoint'])}"
    )


def _set(settings: Settings, traffic: State) -> Done:
    side, _ = _side(settings)
    body: dict[str, Any] = {"trafficSplit": {name: share for name, share in traffic.items() if share}}
    side.write("PATCH", f"{_path(settings)}?updateMask=trafficSplit", body)
    return Done("Vertex AI took the split.", {"traffic": dict(traffic)})
