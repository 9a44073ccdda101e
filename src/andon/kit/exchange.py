"""One HTTP exchange with one address, within one deadline.

`httpcore` speaks the protocol; the bytes go by a socket of our own. So the name stays in the request and in TLS while
the connection goes to an address that was judged, and every wait on the socket ends at the deadline of the whole: the
time limits that the library has are for each read, and a server that drips would be read for ever.
"""

import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import httpcore
import httpx

from andon import __version__
from andon.kit import clock

Address = IPv4Address | IPv6Address

Failed = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.UnsupportedProtocol)
"""What an exchange that does not come to its end raises."""
NeverConnected = (httpcore.ConnectError, httpcore.ConnectTimeout)
"""Those of them before a connection stood: the request never got out."""

_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
"""Where an empty body goes unmentioned (RFC 9110, 8.6)."""


@dataclass(frozen=True)
class Outgoing:
    """A request. `largest` is in bytes of the answer's body."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    largest: int


@dataclass(frozen=True)
class Answer:
    """What the other side said. `headers` has lower-case names; `body` is cut at the limit."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004  the range that HTTP gives success


def exchange(outgoing: Outgoing, address: Address, trust: ssl.SSLContext, ends: float, connecting: float) -> Answer:
    """Send the request to the address, and read the answer up to its limit.

    Raises what `Failed` holds. `ends` is a moment of the monotonic clock; to connect, and to shake hands, may take
    `connecting` seconds each.
    """
    url = httpx.URL(outgoing.url)
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    request = httpcore.Request(
        outgoing.method.upper(),
        target,
        headers=_headers(outgoing, url).raw,
        content=outgoing.body,
        extensions={"timeout": {"connect": connecting}},
    )
    line = httpcore.HTTPConnection(target.origin, ssl_context=trust, network_backend=_To(address, ends))
    with line, closing(line.handle_request(request)) as response:
        body = b""
        for chunk in response.iter_stream():
            body += chunk
            if len(body) >= outgoing.largest:
                break
        return Answer(response.status, dict(httpx.Headers(response.headers)), body[: outgoing.largest])


def _headers(outgoing: Outgoing, url: httpx.URL) -> httpx.Headers:
    headers = httpx.Headers(
        {
            "User-Agent": f"Andon/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",  # the answer is read as it comes, to a limit
            "Connection": "close",
        }
    )
    headers.update(outgoing.headers)
    headers["Host"] = url.netloc.decode("ascii")
    if outgoing.body or outgoing.method not in _WITHOUT_BODY:
        headers["Content-Length"] = str(len(outgoing.body))
    return headers


class _To(httpcore.NetworkBackend):
    """Connects to one address, whatever name is asked for. Every wait on the connection ends at the deadline."""

    def __init__(self, address: Address, ends: float) -> None:
        self._address = address
        self._ends = ends

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002  the address behind it was judged, and is called
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002  none is given
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002  none is given
    ) -> httpcore.NetworkStream:
        """Connect."""
        with _raising(httpcore.ConnectTimeout, httpcore.ConnectError):
            line = socket.socket(socket.AF_INET if self._address.version == 4 else socket.AF_INET6)  # noqa: PLR2004
            try:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line.settimeout(_left(self._ends, timeout))
                line.connect((str(self._address), port))
            except BaseException:
                line.close()
                raise
        return _Stream(line, self._ends)


class _Stream(httpcore.NetworkStream):
    """A connection that stands, until its deadline."""

    def __init__(self, line: socket.socket, ends: float) -> None:
        self._line = line
        self._ends = ends

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands; the certificate must be the name's."""
        with _raising(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._line.settimeout(_left(self._ends, timeout))
                return _Stream(ssl_context.wrap_socket(self._line, server_hostname=server_hostname), self._ends)
            except BaseException:
                self.close()
                raise

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come; nothing at the end."""
        with _raising(httpcore.ReadTimeout, httpcore.ReadError):
            self._line.settimeout(_left(self._ends, timeout))
            return self._line.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        with _raising(httpcore.WriteTimeout, httpcore.WriteError):
            while buffer:
                self._line.settimeout(_left(self._ends, timeout))
                buffer = buffer[self._line.send(buffer) :]

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def get_extra_info(self, info: str) -> Any:
        """The session of TLS, where there is one."""
        return self._line if info == "ssl_object" and isinstance(self._line, ssl.SSLSocket) else None


def _left(ends: float, timeout: float | None) -> float:
    """Seconds until the deadline, or until an earlier limit of the library."""
    left = ends - clock.monotonic()
    if left <= 0:
        raise TimeoutError("The deadline has passed.")
    return left if timeout is None else min(left, timeout)


@contextmanager
def _raising(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """A socket's errors in the library's words."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error
