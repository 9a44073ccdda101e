"""Mail in: a real SMTP client against the listener; 250 only for what is on disk, and nothing is passed on."""

import asyncio
import smtplib
import socket
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest
from django.db import OperationalError

from andon.intake import mail as mail_module
from andon.intake.actions import create_integration, disable_integration
from andon.intake.adapters import adapters
from andon.intake.asgi import IntakeApp
from andon.intake.mail import Listener
from andon.intake.models import Delivery, Signal
from andon.intake.recording import BODY_KEPT
from andon.intake.writer import Writer
from andon.people.policy import Actor
from andon.site import asgi as site
from andon.site.environment import listen_address
from tests.support.asgi import serving
from tests.support.prometheus import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sender(db):
    integration, token = create_integration(slug="batch", name="Batch", kind="email", by=Actor.operator())
    integration.token = token
    return integration


@asynccontextmanager
async def listening(writer=None):
    intake = IntakeApp(writer)
    await intake.start()
    port = free_port()
    listener = Listener(intake, f"127.0.0.1:{port}")
    await listener.start()
    try:
        yield port
    finally:
        await listener.stop()
        await intake.stop()


def letter(to, subject="Errors", text="andon_system: credit-scorer"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "monitor@example.org", to, subject
    message["Message-ID"] = "<1@example.org>"
    message.set_content(text)
    return message


def post(port, *letters, to=None):
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        for one in letters:
            client.send_message(one, to_addrs=to)


def told(talk, writer=None):
    """What a conversation (a function of the port, in a thread) gives back."""

    async def story():
        async with listening(writer) as port:
            return await asyncio.to_thread(talk, port)

    return asyncio.run(story())


def refusal(talk, writer=None):
    with pytest.raises(smtplib.SMTPException) as refused:
        told(talk, writer)
    error = refused.value
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next(iter(error.recipients.values()))[0]
    return error.smtp_code


def test_a_mail_is_a_signal_and_the_same_mail_again_is_not_another(sender):
    to = f"{sender.token}@andon.example.org"
    told(lambda port: post(port, letter(to), letter(f"batch+{sender.token.upper()}@elsewhere.example.org")))
    signal = Signal.objects.get()
    assert (signal.title, signal.system_hint, signal.episode) == ("Errors", "credit-scorer", "<1@example.org>")
    assert Delivery.objects.filter(outcome="accepted", content_type="message/rfc822").count() == 2


def test_no_log_names_an_address_for_it_is_the_key(sender, caplog):
    caplog.set_level("DEBUG")
    told(lambda port: post(port, letter(f"{sender.token}@andon.example.org")))
    assert Signal.objects.exists()
    assert sender.token not in caplog.text


def test_what_is_kept_of_a_mail_holds_no_address_of_ours(sender):
    _, token = create_integration(slug="other", name="Other", kind="email", by=Actor.operator())
    both = f"{sender.token}@andon.example.org, other+{token.upper()}@andon.example.org"
    empty = EmailMessage()
    empty["From"], empty["To"], empty["Delivered-To"] = "monitor@example.org", both, f"{sender.token}@example.org"
    told(lambda port: post(port, letter(both)))
    assert refusal(lambda port: post(port, empty)) == 554
    assert Signal.objects.count() == 2
    kept = [bytes(each.body).decode().lower() for each in Delivery.objects.all()]
    assert len(kept) == 3, "one is refused for the first of its integrations, and goes no further"
    for body in kept:
        assert sender.token not in body
        assert token not in body
        assert "to: [token]@andon.example.org, other+[token]@andon.example.org" in " ".join(body.split())


def test_an_address_fits_where_mail_addresses_must(sender):
    assert len(f"batch+{sender.token}") <= 64, "RFC 5321, 4.5.3.1.1"


@pytest.mark.parametrize(
    "address", ["lena@example.org", "batch+wrong@example.org", "{token}x@example.org", "other+{token}@example.org", "x"]
)
def test_other_addresses_are_refused_and_nothing_is_passed_on(sender, address):
    assert refusal(lambda port: post(port, letter(address.format(token=sender.token)))) == 550
    assert not any(bytes(kept.body) for kept in Delivery.objects.all())  # that somebody tried may be said


def test_a_token_of_another_kind_of_sender_is_no_address(db):
    _, token = create_integration(slug="pd", name="PD", kind="pagerduty", by=Actor.operator())
    assert refusal(lambda port: post(port, letter(f"{token}@example.org"))) == 550


def test_a_disabled_integration_is_no_address(sender):
    disable_integration(sender, by=Actor.operator())
    assert refusal(lambda port: post(port, letter(f"{sender.token}@example.org"))) == 550


def test_while_the_database_is_away_it_is_451_and_never_250(sender):
    def away(batch):
        raise OperationalError("disk I/O error")

    assert refusal(lambda port: post(port, letter(f"{sender.token}@example.org")), Writer(away)) == 451
    assert not Signal.objects.exists()


def test_what_is_not_understood_is_bounced_and_kept(sender):
    empty = EmailMessage()
    empty["From"], empty["To"] = "monitor@example.org", f"{sender.token}@example.org"
    assert refusal(lambda port: post(port, empty)) == 554
    assert Delivery.objects.get().outcome == "rejected"


def test_an_automatic_answer_is_taken_and_raises_nothing(sender):
    answer = letter(f"{sender.token}@example.org")
    answer["Auto-Submitted"] = "auto-replied"
    told(lambda port: post(port, answer))
    assert Delivery.objects.get().signals == 0
    assert not Signal.objects.exists()


def test_one_mail_for_two_integrations_is_a_signal_of_each(sender):
    _, other = create_integration(slug="other", name="Other", kind="email", by=Actor.operator())
    both = [f"{sender.token}@example.org", f"{other}@example.org", f"{other}@example.org"]
    told(lambda port: post(port, letter("both"), to=both))
    assert Signal.objects.count() == 2


def test_a_mail_that_is_announced_too_large_is_refused_and_the_page_says_so(sender):
    big = letter(f"{sender.token}@example.org", text="x\n" * 600_000)
    assert refusal(lambda port: post(port, big)) == 552
    kept = Delivery.objects.get()
    assert (kept.outcome, kept.error, bytes(kept.body)) == ("rejected", mail_module.TOO_LARGE, b"")


def test_a_size_that_is_announced_is_told_to_nobody_but_those_for_whom_the_mail_is(sender):
    def conversation(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            said = [client.mail("monitor@example.org", ["SIZE=99999999"])[0]]
            said += [client.rcpt(to)[0] for to in ("lena@example.org", f"{sender.token}@example.org")]
            said.append(client.docmd("DATA")[0])
            client.rset()
            said.append(client.mail("monitor@example.org", ["SIZE=ten"])[0])
            return said

    assert told(conversation) == [250, 550, 552, 503, 501]
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        (b"Subject: Errors\r\n\r\n..begin\r\n" + b"word\r\n" * 300_000, 552, mail_module.TOO_LARGE),
        (b"Subject: Errors\r\n\r\n..begin\r\n" + b"word" * 100_000 + b"\r\n", 500, mail_module.TOO_LONG),
    ],
    ids=["too large", "a line too long"],
)
def test_a_mail_that_turns_out_too_large_is_kept_by_its_beginning_for_each_of_its_integrations(
    sender, sent, code, said
):
    _, other = create_integration(slug="other", name="Other", kind="email", by=Actor.operator())

    def conversation(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            client.mail("monitor@example.org")
            for to in (sender.token, other, sender.token):
                client.rcpt(f"{to}@example.org")
            client.docmd("DATA")
            client.send(sent + b".\r\n")
            refused = client.getreply()[0]
            client.send_message(letter(f"{sender.token}@example.org"))  # the conversation goes on
            return refused

    assert told(conversation) == code
    kept = Delivery.objects.filter(outcome="rejected").order_by("integration__slug")
    assert [one.integration.slug for one in kept] == ["batch", "other"]
    for one in kept:
        assert (one.error, one.content_type) == (said, "message/rfc822")
        assert bytes(one.body).startswith(b"Subject: Errors\r\n\r\n.begin\r\nword")
        assert len(one.body) <= BODY_KEPT
    assert Signal.objects.count() == 1


def test_a_refusal_that_cannot_be_written_is_a_refusal_all_the_same(sender):
    def away(batch):
        raise OperationalError("disk I/O error")

    def conversation(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            client.mail("monitor@example.org")
            client.rcpt(f"{sender.token}@example.org")
            client.docmd("DATA")
            client.send(b"word\r\n" * 300_000 + b".\r\n")
            return client.getreply()[0]

    assert told(conversation, Writer(away)) == 552
    assert not Delivery.objects.exists()


def test_lines_longer_than_the_standard_says_are_read(sender):
    def talk(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail("", [f"{sender.token}@example.org"], "Subject: Errors\r\n\r\n" + "x" * 50_000 + "\r\n")

    told(talk)
    assert Signal.objects.get().title == "Errors"


def test_more_connections_than_it_holds_are_told_to_come_again(sender, monkeypatch):
    monkeypatch.setattr(mail_module, "MOST_CONNECTIONS", 1)

    def talk(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10):
            smtplib.SMTP("127.0.0.1", port, timeout=10)

    with pytest.raises(smtplib.SMTPConnectError) as refused:
        told(talk)
    assert refused.value.smtp_code == 421


def test_too_many_recipients_at_once_are_told_to_come_again(sender, monkeypatch):
    monkeypatch.setattr(mail_module, "MOST_RECIPIENTS", 1)

    def talk(port):
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.ehlo()
            client.mail("monitor@example.org")
            return [client.rcpt(f"{sender.token}@example.org")[0] for _ in range(2)]

    assert told(talk) == [250, 452]


def test_the_server_listens_only_where_the_setting_says(sender, settings):
    async def story(address):
        router = site.Router()
        settings.SMTP_LISTEN = address
        async with serving(router):
            if address:
                await asyncio.to_thread(post, int(address.rpartition(":")[2]), letter(f"{sender.token}@example.org"))
            return router.mail is not None

    assert asyncio.run(story("")) is False
    assert asyncio.run(story(f"127.0.0.1:{free_port()}")) is True
    assert Signal.objects.count() == 1


def test_a_port_that_is_taken_is_said_in_words_and_the_server_does_not_start(settings):
    async def story():
        inbox, outbox = asyncio.Queue(), asyncio.Queue()
        inbox.put_nowait({"type": "lifespan.startup"})
        await site.Router()({"type": "lifespan"}, inbox.get, outbox.put)
        return outbox.get_nowait()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings.SMTP_LISTEN = f"127.0.0.1:{taken.getsockname()[1]}"
        said = asyncio.run(story())
    assert said["type"] == "lifespan.startup.failed"
    assert "Change ANDON_SMTP_LISTEN" in said["message"]


def test_a_fault_of_our_own_bounces_no_mail_and_keeps_what_came(sender, monkeypatch):
    def broken(*_):
        raise TypeError("nobody thought of this")

    monkeypatch.setattr(adapters()["email"], "parse", broken)
    assert refusal(lambda port: post(port, letter(f"{sender.token}@example.org"))) == 451
    assert "TypeError" in Delivery.objects.get().error
    monkeypatch.setattr(mail_module, "_slug_and_token", broken)
    assert refusal(lambda port: post(port, letter(f"{sender.token}@example.org"))) == 451


def test_a_port_that_is_taken_keeps_the_server_from_starting(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = Listener(IntakeApp(), f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(OSError, match="in use"):
            asyncio.run(listener.start())


@pytest.mark.parametrize("given", ["2525", "host:", ":2525", "host:0", "host:99999", "host:x"])
def test_an_address_that_cannot_be_listened_on_is_refused_at_start(monkeypatch, given):
    monkeypatch.setenv("ANDON_SMTP_LISTEN", given)
    with pytest.raises(ValueError, match="ANDON_SMTP_LISTEN"):
        listen_address("ANDON_SMTP_LISTEN")
