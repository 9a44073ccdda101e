"""Shifting the traffic of a SageMaker endpoint between its production variants, and seeing which one answers.

API: DescribeEndpoint, UpdateEndpointWeightsAndCapacities; InvokeEndpoint, whose answer names the variant that was asked
in `x-Amzn-Invoked-Production-Variant`. Requests are signed by botocore (Signature Version 4), and sent like all others.
"""

import json
from typing import Any, Final

from andon.containment import probes
from andon.containment.adapters.sagemaker.signing import Signer
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, answered, web_address
from andon.containment.rest import Rest, segment
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_VARIANT: Final = "x-amzn-invoked-production-variant"
_MOST: Final = 1e6


def weights(value: str) -> str:
    """Variants with their weights, at least one of them above zero."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This is not JSON: {error}.") from error
    if not isinstance(found, dict) or not found or not all(_is_weight(one) for one in found.values()):
        raise Invalid('Variants and weights from 0, as {"v6": 1, "v7": 0}.')
    if not any(found.values()):
        raise Invalid("At least one variant needs a weight above 0: somebody has to answer.")
    return value.strip()


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST


class Adapter(LeverAdapter):
    """The lever."""

    kind = "sagemaker"
    title = "SageMaker endpoint"
    line = "Shifts the traffic of a SageMaker endpoint to another production variant, and sees which one answers."
    does = frozenset({ContainmentKind.ROLL_BACK, ContainmentKind.CONSTRAIN})
    fields = (
        Field("region", "Region", "As eu-central-1."),
        Field("access_key", "Access key id", "Left empty, Andon’s own role on AWS is used.", required=False),
        Field("secret_key", "Secret access key", required=False, secret=True),
        Field("endpoint", "Endpoint", "Its name."),
        Field("weights", "Weights after the pull", 'Of the variants, as {"v6": 1, "v7": 0}.', long=True, check=weights),
        Field("asks", "Body to ask with", "Sent to the endpoint as JSON, to see which variant answers.", required=False,
              default="{}", long=True),
        Field("times", "Requests in one look", "Each must be answered by a variant that has a weight.", required=False,
              default="5", check=probes.times),
        Field("server", "Address of the API", "Left empty, that of the region.", required=False, check=web_address,
              target=True),
        Field("runtime", "Address of the endpoint’s runtime", "Left empty, that of the region.", required=False,
              check=web_address, target=True),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The weights that are wanted."""
        weighed = _described(settings)["weights"]
        if missing := sorted(set(json.loads(settings["weights"])) - set(weighed)):
            raise LeverFault(f"The endpoint {settings['endpoint']} has no variant {missing[0]}.", sure=True)
        return {"weights": weighed}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The other weights."""
        wanted = {**prior["weights"], **{name: float(one) for name, one in json.loads(settings["weights"]).items()}}
        changes = [f"{name} from {prior['weights'][name]:g} to {one:g}" for name, one in wanted.items()
                   if one != prior["weights"][name]]  # fmt: skip
        if not changes:
            return Plan({"weights": wanted}, "Nothing would change: the variants have these weights already.")
        return Plan({"weights": wanted}, f"In {settings['endpoint']} the weight goes: {', '.join(changes)}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Set the weights; the same twice is once."""
        _ = key
        return _set(settings, plan.expected["weights"])

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Set them back."""
        _ = key
        return _set(settings, prior["weights"])

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the endpoint is in service with these weights, and only variants that have one answer."""
        wanted = plan.expected["weights"]
        try:
            found = _described(settings)
            if found["status"] != "InService":
                return Seen.no(f"The endpoint is {found['status']}.", found)
            if found["weights"] != wanted or found["current"] != wanted:
                return Seen.no("The endpoint has other weights.", found)
            return _asked(settings, {name for name, one in wanted.items() if one > 0})
        except LeverFault as fault:
            return Seen.unclear(fault.text)


def _call(settings: Settings, what: str, body: dict[str, Any], *, changes: bool) -> Any:
    server = settings.get("server") or f"https://api.sagemaker.{settings['region']}.amazonaws.com"
    raw = json.dumps(body).encode()
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"SageMaker.{what}"}
    side = Rest("SageMaker", server)
    signed = Signer(settings).signed("POST", f"{server.rstrip('/')}/", raw, headers)
    answer = side.ask("POST", "/", raw, changes=changes, headers=signed)
    return side, answer


def _described(settings: Settings) -> dict[str, Any]:
    side, answer = _call(settings, "DescribeEndpoint", {"EndpointName": settings["endpoint"]}, changes=False)
    found = side.object_in(answered("SageMaker", answer, changes=False), changes=False)
    try:
        variants = found["ProductionVariants"]
        return {
            "status": str(found["EndpointStatus"]),
            "weights": {str(one["VariantName"]): float(one.get("DesiredWeight", 0.0)) for one in variants},
            "current": {str(one["VariantName"]): float(one.get("CurrentWeight", 0.0)) for one in variants},
        }
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise side.nonsense("without the endpoint’s variants") from error


def _set(settings: Settings, wanted: State) -> Done:
    desired = [{"VariantName": name, "DesiredWeight": one} for name, one in wanted.items()]
    body = {"EndpointName": settings["endpoint"], "DesiredWeightsAndCapacities": desired}
    _, answer = _call(settings, "UpdateEndpointWeightsAndCapacities", body, changes=True)
    answered("SageMaker", answer)
    return Done("SageMaker took the weights.", {"weights": dict(wanted)})


def _asked(settings: Settings, allowed: set[str]) -> Seen:
    """Ask the endpoint as callers do, and hold who answers against those that may."""
    server = settings.get("runtime") or f"https://runtime.sagemaker.{settings['region']}.amazonaws.com"
    path = f"/endpoints/{segment(settings['endpoint'])}/invocations"
    raw = settings["asks"].encode()
    side, met = Rest("The endpoint", server), []
    for _ in range(int(settings["times"])):
        headers = Signer(settings).signed(
            "POST", f"{server.rstrip('/')}{path}", raw, {"Content-Type": "application/json"}
        )
        answer = side.ask("POST", path, raw, headers=headers)
        variant = answer.headers.get(_VARIANT)
        if variant is None:
            return Seen.unclear(f"The endpoint answered {answer.status} without naming the variant.")
        met.append(variant)
        if variant not in allowed:
            return Seen.no(f"Variant {variant} still answers.", {"answered": met})
    return Seen.yes(f"{len(met)} requests were answered by {', '.join(sorted(set(met)))}.", {"answered": met})
