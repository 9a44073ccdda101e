"""What a process believes and holds: seals, revisions that never go back, containments that never expire."""

import errno
import json
import logging
import math
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.sdk.guard import Guard, Limit, Mode, State
from andon.sdk.guard.holding import Held, Taken
from andon.sdk.guard.keeping import Copy
from andon.sdk.guard.sealing import LONGEST, Forged, Snapshot, Token, seal, unseal
from andon.sdk.guard.words import STALE_MODES

TOKEN = Token("credit-scorer", "andon_guard.credit-scorer.0123", b"a key that never travels")
NONCE = "made-up-for-this"


def snapshot(revision: int = 7, mode: Mode = Mode.SAFE, **given) -> Snapshot:
    facts = {
        "limit": Limit(share=0.1) if mode is Mode.LIMIT else None, "max_stale": 60.0, "on_stale": Mode.SAFE,
        "nonce": NONCE, "mark": "a",
    } | given  # fmt: skip
    return Snapshot("credit-scorer", revision, facts.pop("mark"), mode, **facts)


def snapshots():
    return st.builds(
        snapshot, st.integers(1, 6), st.sampled_from(Mode), mark=st.sampled_from("ab"), max_stale=st.floats(5, 3600),
        on_stale=st.sampled_from(STALE_MODES),
    )  # fmt: skip


@given(snapshots(), st.floats(0, 1e6))
def test_what_is_sealed_is_read_as_it_was(one, elapsed):
    one = replace(one, elapsed=round(elapsed, 3))
    assert unseal(TOKEN.key, seal(TOKEN.key, one), system="credit-scorer", nonce=NONCE) == one


@given(st.data())
def test_no_changed_line_is_believed(data):
    line = seal(TOKEN.key, snapshot())
    at = data.draw(st.integers(0, len(line) - 1))
    sign = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda one: one != line[at]))
    with pytest.raises(Forged):
        unseal(TOKEN.key, line[:at] + sign + line[at + 1 :], system="credit-scorer", nonce=NONCE)


@given(st.one_of(st.text(), st.text(min_size=LONGEST)))
def test_no_nonsense_is_believed(text):
    with pytest.raises(Forged):
        unseal(TOKEN.key, text, system="credit-scorer")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"revision": -1}, "read"), ({"revision": True}, "read"), ({"revision": 2**60}, "read"), ({"mode": "x"}, "read"),
        ({"limit": {"share": 0.5}}, "read"), ({"mode": "limit"}, "read"), ({"max_stale": 0}, "read"),
        ({"max_stale": "60"}, "read"), ({"on_stale": "limit"}, "read"), ({"elapsed": -1}, "read"),
        ({"mode": "limit", "limit": {"share": 2}}, "read"), ({"mode": "limit", "limit": {"share": 1, "x": 1}}, "read"),
        ({"system": "fraud-detector"}, "another system"), ({"nonce": "another"}, "played again"),
    ],
)  # fmt: skip
def test_what_is_sealed_and_cannot_be_meant_is_refused(wrong, why):
    text = seal(TOKEN.key, snapshot()).split(" ", 2)[2]
    from andon.sdk.guard.sealing import _mac

    text = json.dumps(json.loads(text) | wrong)
    with pytest.raises(Forged, match=why):
        unseal(TOKEN.key, f"andon1 {_mac(TOKEN.key, text)} {text}", system="credit-scorer", nonce=NONCE)


@given(st.lists(st.tuples(snapshots(), st.floats(0, 1e4)), max_size=20), st.floats(0, 1e6))
def test_a_revision_never_goes_back_and_a_containment_never_expires(heard, later):
    held = Held.nothing(Mode.SAFE)
    for one, at in heard:
        before = held.snapshot
        held, taken = held.take(one, at)
        assert held.snapshot is not None
        if before is not None:
            assert held.snapshot.revision >= before.revision
            assert taken.refused == (held.snapshot is before and replace(one, nonce="") != replace(before, nonce=""))
        reading = held.reading(1e4 + later)
        if held.snapshot.mode.contains:
            assert reading.mode is held.snapshot.mode
        else:
            assert reading.mode in {Mode.ON, held.snapshot.on_stale}
            assert reading.mode is Mode.ON or reading.state is State.STALE


