"""CSV files by DuckDB: the form of each is that of its first line; what is wrong below is told by line and column.

DuckDB by itself goes by what most lines have in common, so one line with a cell too few hides the names of all columns.
A file may be written while it is read: a last line that is not finished yet and cannot be read is left for the next
reading. One that is cut where it can be read all the same, such as after the first digit of a last number, counts as it
stands until it is read again. Values of rows are in no message.
"""

from __future__ import annotations

import csv
import gzip
import os
import re
from collections.abc import Mapping, Sequence
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
_PIECE: Final = 1 << 18
_BEGIN: Final = 1 << 12
_MARK: Final = b"\xef\xbb\xbf"


class Files:
    """CSV files of one table, open in DuckDB."""

    def __init__(self, engine: Any, paths: Sequence[Path], place: Place) -> None:
        self._engine, self._paths, self._place = engine, paths, place
        self._unfinished: set[Path] = set()
        self._kinds: dict[str, str] = {}
        self._formats = ""

    def table(self) -> Any:
        """The files as a table: those that have rows. Raises `Unreadable` where none does."""
        self._paths = self._with_rows()
        whole = [path for path in self._paths if _is_packed(path) or _end(path) == b"\n"] or self._paths
        self._kinds, self._formats = _sniffed(self._engine, whole[0])
        if len(whole) > 1:
            self._kinds = _together(self._engine, self._alike(whole), self._kinds)
        self._view()
        return self._engine.table(_VIEW)

    def to_pyarrow(self, expression: Any, *, limit: int) -> Any:
        """What an expression gives, without a last line that is not finished yet."""
        import duckdb

        while True:
            try:
                return self._engine.to_pyarrow(expression, limit=limit)
            except duckdb.Error as error:
                path = _file_of(error)
                known = path is not None and path in self._paths and path not in self._unfinished
                if path is None or not known or not _is_unfinished(path, _record_of(error)):
                    raise
            self._unfinished.add(path)
            self._view()

    def disconnect(self) -> None:
        """Let go of DuckDB."""
        self._engine.disconnect()

    def _view(self) -> None:
        """One part for the files that are written alike: what their columns are is by place there, and by name here."""
        alike: dict[tuple[str, bool], list[Path]] = {}
        for path in self._paths:
            alike.setdefault((_line_of_names(path), path in self._unfinished), []).append(path)
        parts = [self._part(paths, unfinished=unfinished) for (_, unfinished), paths in alike.items()]
        self._engine.raw_sql(f"create or replace temp view {_VIEW} as {' union all '.join(parts)}")

    def _part(self, paths: Sequence[Path], *, unfinished: bool) -> str:
        listed = ", ".join(_text(str(path)) for path in paths)
        kinds = ", ".join(f"{_text(name)}: {_text(self._kinds.get(name, 'VARCHAR'))}" for name in self._names(paths[0]))
        lenient = ", ignore_errors = true" if unfinished else ""
        columns = ", ".join('"' + name.replace('"', '""') + '"' for name in self._kinds)
        how = f"{form_of(paths[0])}, auto_detect = false, columns = {{{kinds}}}{self._formats}{lenient}"
        return f"select {columns} from read_csv([{listed}], {how})"  # noqa: S608  all of it quoted here

    def _names(self, path: Path) -> list[str]:
        """The names of a file's columns, all of those of the table among them. Raises `Unreadable`."""
        names = [name.strip() for name in _cells(_line_of_names(path))]
        if len(names) == len(self._kinds) and _line_of_names(path) == _line_of_names(self._paths[0]):
            return list(self._kinds)
        if lacking := [name for name in self._kinds if name not in names]:
            raise Unreadable(
                f"The log “{self._place.name}” ({self._place.where}) cannot be read: “{path.name}” has no column "
                f"“{lacking[0]}”, which the others have. Give all files the same columns."
            )
        return names

    def _alike(self, paths: Sequence[Path]) -> list[Path]:
        return [path for path in paths if _line_of_names(path) == _line_of_names(paths[0])]

    def _with_rows(self) -> list[Path]:
        of = f"The log “{self._place.name}” ({self._place.where})"
        found, holds = [], ""
        for path in self._paths:
            with _opened(path) as file:
                begin = file.readline(_LONGEST_LINE) + file.read(_BEGIN)
            if begin[:2] in {b"\xff\xfe", b"\xfe\xff"}:
                raise Unreadable(f"{of} cannot be read: the file is written in UTF-16. Write it in UTF-8.")
            lines = begin.removeprefix(_MARK).split(b"\n", 1)
            if len(begin) >= _LONGEST_LINE or b"".join(lines[1:]).strip():
                found.append(path)
            else:
                holds = "a line of names and no rows" if lines[0].strip() else "nothing, not even a line of names"
        if not found:
            raise Unreadable(
                f"{of} holds {holds}. What its columns are is seen from rows; Andon tries again by itself."
            )
        return found


