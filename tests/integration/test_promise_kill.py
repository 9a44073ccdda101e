"""kill -9 of the engine around a target that is missed: it is found after the restart, and paged for once."""

import contextlib
import threading

import pytest

from tests.integration.test_kill import keys, leases_end, organisation, until
from tests.support.listener import Listener, listening
from tests.support.processes import RunningAndon, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]
INCIDENTS = 6
SLOW = 240.0
"""Seconds that a busy machine may take."""
MAKE = """
from andon.people.models import Person
from andon.people.policy import Actor
from andon.registry.models import System
from andon.response.acknowledging import acknowledge
from andon.response.opening import declare
by = Actor.of(Person.objects.get(email="lena@example.org"))
for system in System.objects.all():
    acknowledge(declare(title="Approvals fell", system=system, by=by), by=by, via="page")
"""
PASS = """
from datetime import timedelta
from andon.incidents.models import Promise
from andon.kit import clock
past = clock.now() - timedelta(minutes=1)
result = Promise.objects.filter(key="contain", kept_at=None, missed_at=None).update(due_at=past, look_at=past)
"""
MISSED = "SELECT count(*) FROM incidents_timelineentry WHERE kind = 'promise_missed'"
CALLED = "SELECT count(*), count(DISTINCT incident_id) FROM paging_page WHERE reason LIKE '%missed: %'"
UNSENT = "SELECT count(*) FROM paging_page WHERE reason LIKE '%missed: %' AND state <> 'sent'"
VERIFY = """
from andon.incidents import timeline
result = [broken.problem for _, found in timeline.verify_all() for broken in found]
"""


def called_once(andon: RunningAndon, incidents: int) -> None:
    assert andon.sql(MISSED) == [(incidents,)]
    assert andon.sql(CALLED) == [(incidents, incidents)]
    assert andon.python(VERIFY) == []


def test_targets_that_are_missed_while_the_engine_is_dead_are_paged_after_it_comes_back(tmp_path, database_url):
    """The engine is killed again and again while it works them off."""
    with listening() as pager, running_andon(tmp_path, database_url, server=False) as andon:
        organisation(andon, pager, systems=INCIDENTS)
        andon.python(MAKE)
        andon.kill_engine()
        assert andon.python(PASS) == INCIDENTS
        before = len(keys(pager))
        for _ in range(2):
            heard = len(keys(pager))
            andon.start_engine()
            until(lambda heard=heard: len(keys(pager)) > heard or andon.sql(MISSED) == [(INCIDENTS,)], andon, SLOW)
            andon.kill_engine()
            leases_end(andon)
        andon.start_engine()
        until(lambda: andon.sql(MISSED) == [(INCIDENTS,)] and andon.sql(UNSENT) == [(0,)], andon, SLOW)
        called_once(andon, INCIDENTS)
        sent = andon.sql("SELECT count(DISTINCT key) FROM paging_page WHERE reason LIKE '%missed: %'")
        assert sent == [(INCIDENTS,)]
        assert len(keys(pager)) > before


def test_killed_while_the_call_for_a_missed_target_is_on_the_wire(tmp_path, database_url):
    heard, release = threading.Event(), threading.Event()

    def hang(handler) -> None:
        heard.set()
        release.wait()
        with contextlib.suppress(OSError):
            Listener.say(handler, 200)

    with listening() as pager, running_andon(tmp_path, database_url, server=False, engine=False) as andon:
        organisation(andon, pager)
        andon.python(MAKE)
        andon.python(PASS)
        pager.answer = hang
        try:
            andon.start_engine()
            assert heard.wait(SLOW), andon.log("engine")
            andon.kill_engine()
        finally:
            release.set()
        pager.always(200)
        leases_end(andon)
        andon.start_engine()
        until(lambda: andon.sql(UNSENT) == [(0,)] and len(keys(pager)) > 1, andon, SLOW)
        called_once(andon, 1)
        assert len(set(keys(pager))) == 1  # the same page under the same key
