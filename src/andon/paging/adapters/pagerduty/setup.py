"""What pages to PagerDuty need: an integration key of a service there."""

import re

from andon.kit.errors import Invalid
from andon.kit.fields import Field
from andon.paging.setup import Setup, web_address
from andon.people.ways import Way

_KEY = re.compile(r"[A-Za-z0-9]{32}")


def routing_key(address: str) -> str:
    """An integration key of the Events API v2: 32 letters and digits."""
    address = address.strip()
    if not _KEY.fullmatch(address):
        raise Invalid("An integration key of the Events API v2 has 32 letters and digits.")
    return address


SETUP = Setup(
    what="Incidents in PagerDuty, which are acknowledged and resolved there when they are in Andon.",
    way=Way(
        label="Integration key",
        help="In PagerDuty: the service, Integrations, Events API V2, Integration Key.",
        check=routing_key,
    ),
    mirrors=True,
    fields=(
        Field(
            name="server",
            label="Server",
            help="https://events.eu.pagerduty.com for an account in the European region.",
            required=False,
            default="https://events.pagerduty.com",
            check=web_address,
        ),
    ),
)
