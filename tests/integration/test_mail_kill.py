"""The server is killed in the middle of mails: every 250 that was said is in the database."""

import smtplib
import threading
import time
from contextlib import suppress

import pytest

from tests.support.processes import running_andon
from tests.support.prometheus import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]


def test_every_250_is_in_the_database_after_kill_9(tmp_path, database_url):
    port, said_250, stopped = free_port(), [], threading.Event()
    settings = {"ANDON_SMTP_LISTEN": f"127.0.0.1:{port}"}

    def send(worker: int, to: str) -> None:
        with suppress(OSError, smtplib.SMTPException), smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            for number in range(10_000):
                subject = f"Mail {worker}-{number}"
                letter = f"Subject: {subject}\r\nMessage-ID: <{worker}-{number}@x>\r\n\r\nwords\r\n"
                client.sendmail("monitor@example.org", [to], letter)
                said_250.append(subject)
                if stopped.is_set():
                    return

    with running_andon(tmp_path, database_url, engine=False, settings=settings) as andon:
        sender = andon.integration("email", "batch")
        workers = [threading.Thread(target=send, args=(n, f"{sender.token}@example.org")) for n in range(4)]
        for worker in workers:
            worker.start()
        ends = time.monotonic() + 60
        while len(said_250) < 60:
            assert time.monotonic() < ends, andon.log("server")
            time.sleep(0.02)
        andon.kill_server()
        stopped.set()
        for worker in workers:
            worker.join(15)
        kept = {title for (title,) in andon.sql("SELECT title FROM intake_signal")}
        assert set(said_250) <= kept
        assert len(kept) - len(set(said_250)) <= len(workers), "at most the one that each was about to be told of"
