"""Bytes under their digest, got back and checked against it."""

from dataclasses import dataclass

from andon.containment.evidence.manifest import digest as digest_of
from andon.containment.evidence.models import Blob, Erasure
from andon.kit.crypto import Undecryptable


@dataclass(frozen=True)
class Found:
    """What is under a digest now: the bytes, or in words why there are none. `erased` = they went by right."""

    body: bytes | None
    problem: str = ""
    erased: bool = False


def get(digest: str) -> Found:
    """The bytes under a digest, verified against it."""
    try:
        blob = Blob.objects.filter(pk=digest).first()
    except (Undecryptable, ValueError) as error:
        return Found(None, f"what is stored cannot be read ({error})")
    if blob is None:
        return Found(None, "nothing is stored under this digest any more")
    if blob.body is None:
        if Erasure.objects.filter(digest=digest).exists():
            return Found(None, "it was erased by right", erased=True)
        return Found(None, "it was emptied, and nobody erased it by right")
    if digest_of(blob.body) != digest or len(blob.body) != blob.size:
        return Found(None, "it was changed after it was kept")
    return Found(blob.body)
