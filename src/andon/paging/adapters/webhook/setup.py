"""What pages by webhook need: a web address of each person's own."""

from urllib.parse import urlsplit

from andon.kit.errors import Invalid
from andon.paging.setup import Setup
from andon.people.ways import Way


def url(address: str) -> str:
    """A web address without a password in it."""
    address = address.strip()
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
    except ValueError:
        usable = False
    if not usable:
        raise Invalid("A webhook's address looks like https://example.org/path, without a password in it.")
    return address


SETUP = Setup(
    what="Pages as signed JSON to a web address, by the Standard Webhooks scheme.",
    way=Way(label="Web address", help="The https address that takes the page.", check=url, signs=True),
)
