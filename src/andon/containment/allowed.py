"""What the administrator of the machine lets levers do on it: commands to run, and files to rewrite.

Levers are set up in the browser, by people who need not have a shell on this machine. So what runs here stands in a
file that only its administrator can write (`ANDON_LEVERS_FILE`), and a lever only names an entry of it. Nothing of a
lever's settings is ever part of a command or a path. The file is read at each use: an entry that is gone is gone.

commands:
  roll-back-scorer:
    run: [/usr/local/bin/roll-back, credit-scorer]
    undo: [/usr/local/bin/roll-forward, credit-scorer]
    state: [/usr/local/bin/which-model, credit-scorer]
    probe: [/usr/local/bin/ask-scorer]
files:
  scorer-upstream:
    path: /etc/nginx/andon/scorer.servers
    test: [/usr/sbin/nginx, -t]
    apply: [/usr/sbin/nginx, -s, reload]
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from django.conf import settings

from andon.containment.lever import LeverFault
from andon.containment.programs import SECONDS, Program

_T = TypeVar("_T")
_LARGEST: Final = 256 * 1024
_MOST_SECONDS: Final = 60


@dataclass(frozen=True)
class Command:
    """The programs of one entry; what is None is not there."""

    run: Program
    undo: Program | None = None
    state: Program | None = None
    probe: Program | None = None


@dataclass(frozen=True)
class Rewritten:
    """A file that levers may rewrite, what says whether it is good, and what has it taken up."""

    path: Path
    test: Program | None = None
    apply: Program | None = None


@dataclass(frozen=True)
class Allowed:
    """Everything that the file allows."""

    commands: Mapping[str, Command] = field(default_factory=dict)
    files: Mapping[str, Rewritten] = field(default_factory=dict)


def command(name: str) -> Command:
    """The entry of a name. Raises `LeverFault`, surely, where the file has none or cannot be meant."""
    return _entry(read().commands, name, "command")


def knows_way_back(name: str) -> bool:
    """Whether a command has an undo; where its entry cannot be read, as on a machine without an engine, it may have."""
    try:
        return command(name).undo is not None
    except LeverFault:
        return True


def file(name: str) -> Rewritten:
    """As `command`, for a file to rewrite."""
    return _entry(read().files, name, "file")


def read() -> Allowed:
    """The file as it stands now; nothing is allowed without one. Raises `LeverFault`, naming file and entry."""
    where: Path | None = settings.LEVERS_FILE
    if where is None:
        return Allowed()
    try:
        with where.open("rb") as opened:
            _only_its_owners(os.fstat(opened.fileno()))
            whole = yaml.safe_load(opened.read(_LARGEST)) or {}
        return _allowed(whole)
    except FileNotFoundError as error:
        raise LeverFault(f"{where} is not there, so nothing is allowed on this machine.", sure=True) from error
    except (OSError, yaml.YAMLError, RecursionError, _Wrong) as error:
        raise LeverFault(f"{where} cannot be used: {error}"[:400], sure=True) from error


class _Wrong(Exception):  # noqa: N818  reads as what it is
    """What cannot be meant, in words."""


def _only_its_owners(status: os.stat_result) -> None:
    """Whoever can write this file can run anything as Andon: nobody but its owner, who is Andon's user or root."""
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _Wrong("others than its owner may write it; chmod go-w.")
    if status.st_uid not in {0, os.geteuid()}:
        raise _Wrong("it belongs to another user than root or Andon’s.")


def _entry(entries: Mapping[str, _T], name: str, what: str) -> _T:
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise LeverFault(f"No {what} {name} is allowed on this machine. Allowed: {known}.", sure=True)
    return entries[name]


def _allowed(whole: Any) -> Allowed:
    parts = _mapping(whole, "the file", {"commands", "files"})
    return Allowed(
        {name: _command(name, one) for name, one in _mapping(parts.get("commands") or {}, "commands").items()},
        {name: _file(name, one) for name, one in _mapping(parts.get("files") or {}, "files").items()},
    )


def _command(name: str, given: Any) -> Command:
    where = f"commands.{name}"
    parts = _mapping(given, where, {"run", "undo", "state", "probe", "seconds", "environment", "folder"})
    if "run" not in parts:
        raise _Wrong(f"{where} has no run.")
    known = [what for what in ("run", "undo", "state", "probe") if what in parts]
    return Command(**{what: _program(f"{where}.{what}", parts[what], parts) for what in known})


def _file(name: str, given: Any) -> Rewritten:
    where = f"files.{name}"
    parts = _mapping(given, where, {"path", "test", "apply", "seconds", "environment", "folder"})
    path = Path(str(parts.get("path", "")))
    if not path.is_absolute():
        raise _Wrong(f"{where}.path is no absolute path.")
    programs = {what: _program(f"{where}.{what}", parts[what], parts) for what in ("test", "apply") if what in parts}
    return Rewritten(path, **programs)


def _program(where: str, given: Any, parts: Mapping[str, Any]) -> Program:
    if not isinstance(given, list) or not given or not all(isinstance(one, str | int | float) for one in given):
        raise _Wrong(f"{where} is no list of words, as [/usr/local/bin/roll-back, credit-scorer].")
    words = tuple(str(one) for one in given)
    if not Path(words[0]).is_absolute():
        raise _Wrong(f"{where} must begin with the absolute path of a program.")
    seconds = parts.get("seconds", SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _MOST_SECONDS:
        raise _Wrong(f"{where}: seconds is no number from 1 to {_MOST_SECONDS}.")
    environment = _mapping(parts.get("environment") or {}, f"{where}: environment")
    folder = parts.get("folder")
    return Program(
        words, float(seconds), {key: str(value) for key, value in environment.items()}, folder and str(folder)
    )


def _mapping(given: Any, where: str, known: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise _Wrong(f"{where} is no mapping of names.")
    if known is not None and (strange := sorted(set(given) - known)):
        raise _Wrong(f"{where} has {strange[0]}, which means nothing. It may have: {', '.join(sorted(known))}.")
    return given
