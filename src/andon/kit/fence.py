"""Whether this version of Andon may still do the work in hand, asked in the transaction that does it.

Replicas of two versions may run on one database for a while. What the engine does begins each of its transactions with
`hold`; the engine puts up, around a module's turn, what that asks (`andon.engine.locks`). Without one nothing is asked:
actions of people are not fenced.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ask: ContextVar[Callable[[], None] | None] = ContextVar("fence", default=None)


class Closed(Exception):  # noqa: N818  reads as what it is
    """A newer version has taken this work over: nothing may be written."""


def hold() -> None:
    """Go on only if this version may do this work, and let nobody take it over before the transaction ends.

    The first statement of a transaction. Raises `Closed`.
    """
    ask = _ask.get()
    if ask is not None:
        ask()


@contextmanager
def around(ask: Callable[[], None]) -> Iterator[None]:
    """Let `hold` ask this while the block runs."""
    token = _ask.set(ask)
    try:
        yield
    finally:
        _ask.reset(token)
