"""Mails as signals: what their words become, whatever the words are wrapped in."""

import time
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.intake.adapters import adapters, samples
from andon.intake.events import DESCRIPTION, Malformed, Request

EMAIL = adapters()["email"]


def mail(subject="Errors", text="Half of it", **headers):
    message = EmailMessage(policy=SMTP)
    message["Subject"], message["From"], message["Message-ID"] = subject, "monitor@example.org", "<1@example.org>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def said(message):
    raw = message if isinstance(message, bytes) else message.as_bytes()
    return EMAIL.parse(Request(raw), {}).events


def test_an_alert_and_its_end_are_one_signal():
    (fired,), (ended,) = (EMAIL.parse(request, {}).events for request in samples("email").values())
    assert (fired.status, ended.status) == ("firing", "resolved")
    assert fired.title == ended.title == "20 % of credit decisions fail – batch 7"
    assert fired.fingerprint == ended.fingerprint
    assert fired.episode == "<20260302030510.1881@monitor.example.org>"
    assert (fired.system_hint, fired.severity_hint) == ("credit-scorer", 2)
    assert fired.starts_at.isoformat() == "2026-03-02T03:05:10+00:00"
    assert fired.description.startswith("More than 5 % of decisions")
    assert "color" not in fired.description


@pytest.mark.parametrize(
    ("subject", "title", "status"),
    [
        ("Errors", "Errors", "firing"),
        ("[RESOLVED] Errors", "Errors", "resolved"),
        ("[Resolved:2] Errors", "Errors", "resolved"),
        ("OK: Errors", "Errors", "resolved"),
        ("Recovered - Errors", "Errors", "resolved"),
        ("Fwd: Re: [OK] Errors", "Errors", "resolved"),
        ("[FIRING:1] Errors", "Errors", "firing"),
        ("ALARM: Errors", "Errors", "firing"),
        ("[critical] [alert] Errors", "Errors", "firing"),
        ("Okay to approve?", "Okay to approve?", "firing"),
        ("Closed accounts are scored", "Closed accounts are scored", "firing"),
        ("[credit] Errors", "[credit] Errors", "firing"),
    ],
)
def test_the_subject_says_what_and_whether_it_is_over(subject, title, status):
    (event,) = said(mail(subject))
    assert (event.title, event.status) == (title, status)
    assert event.fingerprint == said(mail(title))[0].fingerprint


def test_another_sender_or_subject_is_another_signal():
    one, other = said(mail("a"))[0], said(mail("b"))[0]
    elsewhere = said(mail("a").as_bytes().replace(b"monitor@", b"other@"))[0]
    assert len({one.fingerprint, other.fingerprint, elsewhere.fingerprint}) == 3


def test_headers_of_ours_say_it_outright():
    (event,) = said(
        mail(X_Andon_System="credit-scorer", X_Andon_Type="safety", X_Andon_Severity="S1", X_Andon_Id="errors")
    )
    assert (event.system_hint, event.type_hint, event.severity_hint, event.fingerprint) == (
        "credit-scorer", "safety", 1, "errors"
    )  # fmt: skip


def test_html_becomes_text_and_nothing_of_it_runs():
    html = (
        "<html><head><title>T</title><style>p{}</style></head><body><script>alert(1)</script>"
        "<p>First &amp; <b>bold</b></p><div>Second<br>Third</div><img src=x onerror=alert(2)></body></html>"
    )
    message = EmailMessage(policy=SMTP)
    message["Subject"] = "Errors"
    message.set_content(html, subtype="html")
    assert said(message)[0].description == "First & bold\nSecond\nThird"


def test_plain_text_goes_before_html_and_attachments_are_named():
    message = mail(text="Plain words")
    message.add_alternative("<p>HTML words</p>", subtype="html")
    message.add_attachment(b"secret,numbers", maintype="text", subtype="csv", filename="numbers.csv")
    (event,) = said(message)
    assert event.description == "Plain words"
    assert event.labels["attachments"] == "numbers.csv"


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: =?nonsense?q?a?=\n\nx",
        b"Subject: =?utf-8?b?!!!?=\n\nx",
        b"Subject: \xc3\xbcber\n\nx",
        b"Subject: a\nContent-Type: text/plain; charset=klingon\n\n\xff\xfe",
        b"Subject: a\nContent-Type: text/plain; charset*=utf-8''%ff\n\nx",
        b"Subject: a\nContent-Transfer-Encoding: base64\n\n!!!not base64",
        b"Subject: a\nContent-Type: multipart/mixed\n\nno boundary",
        b"Subject: a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n--b\n--b--",
        b"Subject: a\nDate: yesterday\n\nx",
        b"Subject: a\nDate: Mon, 99 Mar 99999 99:99:99 +9999\n\nx",
        b"\n\nonly a text",
        b"Subject: " + b"[ok]" * 100_000 + b"\n\nx",
        b"Subject: a\nContent-Type: text/html\n\n" + b"<br" * 300_000,
    ],
)
def test_odd_mails_are_signals_all_the_same(raw):
    (event,) = said(raw)
    assert event.title
    assert len(event.description) <= DESCRIPTION


