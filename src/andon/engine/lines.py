"""The thread's own lines to the database: kept fit between two pieces of work, dropped when one breaks.

A line inside a transaction belongs to whoever opened that (a test, a simulation): it is left alone.
"""

from django.db import connections


def freshen() -> None:
    """Close lines that are too old or no longer work; the next query opens a new one."""
    for line in connections.all(initialized_only=True):
        if not line.in_atomic_block:
            line.close_if_unusable_or_obsolete()


def drop() -> None:
    """Close all: after trouble with the database, the next query begins afresh."""
    for line in connections.all(initialized_only=True):
        if not line.in_atomic_block:
            line.close()
