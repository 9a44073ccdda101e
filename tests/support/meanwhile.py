"""Let somebody write in the midst of a reading: another thread, whose change is on disk before the reading goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models

from tests.engine.test_replicas import at_once


@contextmanager
def meanwhile(model: type[models.Model], act: Callable[[], object]) -> Iterator[None]:
    """Once this thread has first read rows of a table, `act` runs in another and is waited for."""
    begun: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        found = execute(sql, params, many, context)
        if not begun and f'FROM "{model._meta.db_table}"' in sql:
            begun.append(sql)
            at_once(lambda: act() and None)
        return found

    with connection.execute_wrapper(watch):
        yield
    assert begun, "Nobody read it."
