"""What pages to PagerDuty need: an integration key of a service there."""

import re

from andon.kit.errors import Invalid
from andon.kit.fields import Field
from andon.paging.setup import Setup, web_address
from andon.people.ways import Way

_KEY = re.compile(r"[A-Za-z0-9]{32}")
_SECRET = re.compile(r"[!-~]{16,256}")
_MOST_SECRETS = 50


def routing_key(address: str) -> str:
    """An integration key of the Events API v2: 32 letters and digits."""
    address = address.strip()
    if not _KEY.fullmatch(address):
        raise Invalid("An integration key of the Events API v2 has 32 letters and digits.")
    return address


def secrets(value: str) -> str:
    """Signing secrets of webhooks, with spaces between."""
    each = value.split()
    if len(each) > _MOST_SECRETS or not all(_SECRET.fullmatch(one) for one in each):
        raise Invalid("A signing secret has 16 characters or more and no space in it; put spaces between several.")
    return " ".join(each)


SETUP = Setup(
    what="People who are on call in PagerDuty. Acknowledgements go both ways, once its webhook is set up.",
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
        Field(
            name="webhook_secrets",
            label="Signing secrets of webhooks",
            help="Of each webhook that tells Andon who acknowledged in PagerDuty, with spaces between.",
            secret=True,
            required=False,
            check=secrets,
        ),
    ),
)
