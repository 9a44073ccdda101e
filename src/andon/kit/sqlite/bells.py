"""What NOTIFY is on PostgreSQL, for processes that share one SQLite file: a bell each, that the others ring.

A bell is a datagram socket in a folder of this user's own, named after the database and the channel. Whoever listens
there hangs one up; whoever tells something there rings all. A bell of a process that has died is taken down by the next
one who rings it. Only a hint is lost with a bell that is not heard: whoever listens looks by itself as well.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

POSSIBLE = hasattr(socket, "AF_UNIX")
"""Whether this system has sockets that are files."""


def ring(database: str, channel: str) -> None:
    """Ring every bell of those who listen on a channel of a database. Never waits, and never fails."""
    with suppress(OSError), os.scandir(_folder(database, channel)) as bells:
        for bell in bells:
            _ring(bell.path)


def listen(database: str, channel: str, hear: Callable[[], None], *, until: Callable[[], bool], silence: float) -> None:
    """Call `hear` once the bell hangs, and whenever it is rung.

    Blocks until `until` says so, which is asked whenever it has been silent for so many seconds. Raises `OSError` where
    no bell can be hung up.
    """
    with _hung(database, channel) as bell:
        bell.settimeout(silence)
        hear()
        while not until():
            with suppress(TimeoutError):
                bell.recv(1)
                hear()


@contextmanager
def _hung(database: str, channel: str) -> Iterator[socket.socket]:
    folder = _folder(database, channel)
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's own.")
    path = folder / uuid4().hex[:12]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(str(path))
        try:
            yield bell
        finally:
            path.unlink(missing_ok=True)


def _ring(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hand:
        hand.settimeout(0)  # never wait
        try:
            hand.sendto(b"!", path)
        except ConnectionRefusedError:  # whoever listened there has died
            Path(path).unlink(missing_ok=True)
        except BlockingIOError:
            return  # it rings already


@cache
def _folder(database: str, channel: str) -> Path:
    """Short, wherever the database lies: the path of a socket has hardly a hundred characters."""
    name = sha256(f"{os.path.realpath(database)}\0{channel}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"andon-{os.getuid()}-{name}"
