"""Setting the share of traffic that goes to the newest revision of a KServe inference service.

`spec.predictor.canaryTrafficPercent` 0 sends everything to the previous rolled-out revision (KServe, "Canary
rollout"); seen in `status.components.predictor.traffic`, which says where the traffic goes by now.
"""

from typing import Any, Final

from andon.containment import serving
from andon.containment.cluster import FIELDS, api, path
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State
from andon.containment.rest import at
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_GROUP: Final = "serving.kserve.io/v1beta1"
_ALL: Final = 100


def _percent(value: str) -> str:
    if not (value.isascii() and value.isdigit() and int(value) <= _ALL):
        raise Invalid("A whole number from 0 to 100.")
    return str(int(value))


class Adapter(LeverAdapter):
    """The lever."""

    kind = "kserve"
    title = "KServe canary"
    line = "Sets how much traffic the newest revision of an inference service gets; 0 rolls it back."
    does = frozenset({ContainmentKind.ROLL_BACK, ContainmentKind.CONSTRAIN})
    fields = (
        *FIELDS,
        Field("service", "Inference service", "Its name."),
        Field("percent", "Traffic of the newest revision", "In percent; 0 rolls it back.", required=False, default="0",
              check=_percent),
        *serving.fields("what it must", required=False, example="/model_version"),
        Field("shown", "What the serving address must show", "After the pull, as v6; only with a serving address.",
              required=False),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The share that is set; None where none is, which means all of it."""
        side = api(settings)
        found = side.read(path(_GROUP, settings, "inferenceservices", settings["service"]))
        predictor = at(found, "spec", "predictor")
        if not isinstance(predictor, dict):
            raise side.nonsense("without the service’s predictor")
        percent = predictor.get("canaryTrafficPercent")
        if percent is not None and (isinstance(percent, bool) or not isinstance(percent, int)):
            raise side.nonsense("with a share of traffic that is no number")
        return {"percent": percent}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The share."""
        wanted = int(settings["percent"])
        what = f"the newest revision of {settings['service']}"
        if prior["percent"] == wanted:
            return Plan({"percent": wanted}, f"Nothing would change: {what} gets {wanted} % already.")
        before = _ALL if prior["percent"] is None else prior["percent"]
        return Plan({"percent": wanted}, f"T{what[1:]} goes from {before} % of the traffic to {wanted} %.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Patch the share."""
        _ = key
        return _set(settings, plan.expected["percent"])

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Patch it back; no share at all is taken away."""
        _ = key
        return _set(settings, prior["percent"])

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Where the traffic goes, and the serving address if there is one."""
        try:
            found = api(settings).read(path(_GROUP, settings, "inferenceservices", settings["service"]))
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        seen = _routed(found, _ALL if plan.expected["percent"] is None else plan.expected["percent"])
        wanted = settings.get("shown")
        pulled = plan.expected["percent"] == int(settings["percent"])
        if not seen.holds or not settings.get("serving") or not wanted or not pulled:
            return seen
        served = serving.look(settings, wanted)
        return Seen(served.holds, f"{seen.text} {served.text}", {**seen.facts, **served.facts})


def _routed(found: Any, percent: int) -> Seen:
    """What the status says about where the traffic goes."""
    traffic = at(found, "status", "components", "predictor", "traffic")
    generation, observed = at(found, "metadata", "generation"), at(found, "status", "observedGeneration")
    if not isinstance(traffic, list) or not traffic or not all(isinstance(one, dict) for one in traffic):
        return Seen.unclear("The cluster answered, but without saying where the traffic goes.")
    shares = [one.get("percent") or 0 for one in traffic if one.get("latestRevision")]
    if not all(isinstance(share, int) for share in shares):
        return Seen.unclear("The cluster answered, but with a share of traffic that is no number.")
    newest = sum(shares)
    facts = {"newest": newest, "traffic": {str(one.get("revisionName")): one.get("percent") for one in traffic}}
    if isinstance(generation, int) and isinstance(observed, int) and observed < generation:
        return Seen.no("The cluster has not taken the new share up yet.", facts)
    if newest != percent:
        return Seen.no(f"The newest revision gets {newest} % of the traffic, not {percent} %.", facts)
    return Seen.yes(f"The newest revision gets {newest} % of the traffic.", facts)


def _set(settings: Settings, percent: int | None) -> Done:
    where = path(_GROUP, settings, "inferenceservices", settings["service"])
    patch = {"spec": {"predictor": {"canaryTrafficPercent": percent}}}
    api(settings).write("PATCH", where, patch, headers={"Content-Type": "application/merge-patch+json"})
    said = "took the share away" if percent is None else f"set the newest revision to {percent} %"
    return Done(f"The cluster {said}.", {"percent": percent})
