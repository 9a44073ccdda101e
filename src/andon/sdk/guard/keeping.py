"""The copy on disk: what a process holds when it starts while Andon cannot be reached.

It is the sealed line as it came, so that it is believed for its seal and not for where it lies. It is written beside
and put in place in one step, with `fsync` on both sides, and never replaced by an earlier revision: the processes of a
machine share one file, and take turns by a lock.
"""

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Final

from andon.sdk import timing
from andon.sdk.guard.sealing import LONGEST, Forged, Snapshot, Token, glance, unseal

if sys.platform != "win32":
    import fcntl

LOCK_SECONDS: Final = 1.0
"""How long a process waits for its turn to write."""
_LOCK_AGAIN: Final = 0.02
_AT_ONCE: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""A named pipe in the copy's place must hold up nobody's start."""


def default_folder() -> Path:
    """Where copies lie unless said otherwise: a folder of this user's own that outlives the process."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if state:
        return Path(state) / "andon-guard"
    with suppress(RuntimeError):  # there is no home
        return Path.home() / ".local" / "state" / "andon-guard"
    return Path(tempfile.gettempdir()) / f"andon-guard-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


class Copy:
    """One system's copy, in a folder that is this user's own.

    Args:
        folder: Made if it is not there.
        url: Where Andon is: the copies of two Andons do not meet.
        token: The system's guard token; a copy that was sealed for another one is not believed.
    """

    def __init__(self, folder: Path, url: str, token: Token) -> None:
        self._of_andon = f"{token.system}-{_mark(url)}"
        self.path = folder / f"{self._of_andon}-{_mark(token.sent)}.snapshot"
        self._token = token

    def read(self) -> Snapshot | None:
        """What it says; None if there is none.

        Raises:
            Forged: It is not Andon's word, or others may write it.
            OSError: It cannot be read.
        """
        line = _read(self.path)
        return unseal(self._token.key, line, system=self._token.system) if line is not None else None

    def earlier(self) -> Snapshot | None:
        """What the newest copy says that was sealed for another token of this system; None if there is none.

        Its seal cannot be checked, for the key that came with that token is gone. See `Held.told`.
        """
        found: list[Snapshot] = []
        for path in _named(self.path.parent, f"{self._of_andon}-*.snapshot"):
            if path == self.path:
                continue
            with suppress(Forged, OSError):  # another one may still be of use
                found.append(glance(_read(path) or "", system=self._token.system))
        return max(found, key=lambda one: one.revision, default=None)

    def write(self, line: str, snapshot: Snapshot) -> bool:
        """Keep a sealed line, unless that revision or a later one is kept; whether it was written. Raises `OSError`."""
        if self._has(snapshot):  # a sister was quicker, as all of them but one find
            return False
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone() as alone:
            if self._has(snapshot):
                return False
            beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            for left in _named(self.path.parent, f".{self.path.name}.*") if alone else ():
                left.unlink(missing_ok=True)  # by a process that was killed as it wrote
            try:
                with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
                    file.write(line.encode())
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self.path)
            finally:
                beside.unlink(missing_ok=True)
            _sync(self.path.parent)
            return True

    def _has(self, snapshot: Snapshot) -> bool:
        """Whether that revision is kept, or a later one; a copy that is not believed may be replaced by any."""
        try:
            kept = self.read()
        except (Forged, OSError):
            return False
        return kept is not None and (
            kept.revision > snapshot.revision or (kept.revision, kept.mark) == (snapshot.revision, snapshot.mark)
        )

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """One at a time, among the processes of the machine; whether it is so. Who waits in vain goes on all the same.

        Whoever has the lock may be stopped, or may have been forked while it had it: nobody may wait for that for ever.
        A copy is put in place in one step, so all that can come of it is that an earlier one lies there for a while.
        """
        if sys.platform == "win32":  # the last writer wins there; a process itself goes back to no earlier revision
            yield False
            return
        with open(os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:  # noqa: PTH123
            taken = _locked(lock)
            try:
                yield taken
            finally:
                if taken:  # said, and not left to closing: a child that was forked meanwhile has the file open too
                    fcntl.flock(lock, fcntl.LOCK_UN)


def _locked(lock: IO[bytes]) -> bool:
    """Take the lock, trying for a while; whether it was taken."""
    for _ in range(round(LOCK_SECONDS / _LOCK_AGAIN)):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        timing.pause(_LOCK_AGAIN)
    return False


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read(path: Path) -> str | None:
    """A copy's line; None where there is none. Raises `Forged` where others may write it, and `OSError`."""
    try:
        with open(os.open(path, os.O_RDONLY | _AT_ONCE), "rb") as file:  # noqa: PTH123
            _must_be_own(os.fstat(file.fileno()))
            return file.read(LONGEST + 1).decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _named(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder with such a name; none where it cannot be looked into."""
    try:
        return [path for path in folder.iterdir() if fnmatchcase(path.name, pattern)]
    except OSError:
        return []


def _must_be_own(found: os.stat_result) -> None:
    """An old copy is still sealed: so nobody else may put one there. What is no file would be waited for."""
    if not stat.S_ISREG(found.st_mode):
        raise Forged("it is no file")
    if not hasattr(os, "getuid"):
        return
    if found.st_uid not in {os.getuid(), 0} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Forged("others may write the file that it lies in")


def _sync(folder: Path) -> None:
    """Make the new name last as well, where folders can be synchronised."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
