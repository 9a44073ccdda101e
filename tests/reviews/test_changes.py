from hypothesis import given
from hypothesis import strategies as st

from andon.reviews.changes import changes

TEXTS = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30).map("\n".join)


def shown(before: str, after: str) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in changes(before, after)]


def test_nothing_changed():
    assert changes("a", "a") == []


def test_a_changed_line_among_others():
    before = "\n".join("abcdefghij")
    after = before.replace("f", "F")
    assert shown(before, after) == [
        ("skipped", "3 unchanged lines"),
        ("same", "d"),
        ("same", "e"),
        ("removed", "f"),
        ("added", "F"),
        ("same", "g"),
        ("same", "h"),
        ("skipped", "2 unchanged lines"),
    ]


@given(TEXTS, TEXTS)
def test_what_is_added_and_removed_leads_from_one_to_the_other(before, after):
    lines = changes(before, after)
    kept = sum(int(line.text.split()[0]) if line.kind == "skipped" else 1 for line in lines if line.kind != "added")
    new = sum(int(line.text.split()[0]) if line.kind == "skipped" else 1 for line in lines if line.kind != "removed")
    if before != after:
        assert kept == len(before.splitlines())
        assert new == len(after.splitlines())
