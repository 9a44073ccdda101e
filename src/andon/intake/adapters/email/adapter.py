"""E-mail (RFC 5322, MIME): the last resort of what can send nothing else. It comes in by `andon.intake.mail`.

| of the mail | becomes |
|---|---|
| subject | the title; without what says its state, the fingerprint |
| `[RESOLVED]`, `OK:`, `Recovered -` and the like at the subject's beginning | its end; anything else fires |
| text, or HTML as text | the description |
| `Message-ID` | the episode: the same mail twice is one |
| `andon_system: …`, `andon_type: …`, `andon_severity: …` in the text | hints |
| `X-Andon-System`, `X-Andon-Type`, `X-Andon-Severity`, `X-Andon-Id` | the same, and the fingerprint |

Answers of machines to mails (RFC 3834), reports of undelivered ones, and Andon's own pages are taken and left alone:
else two machines would talk to each other for ever.
"""

import re
from codecs import lookup
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime
from hashlib import sha256
from html import unescape
from typing import Any

import nh3

from andon.intake.events import DESCRIPTION, Malformed, Request, Said, Sender, event
from andon.intake.naming import labels_of, severity_in, system_in, type_in, words_in
from andon.practice.grouping import SignalStatus

ENDS = ("resolved", "recovered", "recovery", "ok", "closed", "cleared", "up", "fixed", "normal")
FIRES = ("firing", "alert", "alarm", "problem", "down", "critical", "warning", "error", "triggered", "open", "info")
MOST_PARTS = 50
LONGEST_HEADER = 2_000
LONGEST_HTML = 200_000
MOST_BOUNDARIES, MOST_SEPARATORS = 50, 1_000
"""Of parts inside parts, and between parts: all of them are made before the first one is read, each for as much time as
a hundred kilobytes of text."""
LONGEST_STRUCTURE = 4_000
"""Characters of a header that says what a part is: Python reads it in a time that grows with the square of it."""
SLOW_CHARSETS = {"punycode", "idna"}
"""Of host names and not of mails; Python reads long texts in them in a time that grows with the square."""
MOST_HIDDEN = 500
"""Elements whose text is not shown: a deep nest of them is read in a time that grows with the square."""

_ANSWER = re.compile(r"^(?:(?:re|aw|fwd?|wg)\s*:\s*)+", re.IGNORECASE)
_WORDS = "|".join(ENDS + FIRES)
_STATE = re.compile(rf"^(?:\[\s*(?P<bracketed>{_WORDS})\b[^\]]*\]|(?P<bare>{_WORDS})\s*(?:[:!]|\s-))\s*", re.IGNORECASE)
_BREAKS = re.compile(r"<\s*(?:br|/p|/div|/tr|/li|/h[1-6])\b[^<>]*>", re.IGNORECASE)
_STRUCTURE = re.compile(rb"^content-[a-z-]+[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(rb"boundary(\*[0-9*]*)?\s*=\s*\"?([^\";\s]*)", re.IGNORECASE)
_SHOWN_TAG = re.compile(r"<(?!/?(?:script|style|head|title|template)\b)/?[a-z][^<>]*>", re.IGNORECASE)
_HIDDEN_TAG = re.compile(r"<(?:script|style|head|title|template)\b", re.IGNORECASE)
_HIDDEN = {"script", "style", "head", "title", "template"}


class Adapter(Sender):
    """A mail to an address of Andon's own."""

    kind = "email"
    title = "E-mail"
    line = "Mails to an address of their own, from what can send nothing else."
    short_token = True
    blocking = True  # a large mail takes a while to be read
    auto_close = timedelta(days=1)  # most mails say that something began, and none that it is over

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:  # noqa: ARG002  the adapters' common form
        """One event, or nothing of a mail that only answers another."""
        if any(len(header[0]) > LONGEST_STRUCTURE for header in _STRUCTURE.finditer(request.body)):
            raise Malformed(f"The mail has a header about its structure of more than {LONGEST_STRUCTURE} characters.")
        if _has_too_many_parts(request.body):
            raise Malformed(f"The mail has more than {MOST_SEPARATORS} parts, or parts inside parts without end.")
        try:
            mail = message_from_bytes(request.body)
            return Said([] if _is_an_echo(mail) else [_event(mail, request.body)])
        except (MessageError, ValueError, LookupError, RecursionError) as error:
            raise Malformed(f"The mail cannot be read: {type(error).__name__}.") from error


def _has_too_many_parts(raw: bytes) -> bool:
    """Whether to take it apart would take long. A boundary in another spelling (RFC 2231) stands for any."""
    boundaries = {b"" if found[1] else found[2] for found in _BOUNDARY.finditer(raw)}
    return len(boundaries) > MOST_BOUNDARIES or any(
        raw.count(b"\n--" + boundary) > MOST_SEPARATORS for boundary in boundaries
    )


