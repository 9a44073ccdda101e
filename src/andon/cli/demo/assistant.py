"""A replica of the demo's support assistant: a process of its own that answers questions, guarded by the kill switch.

It serves what `known_questions` says of two versions of a language model: the newest one, to which the vendor has
silently changed, and in the mode `safe` the one of before, pinned by its version. The answers are made by chance from a
seed, at the rates that were measured; a question gets the same answer each time.

    python -m andon.cli.demo.assistant < a pipe that stays open; the first line of the output is the port

It ends when its input ends: whoever started it may be killed, and it does not stay behind.
"""

import json
import random
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

from andon.cli.demo.known_questions import JUNE, MARCH, SEED, is_prime
from andon.sdk.guard import Guard, Mode, guard

SYSTEM: Final = "support-assistant"
NEWEST, PINNED = "2023-06", "2023-03"
_FIRST_WORD_SECONDS: Final = 10.0
_OK, _NOT_FOUND = 200, 404


def answer(number: int, mode: Mode) -> dict[str, str]:
    """What it says about a number, by which version of the model."""
    model, rates = (PINNED, MARCH) if mode is Mode.SAFE else (NEWEST, JUNE)
    prime = is_prime(number)
    right = random.Random(f"{SEED} {model} {number}").random() < rates[prime]  # noqa: S311  generated, the same each time
    return {"answer": "yes" if prime == right else "no", "model": model, "mode": str(mode)}


def serve(switch: Guard) -> ThreadingHTTPServer:
    """A server on a free port of loopback that answers `/answer?number=7919`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query).get("number", [""])[0]
            known = asked.isascii() and asked.isdigit() and len(asked) < 7  # noqa: PLR2004  is_prime tries divisors
            body = json.dumps(answer(int(asked), switch.mode()) if known else {"error": "?number="}).encode()
            self.send_response(_OK if known else _NOT_FOUND)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the story is told elsewhere."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it, who then closes the pipe
    switch = guard(SYSTEM, version=f"assistant 4.2, model {NEWEST}")
    switch.wait(_FIRST_WORD_SECONDS)
    switch.mode()  # a process counts as a replica once it asks
    server = serve(switch)
    threading.Thread(target=server.serve_forever, name="assistant", daemon=True).start()
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
