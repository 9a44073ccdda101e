"""A monitor's mail through a real OpenSMTPD into Andon, and Andon's page by mail through it to a person."""

import time
from collections.abc import Callable

import pytest

from tests.support.mailserver import MailServer, missing, running_mailserver
from tests.support.processes import RunningAndon, running_andon
from tests.support.prometheus import free_port

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("mailserver"),
    pytest.mark.skipif(bool(missing()), reason=f"REAL MAIL SERVER NOT TESTED: {missing()}"),
]

ORGANISATION = """
from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, StepTarget
from andon.people.models import ContactPoint, Organisation, Person
from andon.registry.models import System
Organisation.objects.get_or_create(id=1, defaults={"name": "Example Bank"})
lena = Person.objects.create_user(email="lena@example.org", name="Lena", role="responder")
ContactPoint.objects.create(person=lena, kind="email", address="lena@example.org", verified_at=clock.now())
chain = Chain.objects.create(slug="credit", name="Credit")
StepTarget.objects.create(step=ChainStep.objects.create(chain=chain, position=1, wait_minutes=30), person=lena)
System.objects.create(slug="credit-scorer", name="Credit scorer", stage="production", criticality="high", chain=chain)
"""
ALERT = """\
From: Batch monitor <monitor@example.org>
Subject: [ALERT] 20 % of credit decisions fail
Message-ID: <1@monitor.example.org>

andon_system: credit-scorer
andon_severity: S2
"""


def settings(mail: int, listen: int) -> dict[str, str]:
    return {
        "ANDON_SMTP_LISTEN": f"127.0.0.1:{listen}",
        "ANDON_SMTP_URL": f"smtp://127.0.0.1:{mail}?from=andon@example.org",
    }


def test_a_mail_of_a_monitor_pages_a_person_by_mail(tmp_path):
    listen = free_port()
    with (
        running_mailserver(tmp_path, andon=listen) as mail,
        running_andon(tmp_path, settings=settings(mail.port, listen), workers=2) as andon,
    ):
        andon.python(ORGANISATION)
        sender = andon.integration("email", "batch")
        mail.send(ALERT, to=f"batch+{sender.token}@andon.example.org")
        until(lambda: mail.mailboxes.received, andon, mail)
        mail.send(ALERT, to=f"{sender.token}@andon.example.org")
        until(lambda: count(andon, "intake_delivery") == 2, andon, mail)

        (recipients, page), *more = mail.mailboxes.received
        assert recipients == ["lena@example.org"]
        assert "20 % of credit decisions fail" in str(page["Subject"])
        assert more == []
        assert (count(andon, "intake_signal"), count(andon, "incidents_incident")) == (1, 1)

        mail.send(page.as_string(), to=f"{sender.token}@andon.example.org", sender="lena@example.org")
        until(lambda: count(andon, "intake_delivery") == 3, andon, mail)
        assert count(andon, "intake_signal") == 1, "a page that somebody's mailbox sends back raises no signal"


def test_mail_that_comes_while_andon_is_away_waits_in_the_mail_server(tmp_path):
    listen = free_port()
    with (
        running_mailserver(tmp_path, andon=listen) as mail,
        running_andon(tmp_path, settings=settings(mail.port, listen), engine=False) as andon,
    ):
        sender = andon.integration("email", "batch")
        andon.kill_server()
        mail.send(ALERT, to=f"{sender.token}@andon.example.org")
        until(lambda: "No valid route" in mail.log.read_text(errors="replace"), andon, mail)
        assert count(andon, "intake_signal") == 0
        andon.start_server()
        until(lambda: mail.try_again_now() or count(andon, "intake_signal") == 1, andon, mail, seconds=90, every=1.0)


def count(andon: RunningAndon, table: str) -> int:
    ((found,),) = andon.sql(f"SELECT count(*) FROM {table}")
    return found


def until(
    true: Callable[[], object], andon: RunningAndon, mail: MailServer, *, seconds: float = 60.0, every: float = 0.1
) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"{andon.log('server')}\n{andon.log('engine')}\n{mail.log.read_text()[-5000:]}"
        time.sleep(every)
