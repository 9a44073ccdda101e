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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.listener import Listener, listening

ROOT = Path(__file__).parents[2]
ADDRESS = "127.83.78.83"
"""What the name resolves to: loopback, and nobody else's."""


@contextmanager
def detour(folder: Path, name: str) -> Iterator[tuple[Listener, dict[str, str]]]:
    """The listener, and the settings with which a `RunningAndon` finds it."""
    way = folder / "detour"
    way.mkdir()
    certificate, key = way / "certificate.pem", way / "key.pem"
    _make(name, certificate, key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with listening(tls) as host:
        taken = f"{name!r}, {host.port}, {str(certificate)!r}"
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


def _make(name: str, certificate: Path, key: Path) -> None:
    """A certificate for the host that is its own authority."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.now(UTC) - timedelta(days=1)
    uses = {
        "content_commitment": False, "key_encipherment": False, "data_encipherment": False, "key_agreement": False,
        "crl_sign": False, "encipher_only": False, "decipher_only": False,
    }  # fmt: skip
    made = (
        x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **uses), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
