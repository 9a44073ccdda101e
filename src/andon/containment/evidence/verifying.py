"""Whether kept evidence is as it was kept: from the timeline's hash chain to the manifest, from there to every byte.

What the pages show comes from rows beside the manifest; they are held against it too.
"""

from andon.containment.evidence import store
from andon.containment.evidence.manifest import Entry, Manifest, iso, read
from andon.containment.evidence.models import Item, Preservation
from andon.incidents.models import Incident, TimelineEntry
from andon.incidents.timeline import Broken
from andon.kit import db

_SAID = ("kind", "name", "source", "size", "media", "rows", "why_missing")


def verify(incident: Incident) -> list[Broken]:
    """Every change of the evidence of an incident; an empty list means that it is as it was kept.

    `incidents.timeline.verify` says whether the entries that this goes by are themselves as they were written.
    All is read at one instant: what is erased by right meanwhile has its entry then, or is still there.
    """
    with db.at_one_instant():
        return _verified(incident)


def _verified(incident: Incident) -> list[Broken]:
    problems: list[Broken] = []
    erased = {
        str(body["digest"]): str(body.get("remainder", ""))
        for body in incident.timeline.filter(kind="evidence_erased").values_list("body", flat=True)
        if body
    }
    rows = {row.manifest: row for row in incident.preservations.exclude(finished_at=None).prefetch_related("items")}
    named: set[str] = set()
    for entry in incident.timeline.filter(kind="evidence_kept", body__isnull=False).order_by("seq"):
        manifest = str((entry.body or {}).get("manifest"))
        named.add(manifest)
        problems += [Broken(incident.ref, entry.seq, text) for text in _of_entry(entry, rows.get(manifest), erased)]
    for manifest, row in rows.items():
        if manifest not in named:
            text = f"Evidence {row.number}: no entry of the timeline names its manifest, so it was added or exchanged."
            problems.append(Broken(incident.ref, 0, text))
    return problems


def _of_entry(entry: TimelineEntry, row: Preservation | None, erased: dict[str, str]) -> list[str]:
    said = entry.body or {}
    found = store.get(str(said.get("manifest", "")))
    if found.body is None:
        return [f"Evidence {said.get('evidence')}: its manifest cannot be verified: {found.problem}."]
    try:
        manifest = read(found.body)
    except ValueError as error:
        return [f"Evidence {said.get('evidence')}: {error}"]
    problems = [] if row is None else _of_rows(manifest, row)
    if row is None:
        problems.append(f"Evidence {manifest.number}: the timeline names it, and it is in the list no more.")
    for one in manifest.kept:
        if problem := _of_bytes(one.sha256, erased):
            problems.append(f"Evidence {manifest.number}: {one.name} cannot be verified: {problem}.")
    return problems


def _of_bytes(digest: str, erased: dict[str, str]) -> str:
    """What is wrong with the bytes under a digest, or with what erasures left of them; nothing where all is well."""
    found = store.get(digest)
    while found.erased and found.digest in erased:
        left = erased[found.digest]
        if not left:
            return ""
        found = store.get(left)
    return "" if found.body is not None else found.problem


def _of_rows(manifest: Manifest, row: Preservation) -> list[str]:
    """Where the rows that pages and archives go by say something else than the manifest."""
    said = {one.name: _words(one, one.sha256) for one in manifest.entries}
    shown = {one.name: _words(one, one.digest) for one in row.items.all()}
    names = sorted(name for name in said.keys() | shown.keys() if said.get(name) != shown.get(name))
    return _of_head(manifest, row) + [
        f"Evidence {row.number}: what is listed of {name} is not what its manifest says." for name in names
    ]


def _of_head(manifest: Manifest, row: Preservation) -> list[str]:
    """Where the row says otherwise than the manifest why, by whom and from when to when it was kept.

    Of whom it names only the key is sealed; the person may have been erased since.
    """
    shown: dict[str, object] = {
        "number": row.number, "why": row.why, "what_for": row.what_for, "actor": row.actor,
        "began_at": iso(row.created_at), "since": iso(row.since), "until": iso(row.until),
    }  # fmt: skip
    off = [name for name, value in shown.items() if getattr(manifest, name) != value]
    if row.by_id is not None and manifest.actor != f"person:{row.by_id}":
        off.append("by")
    return [f"Evidence {row.number}: what is listed as “{name}” is not what its manifest says." for name in off]


def _words(one: Entry | Item, digest: str) -> tuple[object, ...]:
    return (digest, list(one.notes), *(getattr(one, word) for word in _SAID))
