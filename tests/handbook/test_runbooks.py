"""Runbooks as files: those that ship, and what is said of those that are broken."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.handbook.runbook_blocks import FIELDS
from andon.handbook.runbook_file import RunbookError, plain, problems, read, texts
from andon.handbook.runbook_text import insert, key_for
from andon.handbook.source import shipped
from andon.practice.words import RunbookPhase, StepKind
from andon.runbooks.checking import check
from tests.handbook.test_tone import UNWANTED

GOOD = """---
key: good
title: Good
summary: When it is good.
owner: Somebody
types: [safety]
minutes: 5
reviewed: 2026-01-01
---

Know this.

## Contain

### Stop it

```step
key: stop
kind: lever
does: disable
```

### Look

```step
key: look
kind: query
measure: rate
what: "{failed}"
by: "{group}"
```

## Assess harm

### Decide

```step
key: decide
kind: decision
outcomes:
  - {key: bad, when: It is bad, to: find}
  - {key: worse, when: It is worse, to: stop}
```

By what was counted.

## Diagnose

### Find it

```step
key: find
```

Somewhere.

## Resolve

### Mend it

```step
key: mend
optional: true
```

Well.

## Verify

### See it

```step
key: see
```

Twice.

## Communicate

### Tell them

```step
key: tell
kind: notice
audience: Everybody
```

