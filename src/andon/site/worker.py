"""The application in one of several processes that serve together (`andon serve --workers`).

As `andon.site.asgi`, and it ends when the process that started it is gone: whoever kills that one with SIGKILL must not
find its port held by processes that nobody looks after.
"""

import multiprocessing
import os
import signal
import threading

from andon.site.asgi import application

__all__ = ["application"]


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


if (_parent := multiprocessing.parent_process()) is not None:
    threading.Thread(target=_end_with, args=[_parent], name="watch-parent", daemon=True).start()
