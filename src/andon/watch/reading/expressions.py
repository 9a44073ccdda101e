"""What to count, written as an SQL expression over the columns of a log, and read as an Ibis expression.

The words are those of SQL that everybody who keeps a decision log knows: `status >= 500`, `prediction <> label`,
`income IS NULL OR income < 0`. sqlglot parses them. Only the nodes listed here are taken, and each is built anew in
Ibis: no text of a person ever reaches an engine, and the same expression means the same on every one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from andon.kit.errors import Invalid

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

LONGEST: Final = 2_000
_DEEPEST: Final = 60


def _fault(error: Exception) -> str:
    """What sqlglot says is wrong, for a person: its words name its own classes."""
    found = next(iter(getattr(error, "errors", ())), None)
    if found is None or not found["highlight"]:
        return "it has no end, such as a text in quotes that are not closed, or it is empty"
    said, at = found["description"], found["highlight"]
    if said.startswith("Required keyword"):
        return f"something is missing after “{at}”"
    return (
        f"after “{at}” it should go on with {said.split()[1]}"
        if said.startswith("Expecting ")
        else (f"“{at}” cannot stand where it does")
    )


def parse(text: str, *, field: str = "what") -> Expr:
    """The expression as a tree of nodes that are all taken. Raises `Invalid`, naming what is not."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    if len(text) > LONGEST:
        raise Invalid(f"The expression is longer than {LONGEST:,} characters.", field=field)
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        raise Invalid(f"“{text}” cannot be read as an SQL expression: {_fault(error)}.", field=field) from None
    _check(tree, field, 0)
    return tree


def columns(text: str) -> list[str]:
    """The names of columns that an expression speaks of, in order, each once."""
    from sqlglot import exp

    return list(dict.fromkeys(node.name for node in parse(text).find_all(exp.Column)))


def build(text: str, table: Any, *, field: str = "what") -> Any:
    """The expression over an Ibis table.

    Raises:
        Invalid: It cannot be read, names a column that the table lacks, or compares what cannot be compared.
    """
    from ibis.common.annotations import ValidationError
    from ibis.common.exceptions import IbisError

    try:
        return _Builder(table, field).of(parse(text, field=field))
    except (IbisError, ValidationError, TypeError, AttributeError, ValueError) as error:
        types = ", ".join(f"{name} is {table[name].type()}" for name in columns(text) if name in table.columns)
        raise Invalid(
            f"“{text}” cannot be computed: {types}. Compare numbers with numbers and texts with texts.", field=field
        ) from error


def _check(tree: Expr, field: str, depth: int) -> None:
    kinds = _taken()
    if depth > _DEEPEST:
        raise Invalid("The expression is nested too deeply.", field=field)
    if type(tree).__name__ not in kinds:
        name = tree.name or type(tree).__name__
        raise Invalid(
            f"“{name}” is not taken in what to count. Use columns, numbers, texts in single quotes, = <> < > + - * / % "
            "AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, CASE, COALESCE, NULLIF, ABS, LOWER, UPPER, LENGTH.",
            field=field,
        )
    for child in tree.iter_expressions():
        _check(child, field, depth + 1)


def _taken() -> frozenset[str]:
    inner = {"Identifier", "If", "Tuple"}
    return frozenset({name for name in dir(_Builder) if name[:1].isupper()} | inner)


_Node = Any  # a node of sqlglot, whose attributes are its own


