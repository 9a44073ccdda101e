"""What an adapter hears in a sender's words, said in ours; and what an adapter is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import msgspec

from andon.practice.grouping import SignalStatus
from andon.practice.words import ChangeKind, IncidentType

TITLE, DESCRIPTION, URL, HINT, FINGERPRINT, EPISODE = 300, 8_000, 2_000, 120, 255, 64
LABELS, LABEL_NAME, LABEL_VALUE = 64, 100, 1_000
NOTE, NOTE_BY = 1_000, 120
MAX_BODY = 1024 * 1024
HIDDEN = b"[token]"  # stands in what is kept of a body where a token was
JSON, PROBLEM = b"application/json", b"application/problem+json"

_encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
    """One request as it came.

    Attributes:
        body: Whole, and bounded.
        headers: Names in lower case.
        query: What follows the question mark, decoded; of a name that comes twice the last.
        path: What follows the integration's address, without a slash at its ends; mostly empty.
        method: Mostly POST.
        delivery: The name that Andon gives this request, for senders that want one made where they give none.
    """

    body: bytes
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    path: str = ""
    method: str = "POST"
    delivery: UUID = UUID(int=0)


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing that a sender says about one fingerprint, bounded to what the tables hold.

    Attributes:
        fingerprint: What makes it the same thing again, unique within its integration.
        episode: The sender's own mark of one firing, mostly the time it began; may be empty.
        status: `firing` or `resolved`.
        title: One line for a person.
        severity_hint: 1 (worst) to 5, or None where the sender says nothing.
        starts_at: When it began by the sender's clock, aware, or None.
        passing: Of an end: it is said with every run of a check that finds nothing wrong, so it is kept only if it ends
            something.
        at: When just this came about, of a beginning that beginning and of an end that end, by the sender's one clock,
            aware. By it a beginning that its end has overtaken is known, and opens nothing. So an adapter gives it only
            where the sender's documentation says that of the field; None for anything else, such as when something was
            first seen, when an episode began that is told again and again, or when the request was made.
    """

    fingerprint: str
    episode: str
    status: str
    title: str
    description: str = ""
    url: str = ""
    labels: dict[str, str] = {}
    system_hint: str = ""
    type_hint: str = ""
    severity_hint: int | None = None
    starts_at: datetime | None = None
    passing: bool = False
    at: datetime | None = None


class Change(msgspec.Struct, frozen=True):
    """Something changed on a system: context for a diagnosis, never an incident. Made by `change`, bounded.

    Attributes:
        key: The sender's own mark of this change, by which a double is known; may be empty.
        at: When it changed by the sender's clock, aware, or None for "now".
        system_hint: The system as the sender names it; empty = the integration's own.
    """

    title: str
    kind: ChangeKind
    key: str = ""
    at: datetime | None = None
    url: str = ""
    labels: dict[str, str] = {}
    system_hint: str = ""


class Note(msgspec.Struct, frozen=True):
    """What a sender says of a signal beside that it fires or has ended: acknowledged over there, a remark.

    Kept with the signal if one is open under the fingerprint, else dropped. It stops no page. Made by `note`, bounded.
    """

    fingerprint: str
    text: str
    by: str = ""


class Said(msgspec.Struct):
    """What one request says.

    Attributes:
        confirm: An address to call once, after the commit and before the answer, by which the sender learns that
            somebody listens (SNS). The adapter has made sure whose address it is.
        left_out: How many things were not taken while the rest was: not understood, or by the sender's own word not
            even sent.
        why: What was wrong with the first of them, in sentences; empty if nothing was left out.
    """

    events: list[Event] = []
    changes: list[Change] = []
    notes: list[Note] = []
    confirm: str = ""
    left_out: int = 0
    why: str = ""


