"""Wake the engines as soon as something is due, in place of waiting for their next look.

Only a hint: what is due stands in the tables, and an engine looks there anyway. A lost hint costs a moment, never a
page. The engine of this process is woken by an event; those of other processes by PostgreSQL's NOTIFY, which goes out
with the commit, or on SQLite by bells (`andon.kit.sqlite.bells`); `andon.kit.listening` hears both.
"""

import threading

from django.db import connection, transaction

from andon.kit import db

CHANNEL = "andon_engine"
engine = threading.Event()
"""Set when work may be due at once."""


def after_commit() -> None:
    """Wake the engines once the running transaction is on disk (at once when there is none); said once in each."""
    if any(hook[1] is _wake for hook in connection.run_on_commit):
        return
    db.notify(CHANNEL)
    transaction.on_commit(_wake)


def _wake() -> None:
    engine.set()