class _Builder:
    """Builds an Ibis expression; each method with a capital letter reads the node of that name."""

    def __init__(self, table: Any, field: str) -> None:
        self._table = table
        self._field = field

    def of(self, node: _Node) -> Any:
        read: Callable[[_Node], Any] = getattr(self, type(node).__name__)
        return read(node)

    def _both(self, node: _Node) -> tuple[Any, Any]:
        return self.of(node.this), self.of(node.expression)

    def Column(self, node: _Node) -> Any:  # noqa: N802  sqlglot's name, as are those below
        name = node.name
        if node.args.get("table") is not None:
            raise Invalid(f"Write {name} without a table in front: it is a column of the log.", field=self._field)
        column = self._table[column_of(self._table.columns, name, field=self._field)]
        if engine_of(self._table) == "sqlite" and (column.type().is_numeric() or column.type().is_boolean()):
            column = _number_of_sqlite(column)
        return finite(column) if column.type().is_floating() else column

    def Literal(self, node: _Node) -> Any:  # noqa: N802
        import ibis

        if node.is_string:
            return ibis.literal(node.this)
        text = str(node.this)
        return ibis.literal(int(text) if text.isdigit() else float(text))

    def Boolean(self, node: _Node) -> Any:  # noqa: N802
        import ibis

        return ibis.literal(bool(node.this))

    def Null(self, _node: _Node) -> Any:  # noqa: N802
        import ibis

        return ibis.null()

    def Paren(self, node: _Node) -> Any:  # noqa: N802
        return self.of(node.this)

    def And(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return _truth(left) & _truth(right)

    def Or(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return _truth(left) | _truth(right)

    def Not(self, node: _Node) -> Any:  # noqa: N802
        return ~_truth(self.of(node.this))

    def EQ(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left == right

    def NEQ(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left != right

    def LT(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left < right

    def LTE(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left <= right

    def GT(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left > right

    def GTE(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left >= right

    def Add(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left + right

    def Sub(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left - right

    def Mul(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left * right

    def Div(self, node: _Node) -> Any:  # noqa: N802
        """A division by zero has no result, on every engine: the row counts as invalid."""
        left, right = (_number(one).cast("float64") for one in self._both(node))
        return left / right.nullif(0.0)

    def Mod(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        if engine_of(self._table) == "bigquery" and (left.type().is_floating() or right.type().is_floating()):
            return _remainder(left, right.nullif(0))  # its MOD takes no such numbers
        return left % right.nullif(0)

    def Neg(self, node: _Node) -> Any:  # noqa: N802
        return -self.of(node.this)

    def Is(self, node: _Node) -> Any:  # noqa: N802
        from sqlglot import exp

        left = self.of(node.this)
        if isinstance(node.expression, exp.Null):
            return left.isnull()
        if isinstance(node.expression, exp.Boolean):
            return (_truth(left) == bool(node.expression.this)).fill_null(False)  # noqa: FBT003  SQL's three values
        raise Invalid("IS goes with NULL, TRUE or FALSE.", field=self._field)

    def In(self, node: _Node) -> Any:  # noqa: N802
        if not node.expressions:
            raise Invalid("IN goes with a list of values, as in status IN (500, 503).", field=self._field)
        value, listed = self.of(node.this), [self.of(one) for one in node.expressions]
        return value.isin([_like(value, one) for one in listed])

    def Between(self, node: _Node) -> Any:  # noqa: N802
        if node.args.get("symmetric"):
            raise Invalid("BETWEEN goes with a lower and an upper bound, without SYMMETRIC.", field=self._field)
        return self.of(node.this).between(self.of(node.args["low"]), self.of(node.args["high"]))

    def Like(self, node: _Node) -> Any:  # noqa: N802
        return self.of(node.this).like(self._pattern(node))

    def ILike(self, node: _Node) -> Any:  # noqa: N802
        return self.of(node.this).lower().like(self._pattern(node).lower())

    def _pattern(self, node: _Node) -> str:
        from sqlglot import exp

        if not (isinstance(node.expression, exp.Literal) and node.expression.is_string):
            raise Invalid("LIKE goes with a text in single quotes, as in region LIKE 'north%'.", field=self._field)
        return str(node.expression.this)

    def Case(self, node: _Node) -> Any:  # noqa: N802
        import ibis

        branches = [(self._met(node, one), self.of(one.args["true"])) for one in node.args["ifs"]]
        default = node.args.get("default")
        return ibis.cases(*branches, else_=self.of(default) if default is not None else None)

    def _met(self, case: _Node, branch: _Node) -> Any:
        condition = self.of(branch.this)
        return _truth(condition) if case.this is None else self.of(case.this) == condition

    def Coalesce(self, node: _Node) -> Any:  # noqa: N802
        import ibis

        return ibis.coalesce(self.of(node.this), *[self.of(one) for one in node.expressions])

    def Nullif(self, node: _Node) -> Any:  # noqa: N802
        left, right = self._both(node)
        return left.nullif(_like(left, right))

    def Abs(self, node: _Node) -> Any:  # noqa: N802
        return self.of(node.this).abs()

    def Lower(self, node: _Node) -> Any:  # noqa: N802
        return self.of(node.this).lower()

    def Upper(self, node: _Node) -> Any:  # noqa: N802
        return self.of(node.this).upper()

    def Length(self, node: _Node) -> Any:  # noqa: N802
        return self.of(node.this).length()


def _like(value: Any, other: Any) -> Any:
    """The other value, if `=` takes the two. Raises what `=` does."""
    value == other  # noqa: B015  Ibis checks it by building it
    return other


def _number(value: Any) -> Any:
    """The value, if it is one that can be computed with. Raises `TypeError`."""
    kind = value.type()
    if not (kind.is_numeric() or kind.is_boolean() or kind.is_null()):
        raise TypeError(f"{kind} is no number")
    return value


def _remainder(left: Any, right: Any) -> Any:
    """What a division towards zero leaves, with the sign of the left, as `%` does."""
    import ibis

    times = left.cast("float64") / right.cast("float64")
    return left - right * ibis.ifelse(times >= 0, times.floor(), times.ceil())


def _number_of_sqlite(column: Any) -> Any:
    """The column, null for text in it: SQLite keeps any value in any column, and reads “n/a” as 0, “true” as no."""
    import ibis

    return column.typeof().isin(["integer", "real"]).ifelse(column, ibis.null(column.type()))


def _truth(value: Any) -> Any:
    """A value as a condition: what is no boolean is true if it is not 0."""
    return value if value.type().is_boolean() or value.type().is_null() else value != 0


def finite(number: Any) -> Any:
    """The number; null for NaN and infinity.

    NaN is greater than everything on one engine, compares with nothing on another and is null on a third.
    """
    import ibis

    return (number.abs() <= sys.float_info.max).ifelse(number, ibis.null("float64"))


def engine_of(table: Any) -> str:
    """What Ibis calls the engine that holds it; empty for a table that none holds yet."""
    from ibis.common.exceptions import IbisError

    try:
        return str(table.get_backend().name)
    except IbisError:
        return ""


def column_of(found: Any, name: str, *, field: str) -> str:
    """The column of that name, whatever its case if there is only one such.

    Raises `Invalid`, naming it and what there is.
    """
    if name in found:
        return name
    like = [one for one in found if one.lower() == name.lower()]
    if len(like) == 1:
        return str(like[0])
    there = ", ".join(list(found)[:_NAMED]) + (", …" if len(found) > _NAMED else "")
    raise Invalid(f"The log has no column “{name}”. It has: {there}.", field=field)


_NAMED: Final = 30