class Malformed(Exception):  # noqa: N818  reads as what it is
    """A body that is not what its adapter understands; `field` is a path such as `alerts[0].status`, or empty."""

    def __init__(self, what: str, *, field: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.field = field


class Unsigned(Exception):  # noqa: N818  as above
    """A request without a signature that fits, or with one that is too old; says which, for whoever sets it up."""


class Field(msgspec.Struct, frozen=True):
    """A setting of one kind of sender that its form asks for, kept under `name` in the integration's settings.

    Attributes:
        choices: Pairs of value and reading if it is chosen, not written; one with an empty value stands for "as usual".
    """

    name: str
    label: str
    help: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()


Group = Literal["Alerts", "AI platforms", "Clouds", "Anything else"]


class Sender:
    """One kind of sender. A folder in `andon.intake.adapters` holds a class `Adapter` made from this one.

    Attributes:
        kind: The folder's name.
        title: What people call the sender.
        line: One line on what Andon takes from it, for the list of kinds.
        group: Where it stands in that list.
        signed_by: What the sender calls the secret that it signs with; empty where it signs nothing. An integration
            that holds this secret demands a signature that fits, and needs no token beside it; without the secret the
            token is demanded.
        blocking: Whether `parse` and `verify` may wait for something (a certificate to fetch): they run in a thread.
        auto_close: After how long without news a signal counts as ended, for senders that never say that it is over.
        fields: Settings of its own.
        proving: Those of them that only prove who sends: whoever tries a body by hand need not meet them.
        takes_paths: Whether addresses below the integration's own mean something (`Request.path`).
        addresses: Beginnings of addresses outside `/intake/` that this sender cannot be talked out of. The integration
            is then known by its token alone; such a path arrives whole as `Request.path`.
        token_in_body: Whether the token may stand in the body, where `token_in` finds it.
        short_token: Whether the token must be 32 letters and digits.
        most_bytes: How large a body may be, as it comes.
        most_unpacked: How large one that comes compressed may be when it is unpacked.
        methods: What it is sent with.
        patience: For how many seconds it waits for the answer before it takes the request for failed, where that is
            less than others do. It is answered within that, by a 503 if nothing could be written so far; what it sent
            is written all the same if the database is free before the writer gives up, because not all send it again.
    """

    kind: str
    title: str
    line: str = ""
    group: Group = "Anything else"
    signed_by: str = ""
    blocking: bool = False
    auto_close: timedelta | None = None
    fields: tuple[Field, ...] = ()
    proving: tuple[str, ...] = ()
    takes_paths: bool = False
    addresses: tuple[str, ...] = ()
    token_in_body: bool = False
    short_token: bool = False
    most_bytes: int = MAX_BODY
    most_unpacked: int = MAX_BODY
    methods: tuple[str, ...] = ("POST",)
    patience: float | None = None

    def check(self, options: Mapping[str, str]) -> None:
        """Raise `Malformed`, naming the field, if settings of its own (`fields`) cannot be meant.

        Asked when they are written: a misspelt limit must be seen then, not in the night it matters.
        """

    def parse(self, request: Request, settings: Mapping[str, Any]) -> Said:
        """What the request says; `settings` are the integration's own.

        Raises `Malformed`, naming the field, when it is not understood, and `Unsigned` when the sender itself vouches
        for what it sends (by a certificate, say) and that does not hold.
        """
        raise NotImplementedError

    def verify(self, request: Request, secret: str) -> None:
        """Raise `Unsigned` unless the request is signed with the secret (see `andon.intake.signing`)."""
        raise NotImplementedError

    def token_in(self, body: bytes) -> str:  # noqa: ARG002  for senders that have one there
        """The token that a body holds; empty if none."""
        return ""

    def hide(self, shown: bytes) -> bytes:
        """What is kept of a body without what stands in its field of the token, for senders that have one there.

        It may be broken, or cut anywhere; the token by which its sender was admitted is hidden already.
        """
        return shown

    def answer(self, said: Said, delivery: UUID) -> tuple[int, object]:
        """Status and JSON body of the answer once everything is on disk."""
        taken = {"signals": len(said.events), "delivery": str(delivery)}
        if said.why:
            return 200, {"status": "partly", **taken, "left_out": said.left_out, "why": said.why}
        return 200, {"status": "accepted", **taken}

    def refuse(self, problem: dict[str, Any]) -> dict[str, Any]:
        """A refusal (RFC 9457: `title`, `status`, `detail`, mostly `field`) in the form that the sender expects."""
        return problem

    def spoken(self, answer: Any, of_type: str, *, refused: bool = False) -> tuple[bytes, bytes]:  # noqa: ARG002  as above
        """Content type and body of an answer, or of a refusal; `of_type` is the content type of the request."""
        return PROBLEM if refused else JSON, _encode(answer)

    def shown(self, request: Request, most: int) -> bytes | None:  # noqa: ARG002  as above
        """The body of a request as it came, as a person can read it; None where it is text, or cannot be read.

        It may be much shorter than the body: more than `most` bytes are not kept.
        """
        return None

    def show(self, integration: UUID, path: str) -> dict[str, Any] | None:  # noqa: ARG002  as above
        """The answer to a GET, for senders that ask what became of a request; None if there is no such thing.

        Runs in a thread that may read the database.
        """
        return None


def event(
    *,
    fingerprint: str,
    status: SignalStatus,
    title: str,
    starts_at: datetime | None = None,
    episode: str | None = None,
    description: str = "",
    url: str = "",
    labels: Mapping[str, str] | None = None,
    system_hint: str = "",
    type_hint: str = "",
    severity_hint: int | None = None,
    passing: bool = False,
    at: datetime | None = None,
) -> Event:
    """An event with every text cut to what the tables hold; what cannot be used as a hint is left to the labels.

    Without an `episode` the start time is taken for it. Raises `Malformed` where nothing says what it is about.
    """
    if not fingerprint:
        raise Malformed("It does not say what it is about: the mark by which the same thing is known again is empty.")
    began = _utc(starts_at)
    mark = (_spelt(began) if began else "") if episode is None else episode
    return Event(
        fingerprint=_key(fingerprint, FINGERPRINT),
        episode=_key(mark, EPISODE),
        status=status.value,
        title=_title(title),
        description=_text(description, DESCRIPTION),
        url=_link(url),
        labels=_labels(labels) if labels else {},
        system_hint=_text(system_hint.strip(), HINT),
        type_hint=type_hint if type_hint in _TYPES else "",
        severity_hint=severity_hint,
        starts_at=began,
        passing=passing,
        at=_utc(at) if at is not None and at.tzinfo is not None else None,  # a local time goes back each autumn
    )


def change(
    *,
    title: str,
    kind: ChangeKind = ChangeKind.OTHER,
    key: str = "",
    at: datetime | None = None,
    url: str = "",
    labels: Mapping[str, str] | None = None,
    system_hint: str = "",
) -> Change:
    """A change with every text cut to what the tables hold."""
    return Change(
        title=_title(title),
        kind=kind,
        key=_key(key, FINGERPRINT),
        at=_utc(at),
        url=_link(url),
        labels=_labels(labels) if labels else {},
        system_hint=_text(system_hint.strip(), HINT),
    )


def note(*, fingerprint: str, text: str, by: str = "") -> Note:
    """A note with every text cut to what the tables hold."""
    return Note(_key(fingerprint, FINGERPRINT), _text(text.strip(), NOTE), _text(by.strip(), NOTE_BY))


_YEARS = range(1900, 2200)
_TYPES = frozenset(word.value for word in IncidentType)


def _text(text: str, limit: int) -> str:
    """Cut, and without NUL: PostgreSQL's text cannot hold one, and an alert is not lost for a character."""
    if len(text) <= limit and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd")[:limit]


def _title(text: str) -> str:
    return _text(" ".join(text.split()), TITLE) or "(no title)"


def _link(url: str) -> str:
    """A web address, or nothing: anything else is no link for a person."""
    link = url.strip()
    return _text(link, URL) if link.startswith(("http://", "https://")) and len(link) <= URL else ""


def _key(text: str, limit: int) -> str:
    """As `_text`, but two keys that differ only in their tails stay different."""
    if len(text) <= limit and "\x00" not in text:
        return text
    clean = text.replace("\x00", "\ufffd")
    return clean if len(clean) <= limit else sha256(clean.encode()).hexdigest()[:limit]


def _labels(labels: Mapping[str, str]) -> dict[str, str]:
    if len(labels) <= LABELS and _fit(labels):
        return dict(labels)
    return {_text(name, LABEL_NAME): _text(value, LABEL_VALUE) for name, value in list(labels.items())[:LABELS]}


def _fit(labels: Mapping[str, str]) -> bool:
    """Whether nothing is to be cut or replaced, as with nearly all: a plain loop, because a storm has millions."""
    for name, value in labels.items():
        if len(name) > LABEL_NAME or len(value) > LABEL_VALUE or "\x00" in name or "\x00" in value:
            return False
    return True


@lru_cache(1_024)
def _spelt(at: datetime) -> str:
    """What one rule finds at once has begun at one time, and to spell that costs as much as to read an alert's JSON."""
    return at.isoformat()


def _utc(at: datetime | None) -> datetime | None:
    """In UTC; None for "no time", which senders written in Go spell as the first instant of the year 1.

    Any year that no clock of ours shows is taken for that: near the ends of the calendar a change of zone runs over.
    """
    if at is None or at.year not in _YEARS:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
