"""CSV files that are broken, empty, or still being written: told by line and column, or read as far as they go."""

import gzip
from dataclasses import replace
from datetime import timedelta

import pytest

from andon.practice.words import Measure
from andon.watch.reading import Place, Unreadable, Wanted, read
from andon.watch.reading.places import LogEngine
from tests.watch.conftest import MONDAY

NAMES = b"at,failed,region\n"
WANTED = Wanted(
    measure=Measure.RATE, what="failed", time="at", window=timedelta(hours=1), since=MONDAY,
    until=MONDAY + timedelta(hours=24), segments=("region",),
)  # fmt: skip


def lines(rows):
    return b"".join(
        b"%s,%d,r%d\n" % ((MONDAY + timedelta(minutes=n)).isoformat().encode(), n % 20 == 0, n % 3) for n in range(rows)
    )


BROKEN = b'2026-02-02T00:00:00Z,1,"a\nb ""c"" \nd"\n'
WHOLE = NAMES + lines(300)


@pytest.fixture
def counted(folder):
    """Rows with a value that are read of such a file."""

    def count(content, name="decisions.csv", wanted=WANTED):
        (folder / name).write_bytes(content)
        found = read(Place("decisions", LogEngine.FILES, name), wanted)
        return sum(tally.n for tally in found.tallies.values())

    return count


@pytest.mark.parametrize("unfinished", [b"2026-02-02T0", b"2026-02-02T09:00:00+00:00,", b"2026-02-02T09:00:00+00:00,1"])
def test_a_last_line_that_is_still_being_written_is_left_for_the_next_reading(counted, unfinished):
    assert counted(WHOLE + unfinished) == 300


def test_a_quote_that_is_still_being_written_is_too_once_the_file_is_no_small_one(counted, monkeypatch):
    monkeypatch.setattr("andon.watch.reading.csvs.SAMPLE", 100)
    assert counted(NAMES + lines(60_000) + b'2026-02-02T09:00:00+00:00,1,"a b') == 24 * 60
    assert counted(NAMES + BROKEN + lines(60_000) + b'2026-02-02T09:00:00+00:00,1,"a\nb\n') == 24 * 60 + 1


@pytest.mark.parametrize("content", [
    WHOLE[:-1], b"\xef\xbb\xbf" + WHOLE.replace(b"\n", b"\r\n"), WHOLE.replace(b",", b";"), WHOLE.replace(b",", b"|"),
])  # fmt: skip
def test_forms_of_one_table_are_one_to_it(counted, content):
    assert counted(content) == 300


@pytest.mark.parametrize("unfinished", [b"2026-02-02T0", b"2026-02-02T09:00:00+00:00,"])
def test_line_breaks_inside_quotes_end_no_line_that_is_still_being_written(counted, unfinished):
    assert counted(NAMES + BROKEN + lines(60) + BROKEN + unfinished) == 62


def test_a_row_below_line_breaks_in_quotes_is_named_by_its_line_in_the_file(counted):
    with pytest.raises(Unreadable, match="line 7: it has 2 cells, and its columns are 3"):
        counted(NAMES + BROKEN + lines(2) + b"2026-02-02T00:00:00Z,1\n" + lines(3))
    with pytest.raises(Unreadable, match="line 8: it has 1 cells"):
        counted(NAMES + BROKEN + b'2026-02-02T00:00:00Z,0,5" x\n' + lines(2) + b"2026-02\n" + lines(3))


@pytest.fixture
def counted_of_several(folder):
    """Rows with a value that are read of a file for each day."""

    def count(*contents):
        for n, content in enumerate(contents, 1):
            (folder / f"d{n}.csv").write_bytes(content)
        found = read(Place("daily", LogEngine.FILES, "d*.csv"), WANTED)
        return sum(tally.n for tally in found.tallies.values())

    return count


CUT = NAMES + lines(1) + b"2026-02-02T10"


