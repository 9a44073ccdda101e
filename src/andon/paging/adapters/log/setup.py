"""What pages into the log need: nothing."""

from andon.paging.setup import Setup
from andon.people.ways import Way

SETUP = Setup(
    what="Pages into Andon's own log, for trying out. Nobody is woken by it.",
    way=Way(label="Address", help="The log needs none.", needed=False, trusted=True),
)
