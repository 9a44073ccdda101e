"""Setting the weights of an Envoy route whose configuration is read from a file on Andon's own machine.

Envoy's file-based discovery (`path_config_source`) takes a file up when another is moved into its place, which is how
it is rewritten; nothing is reloaded. The file is a discovery response in JSON; the weights are those of the clusters in
`weighted_clusters`, wherever the file names them (Envoy, "Dynamic from filesystem", "HTTP route components").
"""

import json
from collections.abc import Iterator
from typing import Any

from andon.containment import allowed, rewriting
from andon.containment.lever import Done, LeverAdapter, LeverFault, Plan, Seen, State, json_object
from andon.containment.serving import fields as serving_fields
from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.practice.words import ContainmentKind


def weights(value: str) -> str:
    """Clusters with their weights, at least one of them above zero."""
    found = json.loads(json_object(value))
    if not found or not all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in found.values()):
        raise Invalid('Clusters and whole numbers from 0, as {"scorer-v6": 100, "scorer-v7": 0}.')
    if not sum(found.values()):
        raise Invalid("At least one cluster needs a weight: Envoy refuses a route to none.")
    return value.strip()


class Adapter(LeverAdapter):
    """The lever."""

    kind = "envoy"
    title = "Envoy route"
    line = "Sets the weights of an Envoy route that is read from a file on this machine, and sees who answers."
    does = frozenset({ContainmentKind.ROLL_BACK, ContainmentKind.DISABLE, ContainmentKind.CONSTRAIN})
    limit = 60.0
    fields = (
        Field("file", "File", "Its name among the files in ANDON_LEVERS_FILE, where Andon’s engine runs."),
        Field("weights", "Weights", 'Of the clusters, as {"scorer-v6": 9, "scorer-v7": 0}.', long=True, check=weights),
        *serving_fields("who answered"),
        Field("shown", "What it must show after the pull", "As v6."),
        Field("shown_before", "What it must show after an undo", "As v7; left empty, an undo is not looked at.",
              required=False),
    )  # fmt: skip

    def state(self, settings: Settings) -> State:
        """The file as it is."""
        text = rewriting.text_of(allowed.file(settings["file"]))
        _weighted(text, settings)
        return {"text": text}

    def plan(self, settings: Settings, prior: State) -> Plan:
        """The file with the weights."""
        document, clusters = _weighted(prior["text"], settings)
        wanted: dict[str, int] = json.loads(settings["weights"])
        before = {str(one["name"]): one.get("weight") for one in clusters}
        for one in clusters:
            one["weight"] = wanted[one["name"]]
        if all(before[name] == weight for name, weight in wanted.items()):
            return Plan({"text": prior["text"]}, "Nothing would change: the clusters have these weights already.")
        changes = [
            f"{name} from {before[name]} to {weight}" for name, weight in wanted.items() if before[name] != weight
        ]
        return Plan({"text": json.dumps(document, indent=2) + "\n"}, f"The weight goes: {', '.join(changes)}.")

    def act(self, settings: Settings, plan: Plan, key: str) -> Done:
        """Rewrite the file."""
        return Done(rewriting.put(allowed.file(settings["file"]), plan.expected["text"], key))

    def undo(self, settings: Settings, prior: State, key: str) -> Done:
        """Put the old file back."""
        return Done(rewriting.put(allowed.file(settings["file"]), prior["text"], key))

    def probe(self, settings: Settings, plan: Plan) -> Seen:
        """Whether the file is as expected, and who answers."""
        try:
            pulled = self.plan(settings, plan.expected)
        except LeverFault as fault:
            return Seen.unclear(fault.text)
        return rewriting.served(settings, plan, pulled.expected["text"])


def _weighted(text: str, settings: Settings) -> tuple[Any, list[dict[str, Any]]]:
    """The document, and those of its clusters that the lever weighs. Raises `LeverFault` unless it has them all."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LeverFault(f"{settings['file']} is not JSON.", sure=True) from error
    wanted = json.loads(settings["weights"])
    found = [one for one in _clusters(document) if one.get("name") in wanted]
    if missing := sorted(set(wanted) - {one["name"] for one in found}):
        raise LeverFault(f"{settings['file']} has no weighted cluster {missing[0]}.", sure=True)
    return document, found


def _clusters(document: Any) -> Iterator[dict[str, Any]]:
    """Every cluster of every `weighted_clusters` of a document."""
    if isinstance(document, dict):
        for name, inner in document.items():
            if name == "weighted_clusters" and isinstance(inner, dict) and isinstance(inner.get("clusters"), list):
                yield from (one for one in inner["clusters"] if isinstance(one, dict))
            else:
                yield from _clusters(inner)
    elif isinstance(document, list):
        for inner in document:
            yield from _clusters(inner)
