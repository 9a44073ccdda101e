"""Mail in, by SMTP (RFC 5321), where ANDON_SMTP_LISTEN says so: off unless set.

A mail is for an integration of the kind e-mail, whose token stands in the address: `<token>@…` or
`<short name>+<token>@…`, at any domain. Other addresses are refused, so nothing is ever passed on. "250" is said only
after the commit; while nothing can be written it is 451, and the mail server before this one tries again.

Who really sent a mail (DKIM, SPF, DMARC) is judged by that mail server: this listener stands behind one, or on
loopback. It offers no TLS and no login of its own.
"""

import asyncio
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from andon import __version__
from andon.intake.asgi import IntakeApp, Refusal
from andon.intake.events import MAX_BODY

log = structlog.get_logger(__name__)

KIND = "email"
MOST_CONNECTIONS = 50
MOST_RECIPIENTS = 20
SILENCE_SECONDS = 60.0
LONGEST_LINE = 100_000  # RFC 5322 says 998; programs that send HTML often do not know

_SAID = {
    401: "550 5.1.1 There is no such address here",
    400: "554 5.6.0 Not understood: {}",
    413: "552 5.3.4 Too large",
    500: "451 4.3.0 A fault of Andon's own; try again",
    503: "451 4.3.0 Cannot be written now; try again",
}


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
            await self._intake.admit(KIND, *_slug_and_token(address))
        except Refusal as refusal:
            return _in_smtp(refusal)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours is no reason to bounce a mail: the mail server keeps it and comes again."""
        log.error("intake.mail_failed", exc_info=error)
        return _SAID[503]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  as above
        """Take a mail for each of its addresses; to repeat it after a 451 is harmless, by its Message-ID."""
        raw = envelope.original_content or b""
        try:
            for address in dict.fromkeys(envelope.rcpt_tos):
                door = await self._intake.admit(KIND, *_slug_and_token(address))
                await self._intake.accept(door, raw, content_type="message/rfc822")
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

    def connection_made(self, transport: Any) -> None:
        self._listener.connections += 1
        super().connection_made(transport)
        if self._listener.connections > MOST_CONNECTIONS:
            transport.write(b"421 4.3.2 Too many connections; try again\r\n")
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.connections -= 1
        super().connection_lost(error)


def _slug_and_token(address: str) -> tuple[str, str]:
    """`<slug>+<token>@…` or `<token>@…`; mail servers may have changed the case."""
    slug, plus, token = address.rpartition("@")[0].lower().rpartition("+")
    return (slug, token) if plus else ("", token)


def _in_smtp(refusal: Refusal) -> str:
    return _SAID.get(refusal.status, _SAID[503]).format(" ".join(str(refusal).split())[:300])
