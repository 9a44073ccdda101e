"""One archive of what was kept of an incident, which its reader can verify without Andon."""

import zipfile
from collections.abc import Iterable, Sequence
from typing import IO, Final

from andon.containment.evidence import store
from andon.containment.evidence.manifest import Entry, Manifest, digest, read, sums
from andon.containment.evidence.models import Preservation
from andon.incidents.models import Incident
from andon.kit.errors import Conflict

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: the same evidence makes the same archive, whenever it is exported."""
_HOW: Final = """\
How to verify it
----------------
1. In this folder run:  sha256sum -c SHA256SUMS
   (macOS: shasum -a 256 -c SHA256SUMS). Every line must end with OK.
2. Each manifest.json lists what was kept, with its digest. The digest of the manifest itself, which
   `sha256sum NN/manifest.json` gives, stands on the incident's page of evidence (“SHA-256 of the list”) and in
   the timeline of the incident, in the entry “Evidence … preserved”. That entry is part of the timeline's hash
   chain: whoever keeps a copy of the chain's head can tell that nothing was exchanged. On the installation
   `andon evidence verify` and `andon verify` do all of this.
"""


def write(to: IO[bytes], incident: Incident, rows: Sequence[Preservation]) -> None:
    """Write a zip: a folder for each preservation, README.txt and SHA256SUMS."""
    lines: list[str] = []
    digests: list[tuple[str, str]] = []
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as out:
        for row in rows:
            folder = f"{row.number:02d}"
            manifest, body = _manifest(row)
            _add(out, f"{folder}/manifest.json", body)
            digests.append((row.manifest, f"{folder}/manifest.json"))
            lines += _told(manifest, folder)
            for one in manifest.kept:
                found = store.left_of(one.sha256)
                if found.body is None:
                    lines.append(f"    NOT IN THIS ARCHIVE: {folder}/{one.name}: {found.problem}. Its digest stays.")
                    continue
                if found.digest != one.sha256:
                    lines.append(
                        f"    NOT WHOLE: {folder}/{one.name}: a person's rows were erased by right. What is left"
                    )
                    lines.append(f"      has the digest {found.digest}, which the timeline names.")
                _add(out, f"{folder}/{one.name}", found.body)
                digests.append((found.digest, f"{folder}/{one.name}"))
        readme = _readme(incident, lines).encode()
        _add(out, "README.txt", readme)
        _add(out, "SHA256SUMS", sums([*digests, (digest(readme), "README.txt")]))


def _manifest(row: Preservation) -> tuple[Manifest, bytes]:
    found = store.get(row.manifest)
    if found.body is None:
        raise Conflict(f"The manifest of {row} cannot be read: {found.problem}. `andon evidence verify` says more.")
    return read(found.body), found.body


def _add(out: zipfile.ZipFile, path: str, body: bytes) -> None:
    info = zipfile.ZipInfo(path, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    out.writestr(info, body)


def _readme(incident: Incident, lines: Iterable[str]) -> str:
    head = f"Evidence of {incident.ref}\n{'=' * (12 + len(incident.ref))}\n"
    system = incident.system.slug if incident.system else "no system named"
    about = f"{incident.title}\nSystem: {system}\nDetected: {incident.detected_at.isoformat()}\n"
    return "\n".join([head, about, *lines, "", _HOW])


def _told(manifest: Manifest, folder: str) -> list[str]:
    title = f"{folder}  {Preservation.Why(manifest.why).label}" + (
        f": {manifest.what_for}" if manifest.what_for else ""
    )
    window = f"    Began {manifest.began_at}; affected window {manifest.since} to {manifest.until}"
    return [title, window, *(line for one in manifest.entries for line in _line(one, folder)), ""]


def _line(one: Entry, folder: str) -> list[str]:
    if not one.sha256:
        return [f"    NOT COLLECTED  {one.name}, from {one.source}: {one.why_missing}"]
    rows = f", {one.rows:,} {'row' if one.rows == 1 else 'rows'}" if one.rows is not None else ""
    return [
        f"    {folder}/{one.name}  {one.size:,} bytes{rows}, from {one.source}",
        f"      sha256 {one.sha256}",
        *(f"      {note}" for note in one.notes),
    ]
