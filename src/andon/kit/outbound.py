"""Safe outbound HTTP, for addresses that people type in: the only way Andon calls somebody else's server.

The host is resolved here, every address it has is judged, and the connection goes to the address that was
judged, so that a name cannot answer with one address for the check and another for the call. Redirects are
not followed, the whole exchange has one deadline, and an answer is read to a limit. Link-local and metadata
addresses are always refused; private and loopback ones unless ANDON_ALLOW_PRIVATE_TARGETS is set.
"""

import ipaddress
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from ipaddress import IPv4Address
from urllib.parse import urlsplit

import httpcore
import httpx
from django.conf import settings

from andon.kit import clock
from andon.kit.errors import Refused
from andon.kit.exchange import Address, Answer, Failed, NeverConnected, Outgoing, exchange

__all__ = [
    "Answer",
    "NotConnected",
    "TargetRefused",
    "Unreachable",
    "check",
    "get",
    "post",
    "refusal",
    "request",
    "trusting",
    "well_formed",
]

DEADLINE = 10.0
"""Seconds for one whole exchange: name, connection, TLS, request and answer."""
LARGEST_ANSWER = 64 * 1024
"""Bytes of an answer's body that are read; what comes after is dropped."""
_LONGEST_URL = 2000
_ADDRESSES_TRIED = 3
# The deadline bounds the whole; a silent address must still leave time for the next one.
_CONNECTING = DEADLINE / _ADDRESSES_TRIED

_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, GCP, Azure, and most others
        "169.254.170.2",  # AWS, credentials of a container
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # GCP over IPv6
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle, the older platform
        "168.63.129.16",  # Azure, its platform's own address, which is public space
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_resolver = ThreadPoolExecutor(max_workers=16, thread_name_prefix="resolve")


class TargetRefused(Refused):
    """Andon will not call this address, now or later: the words say why."""

    status = 422
    code = "target-refused"


class Unreachable(Exception):  # noqa: N818  reads as what it is
    """No answer this time: no such name, no connection, no valid certificate, or not within the deadline."""


class NotConnected(Unreachable):
    """The request certainly never got out: no such name, or no connection stood."""


def check(url: str, *, allow_private: bool | None = None) -> list[Address]:
    """The addresses behind a URL, once they are judged fit to call.

    Raises `TargetRefused` when Andon will not call it, `Unreachable` when the name cannot be resolved now.
    `allow_private` is the setting unless given (the operator's own addresses, set beside it, pass True).
    """
    host, port = _parts(url)
    if allow_private is None:
        allow_private = settings.ALLOW_PRIVATE_TARGETS
    found = _resolve(host, port)
    for address in found:
        if reason := refusal(address, allow_private=allow_private):
            raise TargetRefused(f"Andon does not call {host}: {reason}")
    return found


def refusal(address: Address, *, allow_private: bool) -> str:
    """Why an address is not called, or nothing. Pure."""
    for inner in _inside(address):
        if inner in _METADATA or inner.is_link_local:
            return f"{address} is a link-local or cloud metadata address, which is never called."
        if inner.is_multicast or inner.is_unspecified or (inner.is_reserved and not inner.is_loopback):
            return f"{address} is no address of one machine."
        if not allow_private and not inner.is_global:
            return (
                f"{address} is a private address. Whoever runs Andon can allow these with "
                "ANDON_ALLOW_PRIVATE_TARGETS=true."
            )
    return ""


def get(url: str, *, deadline: float = DEADLINE, allow_private: bool | None = None) -> Answer:
    """One GET. Raises as `request`."""
    return request("GET", url, deadline=deadline, allow_private=allow_private)


def post(url: str, body: bytes, headers: Mapping[str, str], *, deadline: float = DEADLINE) -> Answer:
    """One POST. Raises as `request`."""
    return request("POST", url, body=body, headers=headers, deadline=deadline)


def request(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    deadline: float = DEADLINE,
    allow_private: bool | None = None,
    largest: int = LARGEST_ANSWER,
    authority: str = "",
) -> Answer:
    """One request to one judged address, with any answer returned as it is, a redirect included.

    Raises `TargetRefused` (permanent) or `Unreachable` (worth trying again). `deadline` is in seconds, `largest` in
    bytes of the answer's body. `authority` is the certificate (PEM) of whoever signs the other side's, where that is
    nobody that the world trusts: then only those are trusted.
    """
    ends = clock.monotonic() + deadline
    trust = trusting(authority) if authority else _the_world()
    addresses = check(url, allow_private=allow_private)
    try:
        return _first_that_connects(addresses, Outgoing(method, url, body, headers or {}, largest), trust, ends)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise TargetRefused(
            "This web address, or a header for it, holds characters that HTTP does not know."
        ) from error
    except NeverConnected as error:
        raise NotConnected(f"{type(error).__name__}: {error}") from error
    except (httpcore.ReadTimeout, httpcore.WriteTimeout) as error:
        raise Unreachable(f"No complete answer within {deadline:g} seconds.") from error
    except Failed as error:
        raise Unreachable(f"{type(error).__name__}: {error}") from error


@cache
def _the_world() -> ssl.SSLContext:
    """What trusts the certificates that the world trusts: read once, for it takes longer than most exchanges."""
    return httpx.create_ssl_context(trust_env=False)


def trusting(authority: str) -> ssl.SSLContext:
    """What trusts the given certificates (PEM) alone. Raises `TargetRefused` where they are none."""
    try:
        return ssl.create_default_context(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise TargetRefused("This is no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----.") from error


def well_formed(url: str) -> None:
    """Raise `TargetRefused` for what is not fit to be called whatever its host is; looks nothing up."""
    _parts(url)


def _parts(url: str) -> tuple[str, int]:
    """Host and port of a URL that is fit to be called at all."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise TargetRefused("This is not a web address. It must look like https://host/path.") from error
    if len(url) > _LONGEST_URL or not url.isprintable() or any(c in url for c in " \\"):
        raise TargetRefused("This web address is too long or holds characters that no address has.")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TargetRefused("This is not a web address. It must begin with https:// (or http://) and name a host.")
    if parts.username is not None or parts.password is not None:
        raise TargetRefused("A web address must not carry a user name or password; use the signing secret.")
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)


def _resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, in the system's order.

    `getaddrinfo` has no deadline of its own, hence the thread.
    """
    lookup = _resolver.submit(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
    try:
        found = lookup.result(timeout=DEADLINE / 2)
    except TimeoutError as error:
        raise NotConnected(f"The name {host} could not be looked up in time.") from error
    except (OSError, UnicodeError) as error:
        raise NotConnected(f"The name {host} could not be looked up: {error}.") from error
    addresses = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
    return list(dict.fromkeys(addresses))


def _inside(address: Address) -> list[Address]:
    """The address, and every IPv4 address that it carries inside it (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    inner: list[Address] = [address]
    if address.sixtofour:
        inner.append(address.sixtofour)
    if address.teredo:
        inner.extend(address.teredo)
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return inner


def _first_that_connects(addresses: list[Address], outgoing: Outgoing, trust: ssl.SSLContext, ends: float) -> Answer:
    """Try the judged addresses in turn; only a connection that never stood moves on to the next."""
    tried = addresses[:_ADDRESSES_TRIED]
    for address in tried[:-1]:
        with suppress(*NeverConnected):
            return exchange(outgoing, address, trust, ends, _CONNECTING)
    return exchange(outgoing, tried[-1], trust, ends, _CONNECTING)