def _sniffed(engine: Any, path: Path) -> tuple[dict[str, str], str]:
    """The types of a file's columns as DuckDB finds them, and how its dates are written.

    03/05/2026 is one day here and another there, and DuckDB guesses which: such dates are left texts.
    """
    how = f"{_text(str(path))}, {form_of(path)}, sample_size = {SAMPLE}, ignore_errors = true"
    columns, *formats = _sniff(engine, how)
    if not all(not one or one.startswith("%Y") for one in formats):
        columns, *formats = _sniff(engine, f"{how}, auto_type_candidates = {list(BUT_DATES)}")
    named = zip(("dateformat", "timestampformat"), formats, strict=True)
    kinds = {one["name"]: one["type"] for one in columns}
    return kinds, "".join(f", {name} = {_text(one)}" for name, one in named if one)


def _sniff(engine: Any, how: str) -> Any:
    (found,) = engine.raw_sql(f"from sniff_csv({how}) select Columns, DateFormat, TimestampFormat").fetchall()
    return found


def _together(engine: Any, paths: Sequence[Path], first: Mapping[str, str]) -> dict[str, str]:
    """The types that hold what several files do, where DuckDB finds one; what is left a text in the first stays one."""
    listed = ", ".join(_text(str(path)) for path in paths)
    dated = any(kind.startswith(("DATE", "TIME")) for kind in first.values())
    but = "" if dated else f", auto_type_candidates = {list(BUT_DATES)}"
    how = f"[{listed}], {form_of(paths[0])}, sample_size = {SAMPLE}, ignore_errors = true{but}"
    return {name: kind for name, kind, *_ in engine.raw_sql(f"describe from read_csv({how})").fetchall()}


def form_of(path: Path) -> str:
    """How a CSV file is written, by its line of names: as DuckDB takes it."""
    return f"delim = {_text(_delimiter(_line_of_names(path)))}, quote = '\"', escape = '\"', header = true"


def _line_of_names(path: Path) -> str:
    with _opened(path) as file:
        return str(file.readline(_LONGEST_LINE).decode("utf-8-sig", errors="replace")).rstrip("\r\n")


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=lambda one: len(next(csv.reader([line], delimiter=one), [])))


def _cells(line: str) -> list[str]:
    return next(csv.reader([line], delimiter=_delimiter(line)), [])


def _end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _is_unfinished(path: Path, record: int) -> bool:
    """Whether this is the last record, and is still being written: nothing before it is at fault then."""
    return bool(record) and not _is_packed(path) and _found(path, record)[1]


def _found(path: Path, record: int) -> tuple[int, bool]:
    """At which line of a file a record begins, and whether it is the last and has no end yet.

    Records are what DuckDB counts: a line break inside quotes ends none. A quote opens only where a cell begins.
    """
    opens = {_delimiter(_line_of_names(path)).encode(), b"\n", b"\r", b'"'}
    line, lines, records, quoted, before = 1, 1, 1, False, b"\n"
    with _opened(path) as file:
        piece = file.read(_PIECE).removeprefix(_MARK)
        while piece:
            for n, part in enumerate(piece.split(b'"')):
                if n and quoted:
                    quoted, before = False, b'"'
                elif n:
                    quoted, before = before in opens, b"."
                ends = part.count(b"\n")
                if not quoted and records < record <= records + ends:
                    line = lines + record - records
                lines, records = lines + ends, records + (0 if quoted else ends)
                before = part[-1:] or before
            piece = file.read(_PIECE)
    return line, records == record and (quoted or before != b"\n")


def _record_of(error: Exception) -> int:
    """The record of a file that DuckDB cannot read, which it calls a line; 0 where it names none."""
    found = re.search(r"CSV Error on Line: (\d+)", str(error))
    return int(found[1]) if found else 0


def _file_of(error: Exception) -> Path | None:
    found = re.search(r"^ *file ?= ?(.+)$", str(error), re.MULTILINE)
    return Path(found[1].strip()) if found else None


def in_words(error: Exception, place: Place) -> str:
    """What DuckDB says of a CSV file, by line and column, without what stands there; empty if it is of none."""
    text = " ".join(str(error).split())
    if found := re.search(r"Error when sniffing file \"(.+?)\"", text):
        return f"“{Path(found[1]).name}” is no CSV file: its lines have cells of different number, or an open quote."
    record, file = _record_of(error), _file_of(error)
    if not record:
        return ""
    line = _found(file, record)[0] if file and file.is_file() else record
    name = file.name if file else ""
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
