"""Side by side, one deadline: every task has an outcome, and none waits for another that hangs."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from andon.containment.evidence.gathering import Piece, Task, gather
from andon.containment.evidence.manifest import Entry, Manifest, digest, read, sums, written


class Watch:
    """A stopwatch that the test moves."""

    def __init__(self):
        self.at = 0.0

    def __call__(self):
        return self.at


def task(name, run, *, outside=True):
    return Task("test", name, "here", run, outside)


def test_what_hangs_is_left_behind_when_the_time_is_up_and_the_rest_has_come():
    release, now = threading.Event(), Watch()
    tasks = [
        task("hangs", lambda _left: _hang(release)),
        task("breaks", lambda _left: 1 / 0),
        task("works", lambda _left: Piece(b"1")),
        task("at hand", lambda _left: Piece(b"2"), outside=False),
    ]
    outcomes = {}
    try:
        for one, outcome in gather(tasks, 10.0, monotonic=now):
            outcomes[one.name] = outcome
            if len(outcomes) == 3:
                now.at = 11.0
    finally:
        release.set()
    assert outcomes["works"] == Piece(b"1")
    assert outcomes["at hand"] == Piece(b"2")
    assert outcomes["breaks"] == "division by zero"
    assert "did not answer within 10 s" in outcomes["hangs"]


def _hang(release):
    release.wait(60)
    return Piece(b"late")


def test_without_time_nobody_outside_is_asked():
    asked = []
    tasks = [
        task("outside", lambda _left: asked.append(1) or Piece(b"")),
        task("at hand", lambda _left: Piece(b"2"), outside=False),
    ]
    outcomes = {one.name: outcome for one, outcome in gather(tasks, 0.0, monotonic=Watch())}
    assert outcomes == {"outside": "There was no time left to ask.", "at hand": Piece(b"2")}
    assert asked == []


def test_a_task_is_told_how_long_it_has():
    (found,) = gather([task("one", lambda left: Piece(str(left).encode()))], 7.5, monotonic=Watch())
    assert found[1] == Piece(b"7.5")


words = st.text(max_size=40)
entries = st.builds(
    Entry, kind=words, name=words, source=words, collected_at=words, sha256=words, size=st.integers(0, 2**40), media=words,
    rows=st.none() | st.integers(0, 10**6), notes=st.lists(words, max_size=3).map(tuple), why_missing=words,
)  # fmt: skip
manifests = st.builds(
    Manifest, incident=words, number=st.integers(1, 99), why=words, what_for=words, actor=words, began_at=words,
    since=words, until=words, entries=st.lists(entries, max_size=4).map(tuple),
)  # fmt: skip


@given(manifests)
def test_a_manifest_reads_back_as_it_was_written_and_hashes_the_same(manifest):
    body = written(manifest)
    assert read(body) == manifest
    assert written(read(body)) == body
    assert digest(body) == digest(written(manifest))


@given(manifests, manifests)
def test_different_manifests_have_different_digests(one, other):
    assert (one == other) == (digest(written(one)) == digest(written(other)))


def test_sums_are_as_sha256sum_reads_them():
    assert sums([("ab" * 32, "01/a.json")]) == b"ab" * 32 + b"  01/a.json\n"
