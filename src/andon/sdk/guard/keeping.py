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
from pathlib import Path

from andon.sdk.guard.sealing import LONGEST, Forged, Snapshot, Token, unseal

if sys.platform != "win32":
    import fcntl


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
        mark = hashlib.sha256(f"{url}\n{token.sent}".encode()).hexdigest()[:12]
        self.path = folder / f"{token.system}-{mark}.snapshot"
        self._token = token

    def read(self) -> Snapshot | None:
        """What it says; None if there is none.

        Raises:
            Forged: It is not Andon's word, or others may write it.
            OSError: It cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                _must_be_own(os.fstat(file.fileno()))
                line = file.read(LONGEST + 1).decode("utf-8", "replace")
        except FileNotFoundError:
            return None
        return unseal(self._token.key, line, system=self._token.system)

    def write(self, line: str, revision: int) -> bool:
        """Keep a sealed line, unless a later revision is kept already; whether it was written. Raises `OSError`."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            if self._kept() > revision:
                return False
            beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
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

    def _kept(self) -> int:
        """The revision that is kept; a copy that is not believed may be replaced by any."""
        try:
            snapshot = self.read()
        except (Forged, OSError):
            return -1
        return snapshot.revision if snapshot else -1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if sys.platform == "win32":  # the last writer wins there; a process itself goes back to no earlier revision
            yield
            return
        with open(os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:  # noqa: PTH123
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _must_be_own(found: os.stat_result) -> None:
    """An old copy is still sealed: so nobody else may put one there."""
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
