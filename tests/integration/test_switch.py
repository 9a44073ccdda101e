"""The kill switch between real processes: servers, guarded processes, whoever sets it, and who would rather not."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from andon.sdk.guard import Guard, Mode, State
from andon.sdk.guard.sealing import Token
from tests.support.guarding import Desk, between, command, guarded, wait_for
from tests.support.processes import ROOT, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]


def test_set_on_the_command_line_applied_and_acknowledged(tmp_path, database_url):
    with running_andon(tmp_path, database_url, engine=False) as andon, Desk.of(andon) as desk:
        with guarded(andon, desk.token, tmp_path) as replica:
            replica.until("on", state="live", revision=1)
            done = command(andon, "set", "credit-scorer", "safe", "--reason", "It declines whom it should not.")
            assert done == {"system": "credit-scorer", "mode": "safe", "revision": 2}
            replica.until("safe", state="live", revision=2)
            wait_for(lambda: desk.show()["applies_everywhere"])
            shown = command(andon, "show", "credit-scorer")
            assert shown["replicas_say"] == "1 of 1 replica contained"
            assert [(one["version"], one["revision"], one["mode"]) for one in shown["replicas"]] == [("v7", 2, "safe")]
        wait_for(lambda: not desk.show()["replicas"])  # it said that it ended


def test_four_processes_at_two_servers_of_which_one_falls_silent(tmp_path, database_url):
    with (
        running_andon(tmp_path, database_url, engine=False, workers=2) as andon,
        Desk.of(andon) as desk,
        ExitStack() as stack,
    ):
        replicas = [stack.enter_context(guarded(andon, desk.token, tmp_path, f"number-{n}")) for n in range(4)]
        for replica in replicas:
            replica.until("on", state="live")
        wait_for(lambda: desk.says() == "4 of 4 replicas in service")
        frozen = replicas[0].process
        frozen.send_signal(signal.SIGSTOP)
        try:
            desk.set("off")
            for replica in replicas[1:]:
                replica.until("off", state="live", revision=2)
            wait_for(lambda: desk.says() == "3 of 4 replicas contained, 1 not yet")
            pid = f"%:{frozen.pid}:%"
            andon.sql("UPDATE switch_replica SET heard_at = '2026-01-01 00:00:00+00:00' WHERE instance LIKE ?", pid)
            wait_for(lambda: len(desk.show()["replicas"]) == 3)  # silent for a day: counted no more
            andon.python(
                "from datetime import timedelta\nfrom andon.kit import clock\nfrom andon.switch.models import Replica\n"
                "at = clock.now() - timedelta(minutes=2)\n"
                "Replica.objects.filter(instance__contains=f':{pid}:').update(heard_at=at)",
                pid=frozen.pid,
            )
            shown = desk.show()
            assert shown["replicas_say"].startswith("3 of 4 replicas contained, 1 silent since ")
            assert shown["applies_everywhere"] is None
        finally:
            frozen.send_signal(signal.SIGCONT)
        replicas[0].until("off", state="live")  # it missed nothing that matters
        wait_for(lambda: desk.show()["applies_everywhere"])


def test_an_hour_without_a_server_and_a_process_that_is_killed_meanwhile(tmp_path):
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk:
        with guarded(andon, desk.token, tmp_path, "kept") as kept:
            kept.until("on", state="live")
            andon.kill_server()
            assert kept.ask(after=3600)["mode"] == "safe"  # what an important system does that hears nothing
            assert kept.ask()["state"] == "stale"
            andon.start_server()
            desk.set("review")
            kept.until("review", revision=2)
        with guarded(andon, desk.token, tmp_path, "killed") as killed:
            killed.until("review", state="live")
            andon.kill_server()
            assert killed.ask(after=3600) | {"at": 0} == {"mode": "review", "state": "stale", "revision": 2, "at": 0}
            killed.process.kill()
            killed.process.wait(10)
        with guarded(andon, desk.token, tmp_path, "again") as again:
            found = again.ask()
            assert (found["mode"], found["state"], found["revision"]) == ("review", "stale", 2)  # from the copy on disk
            andon.start_server()
            again.until("review", state="live")
            wait_for(lambda: desk.says().startswith("1 of 2 replicas contained, 1 "))
            desk.set("on")
            again.until("on", state="live", revision=3)


def test_a_restored_backup_takes_nobody_back(tmp_path):
    database = tmp_path / "data" / "andon.sqlite3"
    with (
        running_andon(tmp_path, engine=False) as andon,
        Desk.of(andon) as desk,
        guarded(andon, desk.token, tmp_path) as replica,
    ):
        replica.until("on", state="live", revision=1)
        andon.stop()
        kept = tmp_path / "kept"
        kept.mkdir()
        for file in database.parent.glob("andon.sqlite3*"):
            shutil.copy(file, kept / file.name)
        andon.start_server()
        desk.set("off")
        replica.until("off", state="live", revision=2)
        andon.stop()
        for file in database.parent.glob("andon.sqlite3*"):
            file.unlink()
        for file in kept.iterdir():
            shutil.copy(file, database.parent / file.name)
        andon.start_server()
        wait_for(lambda: desk.says() == "0 of 1 replica in service, 1 refusing it")
        assert replica.ask()["mode"] == "off"
        assert desk.show()["replicas"][0]["refused"] == 1
        assert desk.set("safe")["revision"] == 3
        replica.until("safe", state="live", revision=3)


def test_where_streams_are_cut_it_asks_and_whoever_is_in_between_can_forge_nothing(tmp_path, caplog):
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk, between(andon) as proxy:
        made = Guard(Token.read(desk.token), proxy.url, folder=tmp_path / "guard")
        try:
            assert made.wait(40)
            wait_for(lambda: made.reading().state is State.LIVE)
            desk.set("off")
            wait_for(lambda: made.mode() is Mode.OFF)
            wait_for(lambda: made._hearing._stream_from > 0)  # it has given up on streams for a while
            wait_for(lambda: desk.says() == "1 of 1 replica contained")

            kept: list[bytes] = []

            def keep(path, body):
                if b"andon1 " in body:
                    kept.append(body)
                return None if "/stream" in path else body

            proxy.change = keep
            wait_for(lambda: kept)
            desk.set("safe")
            wait_for(lambda: made.mode() is Mode.SAFE)
            before = made._held.true_at
            wait_for(lambda: made._held.true_at > before)
            with caplog.at_level(logging.WARNING, logger="andon.sdk.guard"):
                proxy.change = lambda path, body: kept[0] if "nonce" in path else body  # an old one, played again
                wait_for(lambda: "it is old, and played again" in " ".join(caplog.messages))
                proxy.change = lambda path, body: body.replace(b'"mode":"safe"', b'"mode":"on"')
                wait_for(lambda: "its seal is not Andon's" in " ".join(caplog.messages))
            assert (made.mode(), made.reading().revision) == (Mode.SAFE, 3)
            held = made._held.true_at
            proxy.change = lambda _path, _body: b"<html>Please sign in</html>"
            wait_for(lambda: made._hearing._failures > 2)
            assert made._held.true_at == held  # nothing of that made it younger
        finally:
            made.close()


FORKING = """
import os, sys, time
import andon

