"""What is done with runbooks and with runs of them."""

from andon.runbooks.actions.proposing import decide, give_feedback, propose
from andon.runbooks.actions.running import again, begin, end, keep_seen, settle
from andon.runbooks.actions.shelving import give_owner, mark_reviewed, put_back, retire, write

__all__ = [
    "again", "begin", "decide", "end", "give_feedback", "give_owner", "keep_seen", "mark_reviewed", "propose",
    "put_back", "retire", "settle", "write",
]  # fmt: skip