@pytest.mark.parametrize(("contents", "rows"), [
    ((WHOLE, CUT), 301),
    ((CUT, WHOLE), 301),
    ((CUT, WHOLE, CUT), 302),
    ((WHOLE, NAMES), 300),
    ((WHOLE, NAMES[:5]), 300),
    ((WHOLE, b"", WHOLE), 600),
    ((WHOLE[:-1], WHOLE[:-1]), 600),
    ((WHOLE, NAMES.replace(b",", b";") + lines(9).replace(b",", b";")), 309),
    ((WHOLE, b"failed,at,region\n1,2026-02-02T03:00:00Z,r1\n0,2026-02-02T"), 301),
    ((NAMES + b"2026-02-02T00:00:00Z,,r1\n", WHOLE), 300),
    ((WHOLE, NAMES + b"2026-02-02T00:00:00Z,1.0,r1\n"), 301),
])  # fmt: skip
def test_of_several_files_the_newest_may_still_be_written(counted_of_several, contents, rows):
    assert counted_of_several(*contents) == rows


@pytest.mark.parametrize(("contents", "words"), [
    ((WHOLE, b"at,region\n2026-02-02T00:00:00Z,r1\n"), "“d2.csv” has no column “failed”, which the others have"),
    ((WHOLE, CUT + b"\n", WHOLE), "“d2.csv”, line 3: it has 1 cells, and its columns are 3"),
    ((CUT, NAMES + lines(1) + b"2026-02-02T10\n" + lines(1), WHOLE), "“d2.csv”, line 3: it has 1 cells"),
    ((NAMES, b""), "(d*.csv) holds "),
])  # fmt: skip
def test_what_is_wrong_in_one_of_several_files_is_said_without_where_the_server_keeps_it(
    counted_of_several, folder, contents, words
):
    with pytest.raises(Unreadable, match="The log “daily”") as wrong:
        counted_of_several(*contents)
    assert words in str(wrong.value)
    assert str(folder) not in str(wrong.value)


def test_what_is_in_quotes_is_one_cell(counted):
    content = NAMES + lines(10) + b'2026-02-02T00:00:00Z,1,"a ""b"", c\nd"\n'
    assert counted(content) == 11
    assert counted(gzip.compress(content), "decisions.csv.gz") == 11


@pytest.mark.parametrize(("content", "words"), [
    (b"", "(decisions.csv) holds nothing, not even a line of names."),
    (NAMES, "(decisions.csv) holds a line of names and no rows."),
    (NAMES[:-1], "holds a line of names and no rows."),
    (WHOLE + b"2026-02-02T00:00:00Z,1\n", "cannot be read: line 302: it has 2 cells, and its columns are 3."),
    (WHOLE + b"2026-02-02T00:00:00Z,1,x,y\n" + lines(3), "line 302: it has 4 cells, and its columns are 3."),
    (WHOLE + b"2026-02-02T00:00:00Z,1\n" + lines(3) + b"2026-0", "line 302: it has 2 cells, and its columns are 3."),
    (WHOLE + "2026-02-02T00:00:00Z,1,Köln\n".encode("latin-1"), "line 302: it is not written in UTF-8."),
    (WHOLE.decode().encode("utf-16"), "the file is written in UTF-16. Write it in UTF-8."),
    (WHOLE + b'2026-02-02T00:00:00Z,1,"a\n' + lines(3), "“decisions.csv” is no CSV file"),
    (bytes(range(256)) * 40, "“decisions.csv” is no CSV file"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(counted, content, words):
    with pytest.raises(Unreadable, match="The log “decisions”") as wrong:
        counted(content)
    assert words in str(wrong.value)


def test_a_value_of_another_kind_is_named_by_line_and_column_and_not_repeated(counted, monkeypatch):
    monkeypatch.setattr("andon.watch.reading.csvs.SAMPLE", 100)
    with pytest.raises(Unreadable) as wrong:
        counted(NAMES + lines(60_000) + b"2026-02-02T00:00:00Z,Vera,r1\n" + lines(3))
    assert "line 60,002, column “failed”, holds something that is no BIGINT" in str(wrong.value)
    assert "Vera" not in str(wrong.value)


def test_a_table_that_is_gone_is_said_to_be(folder, counted):
    counted(WHOLE)
    (folder / "decisions.sqlite").touch()
    with pytest.raises(
        Unreadable, match=r"\(decisions in decisions.sqlite\) cannot be read: there is no table “decisions”"
    ):
        read(Place("decisions", LogEngine.SQLITE, "decisions", "decisions.sqlite"), replace(WANTED, segments=()))
