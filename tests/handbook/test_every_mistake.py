"""A check names every mistake of every file with its line, and holidays are read as they are meant."""

import os
from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.handbook.book import check, read_handbook, texts_of
from andon.handbook.differences import differences
from andon.handbook.files import ProtocolFile
from andon.handbook.likeness import unlike
from andon.handbook.source import HandbookError, read, shipped

PROTOCOL = read(shipped(), "protocols/safety.yaml").data


def found(handbook):
    return [(one.file, one.line, one.what) for one in check(handbook)]


def line_of(handbook, file, text):
    lines = (handbook / file).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, start=1) if text in line)


def test_every_mistake_of_a_file_is_named_with_its_line(handbook, spoil):
    file = "protocols/safety.yaml"
    spoil(file, "within: 72 h", "within: soon")
    spoil(file, "phase: contain", "phase: hold")
    spoil(file, "title: Safety incident", "titel: Safety incident")
    spoil(file, "{ role: harm, from: S3 }", "{ role: harm, from: S9 }")
    spoil(file, "wanted: [disable, constrain, roll_back]", "wanted: []")
    spoil("severity.yaml", "acknowledge: 15 min", "acknowledge: at once")
    said = found(handbook)
    places = [
        (file, line_of(handbook, file, text), hint)
        for text, hint in (
            ("titel:", "Do you mean title?"),
            ("from: S9", "S1, S2, S3, S4, S5"),
            ("wanted: []", "length"),
            ("within: soon", "no span of time"),
            ("phase: hold", "preserve, contain"),
        )
    ]
    places.append(("severity.yaml", line_of(handbook, "severity.yaml", "at once"), "no span of time"))
    assert [(name, line) for name, line, _ in said] == [(name, line) for name, line, _ in places]
    assert all(hint in what for (_, _, what), (_, _, hint) in zip(said, places, strict=True))


def test_what_is_wrong_beyond_the_form_is_named_whole_too(handbook, spoil):
    file = "protocols/safety.yaml"
    spoil(file, "{ key: runaway-agent }", "{ key: run-away }")
    spoil(file, "{ key: prompt-injection }", "{ key: harmful-llm-output }")
    spoil(file, "what: Notify the data protection authority", 'what: " "')
    said = [what for _, _, what in found(handbook)]
    assert len(said) == 3
    assert "no file runbooks/run-away.md" in " ".join(said)
    assert "stands more than once" in " ".join(said)
    assert "does not say what is owed" in " ".join(said)


@given(st.data())
def test_what_msgspec_takes_is_like_the_model_and_what_it_refuses_is_not(data):
    """Spoil a protocol at any place: the walk finds something exactly where msgspec refuses, or a pattern says so."""
    value = msgspec.json.decode(msgspec.json.encode(PROTOCOL))
    at, key = value, None
    while isinstance(at, dict | list) and at and (key is None or data.draw(st.booleans())):
        holder, key = at, data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        at = holder[key]
    holder[key] = data.draw(st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({}))
    wrong = list(unlike(value, ProtocolFile))
    try:
        msgspec.convert(value, type=ProtocolFile, strict=True)
    except msgspec.ValidationError:
        assert wrong
    else:
        assert all("no span" in what or "no key" in what for _, what in wrong)


def test_the_shipped_files_are_like_their_models():
    assert list(unlike(PROTOCOL, ProtocolFile)) == []
    assert check(shipped()) == []


def test_a_mark_of_byte_order_is_no_mistake(handbook):
    for file in ("severity.yaml", "runbooks/privacy-leak.md"):
        text = (handbook / file).read_text(encoding="utf-8")
        (handbook / file).write_text(text, encoding="utf-8-sig")
    assert found(handbook) == []
    assert differences(texts_of(shipped()), texts_of(handbook)) == []


def test_holidays_are_days_and_a_calendar_may_be_left_out(handbook):
    file = handbook / "calendar.yaml"
    file.write_text("holidays:\n  - { day: 2026-12-25, name: Christmas Day }\n  - { day: 2027-01-01 }\n")
    assert read_handbook(handbook).holidays == {date(2026, 12, 25), date(2027, 1, 1)}
    file.write_text("holidays:\n  - { day: 2026-12-25 }\n  - { day: 2026-12-25 }\n")
    ((_, line, what),) = found(handbook)
    assert (line, "more than once" in what) == (2, True)
    file.write_text("holidays:\n  - { day: Christmas }\n  - { day: 25 }\n")
    assert [line for _, line, _ in found(handbook)] == [2, 3]
    file.write_text("holidays:\n  - { day: 2026-12-25 }\n  - { day: 2026-13-01 }\n")
    ((_, line, what),) = found(handbook)
    assert (line, "month must be in 1..12" in what) == (3, True)
    file.unlink()
    assert read_handbook(handbook).holidays == frozenset()
    (handbook / "calender.yaml").write_text("holidays: []\n")
    ((name, _, what),) = found(handbook)
    assert (name, "Do you mean calendar.yaml?" in what) == ("calender.yaml", True)


def test_more_holidays_than_working_days_are_refused(handbook):
    days = [date.fromordinal(date(2027, 1, 1).toordinal() + n) for n in range(401)]
    (handbook / "calendar.yaml").write_text("holidays:\n" + "".join(f"  - {{ day: {day} }}\n" for day in days))
    with pytest.raises(HandbookError, match="more than 400"):
        read_handbook(handbook)


def test_a_file_that_is_none_is_told_and_not_waited_for(handbook, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text("password: hidden\n", encoding="utf-8")
    inside = handbook / "kept.yaml"
    inside.write_text((handbook / "review.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    for file, target in (("severity.yaml", outside), ("review.yaml", inside)):
        (handbook / file).unlink()
        (handbook / file).symlink_to(target)
    for file in ("calendar.yaml", "runbooks/privacy-leak.md"):
        (handbook / file).unlink()
        os.mkfifo(handbook / file)
    said = {file: what for file, _, what in found(handbook)}
    assert "leads out of the folder" in said["severity.yaml"]
    assert "password" not in " ".join(said.values())
    assert "no file with text in it" in said["runbooks/privacy-leak.md"]
    assert "review.yaml" not in said  # a link inside the folder is as good as the file, as in a mounted volume


def test_what_is_not_utf8_is_told_with_its_line(handbook):
    text = (handbook / "severity.yaml").read_bytes()
    (handbook / "severity.yaml").write_bytes(b"# one\n# two \xe4\n" + text)
    assert ("severity.yaml", 2) in [(file, line) for file, line, _ in found(handbook)]


def test_a_book_of_watches_that_nobody_reads_is_told(handbook):
    (handbook / "watches/rankers.yaml").write_text("title: x\n", encoding="utf-8")
    assert [(file, "read by nobody" in what) for file, _, what in found(handbook)] == [("watches/rankers.yaml", True)]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("acknowledge: 15 min", "acknowledge: 15", "15 is no span of time. Write it like 15 min"),
        ("acknowledge: 15 min", "acknowledge:", "nothing is no span of time"),
        ("acknowledge: 15 min", "acknowledge: 15 min\n    acknowlege: 1 h", "there is no key `acknowlege` here"),
    ],
)
def test_a_mistake_is_told_in_words_that_say_what_to_write(handbook, spoil, old, new, says):
    spoil("severity.yaml", old, new)
    assert says in " ".join(what for _, _, what in found(handbook))
