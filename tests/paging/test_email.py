"""Pages by e-mail, over a real mail server on loopback."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from andon.incidents.models import Incident
from andon.kit import clock
from andon.paging import sending
from andon.paging.adapters import find
from andon.paging.adapters.email import adapter
from andon.paging.channel import Destination, Outcome
from andon.paging.message import Message
from andon.paging.models import Page
from tests.support.paging import Story

LENA = Destination("lena@example.org")


class Inbox:
    """A mail server that keeps what it takes and refuses what the test says."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.at_recipient = "250 OK"
        self.at_data = "250 OK"

    async def handle_RCPT(self, _s: SMTP, _session: object, envelope: Any, address: str, _o: object) -> str:  # noqa: N802  aiosmtpd's name
        if self.at_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.at_recipient

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.at_data


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    box = Inbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.DEFAULT_FROM_EMAIL = "Andon <andon@example.org>"
    yield box
    server.stop()


@pytest.fixture
def message(story: Story, incident: Incident) -> Message:
    (made,) = story.run()
    return made


def test_a_page_arrives_as_text_and_html_with_one_link(inbox: Inbox, message: Message, incident: Incident):
    receipt = find("email").send(message, LENA)
    (mail,) = inbox.mails
    assert receipt.outcome is Outcome.SENT
    assert receipt.ref == mail["Message-ID"]
    assert mail["To"] == "lena@example.org"
    assert mail["Subject"] == f"[{incident.level.name}] {incident.ref} Credit scorer: Approvals fell by half"
    text = mail.get_body(("plain",)).get_content()
    html = mail.get_body(("html",)).get_content()
    assert text.count("http") == html.count("href=") == 1
    assert message.link in text
    assert message.link in html
    assert message.why in text
    assert mail["Auto-Submitted"] == "auto-generated"


def test_a_mail_sent_again_carries_the_same_id(inbox: Inbox, message: Message):
    find("email").send(message, LENA)
    find("email").send(message, LENA)
    first, second = inbox.mails
    assert first["Message-ID"] == second["Message-ID"] == f"<{message.key}@testserver>"


def test_mails_of_one_incident_make_a_thread(inbox: Inbox, story: Story, incident: Incident, message: Message):
    find("email").send(message, LENA)
    (next_message,) = story.forward(minutes=5)
    find("email").send(next_message, LENA)
    first, second = inbox.mails
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"] == f"<incident-{incident.pk.hex}@testserver>"


def test_a_title_cannot_write_headers_or_markup(inbox: Inbox, story: Story, incident: Incident):
    Incident.objects.filter(pk=incident.pk).update(title="x\r\nBcc: all@example.org <script>alert(1)</script>")
    (message,) = story.run()
    assert find("email").send(message, LENA).outcome is Outcome.SENT
    (mail,) = inbox.mails
    assert mail["Bcc"] is None
    assert "<script>" not in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    ("at_recipient", "at_data", "outcome"),
    [
        ("550 5.1.1 No such user", "250 OK", Outcome.BROKEN),
        ("451 4.7.1 Greylisted", "250 OK", Outcome.RETRY),
        ("250 OK", "554 5.6.0 Not wanted", Outcome.BROKEN),
        ("250 OK", "452 4.3.1 Full", Outcome.RETRY),
    ],
)
def test_the_servers_word_decides(inbox: Inbox, message: Message, at_recipient: str, at_data: str, outcome: Outcome):
    inbox.at_recipient, inbox.at_data = at_recipient, at_data
    receipt = find("email").send(message, LENA)
    assert receipt.outcome is outcome
    said = at_recipient if not at_recipient.startswith("250") else at_data
    assert said[:3] in receipt.reason
    assert "lena@example.org" not in receipt.reason


def test_no_server_is_tried_again(settings: Any, message: Message):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    receipt = find("email").send(message, LENA)
    assert receipt.outcome is Outcome.RETRY
    assert "did not take the mail" in receipt.reason


def test_without_a_mail_server_set_it_says_what_to_do(settings: Any, message: Message):
    settings.MAIL_CONFIGURED = False
    receipt = find("email").send(message, LENA)
    assert receipt.outcome is Outcome.UNABLE
    assert "ANDON_SMTP_URL" in receipt.reason


def test_the_engine_pages_by_e_mail_for_real(inbox: Inbox, story: Story, incident: Incident, cast: Any):
    cast.lena.contact_points.update(kind="email", address="lena@example.org")
    story.engine.modules[2]._find = find
    story.engine.run_until_idle(story.time.now())
    assert [mail["To"] for mail in inbox.mails] == ["lena@example.org"]
    assert Page.objects.get(incident=incident).provider_ref == inbox.mails[0]["Message-ID"]


def test_a_server_that_answers_a_byte_at_a_time_is_cut_off(settings: Any, message: Message, monkeypatch: Any):
    monkeypatch.setattr(adapter, "DEADLINE", 0.3)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()

        def drip() -> None:
            line, _ = server.accept()
            with line, contextlib.suppress(OSError):
                line.sendall(b"220 slow.example.org\r\n")
                for _ in range(600):
                    line.sendall(b"2")
                    threading.Event().wait(0.05)

        slow = threading.Thread(target=drip, daemon=True)
        slow.start()
        began = clock.monotonic()
        assert find("email").send(message, LENA).outcome is Outcome.RETRY
        assert clock.monotonic() - began < 10
        slow.join(10)


def test_a_mail_is_given_up_before_its_lease_ends():
    assert sending.LEASE.total_seconds() > adapter.DEADLINE
