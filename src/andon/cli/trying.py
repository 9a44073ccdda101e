"""Reads a table of decisions for `andon watch try`: DuckDB over CSV and Parquet, checked before anything is decided.

The file is read twice, a piece at a time: once to see that every time and value is one, and once to hand them on. So
the memory that is used does not grow with the file, and a fault in the last row is told before the first alarm.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from andon.cli.say import Trouble
from andon.kit import zones

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    from numpy.typing import NDArray

PIECE: Final = 1 << 17
"""Rows in memory at once."""
GROUPS: Final = 1_000
"""As many groups as are compared; more make a column of names or keys, not of groups."""
CHANCE: Final = 1e-6
"""Rows that repeat the one before are taken for a fault if so many come about by chance less often than this."""
DOUBT: Final = 0.01
"""The same for telling of them."""
SELDOM: Final = 0.05
"""A smaller share of rows at the time of the row before is no habit of the file."""
PARQUET: Final = {".parquet", ".pq"}
ZONED: Final = zones.ZONED.replace("'", "''")
DELIMITERS: Final = (",", ";", "\t", "|")
LONGEST_LINE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns to read, and what an observation may be."""

    time: str
    value: str
    group: str | None = None
    count_of: int | None = None
    label_time: str | None = None
    """When a row's label came: rows are taken in that order, and those without it are left out."""
    zone: str = "UTC"
    """Of which place times are that say no zone."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the first reading found."""

    rows: int
    binary: bool
    """Whether every value is 0 or 1."""
    clock: bool
    """Whether times are times; else they are numbers."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows: values, times (microseconds since 1970, or numbers) and numbers of groups."""

    values: "NDArray[np.float64]"
    times: "NDArray[np.float64] | NDArray[np.int64]"
    groups: "NDArray[np.int64] | None"


_NO_TEXT: Final = ("\0", "\N{REPLACEMENT CHARACTER}")


