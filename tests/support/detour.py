"""A detour for one host: what a running Andon calls by its name, over TLS, is answered by a listener on loopback.

    with detour(tmp_path, "sns.eu-central-1.amazonaws.com") as (host, settings):
        host.answer = …
        with running_andon(tmp_path, settings=settings) as andon: …

Andon's own code is as it is: the name is looked up, its address judged and pinned, the connection encrypted, and the
certificate checked against the name. Three things are other in its process, by a `sitecustomize.py` that Python runs
first: the address that the name has, where connections to port 443 of that address lead (that port is not a test's
to open), and one more authority that is trusted.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.certificate import certificate
from tests.support.listener import Listener, listening

ROOT = Path(__file__).parents[2]
ADDRESS = "127.83.78.83"
"""What the name resolves to: loopback, and nobody else's."""


@contextmanager
def detour(folder: Path, name: str) -> Iterator[tuple[Listener, dict[str, str]]]:
    """The listener, and the settings with which a `RunningAndon` finds it."""
    way = folder / "detour"
    way.mkdir()
    public, key = certificate(way, name)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, key)
    with listening(tls) as host:
        taken = f"{name!r}, {host.port}, {str(public)!r}"
        (way / "sitecustomize.py").write_text(f"from tests.support.detour import take\n\ntake({taken})\n")
        found = [str(way), str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        yield host, {"PYTHONPATH": os.pathsep.join(found)}


def take(name: str, port: int, authority: str) -> None:
    """Lay the detour, in the process that calls."""
    look_up, connect, trust = socket.getaddrinfo, socket.socket.connect, httpx.create_ssl_context

    def getaddrinfo(host: Any, *others: Any, **more: Any) -> Any:
        return look_up(ADDRESS if host == name else host, *others, **more)

    def connects(self: socket.socket, address: Any) -> None:
        connect(self, ("127.0.0.1", port) if address[:2] == (ADDRESS, 443) else address)

    def create_ssl_context(*others: Any, **more: Any) -> ssl.SSLContext:
        context = trust(*others, **more)
        context.load_verify_locations(authority)
        return context

    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = connects  # type: ignore[method-assign]
    httpx.create_ssl_context = create_ssl_context
