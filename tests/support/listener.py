"""A real HTTP server on loopback that answers as the test says and keeps what it heard."""

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Heard:
    command: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = 0.0  # Unix seconds


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # Python's 5 lets connections that come together wait for a second, or be reset


class Listener:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[Heard] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: self.say(handler, 200)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.request_heard = Heard(self.command, self.path, headers, body, time.time())
                outer.heard.append(self.request_heard)
                with contextlib.suppress(ConnectionError):
                    outer.answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815  the library's names

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls:
            # The handshake belongs to the request's own thread: a client that breaks it off must not end the server's.
            plain = self.server.socket
            self.server.socket = tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)

    @staticmethod
    def say(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def always(self, status: int, **headers: str) -> None:
        self.answer = lambda handler: self.say(handler, status, **headers)


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """A listener while the block runs; with `tls` it speaks that."""
    one = Listener(tls)
    thread = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield one
    finally:
        one.server.shutdown()
        one.server.server_close()
