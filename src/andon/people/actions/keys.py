"""Whether this process has the keys of the database it works on.

Replicas with different ones would each write what the others cannot read, and that would be found out by the first page
that cannot be sent. Asked when a process starts. The database holds a known word, sealed by the newest key of whoever
came first; a replica that has that key and a newer one in front seals it anew, so that one without the newer key is
found out as well.
"""

from typing import Final

from django.db import transaction

from andon.kit import crypto, db
from andon.people.models import ContactPoint, KeyCheck

WORD: Final = "andon"
OTHER_KEYS: Final = (
    "The contacts and secrets in this database are encrypted with keys that are not among this process's own, so it "
    "could neither page anybody nor be read by the others. Give every replica, and every command on its machine, the "
    "same ANDON_FIELD_KEYS; while keys are rotated, the newest in front and the earlier ones behind it."
)


def unsaid() -> bool:
    """Whether the database holds nothing yet that says which keys are its own."""
    return not KeyCheck.objects.exists() and not ContactPoint.objects.exists()


@transaction.atomic
def match() -> bool:
    """Whether our keys are those of the database; with none said yet, ours become them if they read what is there."""
    made, new = KeyCheck.objects.get_or_create(id=1, defaults={"sealed": crypto.encrypt(WORD)})
    try:
        if new:
            known = ContactPoint.objects.order_by("created_at").first()  # of a version that kept no such word
            crypto.opened(known.address if known else "")
            return True
        crypto.decrypt(made.sealed)
    except crypto.Undecryptable:
        transaction.set_rollback(True)
        return False
    if not crypto.by_newest(made.sealed):
        held = db.lock(KeyCheck.objects.filter(id=1, sealed=made.sealed))
        held.update(sealed=crypto.encrypt(WORD))
    return True