```draft
{ref} is over.
```
"""

SHIPPED = texts(shipped())


def line(text: str, part: str) -> int:
    return next(number for number, one in enumerate(text.split("\n"), start=1) if part in one)


def test_a_file_says_what_it_means():
    found = read(GOOD, "runbooks/good.md")
    assert [step.key for step in found.steps] == ["stop", "look", "decide", "find", "mend", "see", "tell"]
    assert {step.phase for step in found.steps} == set(RunbookPhase)
    assert {step.kind for step in found.steps} == set(StepKind)
    assert found.intro == "Know this."
    assert (found.steps[2].body, found.steps[2].outcomes[1].to) == ("By what was counted.", "stop")
    assert found.steps[-1].draft == "{ref} is over."
    assert found.steps[0].line == line(GOOD, "### Stop it")


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        ("key: stop\n", "key: Stop\n", "key: Stop", "is no key"),
        ("kind: lever\n", "kind: levr\n", "kind: levr", "Use one of: manual, decision, lever"),
        ("does: disable\n", "", "key: stop", "a lever says what it does"),
        ("does: disable\n", "does: explode\n", "does: explode", "Use one of: roll_back"),
        ("does: disable\n", "does: disable\naudience: All\n", "audience: All", "belongs to a step of kind notice"),
        ("does: disable\n", "does: disable\nminuts: 5\n", "minuts: 5", "Do you mean minutes?"),
        ("does: disable\n", "does: disable\nthen: nowhere\n", "### Stop it", "there is no such step"),
        ("measure: rate\n", "measure: gap\n", "measure: gap", "measure is one of rate, mean, count"),
        ('what: "{failed}"\n', 'what: "{failled}"\n', "what:", "is no role of a column"),
        ('what: "{failed}"\n', "", "measure: rate", "needs what"),
        ('what: "{failed}"\n', 'what: "DROP TABLE x"\n', "what: ", "step look"),
        ("to: find}", "to: fnd}", "### Decide", "leads to fnd"),
        ("to: find}", "to: stop}", "### Decide", "never ends"),
        ("By what was counted.\n", "", "### Decide", "says nothing below its heading"),
        ("audience: Everybody\n", "", "key: tell", "Write audience"),
        ("{ref} is over", "{reff} is over", "{reff}", "nothing that an incident can fill in"),
        ("## Verify\n", "## Verification\n", "## Verification", "is no phase"),
        ("## Verify\n", "## Contain\n", "## Contain", "stands twice"),
        ("### See it\n", "#### See it\n", "```step\nkey: see", "two step blocks"),
        ("```step\nkey: see\n```\n", "", "### See it", "has no step block"),
        ("key: see\n", "key: mend\n", "### See it", "2 steps are called mend"),
        ("Twice.\n", "```yaml\nunclosed\n", "", "no step under Communicate"),
        ("types: [safety]\n", "types: [saftey]\n", "types:", "Use one of: technical_failure"),
        ("types: [safety]\n", "", "key: good", "the key `types` is missing"),
        ("reviewed: 2026-01-01\n", "reviewed: 2026-13-45\n", "reviewed: 2026-13-45", "month must be"),
        ("reviewed: 2026-01-01\n", "reviewed: soon\n", "reviewed: soon", "it is no date"),
        ("key: mend\n", "key: off\n", "key: off", "Put it into quotes"),
        ("minutes: 5\n", "minutes: 0\n", "minutes: 0", "Write a number from 1"),
        ("minutes: 5\n", "minutes: long\n", "minutes: long", "no whole number"),
        ("key: good\n", "key: better\n", "key: better", "its file is called good"),
        ("---\nkey", "key", "key: good", "does not begin with ---"),
        ("Know this.\n", "# Title\n", "# Title", "no heading of the first level"),
    ],
)
def test_what_is_broken_is_refused_by_file_and_line(tmp_path, old, new, at, said):
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "good.md").write_text(text)
    (tmp_path / "watches").mkdir()
    columns = shipped().joinpath("watches", "columns.yaml").read_text()
    (tmp_path / "watches" / "columns.yaml").write_text(columns)
    found = [error for error in check(tmp_path) if said in error.what]
    assert found, [str(error) for error in check(tmp_path)]
    if at:
        last = [number for number, one in enumerate(text.split("\n"), start=1) if at.split("\n")[-1] in one][-1]
        assert found[0].line in {last, last - 1, line(text, at.split("\n")[0])}
    assert str(found[0]).startswith(f"runbooks/good.md:{found[0].line}: ")


@settings(max_examples=40)
@given(st.text(max_size=400))
def test_whatever_is_written_is_answered_in_words(text):
    assert all(error.what for error in problems(text, "runbooks/x.md")) or read(text, "")
    inside = GOOD.replace("Somewhere.", plain(text))
    for error in problems(inside, "runbooks/good.md"):
        assert 1 <= error.at <= inside.count("\n") + text.count("\n") + text.count("\r") + 3


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(sorted({n for names in FIELDS.values() for n in names})), st.integers(-5, 5)))
def test_a_block_of_any_numbers_is_refused_and_never_raises(fields):
    block = "".join(f"{name}: {value}\n" for name, value in fields.items())
    assert isinstance(problems(GOOD.replace("key: find\n", f"key: find\n{block}"), "x"), list)


LINES = st.text(st.characters(blacklist_categories=["C", "Z"], blacklist_characters="`~#-=<"), min_size=1, max_size=30)


@settings(max_examples=40)
@given(LINES, LINES, st.sampled_from(["stop", "look", "find", "mend", "see", "tell"]))
def test_a_step_that_is_put_in_stands_where_it_was_put_and_changes_no_other(title, body, after):
    before = read(GOOD, "")
    key = key_for(title, {step.key for step in before.steps})
    try:
        found = read(insert(GOOD, after=after, key=key, title=title, body=body), "")
    except RunbookError:  # a title of signs that Markdown reads otherwise: refused, and nothing is lost
        return
    place = before.place(after) + 1
    assert found.steps[place].key == key
    rest = [step for step in found.steps if step.key != key]
    assert [(s.key, s.phase, s.body, s.draft) for s in rest] == [
        (s.key, s.phase, s.body, s.draft) for s in before.steps
    ]


def test_every_runbook_that_ships_can_be_run():
    assert check(shipped()) == []


@pytest.mark.parametrize("file", sorted(SHIPPED))
def test_a_shipped_runbook_contains_first_and_goes_through_all_phases(file):
    found = read(SHIPPED[file], file)
    assert len(found.steps) >= 10
    assert {step.phase for step in found.steps} == set(RunbookPhase)
    contain = [step for step in found.steps if step.phase is RunbookPhase.CONTAIN]
    assert any(step.kind is StepKind.LEVER for step in contain)
    assert {StepKind.DECISION, StepKind.NOTICE, StepKind.QUERY} <= {step.kind for step in found.steps}
    assert all(step.audience for step in found.steps if step.kind is StepKind.NOTICE)


@pytest.mark.parametrize("file", sorted(SHIPPED))
def test_a_shipped_runbook_blames_and_belittles_nobody(file):
    found = [match[0] for match in UNWANTED.finditer(SHIPPED[file])]
    assert found == []


def test_no_shipped_runbook_is_another_with_words_changed():
    """Of any two, few sentences are the same."""
    sentences = {
        file: {one.strip() for one in re.split(r"(?<=[.!?:])\s+|\n", text) if len(one.strip()) > 40}
        for file, text in SHIPPED.items()
    }
    for (one, said), (other, also) in combinations(sentences.items(), 2):
        assert len(said & also) <= 3, (one, other, said & also)
