"""What pages to Microsoft Teams need: a workflow's address, of each person's or team's own."""

from urllib.parse import urlsplit

from andon.kit.errors import Invalid
from andon.paging.setup import Setup
from andon.people.ways import Way

_RETIRED = "webhook.office.com"


def workflow(address: str) -> str:
    """The address of a workflow's trigger; the addresses of the retired connectors are refused by name."""
    address = address.strip()
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
    except ValueError:
        usable = False
    if not usable:
        raise Invalid("Paste the whole address that Teams shows for the workflow; it begins with https://.")
    if (parts.hostname or "").endswith(_RETIRED):
        raise Invalid(
            "This is the address of an Office 365 connector, which Microsoft has retired. In Teams, make a workflow "
            "from the template “Send webhook alerts to a chat” and paste its address."
        )
    return address


SETUP = Setup(
    what="Cards in a Microsoft Teams chat or channel, through a workflow that each person makes in Teams.",
    way=Way(
        label="Workflow address",
        help="In Teams: Workflows, “Send webhook alerts to a chat” (or channel), then copy the address that it shows.",
        check=workflow,
    ),
)
