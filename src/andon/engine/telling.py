"""The kind of work that tells people that a contact point broke, beside the loop: no page waits for it."""

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from andon.kit import clock, wake
from andon.paging import adapters, telling
from andon.paging.sending import Find
from andon.paging.telling import News


class Telling:
    """Owners and administrators hear of contact points that broke, one contact point after the other.

    With `beside` the messages are sent in a thread of their own; claims and outcomes are written by the loop.
    """

    name = "telling"

    def __init__(self, engine: str, *, find: Find = adapters.find, beside: bool = True) -> None:
        self._engine = engine
        self._find = find
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tell") if beside else None
        self._under_way: tuple[News, Future[set[bool]]] | None = None

    def run_once(self, now: datetime, limit: int) -> int:  # noqa: ARG002  one at a time
        """Write what came of the last one, and begin the next."""
        done = self._settle()
        if self._under_way is not None:
            return done
        for point in telling.claim(now, 1, self._engine):
            self._tell(telling.prepare(point, self._find))
            done += 1
        return done

    def stop(self) -> None:
        """Wait for the messages on the wire, which the channels' own time limits bound."""
        if self._pool:
            self._pool.shutdown(wait=True)
        self._settle()

    def _tell(self, news: News) -> None:
        if self._pool is None:
            telling.settle(news, telling.send(news.words), clock.now())
            return
        sending = self._pool.submit(telling.send, news.words)
        sending.add_done_callback(lambda _: wake.engine.set())
        self._under_way = (news, sending)

    def _settle(self) -> int:
        """Write what came of the one under way, if its messages are out."""
        if self._under_way is None or not self._under_way[1].done():
            return 0
        news, sending = self._under_way
        telling.settle(news, sending.result(), clock.now())
        self._under_way = None
        return 1
