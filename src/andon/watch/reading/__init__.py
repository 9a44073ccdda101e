"""Reads aggregates of a decision log where it lies, through Ibis. Knows no table of Andon; rows stay where they are.

Ibis and the engines are imported when something is read, never before: a server that starts needs none of them.
"""

from andon.watch.reading.cube import Cells, Wanted, read
from andon.watch.reading.places import Place, Unreadable
from andon.watch.reading.together import Outcome, read_together

__all__ = ["Cells", "Outcome", "Place", "Unreadable", "Wanted", "read", "read_together"]
