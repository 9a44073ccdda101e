"""What pages by ntfy need: one server for everybody, and a topic of each person's own."""

import re

from andon.kit.errors import Invalid
from andon.kit.fields import Field
from andon.paging.setup import Setup, web_address
from andon.people.ways import Way

_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")


def topic(address: str) -> str:
    """A topic's name, in the form that ntfy's server takes."""
    address = address.strip()
    if not _TOPIC.fullmatch(address):
        raise Invalid("A topic is 1 to 64 letters, digits, hyphens and underscores, such as lena-pages-x7f2q.")
    return address


SETUP = Setup(
    what="Push messages to the ntfy app on phones and desktops, over ntfy.sh or a server of your own.",
    way=Way(
        label="Topic",
        help="The topic that your ntfy app is subscribed to, such as lena-pages-x7f2q. On a public server whoever "
        "knows it can read your pages, so make it hard to guess.",
        check=topic,
    ),
    fields=(
        Field(
            name="server",
            label="Server",
            help="Where the ntfy server answers.",
            default="https://ntfy.sh",
            check=web_address,
            target=True,
        ),
        Field(
            name="token",
            label="Access token",
            help="Begins with tk_. Needed where the server lets nobody publish without one.",
            secret=True,
            required=False,
        ),
    ),
)
