"""A CSV file by DuckDB: its form is that of its first line, and what is wrong further down is told by line and column.

DuckDB by itself goes by what most lines have in common, so one line with a cell too few hides the names of all columns.
A file may be written while it is read: a last line that is not finished yet is left for the next reading. Values of
rows are in no message.
"""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path
from typing import Any, Final

from andon.watch.reading.places import Place, Unreadable

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE: Final = 100_000
"""Rows from which the types of columns are taken."""
BUT_DATES: Final = ("BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR")
"""Types of columns in a file whose dates do not say whether day or month stands first."""
_VIEW: Final = "andon_log"
_LONGEST_LINE: Final = 1 << 20
_LENIENT: Final = "ignore_errors=true, "
_PIECE: Final = 1 << 22


class OneFile:
    """A CSV file, open in DuckDB."""

    def __init__(self, engine: Any, path: Path, place: Place) -> None:
        self._engine, self._path, self._place = engine, path, place
        self._source = ""

    def table(self) -> Any:
        """The file as a table. Raises `Unreadable` for one without rows."""
        self._refuse_without_rows()
        prompt, _ = sniffed(self._engine, self._path)
        self._source = prompt.rstrip(";")
        self._view(self._source.replace(_LENIENT, ""))
        return self._engine.table(_VIEW)

    def to_pyarrow(self, expression: Any, *, limit: int) -> Any:
        """What an expression gives, without a last line that is not finished yet."""
        import duckdb

        try:
            return self._engine.to_pyarrow(expression, limit=limit)
        except duckdb.Error as error:
            if not self._is_unfinished(line_of(error)):
                raise
        self._view(self._source)
        return self._engine.to_pyarrow(expression, limit=limit)

    def disconnect(self) -> None:
        """Let go of DuckDB."""
        self._engine.disconnect()

    def _view(self, source: str) -> None:
        self._engine.raw_sql(f"create or replace temp view {_VIEW} as {source}")

    def _is_unfinished(self, line: int) -> bool:
        """Whether this is the last line, and is still being written: nothing before it is at fault then."""
        if not line or _is_packed(self._path):
            return False
        lines, last = 1, b"\n"
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE):
                lines, last = lines + piece.count(b"\n"), piece[-1:]
        return last != b"\n" and line == lines

    def _refuse_without_rows(self) -> None:
        with _opened(self._path) as file:
            begin = file.read(_LONGEST_LINE)
        of = f"The log “{self._place.name}” ({self._place.where})"
        if begin[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise Unreadable(f"{of} cannot be read: the file is written in UTF-16. Write it in UTF-8.")
        lines = begin.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)
        if len(begin) < _LONGEST_LINE and not b"".join(lines[1:]).strip():
            holds = "a line of names and no rows" if lines[0].strip() else "nothing, not even a line of names"
            raise Unreadable(
                f"{of} holds {holds}. What its columns are is seen from rows; Andon tries again by itself."
            )


def sniffed(engine: Any, path: Path) -> tuple[str, bool]:
    """How DuckDB would read a file, and whether its dates are left texts since what they say depends on the country.

    03/05/2026 is one day here and another there, and DuckDB guesses which.
    """
    how = f"{_text(str(path))}, {form_of(path)}, sample_size = {SAMPLE}, ignore_errors = true"
    prompt, *dates = _sniff(engine, how)
    if all(not one or one.startswith("%Y") for one in dates):
        return prompt, False
    return _sniff(engine, f"{how}, auto_type_candidates = {list(BUT_DATES)}")[0], True


def _sniff(engine: Any, how: str) -> tuple[str, ...]:
    (found,) = engine.raw_sql(f"from sniff_csv({how}) select Prompt, DateFormat, TimestampFormat").fetchall()
    return tuple(str(one or "") for one in found)


def form_of(path: Path) -> str:
    """How a CSV file is written, by its line of names: as DuckDB takes it."""
    with _opened(path) as file:
        line = file.readline(_LONGEST_LINE).decode("utf-8-sig", errors="replace")
    mark = max(DELIMITERS, key=lambda one: len(next(csv.reader([line], delimiter=one), [])))
    return f"delim = {_text(mark)}, quote = '\"', escape = '\"', header = true"


def line_of(error: Exception) -> int:
    """The line of a file that DuckDB cannot read; 0 where it names none."""
    found = re.search(r"CSV Error on Line: (\d+)", str(error))
    return int(found[1]) if found else 0


def in_words(error: Exception, place: Place) -> str:
    """What DuckDB says of a CSV file, by line and column, without what stands there; empty if it is of none."""
    text = " ".join(str(error).split())
    if found := re.search(r"Error when sniffing file \"(.+?)\"", text):
        return f"“{Path(found[1]).name}” is no CSV file: its lines have cells of different number, or an open quote."
    line = line_of(error)
    if not line:
        return ""
    file = re.search(r"file ?= ?(\S+)", text)
    name = Path(file[1]).name if file else ""
    where = (f"“{name}”, " if name != Path(place.table).name else "") + f"line {line:,}"
    if found := re.search(r"converting column \"(.+?)\"\. .*? to '(\w[\w ]*)'", text):
        held = f"column “{found[1]}”, holds something that is no {found[2]}"
        return f"{where}, {held}. Put it right, or take the row out."
    return f"{where}: {_fault(text)}."


def _fault(text: str) -> str:
    if found := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
        return f"it has {found[2]} cells, and its columns are {found[1]}"
    if "unicode" in text:
        return "it is not written in UTF-8"
    quote = "quote" in text.partition("Possible")[0].lower()
    return "a quote is opened and not closed" if quote else "it is no line of CSV as the others are"


def _opened(path: Path) -> Any:
    return gzip.open(path) if _is_packed(path) else path.open("rb")


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
