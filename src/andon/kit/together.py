"""Much work at once, and what is wrong with one piece of it held to that piece."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, transaction

from andon.kit import db, fence

T = TypeVar("T")
_log = structlog.get_logger(__name__)


def together(items: Sequence[T], do: Callable[[Sequence[T]], int], alone: Callable[[T], int]) -> int:
    """Do all items at once; where that fails, the two halves, and so on, down to the one that cannot be done.

    So one bad piece among a hundred costs the others a few more tries, and nothing else. Each try is a transaction
    (inside another one: a savepoint). Only a database that is away is raised at once: whatever comes next would only
    wait for it again.

    Args:
        items: What is to be done.
        do: Does several; returns how many. It must begin from the database, for what it did before was undone.
        alone: Does one, and answers for whatever goes wrong with it.
    """
    if not items:
        return 0
    if len(items) == 1:
        return alone(items[0])
    try:
        with transaction.atomic():
            return do(items)
    except (OperationalError, InterfaceError) as error:
        if not db.of_these_rows(error):
            raise
        _log.warning("work could not be done together; it is done in halves", pieces=len(items), reason=str(error))
    except Exception:  # noqa: BLE001  whatever it is, it is the trouble of one piece and not of the others
        _log.warning("work could not be done together; it is done in halves", pieces=len(items), exc_info=True)
    middle = len(items) // 2
    return together(items[:middle], do, alone) + together(items[middle:], do, alone)


def one_by_one(items: Iterable[T], do: Callable[[T], int], aside: Callable[[T], object]) -> int:
    """Do each item; what is wrong with one holds up no other, and is raised when all have had their turn.

    Only a database that is away, or a newer version that has taken the work over, is raised at once.

    Args:
        items: What is to be done.
        do: Does one, in a transaction of its own; returns how many that was.
        aside: Lets one rest that could not be done, so that it does not stand in the way again at once.
    """
    done, failures = 0, list[Exception]()
    for item in items:
        try:
            done += do(item)
        except fence.Closed:
            raise
        except (OperationalError, InterfaceError) as error:
            if not db.of_these_rows(error):
                raise
            _log.warning("a piece of work lost a race and stays due", reason=str(error))
        except Exception as error:  # noqa: BLE001  whatever it is, it is the trouble of one piece and not of the others
            _log.exception("a piece of work could not be done")
            aside(item)
            failures.append(error)
    if failures:
        raise failures[0]
    return done
