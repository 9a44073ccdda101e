"""A real OpenSMTPD (Debian's package) on loopback between monitors, Andon and people's mailboxes, which a test reads.

There is one OpenSMTPD a machine: its queue and its control socket have fixed places, and it starts as root alone.
"""

import asyncio
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope

from tests.support.prometheus import free_port

SMTPD, SMTPCTL = "/usr/sbin/smtpd", shutil.which("smtpctl") or "/usr/sbin/smtpctl"
CONFIG = """
listen on 127.0.0.1 port {port} hostname mail.example.org
queue ttl 5m
action "andon" relay host smtp://127.0.0.1:{andon}
action "people" relay host smtp://127.0.0.1:{people}
match from any for domain "andon.example.org" action "andon"
match from any for domain "example.org" action "people"
"""


def missing() -> str:
    """Why there is no OpenSMTPD to talk to; empty where there is."""
    if not Path(SMTPD).exists():
        return "OpenSMTPD is not installed (Debian: apt install opensmtpd)"
    if os.geteuid() != 0:
        return "OpenSMTPD starts as root alone"
    if _runs():
        return "this machine's own OpenSMTPD runs, and there is one a machine"
    return ""


def _runs() -> bool:
    """Whether an OpenSMTPD answers on this machine."""
    return subprocess.run([SMTPCTL, "show", "status"], capture_output=True, check=False).returncode == 0


@dataclass
class Mailboxes:
    """Where people's mail ends up."""

    port: int
    received: list[tuple[list[str], Message]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802  the library's name
        self, _server: SMTP, _session: object, envelope: Envelope
    ) -> str:
        self.received.append((list(envelope.rcpt_tos), message_from_bytes(envelope.original_content or b"")))
        return "250 OK"


@dataclass
class MailServer:
    """A running OpenSMTPD."""

    port: int
    mailboxes: Mailboxes
    log: Path

    def send(self, letter: str, *, to: str, sender: str = "monitor@example.org") -> None:
        """Hand a mail to it, as a monitor does."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
            client.sendmail(sender, [to], letter.replace("\n", "\r\n").encode())

    def try_again_now(self) -> None:
        """Let it try at once what it could not pass on, rather than when its patience says."""
        subprocess.run([SMTPCTL, "schedule", "all"], capture_output=True, check=False)


@contextmanager
def running_mailserver(folder: Path, *, andon: int) -> Iterator[MailServer]:
    """OpenSMTPD that passes mail for andon.example.org on to a port, and mail for example.org to mailboxes."""
    port = free_port()
    with ExitStack() as running:
        mailboxes = running.enter_context(_mailboxes())
        config, log = folder / "smtpd.conf", folder / "smtpd.log"
        config.write_text(CONFIG.format(port=port, andon=andon, people=mailboxes.port))
        config.chmod(0o600)
        _gone()
        _start(running, config, port, log)
        yield MailServer(port, mailboxes, log)


def _start(running: ExitStack, config: Path, port: int, log: Path) -> None:
    """Start it, and again where its seven processes wait for each other for good, as they sometimes do at a start."""
    output = running.enter_context(log.open("wb"))
    for last in (False, False, True):
        process = subprocess.Popen(
            [SMTPD, "-d", "-v", "-f", str(config)], stdout=output, stderr=output, start_new_session=True
        )
        if _answers(port):
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)
        assert not last, f"OpenSMTPD does not answer:\n{log.read_text(errors='replace')}"
    running.callback(process.wait, 15)
    running.callback(process.terminate)
    running.callback(subprocess.run, [SMTPCTL, "remove", "all"], capture_output=True, check=False)


@contextmanager
def _mailboxes() -> Iterator[Mailboxes]:
    """A mail server that keeps what it is given, in a thread of its own."""
    boxes = Mailboxes(free_port())
    loop = asyncio.new_event_loop()
    talking: list[SMTP] = []

    def talk() -> SMTP:
        talking.append(SMTP(boxes, hostname="mailboxes"))
        return talking[-1]

    async def listen() -> asyncio.Server:
        return await loop.create_server(talk, "127.0.0.1", boxes.port)

    async def end() -> None:
        """Hang up, and wait until every conversation knows: what is left half done is a warning in a later test."""
        server.close()
        for one in talking:
            if one.transport is not None:
                one.transport.abort()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # what the transports have yet to say

    server = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield boxes
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def _gone(within: float = 20) -> None:
    """Wait for the one of the test before, whose processes end a moment after the one that was waited for."""
    deadline = time.monotonic() + within
    while _runs() and time.monotonic() < deadline:
        time.sleep(0.1)


def _answers(port: int, within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.1)
    return False