def test_a_subject_of_bytes_that_are_no_ascii_is_read_as_utf8():
    assert said(b"Subject: \xc3\xbcber 5 %\n\nx")[0].title == "über 5 %"


def test_a_mail_of_thousands_of_nested_parts_brings_nothing_down():
    depth = 2_000
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    with pytest.raises(Malformed, match="parts inside parts"):
        said(b"Subject: a\n" + opening)


@pytest.mark.parametrize("named", [b"boundary=b", b'Boundary="b"', b"boundary*0=b; boundary*1=c", b"boundary*=''%62"])
def test_a_mail_of_a_hundred_thousand_empty_parts_is_refused_before_it_is_taken_apart(named):
    parts = b"--b\n\n" if b"*0" not in named else b"--bc\n\n"
    before = time.thread_time()
    with pytest.raises(Malformed, match="more than 1000 parts"):
        said(b"Subject: Errors\nContent-Type: multipart/mixed; " + named + b"\n\n" + parts * 150_000)
    assert time.thread_time() - before < 1


def test_many_lines_that_only_look_like_it_are_text():
    drawn = b"-- a line of a drawing --\n" * 5_000
    mail = b"Subject: Errors\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" + drawn + b"\n--b--\n"
    (event,) = said(mail)
    assert event.description.startswith("-- a line")


def test_a_mail_without_any_words_is_refused():
    with pytest.raises(Malformed):
        said(b"From: a@example.org\n\n")


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-notified; owner-email=x"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "yes"},
        {"X_Andon": "page"},
    ],
)
def test_answers_of_machines_and_our_own_pages_are_left_alone(headers):
    assert said(mail(**headers)) == []


def test_a_report_of_an_undelivered_mail_is_left_alone():
    assert said(b"Subject: Undelivered\nContent-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b--\n") == []


def test_what_a_machine_sends_of_itself_is_a_signal():
    assert said(mail(Auto_Submitted="auto-generated"))


def test_without_a_message_id_the_same_mail_is_still_the_same():
    raw = b"Subject: a\nDate: Mon, 02 Mar 2026 04:05:10 +0100\n\nx"
    assert said(raw)[0].episode == said(raw)[0].episode != said(raw + b"y")[0].episode


names = st.sampled_from(
    ["Subject", "From", "Content-Type", "Content-Transfer-Encoding", "Date", "Message-ID", "X-Andon-Id"]
)
words = st.text(alphabet=st.characters(blacklist_characters="\r\n"), max_size=60) | st.sampled_from(
    [
        "multipart/mixed; boundary=b",
        "text/html; charset=x",
        "=?utf-8?b?w7w=?=",
        "base64",
        "quoted-printable",
        "message/rfc822",
    ]
)


@given(st.lists(st.tuples(names, words), max_size=8), st.binary(max_size=300))
def test_any_mail_is_understood_or_refused_in_words(headers, body):
    raw = "".join(f"{name}: {value}\n" for name, value in headers).encode("utf-8", "surrogatepass") + b"\n" + body
    try:
        events = said(raw)
    except Malformed:
        return
    assert all(0 < len(event.fingerprint) <= 255 and event.title for event in events)


@pytest.mark.parametrize(
    ("raw", "description"),
    [
        (b"Content-Type: text/html\n\n" + b"<div>" * 35_000 + b"Half of it", "Half of it"),
        (b"Content-Type: text/html\n\n" + b"<template>" * 100_000 + b"Half of it", ""),
        (b"Content-Type: text/plain; charset=punycode\n\n-" + b"b" * 300_000, "-" + "b" * (DESCRIPTION - 1)),
        (b"Content-Type: text/plain; " + b"a*0=b; " * 100_000 + b"\n\nHalf of it", None),
        (b"Content-Type: text/plain;\n " + b";\n ".join(b"name*%d*=b" % n for n in range(60_000)) + b"\n\nx", None),
    ],
)
def test_a_mail_that_is_made_to_take_long_takes_no_longer_than_others(raw, description):
    """Each took seconds of the processor, in which the process did nothing else: the time grew with the square."""
    before = time.thread_time()
    if description is None:
        with pytest.raises(Malformed, match="about its structure"):
            said(b"Subject: Errors\n" + raw)
    else:
        (event,) = said(b"Subject: Errors\n" + raw)
        assert event.description == description
    assert time.thread_time() - before < 1
