"""Runs an engine: beside the server in a thread of its process, or as a process of its own (`andon engine`)."""

import os
import signal
import threading

POLL = 0.5
"""Seconds between two looks; a hint, in this process or from another one, wakes the engine before that."""
_STOP_WITHIN = 30.0
_LOOK_EVERY = 1.0
"""Seconds between two looks at whether the engine still goes round."""


class Running:
    """An engine in a thread."""

    def __init__(self, *, tick: float = POLL) -> None:
        from django.urls import reverse

        from andon.engine import loop  # Django must be set up before models are imported
        from andon.handbook.book import shipped_handbook
        from andon.intake.adapters import adapters
        from andon.kit import garbage, wake
        from andon.kit.listening import Listener

        # Loaded now, or the first page would wait for them: every address, every kind of sender, the handbook.
        reverse("incident", args=[1])
        adapters()
        shipped_handbook()
        self.engine = loop.build(tick=tick)
        garbage.settle()
        self._listener = Listener(wake.CHANNEL, wake.engine.set)
        self._listener.start()
        self._thread = threading.Thread(target=self.engine.run, name="engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still goes round."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End after the present round, pages on the wire included."""
        self._listener.stop()
        self.engine.stop()
        self._thread.join(_STOP_WITHIN)


def start_in_thread() -> Running:
    """Start an engine beside the server; call `stop()` on what is returned before the process ends."""
    return Running()


def run() -> None:
    """Run an engine until SIGTERM or SIGINT; the present round and the pages on the wire still end.

    An engine that ends by itself ends the process with 1, so that whoever supervises it starts another.
    The signals are waited for, not handled: a handler would run inside whatever lock the loop holds at that moment.
    """
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before the threads start, which inherit it
    running = Running(tick=POLL)
    told = _told(ends)
    while running.alive and not told.wait(_LOOK_EVERY):
        pass
    died = not running.alive
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)  # a second signal ends it at once
    running.stop()
    if died:
        raise SystemExit("The engine ended by itself; the log says why. What was due is still due: start another.")


def _told(ends: set[signal.Signals]) -> threading.Event:
    """Set once one of these signals, which are blocked in every thread, has come.

    Waited for without a time limit: `signal.sigtimedwait` answers as if a signal had come where the process was
    stopped and went on (Ctrl-Z, a debugger, a machine that slept) and its time was over by then.
    """
    told = threading.Event()

    def wait() -> None:
        signal.sigwait(ends)
        told.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return told


def main() -> None:
    """`python -m andon.engine.runner`."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "andon.site.settings")
    django.setup()
    run()


if __name__ == "__main__":
    main()
