"""A database on which a newer version of Andon works, as an upgrade leaves it for the servers that come last."""

from collections.abc import Iterator
from contextlib import contextmanager

from andon.engine import beats, locks
from andon.engine.models import ModuleLock
from andon.kit import clock


@contextmanager
def overtaken(module: str = "escalation") -> Iterator[None]:
    """The rules of a module as a version of tomorrow has taken them over; afterwards this server is updated, too."""
    known = locks.RULES[module]
    row, _made = ModuleLock.objects.get_or_create(module=module, defaults={"version": known, "taken_at": clock.now()})
    ModuleLock.objects.filter(pk=row.pk).update(version=known + 1, taken_by="an engine of tomorrow")
    beats.beat("an engine of tomorrow", started_at=clock.now(), audit=None, modules={})
    try:
        yield
    finally:
        ModuleLock.objects.filter(pk=row.pk).update(version=known)
