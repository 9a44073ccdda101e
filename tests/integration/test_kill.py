"""kill -9 of server and engine between a signal's 2xx and its page: the page is sent after the restart, once named.

Real processes, both databases. A webhook on loopback plays the pager.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from tests.support.listener import Listener, listening
from tests.support.processes import RunningAndon, Sender, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240)]

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ORGANISATION = f"""
from andon.kit import clock
from andon.oncall.models import Chain, ChainStep, StepTarget
from andon.people.models import ContactPoint, Organisation, Person
from andon.registry.models import System
Organisation.objects.get_or_create(id=1, defaults={{"name": "Example Bank"}})
lena = Person.objects.create_user(email="lena@example.org", name="Lena", role="responder")
ContactPoint.objects.create(person=lena, kind="webhook", address=address, secret="{SECRET}", verified_at=clock.now())
chain = Chain.objects.create(slug="credit", name="Credit")
step = ChainStep.objects.create(chain=chain, position=1, wait_minutes=30)
StepTarget.objects.create(step=step, person=lena)
for number in range(systems):
    System.objects.create(slug=f"system-{{number}}", name=f"System {{number}}", stage="production", chain=chain)
"""


def organisation(andon: RunningAndon, pager: Listener, *, systems: int = 1) -> Sender:
    """One person whose webhook is the pager, her chain, and systems that page it."""
    andon.python(ORGANISATION, address=f"{pager.url}/pager", systems=systems)
    return andon.integration("generic")


def fire(sender: Sender, number: int = 0) -> None:
    body = {
        "id": f"a-{number}",
        "title": "Approvals fell by half",
        "system": f"system-{number}",
        "severity": "S2",
    }
    answer = sender.post(body)
    assert answer.status_code == 200, answer.text


def until(true: Callable[[], object], andon: RunningAndon, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            state = andon.sql("SELECT state, attempts, due_at, last_error FROM paging_page")
            raise AssertionError(f"it did not happen; pages: {state}\n{andon.log('engine')}\n{andon.log('server')}")
        time.sleep(0.05)


def leases_end(andon: RunningAndon) -> None:
    """Let the leases of the dead end now, in place of waiting for half a minute (test_outbox.py holds the wait)."""
    andon.python(
        "from andon.intake.models import Signal\nfrom andon.kit import clock\nfrom andon.paging.models import Page\n"
        "Page.objects.filter(state='sending').update(due_at=clock.now())\n"
        "Signal.objects.filter(leased_until__isnull=False).update(leased_until=clock.now())"
    )


def keys(pager: Listener) -> list[str]:
    return [heard.headers["webhook-id"] for heard in list(pager.heard)]


def states(andon: RunningAndon) -> list[str]:
    return [state for (state,) in andon.sql("SELECT state FROM paging_page")]


def test_killed_before_the_signal_was_routed(tmp_path, database_url):
    with listening() as pager, running_andon(tmp_path, database_url, engine=False) as andon:
        fire(organisation(andon, pager))
        andon.kill_server()
        assert andon.sql("SELECT count(*) FROM incidents_incident") == [(0,)]
        andon.start_server()
        andon.start_engine()
        until(lambda: states(andon) == ["sent"], andon)
        assert len(keys(pager)) == 1


def test_killed_while_the_page_is_on_the_wire_sends_it_again_under_the_same_key(tmp_path, database_url):
    heard, release = threading.Event(), threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        heard.set()
        release.wait(20)
        with contextlib.suppress(OSError):
            Listener.say(handler, 200)

    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        pager.answer = hang
        fire(organisation(andon, pager))
        assert heard.wait(60), andon.log("engine")
        andon.kill_engine()
        andon.kill_server()
        assert states(andon) == ["sending"]
        release.set()
        pager.always(200)
        leases_end(andon)
        andon.start_server()
        andon.start_engine()
        until(lambda: states(andon) == ["sent"], andon)
        assert len(keys(pager)) == 2
        assert len(set(keys(pager))) == 1
        kinds = [kind for (kind,) in andon.sql("SELECT kind FROM incidents_timelineentry")]
        assert kinds.count("page_sent") == 1


def test_killed_again_and_again_in_the_middle_of_a_storm_every_incident_is_paged(tmp_path, database_url):
    systems = 40
    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        sender = organisation(andon, pager, systems=systems)
        for number in range(systems):
            fire(sender, number)
            if number % 10 == 5:
                andon.kill_engine()
                andon.start_engine()
            if number == 20:
                andon.kill_server()
                andon.start_server()
        andon.kill_engine()
        leases_end(andon)
        andon.start_engine()
        until(lambda: states(andon) == ["sent"] * systems, andon)
        assert andon.sql("SELECT count(*) FROM incidents_incident") == [(systems,)]
        assert set(keys(pager)) == {key for (key,) in andon.sql("SELECT key FROM paging_page")}
        assert len(set(keys(pager))) == systems


def test_an_engine_that_is_told_to_stop_ends_its_page_first(tmp_path, database_url):
    heard = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        heard.set()
        time.sleep(1)
        Listener.say(handler, 200)

    with listening() as pager, running_andon(tmp_path, database_url) as andon:
        pager.answer = slow
        fire(organisation(andon, pager))
        assert heard.wait(60), andon.log("engine")
        andon.stop()
        assert states(andon) == ["sent"]
        assert andon.sql("SELECT count(*) FROM engine_enginebeat") == [(0,)]
