"""The house's own lints: each was a class of bug somewhere. tests/house holds a good and a bad example of every one.

A lint takes the text of a file and gives its findings; `over_the_house` runs all of them over the repository.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "andon"
LONGEST = 500
COUNTED = {".py", ".html", ".css", ".js", ".yaml", ".txt"}


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


# Time comes from the house clock alone, so that a whole incident runs in a test or a drill at any speed.

CLOCKS = {
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter",
    "django.utils.timezone.now", "django.db.models.functions.Now",
}  # fmt: skip
# Given an instant these convert it; given none they ask the machine.
CLOCKS_WHEN_BARE = {
    "time.localtime", "time.gmtime", "django.utils.timezone.localdate", "django.utils.timezone.localtime",
}  # fmt: skip
CLOCK_KEEPERS = ("kit/clock.py", "sdk/timing.py")  # the second runs in other people's processes


def other_clocks(path: str, source: str) -> Iterator[Finding]:
    """Uses of a clock that is not the house's."""
    if _any(path, CLOCK_KEEPERS):
        return
    tree = ast.parse(source)
    names = _imported(tree)
    for node in ast.walk(tree):
        found = ""
        if isinstance(node, ast.Attribute | ast.Name) and _dotted(node, names) in CLOCKS:
            found = _dotted(node, names)
        if isinstance(node, ast.Call) and not node.args and _dotted(node.func, names) in CLOCKS_WHEN_BARE:
            found = _dotted(node.func, names)
        if found:
            yield Finding(path, node.lineno, f"{found}: ask andon.kit.clock.now() or monotonic() instead")


# Only actions write, so that every change has its permission check, its transaction and its timeline entry.

WRITES = {
    "create", "bulk_create", "update", "bulk_update", "update_or_create", "get_or_create", "delete", "create_user",
}  # fmt: skip
WRITERS = (
    "*/actions.py", "*/actions/*.py",
    "oncall/chains.py", "oncall/calendars.py",   # actions of their own nouns
    "response/*.py",                             # actions that span slices, one file each
    "incidents/timeline.py",                     # the one writer of the timeline
    "intake/recording.py", "intake/beside.py",   # the group commit of what was heard
    "paging/sending.py", "paging/outcomes.py",   # the outbox: claimed, settled
    "paging/telling.py",                         # the same for news of a broken contact point
    "paging/following.py", "paging/mirroring.py",  # the same for what other services are told
    "reviews/drafting.py",                       # an action by rule
    "intake/own.py", "rules/clockwork.py",       # what Andon says itself, and what has gone quiet
    "intake/queries.py",                         # the engine's claim of what is due, under a lease
    "engine/*.py",                               # what the clockwork notes of itself
    "api/idempotency.py",                        # claims and kept answers
    "people/models.py", "people/api_auth.py",    # the manager that allauth calls; when a token was last used
    "people/adapter.py",                         # what allauth creates on our behalf
    "people/keys.py",                            # which keys the database was written with
    "*/ties.py",                                 # what goes with a person who is erased
)  # fmt: skip


def writes_outside_actions(path: str, source: str) -> Iterator[Finding]:
    """Writes through a manager (`Model.objects…`) in a module that is not there to write."""
    if _any(path, WRITERS):
        return
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in WRITES
            and "objects" in _chain(node.func.value)
        ):
            yield Finding(path, node.lineno, f".objects….{node.func.attr}(): only actions write; call or make one")


# An error that nobody hears of is found at night, by somebody else.