def _event(mail: Message, raw: bytes) -> Any:
    subject = _header(mail, "subject")
    text = _text_of(mail)
    bare, ends = _without_state(subject)
    if not bare and not text.strip():
        raise Malformed("The mail has neither a subject nor a text.", field="subject")
    sender = parseaddr(_header(mail, "from"))[1]
    own = {
        f"andon_{name}": _header(mail, f"x-andon-{name}").strip() for name in ("system", "type", "severity")
    }  # fmt: skip
    labels = words_in(text) | {name: value for name, value in own.items() if value}
    labels |= labels_of(**{"from": sender, "attachments": ", ".join(_attachments(mail))})
    key = _header(mail, "x-andon-id").strip() or sha256(f"{sender}\n{bare.lower()}".encode()).hexdigest()[:32]
    return event(
        fingerprint=key,
        episode=_header(mail, "message-id").strip() or sha256(raw).hexdigest(),
        status=SignalStatus.RESOLVED if ends else SignalStatus.FIRING,
        title=bare or text.strip().partition("\n")[0],
        description=text,
        labels=labels,
        system_hint=system_in(labels),
        type_hint=type_in(labels),
        severity_hint=severity_in(labels, None),
        starts_at=_date(_header(mail, "date")),
    )


def _is_an_echo(mail: Message) -> bool:
    """Whether a machine answers, reports on another mail, or it is a page of Andon's own."""
    automatic = _header(mail, "auto-submitted").partition(";")[0].strip().lower()
    answers = automatic in {"auto-replied", "auto-notified"} or _header(mail, "precedence").lower() == "auto_reply"
    marked = any(name in mail for name in ("x-autoreply", "x-autorespond", "x-andon"))
    return answers or marked or mail.get_content_type() == "multipart/report"


def _without_state(subject: str) -> tuple[str, bool]:
    """The subject without marks of an answer and of its state, and whether that state is an end."""
    bare, ends = _ANSWER.sub("", " ".join(subject.split())), False
    while found := _STATE.match(bare):
        ends = ends or (found["bracketed"] or found["bare"]).lower() in ENDS
        bare = bare[found.end() :]
    return bare, ends


def _text_of(mail: Message) -> str:
    """The plain text, else the HTML as text; bounded, and without anything that is attached."""
    html = ""
    for _, part in zip(range(MOST_PARTS), mail.walk(), strict=False):
        if part.is_multipart() or part.get_filename() or part.get_content_disposition() == "attachment":
            continue
        if part.get_content_type() == "text/plain" and (text := _decoded(part).strip()):
            return text[:DESCRIPTION]
        if part.get_content_type() == "text/html" and not html:
            html = _decoded(part)
    return _as_text(html)[:DESCRIPTION]


def _as_text(html: str) -> str:
    flat = _SHOWN_TAG.sub("", _BREAKS.sub("\n", html[:LONGEST_HTML]))
    if len(_HIDDEN_TAG.findall(flat)) > MOST_HIDDEN:
        return ""
    lines = nh3.clean(flat, tags=set(), clean_content_tags=_HIDDEN).splitlines()
    kept = (" ".join(unescape(line).split()) for line in lines)
    return "\n".join(line for line in kept if line)


def _decoded(part: Message) -> str:
    """A part's text; what its charset cannot read is shown as what it is not."""
    raw = part.get_payload(decode=True)
    charset = str(part.get_content_charset() or "utf-8")
    return _read(raw, charset) if isinstance(raw, bytes) else ""


def _read(raw: bytes, charset: str) -> str:
    try:
        slow = lookup(charset).name in SLOW_CHARSETS
        return raw.decode("utf-8" if slow else charset, errors="replace")
    except (LookupError, UnicodeError):  # a charset that nobody knows
        return raw.decode("utf-8", errors="replace")


def _header(mail: Message, name: str) -> str:
    """A header with its encoded words (RFC 2047) read, bounded; empty if it is not there.

    Bytes that are no ASCII are against the standard, and are UTF-8 all the same.
    """
    raw = next((str(value) for key, value in mail.raw_items() if key.lower() == name), "")[:LONGEST_HEADER]
    text = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" not in text:
        return text
    try:
        pieces = decode_header(text)
    except HeaderParseError:
        return text
    return "".join(piece if isinstance(piece, str) else _read(piece, charset or "utf-8") for piece, charset in pieces)


def _attachments(mail: Message) -> list[str]:
    parts = (part for _, part in zip(range(MOST_PARTS), mail.walk(), strict=False))
    return [name for part in parts if (name := part.get_filename())][:10]


def _date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
