"""What pages by e-mail need: the mail server of the whole Andon, and an address."""

from django.conf import settings

from andon.paging.setup import Setup
from andon.people.actions.accounts import usable_address
from andon.people.ways import Way


def _missing() -> str:
    if settings.MAIL_CONFIGURED:
        return ""
    return "No mail server is set. Whoever runs Andon sets ANDON_SMTP_URL."


SETUP = Setup(
    what="Pages by e-mail, through the mail server that Andon uses for everything.",
    way=Way(label="E-mail address", help="An address such as lena@example.org.", check=usable_address),
    missing=_missing,
)