@given(snapshots(), st.floats(0, 1e4), st.floats(0, 1e5))
def test_the_quick_look_and_the_whole_one_say_the_same(one, at, now):
    held, _ = Held.nothing(Mode.OFF).take(one, at)
    view = held.view()
    assert (view.mode if now < view.until else view.late) is held.reading(now).mode


def test_on_lasts_until_max_stale_and_a_repetition_prolongs_it():
    held, taken = Held.nothing(Mode.OFF).take(snapshot(mode=Mode.ON), 100.0)
    assert (taken, held.reading(159.9).mode, held.reading(159.9).state) == (Taken.NEW, Mode.ON, State.LIVE)
    assert (held.reading(160.0).mode, held.reading(160.0).state) == (Mode.SAFE, State.STALE)
    held, taken = held.take(snapshot(mode=Mode.ON, nonce="next"), 150.0)
    assert (taken, held.reading(209.0).mode) == (Taken.AGAIN, Mode.ON)
    held, _ = held.take(snapshot(mode=Mode.ON), 90.0)  # held back on the way: nothing is younger for it
    assert held.reading(209.0).mode is Mode.ON
    assert held.reading(210.0).mode is Mode.SAFE


def guard(tmp_path, clock, **given) -> Guard:
    made = Guard(TOKEN, "https://andon.example.org", folder=tmp_path / "kept", background=False, **given)
    made._clock = clock
    return made


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_an_hour_without_andon(tmp_path):
    clock = Clock()
    one = guard(tmp_path, clock)
    assert (one.mode(), one.reading().state) == (Mode.SAFE, State.NO_STATE)
    assert one.take(seal(TOKEN.key, snapshot(1, Mode.ON)), NONCE, clock.now)
    assert (one.mode(), one.reading().state) == (Mode.ON, State.LIVE)
    clock.now += 3600
    assert (one.mode(), one.reading().state) == (Mode.SAFE, State.STALE)
    assert one.take(seal(TOKEN.key, snapshot(2, Mode.OFF, nonce="second")), "second", clock.now)
    clock.now += 365 * 86_400
    assert (one.mode(), one.reading().state) == (Mode.OFF, State.STALE)


def test_what_was_held_back_on_the_way_is_as_old_as_it_is(tmp_path):
    clock = Clock()
    one = guard(tmp_path, clock)
    asked_at = clock.now
    clock.now += 100  # a proxy passes on, with all its delay, what was true two seconds after the request
    assert one.take(seal(TOKEN.key, snapshot(1, Mode.ON, elapsed=2.0)), NONCE, asked_at)
    assert (one.mode(), one.reading().state) == (Mode.SAFE, State.STALE)


def test_andon_cannot_speak_from_the_future(tmp_path):
    clock = Clock()
    one = guard(tmp_path, clock)
    assert one.take(seal(TOKEN.key, snapshot(1, Mode.ON, elapsed=1e9)), NONCE, clock.now)
    clock.now += 61
    assert one.mode() is Mode.SAFE


def test_forged_and_old_snapshots_change_nothing(tmp_path, caplog):
    clock = Clock()
    one = guard(tmp_path, clock)
    one.take(seal(TOKEN.key, snapshot(7, Mode.OFF)), NONCE, clock.now)
    with caplog.at_level(logging.ERROR, logger="andon.sdk.guard"):
        assert not one.take(seal(b"another key", snapshot(8, Mode.ON)), NONCE, clock.now)
        assert not one.take(seal(TOKEN.key, snapshot(8, Mode.ON)), "another nonce", clock.now)
        assert not one.take(f"andon1 {'0' * 64} {{}}", NONCE, clock.now)
        assert one.take(seal(TOKEN.key, snapshot(6, Mode.ON)), NONCE, clock.now)
        assert one.take(seal(TOKEN.key, snapshot(7, Mode.ON, mark="b")), NONCE, clock.now)
    assert (one.mode(), one.reading().revision) == (Mode.OFF, 7)
    said = " ".join(caplog.messages)
    assert "its seal is not Andon's" in said
    assert "played again" in said
    assert "Was Andon's database restored?" in said
    assert one._acknowledgement(ended=False)["refused"] == 7
    one.take(seal(TOKEN.key, snapshot(8, Mode.ON)), NONCE, clock.now)  # beyond what was heard: it reaches the process
    assert (one.mode(), one._acknowledgement(ended=False)["refused"]) == (Mode.ON, None)