def silent_excepts(path: str, source: str) -> Iterator[Finding]:
    """Handlers that do nothing, and everything suppressed."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and all(_is_nothing(statement) for statement in node.body):
            yield Finding(path, node.lineno, "an except that does nothing: handle it, name it, or let it pass on")
        if isinstance(node, ast.Call) and _chain(node.func)[-1:] == ["suppress"]:
            wide = {name for argument in node.args for name in _chain(argument)} & {"Exception", "BaseException"}
            if wide:
                yield Finding(path, node.lineno, "suppress(Exception) hides what nobody thought of: name the error")


def _is_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and statement.value.value is ...
    )


# Every admired codebase of this field rots in one giant file.


def too_long(path: str, source: str) -> Iterator[Finding]:
    """Files of more than 500 lines; migrations are machine-made."""
    lines = source.count("\n") + 1
    if lines > LONGEST + 1 and "migrations/" not in path:
        yield Finding(path, lines, f"{lines - 1} lines; a file has at most {LONGEST}: find the second noun in it")


# A setting that is read and not listed is a setting that nobody finds.

_SETTING = re.compile(r"\bANDON_[A-Z][A-Z_]*[A-Z]\b")


def unlisted_settings(path: str, source: str, listed: Iterable[str]) -> Iterator[Finding]:
    """Names of environment settings that andon.site.environment does not list."""
    known = set(listed)
    for number, line in enumerate(source.splitlines(), start=1):
        for name in _SETTING.findall(line):
            if name not in known:
                yield Finding(path, number, f"{name} is not listed in andon.site.environment.SETTINGS")


# What is true of one machine only does not belong in the repository.

_MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:root|work|Users)/\w|(?<![\w.:/-])/home/\w")
_REGISTRY = re.compile(r"\b(?:pypi|pythonhosted|npmjs)\.(?:org|com)\b")
BUILT = {"build", "dist", "data", "__pycache__"}
BINARY = {".pyc", ".png", ".jpg", ".ico", ".woff2", ".webp", ".gz", ".sqlite3"}


def machine_paths(path: str, source: str) -> Iterator[Finding]:
    """Paths of somebody's machine, and hosts of package registries."""
    for number, line in enumerate(source.splitlines(), start=1):
        if found := _MACHINE_PATH.search(line):
            yield Finding(path, number, f"a path of one machine: {found.group()}…")
        if found := _REGISTRY.search(line):
            yield Finding(path, number, f"a registry's host: {found.group()}; the installer's settings name it")


# A template that asks a mapping for its items gets the entry of that name where there is one: a label called "items".

_ITEMS = re.compile(r"\bin [\w.]+\.items\b")


def asked_for_items(path: str, source: str) -> Iterator[Finding]:
    """Loops of a template over `.items` in place of `|pairs`."""
    for number, line in enumerate(source.splitlines(), start=1):
        if found := _ITEMS.search(line):
            yield Finding(path, number, f"{found.group()}: a key may have that name; use |pairs")


# Running them


def over_the_house(listed_settings: Iterable[str]) -> list[Finding]:
    """Every finding in the repository."""
    listed = set(listed_settings)
    code: tuple[Callable[[str, str], Iterator[Finding]], ...] = (
        other_clocks, writes_outside_actions, silent_excepts, lambda p, s: unlisted_settings(p, s, listed),
    )  # fmt: skip
    findings: list[Finding] = []
    for file in sorted(SOURCE.rglob("*")):
        path = file.relative_to(SOURCE).as_posix()
        if not file.is_file() or "__pycache__" in path or file.suffix not in COUNTED:
            continue
        source = file.read_text(encoding="utf-8")
        findings += too_long(path, source)
        if file.suffix == ".html":
            findings += asked_for_items(path, source)
        if file.suffix == ".py" and "migrations/" not in path and "/tests/" not in path:
            findings += [finding for lint in code for finding in lint(path, source)]
    for file in tracked():
        findings += machine_paths(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    return findings


def tracked() -> list[Path]:
    """The text files of the repository, by git; without git, every one outside hidden and built folders."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [
            file
            for file in ROOT.rglob("*")
            if not any(part in BUILT or part.startswith(".") for part in file.relative_to(ROOT).parts[:-1])
        ]
    return sorted(file for file in files if file.is_file() and file.suffix not in BINARY)


def _any(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in patterns)


def _imported(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, dotted."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names if alias.asname}
            names |= {(top := alias.name.partition(".")[0]): top for alias in node.names if not alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """`dt.now` as `datetime.datetime.now`, when `dt` was imported as that; empty for anything else."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, names)
        return f"{before}.{node.attr}" if before else ""
    return ""


def _chain(node: ast.AST) -> list[str]:
    """The names of `A.b(…).c` in order, calls and subscripts passed through."""
    if isinstance(node, ast.Call):
        return _chain(node.func)
    if isinstance(node, ast.Subscript):
        return _chain(node.value)
    if isinstance(node, ast.Attribute):
        return [*_chain(node.value), node.attr]
    return [node.id] if isinstance(node, ast.Name) else []
