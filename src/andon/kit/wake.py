"""Wake the engine of this process as soon as something is due, in place of waiting for its next look.

Only a hint: what is due stands in the tables, and the engine looks there anyway. A lost hint costs a moment,
never a page.
"""

import threading

from django.db import transaction

engine = threading.Event()
"""Set when work may be due at once."""


def after_commit() -> None:
    """Wake the engine once the running transaction is on disk (at once when there is none)."""
    transaction.on_commit(engine.set)
