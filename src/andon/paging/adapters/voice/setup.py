"""What phone calls need: the account for text messages, and a number."""

from andon.paging.adapters.sms.setup import number
from andon.paging.setup import Setup
from andon.people.ways import Way

SETUP = Setup(
    what="Phone calls that read the page out; pressing 4 acknowledges.",
    way=Way(label="Phone number", help="With the country: +49 30 901820.", check=number),
    same_as="sms",
    reports=True,
)
