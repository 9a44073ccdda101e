"""Values of rows are in no message, whatever an engine says of them."""

from datetime import timedelta

import duckdb
import pytest

from andon.kit.errors import Invalid
from andon.practice.words import Measure
from andon.watch.reading import Place, Unreadable, Wanted, read
from andon.watch.reading.places import LogEngine
from andon.watch.reading.values import in_words, is_of_bigquery
from tests.watch.conftest import MONDAY

WANTED = Wanted(
    measure=Measure.MEAN, what="failed", time="at", window=timedelta(hours=1), since=MONDAY,
    until=MONDAY + timedelta(hours=24),
)  # fmt: skip


@pytest.fixture
def counted(folder):
    """What counting such an expression comes to, of a log with a name and an account number."""
    path = folder / "d.parquet"
    duckdb.sql(
        "select timestamp '2026-02-02 01:00:00' as at, 'Alice Smith' as name, 4611686018427387904::bigint as iban, "
        "true as ok"
    ).write_parquet(str(path))

    def count(what):
        wanted = Wanted(
            **{name: getattr(WANTED, name) for name in ("measure", "time", "window", "since", "until")}, what=what
        )
        return read(Place("accounts", LogEngine.FILES, path.name), wanted)

    return count


@pytest.mark.parametrize(
    "what", ["name / 2", "2 / name", "name IN (1, 2)", "name IN ('a', 3)", "NULLIF(name, 0) = 'a'"]
)
def test_a_text_is_not_computed_with_as_if_it_were_a_number(counted, what):
    with pytest.raises(Invalid, match="cannot be computed: name is string") as refused:
        counted(what)
    assert "Alice" not in str(refused.value)


@pytest.mark.parametrize("what", ["ok / 2", "iban / 2", "iban IN (1, 2.5)", "ok IN (TRUE)", "name IN ('a', 'b')"])
def test_what_can_be_computed_still_is(counted, what):
    assert counted(what).tallies


@pytest.mark.parametrize("what", ["iban * iban", "iban + iban + iban"])
def test_a_number_that_is_too_large_is_not_shown(counted, what):
    with pytest.raises(Unreadable, match="a value in a row is too large for what is done with it") as wrong:
        counted(what)
    assert "4611" not in str(wrong.value)


class SaidError(Exception):
    """What a driver raises."""

    def __init__(self, text, sqlstate=None):
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(("text", "state"), [
    ('invalid input syntax for type double precision: "Alice"', "22P02"),
    ("anything about Alice", "22007"),
    ("Code: 6. DB::Exception: Cannot parse string 'Alice' as Float64: syntax error at begin", None),
    ("100038 (22018): Numeric value 'Alice' is not recognized", None),
    ('[CAST_INVALID_INPUT] The value \'Alice\' of the type "STRING" cannot be cast to "DOUBLE". SQLSTATE: 22018', None),
    ("Conversion Error: Could not convert string 'Alice' to DOUBLE", None),
])  # fmt: skip
def test_what_another_engine_quotes_is_not_passed_on(text, state):
    assert in_words(SaidError(text, state)).startswith("a value in a row is not what it is taken for")


@pytest.mark.parametrize("text", [
    "permission denied for table decisions", 'could not translate host name "warehouse" to address: unknown',
    "Invalid Input Error: No magic bytes found at end of file 'd.parquet'", "Binder Error: Table has no column x",
])  # fmt: skip
def test_what_is_of_no_value_is_still_said_by_the_engine(text):
    assert not in_words(SaidError(text))


@pytest.mark.parametrize(("reason", "text", "of_a_value"), [
    ("invalidQuery", "Bad double value: Alice", True),
    ("invalidQuery", "int64 overflow: 4611686018427387904 * 2", True),
    ("invalidQuery", "Unrecognized name: nosuch at [1:8]", False),
    ("invalidQuery", "Cannot query over table without a filter that can be used for partition elimination", False),
    ("accessDenied", "Access Denied: Table risk.decisions", False),
])  # fmt: skip
def test_nor_is_what_bigquery_quotes(reason, text, of_a_value):
    assert is_of_bigquery({"reason": reason, "message": text}) is of_a_value
