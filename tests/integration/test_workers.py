"""One server of several processes under load, killed by kill -9: one of them, their parent, and all at once.

Senders behave as Alertmanager does (see `test_under_load`). A worker that dies is replaced, none outlives its parent,
nothing that was answered with 2xx is lost, and what a sender repeats is the same signal again.
"""

import os
import signal

import pytest

from tests.integration.test_kill import keys, organisation, until
from tests.integration.test_under_load import SYSTEMS, Load, everybody_is_paged, nothing_is_lost
from tests.support.listener import listening
from tests.support.processes import alive, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(420)]

WORKERS = 2


def test_a_worker_then_the_parent_then_all_at_once_are_killed_under_load(tmp_path, database_url):
    with listening() as pager, running_andon(tmp_path, database_url, workers=WORKERS) as andon:
        load = Load(organisation(andon, pager, systems=SYSTEMS), anew=True)
        with load.on():
            load.more(20, andon)
            killed = andon.serving()[0]
            os.kill(killed, signal.SIGKILL)
            until(lambda: len(set(andon.serving()) - {killed}) == WORKERS, andon)
            load.more(20, andon)

            workers = andon.serving()
            andon.kill_server()
            until(lambda: not any(alive(worker) for worker in workers), andon, 30)
            andon.start_server()
            load.more(20, andon)

            andon.kill_group()
            andon.start_server()
            load.from_all(andon)
        assert load.cut_off, "nobody was served by what was killed"
        nothing_is_lost(load, andon)
        everybody_is_paged(andon, lambda: keys(pager))