def test_the_copy_on_disk_holds_a_containment_and_lets_on_be_stale(tmp_path):
    for revision, mode, held in [(1, Mode.ON, Mode.SAFE), (2, Mode.REVIEW, Mode.REVIEW)]:
        guard(tmp_path, Clock()).take(seal(TOKEN.key, snapshot(revision, mode)), NONCE, 1000.0)
        again = guard(tmp_path, Clock(), on_stale=Mode.ON)
        assert (again.mode(), again.reading().state, again.reading().revision) == (held, State.STALE, revision)


def test_an_earlier_revision_replaces_no_copy(tmp_path):
    kept = Copy(tmp_path, "https://andon.example.org", TOKEN)
    assert kept.read() is None
    assert kept.write(seal(TOKEN.key, snapshot(5)), snapshot(5))
    assert not kept.write(seal(TOKEN.key, snapshot(4)), snapshot(4))
    assert not kept.write(seal(TOKEN.key, snapshot(5, nonce="of a sister")), snapshot(5, nonce="of a sister"))
    assert kept.read() == snapshot(5)
    assert (kept.path.stat().st_mode & 0o777, tmp_path.joinpath(kept.path.name).exists()) == (0o600, True)


@pytest.mark.parametrize("spoil", ["seal", "system", "rights", "rubbish", "folder", "pipe"])
def test_a_copy_that_is_not_andons_is_not_believed(tmp_path, spoil, caplog):
    kept = Copy(tmp_path / "kept", "https://andon.example.org", TOKEN)
    line = seal(b"another" if spoil == "seal" else TOKEN.key, snapshot(9, Mode.ON))
    kept.write(line, snapshot(9, Mode.ON))
    if spoil == "system":
        kept.path.write_text(seal(TOKEN.key, replace(snapshot(9, Mode.ON), system="other")))
    elif spoil == "rights":
        kept.path.chmod(0o666)
    elif spoil == "rubbish":
        kept.path.write_bytes(os.urandom(5000))
    elif spoil == "folder":
        kept.path.unlink()
        kept.path.mkdir()
    elif spoil == "pipe":  # which would be waited for
        kept.path.unlink()
        os.mkfifo(kept.path)
    one = guard(tmp_path, Clock(), on_stale=Mode.OFF)
    assert (one.mode(), one.reading().state, one.reading().revision) == (Mode.OFF, State.NO_STATE, 0)
    assert "not believed" in " ".join(caplog.messages)


def test_a_copy_that_cannot_be_written_is_said_and_the_mode_applies(tmp_path, caplog):
    (tmp_path / "kept").write_text("in the way")
    one = guard(tmp_path, Clock())
    assert one.take(seal(TOKEN.key, snapshot(3, Mode.OFF)), NONCE, 1000.0)
    assert one.mode() is Mode.OFF
    assert "cannot be written" in " ".join(caplog.messages)


def test_a_folder_that_may_not_be_looked_into_keeps_no_process_from_starting(tmp_path, monkeypatch, caplog):
    """As one of another user. (The tests may run as root, who may look anywhere.)"""

    def refuse(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "kept").mkdir()
    with monkeypatch.context() as patched:
        for name in ("open", "listdir", "scandir", "mkdir", "stat"):
            patched.setattr(os, name, refuse)
        one = guard(tmp_path, Clock(), on_stale=Mode.REVIEW)
        assert (one.mode(), one.reading().state) == (Mode.REVIEW, State.NO_STATE)
        assert one.take(seal(TOKEN.key, snapshot(3, Mode.OFF)), NONCE, 1000.0)
    assert one.mode() is Mode.OFF
    said = " ".join(caplog.messages)
    assert ("is not believed" in said, "cannot be written" in said) == (True, True)


def test_what_a_process_left_that_was_killed_as_it_wrote_is_cleared_away(tmp_path):
    kept = Copy(tmp_path, "https://andon.example.org", TOKEN)
    left = kept.path.with_name(f".{kept.path.name}.99999")
    left.write_text("andon1 half a li")
    assert kept.write(seal(TOKEN.key, snapshot(5)), snapshot(5))
    assert (kept.read(), left.exists()) == (snapshot(5), False)