switch = andon.guard("credit-scorer")
assert switch.wait(40)
children = []
for _ in range(2):
    if (child := os.fork()) == 0:
        assert switch.mode() == "on", switch.reading()
        print("asked", flush=True)
        while switch.mode() == "on":
            time.sleep(0.02)
        print(switch.mode(), flush=True)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_server_that_forks_its_workers_is_as_many_replicas_as_it_has_workers(tmp_path):
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk:
        environment = andon.environment | {
            "ANDON_GUARD_TOKEN": desk.token, "ANDON_GUARD_DIR": str(tmp_path / "guard"),
        }  # fmt: skip
        with subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FORKING], env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE
        ) as parent:  # fmt: skip
            assert parent.stdout is not None
            assert [parent.stdout.readline().strip() for _ in range(2)] == ["asked", "asked"]
            wait_for(lambda: desk.says() == "2 of 2 replicas in service")
            desk.set("off")
            assert [parent.stdout.readline().strip() for _ in range(2)] == ["off", "off"]
        assert parent.returncode == 0


def test_each_process_of_a_machine_reads_the_copy_of_the_others(tmp_path):
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk, ExitStack() as stack:
        replicas = [stack.enter_context(guarded(andon, desk.token, tmp_path, f"number-{n}")) for n in range(3)]
        for turn, mode in enumerate(["off", "safe", "on", "review"], start=2):
            desk.set(mode)
            for replica in replicas:
                replica.until(mode, revision=turn)
        (copy,) = Path(tmp_path / "guard").glob("*.snapshot")
        assert '"revision":5' in copy.read_text()
        assert not list(Path(tmp_path / "guard").glob(".*"))
