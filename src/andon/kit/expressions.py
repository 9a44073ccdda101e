"""Conditions that people write about a signal, in CEL (the Common Expression Language, github.com/google/cel-spec).

CEL has no loops but over lists and maps, no assignments and no way out: an expression is read, never run as code. What
could still take long is bounded when it is written: its length, how deep it loops over labels, and what it may call.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, Final

from andon.kit.errors import Invalid

LONGEST: Final = 2000
"""Characters of an expression."""
LOOPS: Final = 2
"""Macros that loop, at most: two nested ones over 64 labels are 4,096 steps, a third would be 262,144."""
LISTED: Final = 64
"""Values that an expression with a loop may list: as many as a signal has labels."""
COUNTED: Final = 1_000
"""Repeats of a part that a regular expression may count, all counts of it multiplied: it is built for each signal."""

FIELDS: Final[Mapping[str, str]] = {
    "title": "one line for a person",
    "description": "the text below it; may be empty",
    "labels": 'the sender\'s labels, names to text: `signal.labels.env`, or `signal.labels["a.b"]`',
    "severity": "1 (worst) to 5; 0 when nobody says",
    "type": "the incident type that it counts as, such as `performance_degradation`",
    "system": "the short name of the system that it is about; empty when that is not in the register",
    "integration": "the short name of the integration that heard it",
    "kind": "what sends it, such as `alertmanager`",
    "status": "`firing` or `resolved`",
    "count": "how many times it was heard to fire",
    "url": "the link back to the sender; may be empty",
    "fingerprint": "what makes it the same thing again",
}
"""What an expression may ask of `signal`, and what that is."""

_ANY_SIGNAL: Final[Mapping[str, Any]] = {
    name: {} if name == "labels" else 0 if name in {"severity", "count"} else "" for name in FIELDS
}
"""A signal of which nothing is known, to see what kind of result an expression has."""

FUNCTIONS: Final[Mapping[str, str]] = {
    "size": "`size(signal.title)`: characters, or entries of `signal.labels`",
    "contains": '`signal.title.contains("latency")`',
    "startsWith": '`signal.title.startsWith("[prod]")`',
    "endsWith": '`signal.system.endsWith("-eu")`',
    "matches": '`signal.title.matches("(?i)timeout|too slow")`: an RE2 regular expression, anywhere in the text',
    "int": "`int(signal.labels.shard) > 3`: text to a whole number",
    "double": "`double(signal.labels.p99) > 1.5`: text to a number",
    "string": "`string(signal.severity) == signal.labels.level`: a number to text",
}
"""What an expression may call, beside the operators and macros of CEL."""

MACROS: Final[Mapping[str, str]] = {
    "has": "`has(signal.labels.env)`: whether the label is there",
    "all": "`signal.labels.all(name, size(signal.labels[name]) > 0)`",
    "exists": '`signal.labels.exists(name, name.startsWith("team"))`',
    "exists_one": "as `exists`, for one and no more",
    "map": "a new list from each entry",
    "filter": "the entries for which something holds",
}

_APART = re.compile(
    r"""//[^\n]*"""
    r"""|[bB]?[rR](?:\"\"\".*?\"\"\"|'''.*?'''|"[^"\n]*"|'[^'\n]*')"""
    r"""|\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""",
    re.DOTALL,
)
"""Comments and texts, as CEL's grammar tells them from code: whichever begins first swallows the other's signs."""
_LOOP = re.compile(r"\b(?:all|exists|exists_one|existsOne|map|filter)\s*\(")
_LOOPED = re.compile(_LOOP.pattern + r"\s*(\w+)\s*,")
_COSTLY = re.compile(r"\+|\bmatches\b|\bmap\s*\(")
_ASKED_OF_ALL = re.compile(r"\b(?:in\s+|(?:size|has)\s*\(\s*)signal\.labels\b")
_NAMED = re.compile(r"""\bsignal\s*\[\s*(["'])(\w+)\1\s*\]""")
_OF_SIGNAL = re.compile(r"\bsignal\s*\[\s*\Z")
_DOT = re.compile(r"\s*\.\s*")
_WHOLE = re.compile(r"(?<!\blabels\.)\bsignal\b(?!\.)|\bsignal\.labels\b(?!\s*(?:[.\[]|[!=]=))")
_MATCHES, _ALONE = re.compile(r"\bmatches\s*\(\s*\Z"), re.compile(r"\s*\)")
_OF_MANY = re.compile(r"\bmatches\s*\(\s*(?!\s|\"\"\s*\))")
_COUNTED = re.compile(r"\{((?:[\d\s,]|#[^\n]*\n)*)\}")
"""Also of at least so many, and as `(?x)` lets it be written: with spaces and comments between the digits."""
_BLANK = re.compile(r"\s|#[^\n]*\n")
_FIELD = re.compile(r"(?<!\blabels\.)\bsignal\.(\w+)")
_ADVICE = re.compile(r"Check function arguments and their types\.| CEL does not coerce between types.*| expecting \{.*")
_WORD = re.compile(r"[A-Za-z_]\w*")
"""A name; the library lists operators beside them, written as `_+_` or `@in`."""
_FIRST_LINE = re.compile(r"ERROR: <input>:\d+:(\d+): (.+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an expression said of one signal.

    Attributes:
        value: The result; None where it has none.
        error: Why it has none, in words for a person; empty where it has.
        absent: Whether that is only because a label is not there, which is no mistake.
    """

    value: Any = None
    error: str = ""
    absent: bool = False

    @property
    def holds(self) -> bool:
        """Whether the condition is met. Anything but true is not."""
        return self.value is True


class Expression:
    """An expression that was read and may be asked of many signals, from any thread."""

    __slots__ = ("_program", "source")

    def __init__(self, source: str, program: Any) -> None:
        self.source = source
        self._program = program

    def ask(self, signal: Mapping[str, Any]) -> Outcome:
        """What it says of a signal, given as a map with the names of `FIELDS`; never raises."""
        try:
            return Outcome(self._program.execute({"signal": signal}))
        except KeyError as error:
            return Outcome(error=f"It has no label {error.args[0]}.", absent=True)
        except Exception as error:  # noqa: BLE001  whatever the library raises, one signal must not stop the others
            return Outcome(error=_short(str(error)))


def read(source: str, *, field: str = "expression") -> Expression:
    """Read an expression.

    Raises:
        Invalid: It cannot be read, is too long, or asks for what is not there; `field` is on the error.
    """
    text = source.strip()
    try:
        return _read(text)
    except _Unreadable as error:
        raise Invalid(str(error), field=field) from None


def condition(source: str, *, field: str = "expression") -> Expression:
    """Read an expression that must say yes or no.

    Raises:
        Invalid: As `read`, and where its result is a text, a number or a list: it would never hold.
    """
    expression = read(source, field=field)
    value = expression.ask(_ANY_SIGNAL).value
    if value is not None and not isinstance(value, bool):
        words = "It gives a value, not true or false, so it would never hold. Compare it: signal.severity == 1."
        raise Invalid(words, field=field)
    return expression


class _Unreadable(Exception):  # noqa: N818  becomes an Invalid that names the field
    pass


@lru_cache(maxsize=2048)
def _read(source: str) -> Expression:
    if len(source) > LONGEST:
        raise _Unreadable(f"It is {len(source)} characters long; an expression has at most {LONGEST}.")
    import cel  # here: it brings a command line of its own, a fifth of a second that only who has rules shall pay

    try:
        program = cel.compile(source)
    except ValueError as error:
        raise _Unreadable(_where(str(error))) from None
    code = _code(source)
    looped, loops = _LOOPED.findall(code), len(_LOOP.findall(code))
    if "signal" in looped:
        raise _Unreadable("Call what a loop goes through something else than signal.")
    _check_costs(code, loops)
    unknown = set(program.variables()) - {"signal"} - set(looped)
    if unknown:
        raise _Unreadable(f"There is no {_listed(unknown)}: an expression speaks of signal, such as signal.title.")
    named = {name for name in program.functions() if _WORD.fullmatch(name)} - set(FUNCTIONS)
    if named:
        raise _Unreadable(f"There is no function {_listed(named)}; there are {_listed(FUNCTIONS)}.")
    fields = set(_FIELD.findall(code)) - set(FIELDS)
    if fields:
        raise _Unreadable(f"A signal has no {_listed(fields)}; it has {_listed(FIELDS)}.")
    _check_patterns(source, cel.compile)
    return Expression(source, program)


def _code(source: str) -> str:
    """An expression without its comments and what its texts say, `signal["title"]` written as `signal.title`."""

    def emptied(part: re.Match[str]) -> str:
        if part[0].startswith("//"):
            return " "
        return part[0] if part[0][1:-1] in FIELDS and _OF_SIGNAL.search(source, 0, part.start()) else '""'

    return _DOT.sub(".", _NAMED.sub(r"signal.\2", _APART.sub(emptied, source)))


def _check_costs(code: str, loops: int) -> None:
    """Refuse what could take seconds or gigabytes: it is asked of each signal, before anybody is paged for it."""
    if loops > LOOPS:
        raise _Unreadable(f"It loops {loops} times; at most {LOOPS} of all, exists, map and filter are taken.")
    if loops == LOOPS and _COSTLY.search(code):
        raise _Unreadable("It loops twice, and then neither joins texts (+) nor matches nor maps: that takes too long.")
    if loops and _OF_MANY.search(code):
        raise _Unreadable("It loops, and then matches one regular expression, written out: others could take too long.")
    if loops and code.count(",") > LISTED:
        raise _Unreadable(f"It loops, and then lists at most {LISTED} values: more could take too long.")
    if _WHOLE.search(_ASKED_OF_ALL.sub("labels", code)):
        raise _Unreadable("Say which field of signal, and which of its labels: the whole is copied each time.")


def _check_patterns(source: str, read_it: Callable[[str], Any]) -> None:
    """The library reads a pattern only when it is asked, and one that cannot be read never matches anything."""
    for text in _APART.finditer(source):
        if _MATCHES.search(source, 0, text.start()) and _ALONE.match(source, text.end()):
            pattern = Expression(source, read_it(text[0])).ask({}).value
            if isinstance(pattern, str) and prod(map(_most, _COUNTED.findall(pattern))) > COUNTED:
                raise _Unreadable(f"Its regular expression repeats a part more than {COUNTED:,} times.")
            said = Expression(source, read_it(f'"".matches({text[0]}\n)')).ask({}).error
            if "regex" in said:
                raise _Unreadable(said.removesuffix(":") + ".")


def _most(counted: str) -> int:
    """How often a part is built that is counted so: `3`, `3,`, `3,5`."""
    return max(1, *(int(count or 1) for count in _BLANK.sub("", counted).split(",")))


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))


def _where(said: str) -> str:
    """The library's message, without its copy of the expression."""
    found = _FIRST_LINE.search(said)
    return f"It cannot be read at character {found[1]}: {_short(found[2])}" if found else "It cannot be read."


def _short(text: str) -> str:
    line = _ADVICE.sub("", text.split("\n", 1)[0]).strip()
    return line[:200] or "It has no result."
