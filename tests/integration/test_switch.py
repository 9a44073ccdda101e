"""The kill switch between real processes: a server, guarded processes, and whoever sets it."""

import pytest

from tests.support.guarding import command, guard_token, guarded, wait_for
from tests.support.processes import running_andon

pytestmark = pytest.mark.heavy


def test_set_on_the_command_line_applied_and_acknowledged(tmp_path, database_url):
    with running_andon(tmp_path, database_url, engine=False) as andon:
        token = guard_token(andon)
        with guarded(andon, token, tmp_path) as replica:
            replica.until("on", state="live", revision=1)
            done = command(andon, "set", "credit-scorer", "safe", "--reason", "It declines whom it should not.")
            assert done == {"system": "credit-scorer", "mode": "safe", "revision": 2}
            replica.until("safe", state="live", revision=2)
            wait_for(lambda: command(andon, "show", "credit-scorer")["applies_everywhere"])
            shown = command(andon, "show", "credit-scorer")
            assert shown["replicas_say"] == "1 of 1 replica contained"
            assert [(one["version"], one["revision"], one["mode"]) for one in shown["replicas"]] == [("v7", 2, "safe")]
        wait_for(lambda: not command(andon, "show", "credit-scorer")["replicas"])  # it said that it ended
