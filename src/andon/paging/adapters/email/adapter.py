"""Pages by e-mail: text with simple HTML beside it, one link, and a Message-ID made of the page's key.

A mail sent again after a crash carries the same Message-ID, by which mail servers and readers drop the double.
"""

import smtplib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from andon.paging.channel import Destination, Receipt
from andon.paging.message import Message

TIMEOUT = 8
"""Seconds for each answer of the mail server."""
DEADLINE = 25.0
"""Seconds for a whole mail, however slowly the server answers: less than the lease on a page."""
_FOR_GOOD = 500


class Adapter:
    """The channel."""

    def send(self, message: Message, destination: Destination) -> Receipt:
        """Hand the mail to the mail server; it answers for the rest of the way."""
        if not settings.MAIL_CONFIGURED:
            return Receipt.unable("No mail server is set. Whoever runs Andon sets ANDON_SMTP_URL.")
        mail = _mail(message, destination)
        try:
            with _deadline(mail.connection):
                mail.send()
        except smtplib.SMTPRecipientsRefused as error:
            return _refused(*next(iter(error.recipients.values())))
        except smtplib.SMTPDataError as error:
            return _refused(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError) as error:
            return Receipt.retry(f"The mail server did not take the mail: {_words(error)}")
        return Receipt.sent(ref=mail.extra_headers["Message-ID"])


def _mail(message: Message, destination: Destination) -> EmailMultiAlternatives:
    """The mail, with the headers that make a double recognisable and a thread of one incident."""
    host = urlsplit(settings.BASE_URL).hostname
    headers = {"Message-ID": f"<{message.key}@{host}>", "Auto-Submitted": "auto-generated", "X-Andon": "page"}
    if message.thread:
        headers["References"] = f"<{message.thread}@{host}>"
    if message.about and message.about.severity in {"S1", "S2"}:
        headers["Importance"] = "high"
    mail = EmailMultiAlternatives(
        subject=message.subject,
        body=message.text(),
        to=[destination.address],
        headers=headers,
        connection=get_connection(timeout=TIMEOUT),
    )
    mail.attach_alternative(message.html(), "text/html")
    return mail


@contextmanager
def _deadline(backend: Any) -> Iterator[None]:
    """Cut the line to the mail server after `DEADLINE`; what is being read or written on it then fails at once.

    Python's mail library bounds each answer and not the whole: a server that is slow at every step, or sends a byte
    now and then, would hold a sender for minutes.
    """

    def cut() -> None:
        line = getattr(getattr(backend, "connection", None), "sock", None)
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(DEADLINE, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refused(code: int, said: bytes | str) -> Receipt:
    """A refusal of this mail or this recipient: 5xx is for good, 4xx is for now."""
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    reason = f"The mail server refused it: {code} {' '.join(words.split())}"[:300]
    return Receipt.broken(reason) if code >= _FOR_GOOD else Receipt.retry(reason)


def _words(error: Exception) -> str:
    """An error of the mail library in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:250]
