"""Whether kept evidence is as it was kept: from the timeline's hash chain to the manifest, from there to every byte."""

from andon.containment.evidence import store
from andon.containment.evidence.manifest import read
from andon.incidents.models import Incident, TimelineEntry
from andon.incidents.timeline import Broken


def verify(incident: Incident) -> list[Broken]:
    """Every change of the evidence of an incident; an empty list means that it is as it was kept.

    `incidents.timeline.verify` says whether the entries that this goes by are themselves as they were written.
    """
    problems: list[Broken] = []
    erased = {
        str(body["digest"])
        for body in incident.timeline.filter(kind="evidence_erased").values_list("body", flat=True)
        if body
    }
    named: set[str] = set()
    for entry in incident.timeline.filter(kind="evidence_kept", body__isnull=False).order_by("seq"):
        named.add(str((entry.body or {}).get("manifest")))
        problems += [Broken(incident.ref, entry.seq, text) for text in _of_entry(entry, erased)]
    for row in incident.preservations.exclude(finished_at=None).exclude(manifest__in=named):
        text = f"Evidence {row.number}: no entry of the timeline names its manifest, so it was added or exchanged."
        problems.append(Broken(incident.ref, 0, text))
    return problems


def _of_entry(entry: TimelineEntry, erased: set[str]) -> list[str]:
    said = entry.body or {}
    found = store.get(str(said.get("manifest", "")))
    if found.body is None:
        return [f"Evidence {said.get('evidence')}: its manifest cannot be verified: {found.problem}."]
    try:
        manifest = read(found.body)
    except ValueError as error:
        return [f"Evidence {said.get('evidence')}: {error}"]
    problems = []
    for one in manifest.kept:
        item = store.get(one.sha256)
        if item.erased and one.sha256 in erased:
            continue
        if item.body is None:
            problems.append(f"Evidence {manifest.number}: {one.name} cannot be verified: {item.problem}.")
    return problems