class Table:
    """A CSV or Parquet file."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self.names: list[str] = []
        """Groups by their number."""
        self._connection = _connect()
        self._source = self._open()
        self._clock = self._times_are_times()
        self._row = "row_number() over ()"
        self.unlabelled = self._come() if columns.label_time else 0
        """Rows whose label never came."""

    def facts(self) -> Facts:
        """Read everything once. Raises Trouble for the first row that cannot be."""
        time, value = self._time(), self._value()
        window = self.columns.count_of
        allowed = f"v between 0 and {window} and v = floor(v)" if window else "v between 0 and 1"
        found = self._one(
            f"select count(*), count_if(t is null), count_if(v is null or not isfinite(v)), count_if(not ({allowed})), "
            f"count_if(v not in (0, 1)) from (select {time} as t, {value} as v from {self._source})"
        )
        rows, no_time, no_value, outside, fractions = (int(figure or 0) for figure in found)
        if not rows and self.unlabelled:
            raise Trouble(
                f"{self._file}, column “{self.columns.label_time}”: none of {self.unlabelled:,} rows has a time at "
                "which its label came, so there is nothing to try the watch on."
            )
        if not rows:
            raise Trouble(f"{self._file} has no rows: there is nothing to try the watch on.")
        if no_time:
            self._refuse_time(no_time)
        if self.columns.label_time:
            (undated,) = self._one(f"select count_if({self._made()} is null) from {self._source}")
            if undated:
                self._refuse_time(int(undated), made=True)
        if no_value:
            self._refuse_value("v is null or not isfinite(v)", no_value)
        if outside:
            self._refuse_value(f"not ({allowed})", outside)
        if self.columns.group:
            self._list_groups()
        notes = [*self._check_order(), *(() if self.columns.label_time else self._gone(rows))]
        if self.unlabelled:
            notes.append(
                f"{self._file}, column “{self.columns.label_time}”: {self.unlabelled:,} rows have no time at which "
                "their label came, and are left out."
            )
        return Facts(rows, not fractions and not window, self._clock, tuple(notes))

    def pieces(self) -> Iterator[Piece]:
        """Read everything again, oldest row first."""
        import numpy as np

        codes = {name: code for code, name in enumerate(self.names)}
        parts = [f"{self._time()} as t", f"{self._value()} as v"]
        if self.columns.group:
            parts.append(f"{self._group()} as g")
        for batch in self._read(f"select {', '.join(parts)} from {self._source}"):
            values = batch.column("v").to_numpy(zero_copy_only=False).astype(np.float64)
            times = batch.column("t").to_numpy(zero_copy_only=False)
            groups = None
            if self.columns.group:
                found = batch.column("g").dictionary_encode()
                known = np.array([codes[name] for name in found.dictionary.to_pylist()] or [0], dtype=np.int64)
                groups = known[found.indices.to_numpy(zero_copy_only=False)]
            yield Piece(values, times, groups)

    def times_at(self, indexes: "NDArray[np.int64]") -> dict[int, Any]:
        """The times of some rows, by their index from 0 in growing order."""
        found: dict[int, Any] = {}
        begin = 0
        for batch in self._read(f"select {self._time()} as t from {self._source}"):
            times = batch.column("t").to_numpy(zero_copy_only=False)
            inside = indexes[(indexes >= begin) & (indexes < begin + len(times))]
            found.update((int(index), self.shown(times[index - begin])) for index in inside)
            begin += len(times)
            if begin > indexes[-1]:
                break
        return found

    def decided(self, first: int, last: int) -> Any:
        """Rows between two indexes in the order in which their decisions were made: an Arrow table t, v, g."""
        group = f", {self._group()} as g" if self.columns.group else ""
        return self._connection.sql(
            f"select t, v{', g' if group else ''} from (select {self._made()} as t, {self._value()} as v{group}, "
            f"row_number() over () - 1 as place from {self._source}) where place between {first} and {last} "
            "order by t, place"
        ).to_arrow_table()

    def _come(self) -> int:
        """Take the rows in the order in which their labels came; how many have none that did."""
        label, time, value, group = (
            None if name is None else _quoted(name)
            for name in (self.columns.label_time, self.columns.time, self.columns.value, self.columns.group)
        )
        kept = ", ".join(dict.fromkeys(filter(None, (label, time, value, group))))
        came = f"{label} is not null and trim({label}::varchar) <> ''"
        rows = f"select {kept}, row_number() over () as file_row from {self._source}"
        (without,) = self._one(f"select count(*) - count_if({came}) from {self._source}")
        self._rows(f"create temp table came as select * from ({rows}) where {came} order by {self._time()}, file_row")
        self._source, self._row = "came", "file_row"
        for name in set(self._types) - {
            self.columns.label_time,
            self.columns.time,
            self.columns.value,
            self.columns.group,
        }:
            del self._types[name]
        return int(without)

    @property
    def _file(self) -> str:
        return str(self.path)

    def _open(self) -> str:
        """The table as SQL; every column of a CSV file as text, so that a fault can be told by its row."""
        import duckdb

        if not self.path.exists():
            raise Trouble(f"There is no file {self._file}.")
        if not self.path.is_file():
            raise Trouble(f"{self._file} is not a file. Name one CSV or Parquet file.")
        if not self.path.stat().st_size:
            raise Trouble(f"{self._file} is empty: it has not even a line with the names of its columns.")
        with self.path.open("rb") as file:
            parquet = self.path.suffix.lower() in PARQUET or file.read(4) == b"PAR1"
        name = "'" + self._file.replace("'", "''") + "'"
        source = f"read_parquet([{name}])" if parquet else f"read_csv([{name}], {self._as_text()})"
        try:
            described = self._connection.execute(f"describe select * from {source}").fetchall()
        except duckdb.Error as error:
            raise Trouble(
                f"{self._file} could not be read as {'Parquet' if parquet else 'CSV'}: {_first(error)}"
            ) from None
        self._types = {str(row[0]): str(row[1]) for row in described}
        if any(sign in name for name in self._types for sign in _NO_TEXT):
            raise Trouble(
                f"{self._file} is no CSV file in UTF-8: its first line holds signs that are no text there. Save it as "
                "CSV in UTF-8, or give a Parquet file."
            )
        for option, column in [
            ("--time", self.columns.time),
            ("--value", self.columns.value),
            ("--group", self.columns.group),
            ("--label-time", self.columns.label_time),
        ]:
            if column is not None and column not in self._types:
                there = ", ".join(self._types)
                raise Trouble(f"{self._file} has no column “{column}” ({option}). It has: {there}.")
        return source

    def _as_text(self) -> str:
        """How to read a CSV file: by its first line alone, whatever is wrong further down; every cell as text."""
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            line = file.readline(LONGEST_LINE)
        wanted = {self.columns.time, self.columns.value, self.columns.group, self.columns.label_time} - {None}
        found = {mark: next(csv.reader([line], delimiter=mark), []) for mark in DELIMITERS}
        delimiter = max(found, key=lambda mark: (len(wanted & set(found[mark])), len(found[mark])))
        names: dict[str, None] = {}
        for name in found[delimiter]:
            twins = sum(1 for other in names if other == name or other.startswith(f"{name}_"))
            names[f"{name}_{twins}" if name in names or not name else name] = None
        texts = ", ".join("'" + name.replace("'", "''") + "': 'VARCHAR'" for name in names)
        form = "auto_detect = false, header = true, quote = '\"', escape = '\"'"
        return f"{form}, delim = '{delimiter}', columns = {{{texts}}}"

    def _times_are_times(self) -> bool:
        """Judged by the first time that there is: a number is a number, all else has to be a time."""
        name = _quoted(self.columns.time)
        first = self._rows(f"select try_cast({name} as double) from {self._source} where {name} is not null limit 1")
        kind = self._types[self.columns.time]
        return kind.startswith(("TIMESTAMP", "DATE")) or not first or first[0][0] is None

    def _time(self) -> str:
        """Of what rows are in order by: when decisions were made, or their labels came."""
        return self._moment(self.columns.label_time or self.columns.time)

    def _made(self) -> str:
        return self._moment(self.columns.time)

    def _moment(self, column: str) -> str:
        name = _quoted(column)
        if not self._clock:
            return f"nullif(try_cast({name} as double), 'nan'::double)"
        if self._types[column].startswith("TIMESTAMP WITH"):
            return f"epoch_us({name})"
        if self._types[column].startswith(("TIMESTAMP", "DATE")):
            return self._instant(f"epoch_us({name}::timestamp)")
        zoned = f"regexp_matches({name}, '{ZONED}')"
        found = f"epoch_us(try_cast({name} as timestamptz))"
        return (
            found if self.columns.zone == "UTC" else f"case when {zoned} then {found} else {self._instant(found)} end"
        )

    def _instant(self, wall: str) -> str:
        """Microseconds of a wall clock as those of UTC."""
        clock = zones.clock(self.columns.zone)
        if clock.even and not clock.ahead[0]:
            return wall
        cases = " ".join(
            f"when {wall} < {change}000000 then {ahead}"
            for change, ahead in zip(clock.changes, clock.ahead, strict=False)
        )
        return (
            f"({wall} - 1000000::bigint * (case {cases} else {clock.ahead[-1]} end))"
            if cases
            else (f"({wall} - {clock.ahead[-1]}000000)")
        )

    def _value(self) -> str:
        name = _quoted(self.columns.value)
        if self._types[self.columns.value] == "BOOLEAN":
            return f"{name}::integer::double"
        text = f"lower(trim({name}::varchar))"
        return f"case {text} when 'true' then 1.0 when 'false' then 0.0 else try_cast({text} as double) end"

    def _group(self) -> str:
        return f"coalesce({_quoted(self.columns.group or '')}::varchar, '(none)')"

    def _list_groups(self) -> None:
        found = self._rows(f"select distinct {self._group()} as g from {self._source} order by g limit {GROUPS + 1}")
        self.names = [str(row[0]) for row in found]
        if len(self.names) > GROUPS:
            raise Trouble(
                f"{self._file}, column “{self.columns.group}” has more than {GROUPS:,} different values: too many to"
                " compare. Name a column with few groups, such as a region or a channel."
            )

    def _gone(self, rows: int) -> Iterator[str]:
        """Note groups that were there and came no more, where that is no chance."""
        if not self.columns.group:
            return
        for name, many, last in self._rows(
            f"select g, count(*), max(row) from (select {self._group()} as g, row_number() over () as row "
            f"from {self._source}) group by g order by g"
        ):
            if last < rows and (1 - many / (last + 1)) ** (rows - last) < CHANCE:
                yield (
                    f"{self._file}, column “{self.columns.group}”: the group “{name}” has {many:,} rows and none after"
                    f" row {last:,}. Later alarms say nothing of it; see whether it should still be there."
                )

    def _refuse_time(self, how_many: int, *, made: bool = False) -> None:
        column = self.columns.time if made else self.columns.label_time or self.columns.time
        row, raw = self._first_where(f"{self._moment(column)} is null", column)
        what = "has no time" if raw is None or not str(raw).strip() else f"has “{raw}” for a time"
        wanted = "a time such as 2026-05-03 14:00:00" if self._clock else "a number, as the first row has"
        raise Trouble(
            f"{self._file}, column “{column}”, row {row:,}: it {what}, and should have {wanted}."
            f"{_others(how_many)} Rows are counted from 1, without the line of names."
        )

    def _refuse_value(self, where: str, how_many: int) -> None:
        row, raw = self._first_where(where, self.columns.value)
        window = self.columns.count_of
        wanted = (
            f"a whole number from 0 to {window}, the events in a window of {window} (--count-of)"
            if window
            else "0 or 1, or a number between 0 and 1. Rescale others: (x - lowest) / (highest - lowest)"
        )
        empty = raw is None or str(raw).strip().lower() in {"", "nan"}
        what = (
            "no value; a missing one is not a 0, so leave out such rows or fill them. A value is"
            if empty
            else f"“{raw}”, and a value is"
        )
        raise Trouble(
            f"{self._file}, column “{self.columns.value}”, row {row:,}: it has {what} {wanted}."
            f"{_others(how_many)} Rows are counted from 1, without the line of names."
        )

    def _first_where(self, where: str, column: str) -> tuple[int, Any]:
        found = self._rows(
            f"select row, raw from (select *, {self._time()} as t, {self._value()} as v, {_quoted(column)} as raw, "
            f"{self._row} as row from {self._source}) where {where} order by row limit 1"
        )
        return int(found[0][0]), found[0][1]

    def _check_order(self) -> Iterator[str]:
        """Refuse time that goes backwards, and rows that are there twice; note repeats that may be chance."""
        import numpy as np

        before: tuple[float, float] | None = None
        row = same_time = same = 0
        for piece in self.pieces():
            times, values = np.asarray(piece.times), piece.values
            if before is not None:
                times = np.concatenate([times[:0], [before[0]], times])
                values = np.concatenate([[before[1]], values])
            steps = np.diff(times)
            if (steps < 0).any():
                at = int(np.argmax(steps < 0))
                self._refuse_order(row + at + (2 if before is None else 1), times[at], times[at + 1])
            same_time += int((steps == 0).sum())
            same += int(((steps == 0) & (np.diff(values) == 0)).sum())
            row += len(piece.times)
            before = (times[-1], values[-1])
        if same:
            yield from self._judge_repeats(same_time, row)

    def _refuse_order(self, row: int, earlier: Any, later: Any) -> None:
        raise Trouble(
            f"{self._file}, column “{self.columns.time}”, row {row:,}: time goes backwards, from {self.shown(earlier)}"
            f" to {self.shown(later)}. When a change began depends on the order, so sort the rows by time first. Rows"
            " are counted from 1, without the line of names."
        )

    def _judge_repeats(self, same_time: int, rows: int) -> Iterator[str]:
        """Of neighbours at one time, are more equal in every column than values that come by chance would be?

        Where times are seldom the same at all, every repeat is told.
        """
        from scipy.stats import binom

        columns = ", ".join(_quoted(name) for name in self._types)
        repeats, first = self._one(
            f"select count(*), min(row) from (select row_number() over () as row, this = lag(this) over () as again "
            f"from (select hash({columns}) as this from {self._source})) where again"
        )
        if not repeats:
            return
        alike = self._one(
            f"select sum(n * n)::double / (sum(n) * sum(n)) from (select count(*)::double as n from {self._source} "
            f"group by {self._value()}{', ' + self._group() if self.columns.group else ''})"
        )[0]
        told = (
            f"{self._file}: {int(repeats):,} {'rows are' if repeats > 1 else 'row is'} in every column the same as the"
            f" row before, the first of them row {int(first):,}."
        )
        by_chance = binom.sf(int(repeats) - 1, max(same_time, int(repeats)), min(float(alike), 1.0))
        if by_chance < CHANCE:
            raise Trouble(
                f"{told} So many do not come about by chance: these rows are there twice, and would count twice. Take"
                " them out first."
            )
        if by_chance < DOUBT or same_time < SELDOM * rows:
            yield f"{told} If they are there twice, they count twice: then take them out first."

    def shown(self, time: Any) -> str | float | int | None:
        """A time for people and JSON: ISO 8601 in UTC, or the number."""
        if not self._clock:
            number = float(time)
            return int(number) if number.is_integer() else number
        from datetime import UTC, timedelta

        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(time))).isoformat()

    def _read(self, sql: str) -> Iterator[Any]:
        import duckdb

        try:
            yield from self._connection.sql(sql).to_arrow_reader(PIECE)
        except duckdb.Error as error:
            raise Trouble(f"{self._file} could not be read: {_first(error)}") from None

    def _one(self, sql: str) -> tuple[Any, ...]:
        return self._rows(sql)[0]

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return self._connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise Trouble(f"{self._file} could not be read: {_first(error)}") from None


def _connect() -> "duckdb.DuckDBPyConnection":
    import duckdb

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set enable_progress_bar = false; set preserve_insertion_order = true")
    return connection


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _others(how_many: int) -> str:
    return f" {how_many:,} rows are like this." if how_many > 1 else ""


def _first(error: Exception) -> str:
    """What DuckDB says went wrong and where, without its advice."""
    lines = [line.strip() for line in str(error).partition("Possible fixes")[0].splitlines() if line.strip()]
    return "; ".join(lines[:3]) or type(error).__name__
