"""`kubectl rollout undo` by the API: the deployment gets the pod template of an earlier revision.

As kubectl does it: the template of that revision's ReplicaSet, without its hash, by a JSON patch (apps/v1). The patch
tests the resource version, so that a change made meanwhile is refused and not overwritten. Seen in the deployment's
status as `kubectl rollout status` reads it: the controller has observed this generation, every replica is of the new
template and available, and none of the old one is left; and, if there is a serving address, in what that answers.
"""

import hashlib
import json
import re
from typing import Any, Final

from andon.containment import serving
from andon.containment.cluster import FIELDS, api, path
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State
from andon.containment.rest import Rest, at, segment
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind

_GROUP: Final = "apps/v1"
_REVISION: Final = "deployment.kubernetes.io/revision"
_HASH: Final = "pod-template-hash"
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


class Adapter(LeverAdapter):
    """The lever."""

    kind = "kubernetes"
    title = "Kubernetes rollout undo"
    line = "Gives a deployment the pod template of an earlier revision, and sees its replicas replaced."
    does = frozenset({ContainmentKind.ROLL_BACK})
    fields = (
        *FIELDS,
        Field("deployment", "Deployment", "Its name."),
        Field(
            "image",
            "Image to go back to",
            "The newest earlier revision with it, as scorer:v6; left empty, the revision before the present one.",
            required=False,
        ),
        *serving.fields("what it must", required=False, example="/version"),
        Field("shown", "What the serving address must show", "After the pull, as v6; only with a serving address.",
              required=False),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The template's digest and images, and the revision to go back to with its own."""
        side = api(settings)
        found = side.read(path(_GROUP, settings, "deployments", settings["deployment"]))
        present = at(found, "spec", "template")
        uid = at(found, "metadata", "uid")
        if not isinstance(present, dict) or not uid:
            raise side.nonsense("without the deployment’s template")
        templates = _templates(side, settings, found)
        mark = _mark(present)
        number = next((number for number, one in templates.items() if _mark(one) == mark), None)
        goal = templates[_goal(settings, templates, number)]
        return {
            "template": mark, "images": _images(present),
            "goal": {"template": _mark(goal), "images": _images(goal)},
        }  # fmt: skip

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The earlier revision's template."""
        goal, what = prior["goal"], f"deployment {settings['deployment']}"
        expected = {"template": goal["template"], "images": goal["images"]}
        if goal["template"] == prior["template"]:
            return Plan(expected, f"Nothing would change: {what} has the template to go back to already.")
        return Plan(
            expected, f"D{what[1:]} goes from {', '.join(prior['images'])} back to {', '.join(goal['images'])}."
        )

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Patch the template."""
        _ = key
        return _roll(settings, plan.expected)

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Patch it back: its ReplicaSet is kept by the cluster (revisionHistoryLimit)."""
        _ = key
        return _roll(settings, prior)

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """The rollout's status, and the serving address if there is one."""
        side = api(settings)
        try:
            found = side.read(path(_GROUP, settings, "deployments", settings["deployment"]))
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        seen = _rolled_out(found, plan.expected)
        wanted = settings.get("shown")
        goes_back = plan.expected.get("goal") is not None  # an undo: the serving address shows something else then
        if not seen.holds or not settings.get("serving") or not wanted or goes_back:
            return seen
        served = serving.look(settings, wanted)
        return Seen(served.holds, f"{seen.text} {served.text}", {**seen.facts, **served.facts})


def _rolled_out(found: Any, expected: State) -> Seen:
    """What the deployment's status says about a template (see `kubectl rollout status`)."""
    template, wanted = at(found, "spec", "template"), at(found, "spec", "replicas")
    generation, observed = at(found, "metadata", "generation"), at(found, "status", "observedGeneration")
    if not isinstance(template, dict) or not isinstance(wanted, int) or not isinstance(generation, int):
        return Seen.unclear("The cluster answered, but without the deployment’s template and status.")
    counts = {name: at(found, "status", name) or 0 for name in ("replicas", "updatedReplicas", "availableReplicas")}
    if not all(isinstance(one, int) for one in counts.values()):
        return Seen.unclear("The cluster answered, but with a number of replicas that is none.")
    facts = {"wanted": wanted, "generation": generation, "observedGeneration": observed, **counts}
    missing = (
        (_mark(template) != expected["template"], "The deployment has another template."),
        (not isinstance(observed, int) or observed < generation, "The cluster has not taken the template up yet."),
        (counts["updatedReplicas"] < wanted, f"{counts['updatedReplicas']} of {wanted} replicas have the template."),
        (counts["replicas"] > counts["updatedReplicas"], "Replicas with the template before still run."),
        (counts["availableReplicas"] < wanted, f"{counts['availableReplicas']} of {wanted} replicas are available."),
    )
    for is_missing, says in missing:
        if is_missing:
            return Seen.no(says, facts)
    return Seen.yes(f"{wanted} of {wanted} replicas have the expected template and are available.", facts)


def _templates(side: Rest, settings: Settings, deployment: Any) -> dict[int, dict[str, Any]]:
    """The templates of the deployment's revisions, by their numbers."""
    labels = at(deployment, "spec", "selector", "matchLabels") or {}
    if not isinstance(labels, dict):
        raise side.nonsense("with a selector that is none")
    query = segment(",".join(f"{name}={value}" for name, value in sorted(labels.items())))
    found = side.read(f"{path(_GROUP, settings, 'replicasets')}?labelSelector={query}").get("items")
    if not isinstance(found, list):
        raise side.nonsense("without the deployment’s revisions")
    uid = deployment["metadata"]["uid"]
    templates = {}
    for one in found:
        owners = at(one, "metadata", "ownerReferences")
        ours = isinstance(owners, list) and any(at(owner, "uid") == uid for owner in owners)
        number = str(at(one, "metadata", "annotations", _REVISION))
        template = at(one, "spec", "template")
        if ours and _NUMBER.fullmatch(number) and isinstance(template, dict):
            templates[int(number)] = _without_hash(template)
    return templates


def _goal(settings: Settings, templates: dict[int, dict[str, Any]], present: int | None) -> int:
    """The number of the revision to go back to. A number is no setting: the cluster gives a revision a new one."""
    if wanted := settings.get("image"):
        having = [
            number
            for number, one in templates.items()
            if any(image == wanted or image.endswith(f"/{wanted}") for image in _images(one))
        ]
        if not having:
            raise LeverFault(f"The cluster keeps no revision with the image {wanted}.", sure=True)
        return max(having)
    earlier = [number for number in templates if present is not None and number < present]
    if not earlier:
        raise LeverFault("The cluster keeps no revision before the present one.", sure=True)
    return max(earlier)


def _roll(settings: Settings, wanted: State) -> Done:
    """Patch the deployment with the template of a digest, which one of its revisions has."""
    side = api(settings)
    where = path(_GROUP, settings, "deployments", settings["deployment"])
    found = side.read(where)
    version = at(found, "metadata", "resourceVersion")
    if not version or not at(found, "metadata", "uid"):
        raise side.nonsense("without the deployment’s version")
    templates = _templates(side, settings, found)
    number = max((number for number, one in templates.items() if _mark(one) == wanted["template"]), default=None)
    if number is None:
        raise LeverFault("The cluster no longer keeps a revision with this template.", sure=True)
    patch = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/spec/template", "value": templates[number]},
    ]
    side.write("PATCH", where, patch, headers={"Content-Type": "application/json-patch+json"})
    return Done(f"The cluster took the template of revision {number}.", {"revision": number})


def _without_hash(template: dict[str, Any]) -> dict[str, Any]:
    metadata, labels = at(template, "metadata"), at(template, "metadata", "labels")
    kept = {name: value for name, value in labels.items() if name != _HASH} if isinstance(labels, dict) else {}
    return template | {"metadata": (metadata if isinstance(metadata, dict) else {}) | {"labels": kept}}


def _mark(template: dict[str, Any]) -> str:
    """A digest of a template: it is compared and shown, and what it holds (environment, arguments) is not."""
    return hashlib.sha256(json.dumps(_without_hash(template), sort_keys=True).encode()).hexdigest()[:16]


def _images(template: dict[str, Any]) -> list[str]:
    containers = at(template, "spec", "containers")
    return [str(at(one, "image")) for one in containers] if isinstance(containers, list) else []
