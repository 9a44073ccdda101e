"""The messages that people get about their accounts. What pages people is not here but in paging."""

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail

from andon.people import queries
from andon.people.actions import Invited

_log = logging.getLogger("andon.people")


def send_invitation(invited: Invited) -> str:
    """Send the link to the invited address. Returns why that was not done, in words; empty when it was."""
    if not settings.MAIL_CONFIGURED:
        return "No mail server is configured (ANDON_SMTP_URL), so nothing was sent. Pass the link on yourself."
    organisation = queries.organisation()
    inviter = invited.invitation.invited_by
    try:
        send_mail(
            f"You are invited to Andon{f' at {organisation}' if organisation else ''}",
            f"{inviter or 'An administrator'} invites you to Andon, where AI incidents are handled.\n\n"
            f"Make your account here; the link works once, for seven days:\n{invited.mail_link}\n\n"
            "If you did not expect this, leave it: nothing happens without you.\n",
            settings.DEFAULT_FROM_EMAIL,
            [invited.invitation.email],
        )
    except (SMTPException, OSError) as error:
        _log.warning("The invitation could not be sent: %s", error)
        return f"The mail server did not take the message ({error}). Pass the link on yourself."
    return ""
