"""A check names every mistake of every file with its line, and holidays are read as they are meant."""

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
