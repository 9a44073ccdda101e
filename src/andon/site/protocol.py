"""HTTP as uvicorn speaks it, with a short way for what comes by the ten thousand: signals.

A POST to the intake that comes whole in one read is handed over as it is, and answered by a plain call once it is on
disk: no task, no timers, no messages back and forth (measured: that was a third of the processor time of a request
with ten alerts). Whatever is not as usual goes uvicorn's own way, as if it had only now been read: a body in several
reads, a request that waits for the one before it, and all that `IntakeApp.take_at_once` leaves to the long way.
"""

from collections.abc import Sequence
from typing import Any, Final

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from andon.site.asgi import application

SHORT: Final = b"/intake/"
"""How the address of what may go the short way begins."""
_UPGRADING: Final = {b"connection", b"upgrade", b"http2-settings"}
SIGNALS: Final = (SHORT, b"/v2/")
"""How the addresses of all signals begin."""


class Protocol(HttpToolsProtocol):
    """One connection. What it overrides are the parser's callbacks, which hold a request until it is whole.

    Attributes:
        plain: The head of a request that asks for another protocol, without that; empty for any other request.
    """

    intake = application.intake

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        self._held: bytes | None = None
        self.plain = b""

    def go_on(self, rest: bytes) -> None:
        """Go on after a request that asked for another protocol, as if it had not."""
        self.parser = _Parser(self)
        self.parser.feed_data(self.plain + rest)

    def data_received(self, data: bytes) -> None:
        """Parse a read; a request of which more is to come is no longer held."""
        super().data_received(data)
        if self._held is not None:
            body, self._held = self._held, None
            if not self.transport.is_closing():
                super().on_headers_complete()
                super().on_body(body)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn's never keeps a line open
        """A sender that has said all it has to say, and closes its side, still gets the answer to its signal."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or not self.url.startswith(SIGNALS):
            return None
        cycle.keep_alive = False
        return True

    def on_headers_complete(self) -> None:
        """Hold the request, if it may go the short way."""
        asks = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        self.plain = self._without_upgrade() if asks else b""
        if self.plain:
            return
        if self._is_usual():
            self._held = b""
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hold its body with it."""
        if self.plain:
            return
        if self._held is None:
            super().on_body(body)
        else:
            self._held = self._held + body if self._held else body

    def on_message_complete(self) -> None:
        """It is whole: hand it over, or let it go on as if nothing had been held."""
        if self.plain:
            return
        if self._held is None:
            super().on_message_complete()
            return
        body, self._held = self._held, None
        if not self._hand_over(body):
            super().on_headers_complete()
            super().on_body(body)
            super().on_message_complete()

    def _without_upgrade(self) -> bytes:
        """The head of the request, but for what asks for another protocol."""
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = (b"%s: %s\r\n" % header for header in self.headers if header[0] not in _UPGRADING)
        closes = b"" if self.parser.should_keep_alive() else b"connection: close\r\n"
        return b"".join((line, *kept, closes, b"\r\n"))

    def _is_usual(self) -> bool:
        free = self.cycle is None or self.cycle.response_complete
        return (
            free
            and self.url.startswith(SHORT)
            and self.url.isascii()
            and b"%" not in self.url
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and not (self.expect_100_continue or self.flow.write_paused)
        )

    def _hand_over(self, body: bytes) -> bool:
        path, _, query = self.url.partition(b"?")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers}
        short = _Short(self, keep_alive=self.parser.should_keep_alive())
        if not self.intake.take_at_once(path.decode("ascii"), query, headers, body, short):
            return False
        self.cycle = short  # type: ignore[assignment]  # all of a cycle that uvicorn asks for
        return True


class _Parser(HttpRequestParser):
    """A parser for a server that changes to no other protocol, and so need not heed who asks (RFC 9110, 7.8).

    The library reads no body after such a head, which Java's client sends with its first POST: all of it was lost.
    """

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn gives bytes alone
        """Parse a read."""
        try:
            super().feed_data(data)
        except HttpParserUpgrade as upgrade:
            if not self._protocol.plain:
                raise
            self._protocol.go_on(data[upgrade.args[0] :])


class _Short:
    """The answer to come of a request that went the short way; in place of uvicorn's own cycle meanwhile."""

    __slots__ = ("_protocol", "disconnected", "keep_alive", "message_event", "more_body", "response_complete")

    def __init__(self, protocol: Protocol, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive
        self.disconnected = self.response_complete = self.more_body = False
        self.message_event = _DEAF

    def answer(
        self,
        status: int,
        body: bytes,
        headers: Sequence[tuple[bytes, bytes]] = (),
        content_type: bytes = b"application/json",
    ) -> None:
        """Send the answer, and go on with the connection."""
        self.response_complete = True
        protocol = self._protocol
        if self.disconnected or protocol.transport.is_closing():
            return
        said = [STATUS_LINE[status]]
        for name, value in (*protocol.server_state.default_headers, *headers):
            said += (name, b": ", value, b"\r\n")
        close = b"" if self.keep_alive else b"connection: close\r\n"
        length = b"\r\ncontent-length: %d\r\n" % len(body)
        said += (b"content-type: ", content_type, length, close, b"\r\n", body)
        protocol.transport.write(b"".join(said))
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class _Deaf:
    """What uvicorn rings when a connection ends; nobody waits here."""

    def set(self) -> None:
        """Nobody hears it."""


_DEAF: Final = _Deaf()
