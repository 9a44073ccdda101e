"""What paging tells people: the ways in which somebody can be reached, and what stands on the account page."""

from andon.paging import adapters
from andon.paging.providers.queries import asks
from andon.people import ways
from andon.people.models import ChannelKind
from andon.people.ties import account_parts

for _kind in ChannelKind:
    if _kind in adapters.kinds():
        ways.tell(_kind, adapters.setup(_kind).way, asks(_kind))

account_parts.append("paging/browser_part.html")
