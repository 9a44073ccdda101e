"""What an engine says of a value in a row, said in our words: engines quote the value, and values stay in a log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_TOO_LARGE: Final = re.compile(
    r"overflow|out of (the )?range|out of (the )?bounds|exceeds .*(precision|range)", re.IGNORECASE
)
_ANOTHER_KIND: Final = re.compile(
    r"(cannot|can't|could not|couldn't|failed to|unable to|not possible to)( be)? (implicitly )?"
    r"(convert|cast|parse|coerce|read)|conversion (error|failed)|type mismatch|malformed|"
    r"invalid (input (syntax|value)|\w+ (field|value|format|literal|string))|bad \w+ value|is not recognized|"
    r"is not a valid|division by zero|CAST_INVALID|CANNOT_PARSE|TYPE_MISMATCH",
    re.IGNORECASE,
)
_OF_DUCKDB: Final = frozenset({"ConversionException", "OutOfRangeException"})
_OF_A_VALUE: Final = re.compile(r"22...", re.ASCII)
"""States of SQL about data: class 22, of PostgreSQL, Snowflake and Spark."""


def in_words(error: Exception) -> str:
    """What is wrong with a value in a row, and what to do, without the value; empty for errors of another kind."""
    text = str(error)
    state = str(getattr(error, "sqlstate", None) or "")
    if _TOO_LARGE.search(text):
        return of_value(text)
    if type(error).__name__ in _OF_DUCKDB or _OF_A_VALUE.fullmatch(state) or re.search(r"SQLSTATE:? ?22", text):
        return of_value(text)
    return of_value(text) if _ANOTHER_KIND.search(text) else ""


def of_value(text: str) -> str:
    """What is wrong with a value, by what an engine says of it."""
    if _TOO_LARGE.search(text):
        return (
            "a value in a row is too large for what is done with it. Compute with decimals, as in 1.0 * amount * rate, "
            "or put the row right."
        )
    return (
        "a value in a row is not what it is taken for, such as a text that is no number or no time. Compare texts with "
        "texts and numbers with numbers, or put the row right."
    )


def is_of_bigquery(said: Mapping[str, str]) -> bool:
    """Whether an error of BigQuery came while it read rows; one of the statement names a place in it."""
    text = said.get("message", "")
    of_the_statement = re.search(r" at \[\d+:\d+\]|partition elimination", text)
    return bool(text) and said.get("reason") in {"invalidQuery", "outOfRange"} and not of_the_statement
