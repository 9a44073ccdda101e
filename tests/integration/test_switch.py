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
            desk.until_says("1 of 1 replica in service")
            done = command(andon, "set", "credit-scorer", "safe", "--reason", "It declines whom it should not.")
            assert done == {"system": "credit-scorer", "mode": "safe", "revision": 2}
            replica.until("safe", state="live", revision=2)
            desk.until_says("1 of 1 replica contained")
            shown = command(andon, "show", "credit-scorer")
            assert shown["replicas_say"] == "1 of 1 replica contained"
            assert [(one["version"], one["revision"], one["mode"]) for one in shown["replicas"]] == [("v7", 2, "safe")]
        desk.until_says("no replica has said anything")  # it said that it ended


def test_four_processes_at_two_servers_of_which_one_falls_silent(tmp_path, database_url):
    with (
        running_andon(tmp_path, database_url, engine=False, workers=2) as andon,
        Desk.of(andon) as desk,
        ExitStack() as stack,
    ):
        replicas = [stack.enter_context(guarded(andon, desk.token, tmp_path, f"number-{n}")) for n in range(4)]
        for replica in replicas:
            replica.until("on", state="live")
        desk.until_says("4 of 4 replicas in service")
        frozen = replicas[0].process
        frozen.send_signal(signal.SIGSTOP)
        try:
            desk.set("off")
            for replica in replicas[1:]:
                replica.until("off", state="live", revision=2)
            desk.until_says("3 of 4 replicas contained, 1 *")  # not yet, and silent once that has taken half a minute
            desk.unheard(replicas[0], minutes=24 * 60 + 1)
            desk.until_says("3 of 3 replicas contained")  # silent for a day: counted no more
            desk.unheard(replicas[0], minutes=2)
            desk.until_says("3 of 4 replicas contained, 1 silent since *")
            assert desk.show()["applies_everywhere"] is None
        finally:
            frozen.send_signal(signal.SIGCONT)
        replicas[0].until("off", state="live")  # it missed nothing that matters
        desk.until_says("4 of 4 replicas contained")


def test_an_hour_without_a_server_and_a_process_that_is_killed_meanwhile(tmp_path):
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk:
        with guarded(andon, desk.token, tmp_path, "first") as first:
            first.until("on", state="live")
            andon.kill_server()
            assert first.ask(after=3600)["mode"] == "safe"  # what an important system does that hears nothing
            assert first.ask()["state"] == "stale"
            andon.start_server()
            desk.set("review")
            first.until("review", state="live", revision=2)
            desk.until_says("1 of 1 replica contained")  # and it has kept its copy, which comes before
            andon.kill_server()
            assert first.ask(after=3600) | {"at": 0} == {"mode": "review", "state": "stale", "revision": 2, "at": 0}
            first.process.kill()
            first.process.wait(10)
        with guarded(andon, desk.token, tmp_path, "again") as again:
            found = again.ask()
            assert (found["mode"], found["state"], found["revision"]) == ("review", "stale", 2)  # from the copy on disk
            andon.start_server()
            again.until("review", state="live")
            desk.until_says("* of 2 replicas contained*")  # whether the other was killed nobody can tell from here
            desk.unheard(first, minutes=2)
            desk.until_says("1 of 2 replicas contained, 1 silent since *")
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
        desk.until_says("1 of 1 replica in service")
        andon.stop()
        kept = tmp_path / "kept"
        kept.mkdir()
        for file in database.parent.glob("andon.sqlite3*"):
            shutil.copy(file, kept / file.name)
        andon.start_server()
        desk.set("off")
        replica.until("off", state="live", revision=2)
        desk.until_says("1 of 1 replica contained")
        andon.stop()
        for file in database.parent.glob("andon.sqlite3*"):
            file.unlink()
        for file in kept.iterdir():
            shutil.copy(file, database.parent / file.name)
        andon.start_server()
        desk.until_says("0 of 1 replica in service, 1 refusing it")
        wait_for(lambda: desk.show()["replicas"][0]["refused"] == 1)  # it says so once it has heard the earlier one
        assert replica.ask()["mode"] == "off"
        assert desk.set("safe")["revision"] == 3
        replica.until("safe", state="live", revision=3)


def test_a_token_is_replaced_between_processes_and_a_revoked_one_hears_nothing_more(tmp_path):
    with (
        running_andon(tmp_path, engine=False) as andon,
        Desk.of(andon) as desk,
        guarded(andon, desk.token, tmp_path, "old") as old,
    ):
        first = desk.tokens()[0]["id"]
        second, third = desk.make_token("in its place"), desk.make_token("never heard of")
        desk.set("off")
        old.until("off", state="live", revision=2)
        desk.until_says("1 of 1 replica contained")
        with guarded(andon, second, tmp_path, "new") as new:
            new.until("off", state="live", revision=2)
            desk.until_says("2 of 2 replicas contained")
            desk.revoke(first)
            wait_for(lambda: "401" in (tmp_path / "old.err").read_text(), what=lambda: "that the old token is refused")
            desk.set("safe")
            new.until("safe", state="live", revision=3)
            desk.until_says("1 of 2 replicas contained, 1 *")  # and it has kept its copy, which comes before
            assert (old.ask()["mode"], old.said()[-1]["revision"]) == ("off", 2)
            assert old.ask(after=3600) | {"at": 0} == {"mode": "off", "state": "stale", "revision": 2, "at": 0}
        andon.kill_server()
        with guarded(andon, third, tmp_path, "latest") as latest:  # the key of the copies that are there is not its own
            assert latest.ask() | {"at": 0} == {"mode": "safe", "state": "stale", "revision": 0, "at": 0}


def test_where_streams_are_cut_it_asks_and_whoever_is_in_between_can_forge_nothing(tmp_path, caplog):
    with running_andon(tmp_path, engine=False) as andon, Desk.of(andon) as desk, between(andon) as proxy:
        made = Guard(Token.read(desk.token), proxy.url, folder=tmp_path / "guard")
        try:
            assert made.wait(40)
            wait_for(lambda: made.reading().state is State.LIVE)
            desk.set("off")
            wait_for(lambda: made.mode() is Mode.OFF)
            wait_for(lambda: made._hearing._stream_from > 0)  # it has given up on streams for a while
            desk.until_says("1 of 1 replica contained")

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
import os, stat, time
from contextlib import suppress
import andon

def lines():
    found = set()
    for number in os.listdir("/dev/fd"):
        with suppress(OSError):  # that of the listing
            one = os.fstat(int(number))
            found |= {one.st_ino} if stat.S_ISSOCK(one.st_mode) else set()
    return found

switch = andon.guard("credit-scorer")
assert switch.wait(40)
stream = lines()
assert stream
children = []
for _ in range(2):
    if (child := os.fork()) == 0:
        assert not lines() & stream, "it holds a line of its parent's"
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
            desk.until_says("2 of 2 replicas in service")
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
        desk.until_says("3 of 3 replicas contained")  # before they say so they keep it
        (copy,) = Path(tmp_path / "guard").glob("*.snapshot")
        assert '"revision":5' in copy.read_text()
        assert not list(Path(tmp_path / "guard").glob(".*"))
