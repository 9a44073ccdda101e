"""Bytes under their digest, got back and checked against it."""

from dataclasses import dataclass

from andon.containment.evidence.manifest import digest as digest_of
from andon.containment.evidence.models import Blob, Erasure
from andon.kit.crypto import Undecryptable


@dataclass(frozen=True)
class Found:
    """What is under a digest now: the bytes, or in words why there are none. `erased` = they went by right.

    `digest` is the one that the bytes have: another one than was asked for, where only a person's rows went.
    """

    body: bytes | None
    problem: str = ""
    erased: bool = False
    digest: str = ""


def left_of(digest: str) -> Found:
    """The bytes under a digest, or what an erasure left of them: a person's rows went, and the others are there."""
    found = get(digest)
    while found.erased:
        left = Erasure.objects.filter(digest=found.digest).exclude(remainder="").first()
        if left is None:
            break
        found = get(left.remainder)
    return found


def get(digest: str) -> Found:
    """The bytes under a digest, verified against it."""
    try:
        blob = Blob.objects.filter(pk=digest).first()
    except (Undecryptable, ValueError) as error:
        return Found(None, f"what is stored cannot be read ({error})", digest=digest)
    if blob is None:
        return Found(None, "nothing is stored under this digest any more", digest=digest)
    if blob.body is None:
        if Erasure.objects.filter(digest=digest).exists():
            return Found(None, "it was erased by right", erased=True, digest=digest)
        return Found(None, "it was emptied, and nobody erased it by right", digest=digest)
    if digest_of(blob.body) != digest or len(blob.body) != blob.size:
        return Found(None, "it was changed after it was kept", digest=digest)
    return Found(blob.body, digest=digest)
