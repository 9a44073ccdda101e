"""Mail in, by SMTP (RFC 5321), where ANDON_SMTP_LISTEN says so: off unless set.

A mail is for an integration of the kind e-mail, whose token stands in the address: `<token>@…` or
`<short name>+<token>@…`, at any domain. Other addresses are refused, so nothing is ever passed on. "250" is said only
after the commit; while nothing can be written it is 451, and the mail server before this one tries again.

What is refused of a mail for an integration, its page says, with the beginning of the mail. A size that is too large,
as announced with MAIL (RFC 1870), is refused with RCPT, when it is known for whom the mail is.

Who really sent a mail (DKIM, SPF, DMARC) is judged by that mail server: this listener stands behind one, or on
loopback. It offers no TLS and no login of its own.
"""

import asyncio
import re
from functools import wraps
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from andon import __version__
from andon.intake.asgi import IntakeApp, Refusal
from andon.intake.events import MAX_BODY
from andon.intake.recording import BODY_KEPT

log = structlog.get_logger(__name__)

KIND = "email"
MOST_CONNECTIONS = 50
MOST_RECIPIENTS = 20
SILENCE_SECONDS = 60.0
MAIL = "message/rfc822"
TOO_LARGE = f"A mail may have at most {MAX_BODY} bytes; send less in one, and no pictures."
TOO_LONG = "A line of the mail is longer than is read here: let it be encoded, as base64 is."
LONGEST_LINE = 100_000  # RFC 5322 says 998; programs that send HTML often do not know

_SAID = {
    401: "550 5.1.1 There is no such address here",
    400: "554 5.6.0 Not understood: {}",
    413: f"552 5.3.4 Too large: at most {MAX_BODY} bytes",
    500: "451 4.3.0 A fault of Andon's own; try again",
    503: "451 4.3.0 Cannot be written now; try again",
}


_REFUSED = {"552 Er": TOO_LARGE, "500 Li": TOO_LONG}
"""What the library says, by its beginning, of a mail that it has not handed over."""


class Listener:
    """Takes mails and hands them to the intake, in the intake's own event loop.

    Args:
        intake: Where they go.
        address: `host:port` to listen on.
        shared: Whether several processes of one Andon listen on it together.
    """

    def __init__(self, intake: IntakeApp, address: str, *, shared: bool = False) -> None:
        self._intake = intake
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._shared = shared
        self._server: asyncio.Server | None = None
        self.connections = 0

    async def start(self) -> None:
        """Listen; raises `OSError` where that cannot be done."""
        host = self._host.strip("[]") or None
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, host, self._port, reuse_port=self._shared or None
        )
        log.info("intake.mail_listens", at=f"{self._host}:{self._port}")

    async def stop(self) -> None:
        """Take no more; a mail that is being written is answered."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _connection(self) -> "_Connection":
        return _Connection(self)

    async def handle_RCPT(  # noqa: N802  the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Whether an address is one of ours."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients at once"
        try:
            door = await self._intake.admit(KIND, *_slug_and_token(address))
            if _announced(envelope) > MAX_BODY:
                await self._intake.refused(door, TOO_LARGE)
                return _SAID[413]
        except Refusal as refusal:
            return _in_smtp(refusal)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours is no reason to bounce a mail: the mail server keeps it and comes again."""
        log.error("intake.mail_failed", exc_info=error)
        return _SAID[503]

    async def refused(self, envelope: Envelope, why: str, begun: bytes) -> None:
        """Let the pages of those for whom a mail was say that it was refused before it was whole."""
        try:
            for address in dict.fromkeys(envelope.rcpt_tos):
                door = await self._intake.admit(KIND, *_slug_and_token(address))
                await self._intake.refused(door, why, _without_keys(begun, envelope), content_type=MAIL)
        except Refusal as refusal:
            log.warning("intake.mail_refused_unsaid", why=str(refusal))

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  as above
        """Take a mail for each of its addresses; to repeat it after a 451 is harmless, by its Message-ID."""
        raw = envelope.original_content or b""
        kept = _without_keys(raw, envelope)
        try:
            for address in dict.fromkeys(envelope.rcpt_tos):
                door = await self._intake.admit(KIND, *_slug_and_token(address))
                await self._intake.accept(door, raw, content_type=MAIL, kept=kept)
        except Refusal as refusal:
            return _in_smtp(refusal)
        return "250 OK, it is on disk"


class _Connection(SMTP):
    """One conversation; too many at once are told to come again."""

    line_length_limit = LONGEST_LINE

    def __init__(self, listener: Listener) -> None:
        super().__init__(
            listener, data_size_limit=MAX_BODY, enable_SMTPUTF8=True, hostname="andon", ident=f"Andon {__version__}",
            timeout=SILENCE_SECONDS,
        )  # fmt: skip
        self._listener = listener
        self._begun: bytearray | None = None  # the beginning of the mail that is coming

    @wraps(SMTP.smtp_MAIL)
    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802  the library's name
        """Without a look at the size that is announced: it is refused with RCPT."""
        limit, self.data_size_limit = self.data_size_limit, None
        try:
            await super().smtp_MAIL(arg)
        finally:
            self.data_size_limit = limit

    def data_received(self, data: bytes) -> None:
        """Remember the beginning of a mail: of one that is too large the library keeps nothing."""
        if self._begun is not None and (room := BODY_KEPT - len(self._begun)) > 0:
            self._begun += data[:room]
        super().data_received(data)

    async def push(self, status: Any) -> None:
        """Answer; a mail that the library refuses by itself is told of on the pages of those for whom it was."""
        said = status if isinstance(status, str) else status.decode("ascii", "replace")
        if said.startswith("354"):
            self._begun = bytearray()
        elif self._begun is not None:
            begun, self._begun = bytes(self._begun).replace(b"\r\n..", b"\r\n."), None
            if (why := _REFUSED.get(said[:6])) and self.envelope is not None:
                await self._listener.refused(self.envelope, why, begun)
        await super().push(status)

    def connection_made(self, transport: Any) -> None:
        self._listener.connections += 1
        super().connection_made(transport)
        if self._listener.connections > MOST_CONNECTIONS:
            transport.write(b"421 4.3.2 Too many connections; try again\r\n")
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.connections -= 1
        super().connection_lost(error)


def _announced(envelope: Envelope) -> int:
    """The size that a mail server announced with MAIL (RFC 1870); 0 if it did not."""
    sizes = [option[5:] for option in envelope.mail_options if option.startswith("SIZE=")]
    return int(sizes[0]) if sizes else 0


def _slug_and_token(address: str) -> tuple[str, str]:
    """`<slug>+<token>@…` or `<token>@…`; mail servers may have changed the case."""
    slug, plus, token = address.rpartition("@")[0].lower().rpartition("+")
    return (slug, token) if plus else ("", token)


def _without_keys(mail: bytes, envelope: Envelope) -> bytes:
    """A mail without the keys in its headers of those for whom it is: whoever read one could send as well."""
    tokens = {_slug_and_token(address)[1].encode() for address in envelope.rcpt_tos} - {b""}
    return re.sub(b"|".join(map(re.escape, sorted(tokens))), b"[token]", mail, flags=re.IGNORECASE) if tokens else mail


def _in_smtp(refusal: Refusal) -> str:
    return _SAID.get(refusal.status, _SAID[503]).format(" ".join(str(refusal).split())[:300])