def test_a_copy_that_could_not_be_written_is_written_once_it_can_be(tmp_path):
    """As when a disk was full."""
    (tmp_path / "kept").write_text("in the way")
    one = guard(tmp_path, Clock())
    assert one.take(seal(TOKEN.key, snapshot(3, Mode.OFF)), NONCE, 1000.0)
    (tmp_path / "kept").unlink()
    assert one.take(seal(TOKEN.key, snapshot(3, Mode.OFF)), NONCE, 1001.0)  # nothing new is needed for it
    assert guard(tmp_path, Clock()).mode() is Mode.OFF


@pytest.mark.parametrize("text", ["", "andon_pat_x", "andon_guard.x", "andon_guard.x.y", "andon_guard..y.z", "a.b.c.d"])
def test_what_is_no_token_is_told_without_repeating_it(text):
    with pytest.raises(ValueError, match="no guard token") as told:
        Token.read(text)
    assert not text or text not in str(told.value).replace("andon_guard.<system>.<id>.<key>", "")


def test_what_nothing_says_is_as_uncertain_as_minus_infinity():
    assert Held.nothing(Mode.ON).reading(0.0).mode is Mode.ON
    assert Held.nothing(Mode.ON).true_at == -math.inf


NEW = Token("credit-scorer", "andon_guard.credit-scorer.4567", b"the key of the token that follows")


def kept_for(tmp_path, token, *snapshots, url="https://andon.example.org"):
    for one in snapshots:
        Copy(tmp_path / "kept", url, token).write(seal(token.key, one), one)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode.contains])
def test_a_containment_outlives_the_token_that_it_was_sealed_for(tmp_path, mode, caplog):
    """The token was replaced, and the process started anew, while Andon was away."""
    kept_for(tmp_path, TOKEN, snapshot(7, mode))
    one = Guard(NEW, "https://andon.example.org", folder=tmp_path / "kept", background=False, on_stale=Mode.ON)
    assert (one.mode(), one.reading().state, one.reading().revision) == (mode, State.STALE, 0)
    assert (one.reading().limit is not None) is (mode is Mode.LIMIT)
    assert "sealed for an earlier token" in " ".join(caplog.messages)
    # Its number binds nobody: the first word of Andon's under the new token counts, whatever its number.
    assert one.take(seal(NEW.key, snapshot(2, Mode.ON)), NONCE, one._clock())
    assert (one.mode(), one.reading().state, one.reading().revision) == (Mode.ON, State.LIVE, 2)
    again = Guard(NEW, "https://andon.example.org", folder=tmp_path / "kept", background=False, on_stale=Mode.OFF)
    assert (again.mode(), again.reading().revision) == (Mode.SAFE, 2), "its own copy comes first"


def test_of_earlier_copies_the_newest_counts_and_none_lets_anybody_go_on(tmp_path):
    older = Token("credit-scorer", "andon_guard.credit-scorer.older", b"k")
    kept_for(tmp_path, older, snapshot(5, Mode.OFF))
    kept_for(tmp_path, TOKEN, snapshot(6, Mode.ON))
    one = Guard(NEW, "https://andon.example.org", folder=tmp_path / "kept", background=False, on_stale=Mode.REVIEW)
    assert (one.mode(), one.reading().state) == (Mode.REVIEW, State.NO_STATE)


@pytest.mark.parametrize("spoil", ["rights", "rubbish", "system", "another Andon", "a longer name"])
def test_an_earlier_copy_that_cannot_be_meant_holds_nobody_back(tmp_path, spoil):
    kept_for(tmp_path, TOKEN, snapshot(7, Mode.OFF), url="https://b.example.org" if spoil == "another Andon" else
             "https://andon.example.org")  # fmt: skip
    (path,) = (tmp_path / "kept").glob("*.snapshot")
    if spoil == "rights":
        path.chmod(0o666)
    elif spoil == "rubbish":
        path.write_bytes(os.urandom(5000))
    elif spoil == "system":
        path.write_text(seal(TOKEN.key, replace(snapshot(7, Mode.OFF), system="other")))
    elif spoil == "a longer name":
        path.rename(path.with_name(path.name.replace("credit-scorer-", "credit-scorer-2-", 1)))
    one = Guard(NEW, "https://andon.example.org", folder=tmp_path / "kept", background=False, on_stale=Mode.ON)
    assert (one.mode(), one.reading().state) == (Mode.ON, State.NO_STATE)
