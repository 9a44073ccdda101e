"""The kinds of work that the engine does, one small class each: a name, and what to do now."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Protocol

import structlog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError

from andon.engine import auditor
from andon.engine.auditor import Audit
from andon.intake.actions import prune_deliveries
from andon.kit import clock, fence, outbound, wake
from andon.kit.errors import Refused
from andon.kit.together import one_by_one
from andon.paging import adapters, outcomes, sending
from andon.paging.channel import Receipt
from andon.paging.models import Page
from andon.paging.sending import Find, Letter, Ready
from andon.paging.wire import Wire
from andon.response.escalating import escalate_due
from andon.response.missing import adopt_due, missed_due
from andon.response.resolving import resolve_due
from andon.response.routing import route_due
from andon.rules.clockwork import heartbeats_due, quiet_due
from andon.switch.actions import forget_ended
from andon.watch.actions.forgetting import forget as forget_windows
from andon.watch.actions.pushing import forget as forget_pushed

AUDIT_EVERY = timedelta(minutes=1)
FORGET_EVERY = timedelta(hours=1)
HEARTBEAT_DEADLINE = 5.0
SIGNALS_A_PIECE = 5
"""How many signals count as one piece of work: the page of an incident that comes meanwhile waits for all of them."""
STEPS_A_PIECE = 5
"""How many steps of chains count as one piece of work: when hundreds are due at once, none waits for others' pages."""
DELIVERY_TURN = 1.0
"""Seconds for which pages are sent before other work has its turn again."""
COMING_BACK = 0.02
"""Seconds to wait for pages on the wire while others are due: a quick channel has taken them all by then."""
SENDERS = 128
"""Pages on the wire at once, in one process."""
Sent = tuple[Page, Receipt]
_log = structlog.get_logger(__name__)


class Module(Protocol):
    """One kind of work."""

    name: str

    def run_once(self, now: datetime, limit: int) -> int:
        """Do what is due, at most `limit` pieces of it; return how many were done."""

    def stop(self) -> None:
        """Let work on the wire end, and take on no more."""


class Routing:
    """Signals find their incident."""

    name = "routing"

    def run_once(self, now: datetime, limit: int) -> int:
        """Route what is due; signals are many and small beside other work."""
        return route_due(now, limit * SIGNALS_A_PIECE)

    def stop(self) -> None:
        """Nothing runs beside the loop."""


class Rules:
    """Heartbeats that did not come, signals that have gone quiet, incidents that were held open long enough."""

    name = "rules"

    def run_once(self, now: datetime, limit: int) -> int:
        """Do what is due."""
        kinds = (heartbeats_due, quiet_due, resolve_due)
        return one_by_one(kinds, lambda due: due(now, limit), lambda _: None)

    def stop(self) -> None:
        """Nothing runs beside the loop."""


class Promises:
    """What an incident promised and did not do in time pages the next in its chain."""

    name = "promises"

    def __init__(self) -> None:
        self._adopted = False

    def run_once(self, now: datetime, limit: int) -> int:
        """Find what was missed. At first, let incidents of an older version promise what their protocol asks for."""
        adopted = 0 if self._adopted else adopt_due(limit)
        self._adopted = not adopted
        return adopted + missed_due(now, limit)

    def stop(self) -> None:
        """Nothing runs beside the loop."""


class Escalation:
    """Incidents that nobody has acknowledged page the next step."""

    name = "escalation"

    def run_once(self, now: datetime, limit: int) -> int:
        """Take the steps that are due."""
        return escalate_due(now, limit * STEPS_A_PIECE)

    def stop(self) -> None:
        """Nothing runs beside the loop."""


class Delivery:
    """Pages go out. With `senders` threads a slow channel holds up neither the loop nor the other pages.

    The threads only send; claims and outcomes are written by the loop, many in one transaction. With `senders=0`
    each page is sent in the caller's thread, one after the other: for tests and simulations.
    """

    name = "delivery"

    def __init__(self, engine: str, *, find: Find = adapters.find, senders: int = SENDERS) -> None:
        self._engine = engine
        self._find = find
        self._senders = senders
        self._pool = ThreadPoolExecutor(senders, thread_name_prefix="send") if senders else None
        self._wire = Wire(senders or None)
        self._receipts: SimpleQueue[Sent] = SimpleQueue()
        self._to_settle: list[Sent] = []

    def run_once(self, now: datetime, limit: int) -> int:
        """Settle what has come back, claim as many due pages as can be sent at once, and send them.

        Again for a moment while that makes room for more: in a storm pages are many, and each is quickly sent. Other
        work would keep the senders' threads from their processor meanwhile.
        """
        done, ends = 0, clock.monotonic() + DELIVERY_TURN
        while True:
            done += self._settle()
            room = min(limit, self._senders - len(self._wire)) if self._pool else limit
            pages = sending.claim(now, room, self._engine, self._wire.room()) if room > 0 else []
            # Together, unless each is sent before the next one is looked at.
            for batch in [pages] if self._pool else [[page] for page in pages]:
                for page, ready in zip(batch, sending.prepare(batch, self._find), strict=True):
                    self._dispatch(page, ready)
            done += len(pages)
            if not self._pool or clock.monotonic() > ends or not (self._come_back() or pages):
                return done

    def stop(self) -> None:
        """Wait for the pages on the wire, which a channel's own time limits bound, and write what became of them."""
        if self._pool:
            self._pool.shutdown(wait=True)
        self._settle()

    def _dispatch(self, page: Page, ready: Ready) -> None:
        """Hand a page that was made ready to a sender, or send it here."""
        if ready is None:
            return
        self._wire.add(page)
        if isinstance(ready, Receipt):
            self._receipts.put((page, ready))
            wake.engine.set()
        elif self._pool:
            self._pool.submit(self._send_beside, ready)
        else:
            self._receipts.put((ready.page, sending.post(ready)))
            self._settle()

    def _send_beside(self, letter: Letter) -> None:
        """One page in a thread of its own; whatever becomes of it wakes the loop."""
        try:
            self._receipts.put((letter.page, sending.post(letter)))
        finally:
            wake.engine.set()

    def _come_back(self) -> bool:
        """Wait for the pages on the wire, for a moment; whether any have come back."""
        until = clock.monotonic() + COMING_BACK
        while len(self._wire) and (left := until - clock.monotonic()) > 0:
            with suppress(Empty):
                self._came_back(self._receipts.get(timeout=left))
        return bool(self._to_settle)

    def _came_back(self, back: Sent) -> None:
        self._to_settle.append(back)
        self._wire.remove(back[0])

    def _settle(self) -> int:
        """Write what became of the pages that have come back, together; returns how many those were."""
        while not self._receipts.empty():
            self._came_back(self._receipts.get())
        done = len(self._to_settle)
        if not done:
            return 0
        try:
            outcomes.settle(self._to_settle, clock.now())
        except (OperationalError, InterfaceError):
            raise  # the database is away: they stay here, and are written when it is back
        except fence.Closed:
            self._to_settle = []  # a newer engine claims these pages when their lease ends, and sends them again
            raise
        except Exception:  # noqa: BLE001  whatever is wrong with one outcome must not hold up the others
            _log.exception("outcomes of pages could not be written together; each is written by itself")
            self._settle_each()
        self._to_settle = []
        return done

    def _settle_each(self) -> None:
        """One by one. What cannot be written leaves a lease that ends, and the page is sent again under its key."""
        for page, receipt in self._to_settle:
            try:
                outcomes.settle([(page, receipt)], clock.now())
            except (OperationalError, InterfaceError):
                raise
            except Exception:  # noqa: BLE001  as above
                _log.exception("the outcome of a page could not be written", page=str(page.pk))


class Auditor:
    """Every minute: does everything that must happen have a time at which it will?"""

    name = "auditor"

    def __init__(self) -> None:
        self.last: Audit | None = None

    def run_once(self, now: datetime, limit: int) -> int:  # noqa: ARG002  an audit is one piece of work
        """Audit, if a minute has passed since the last one.

        By the time of the audit, not of the round: after a round that took long, leases which others took meanwhile
        would seem to come from a clock that was set back, and be ended.
        """
        if self.last is not None and abs(now - self.last.at) < AUDIT_EVERY:
            return 0
        self.last = auditor.audit(clock.now())
        return 1

    def stop(self) -> None:
        """Nothing runs beside the loop."""


class Retention:
    """Forgets what is no longer kept: bodies of deliveries, pushed batches, windows, processes, ended sessions."""

    name = "retention"

    def __init__(self) -> None:
        self._asked: datetime | None = None

    def run_once(self, now: datetime, limit: int) -> int:
        """Forget a little at a time, so that nothing waits for it; once an hour, and on until nothing is left."""
        if self._asked is not None and abs(now - self._asked) < FORGET_EVERY:
            return 0
        forgotten = prune_deliveries(now, limit) + forget_pushed(now, limit) + forget_windows(limit)
        forgotten += forget_ended(now, limit)
        if not forgotten:
            Session.objects.filter(expire_date__lt=now).delete()
            self._asked = now
        return forgotten

    def stop(self) -> None:
        """Nothing runs beside the loop."""


class Heartbeat:
    """Tells an outside service every minute that the audit passed. Its silence is the alarm about Andon itself."""

    name = "heartbeat"

    def __init__(self, last_audit: Callable[[], Audit | None], *, beside: bool = True) -> None:
        self._last_audit = last_audit
        self._told: datetime | None = None
        self._beside = beside

    def run_once(self, now: datetime, limit: int) -> int:  # noqa: ARG002  one call a minute
        """Ping, if the newest audit passed, is fresh, and has not been told yet."""
        audit = self._last_audit()
        if not settings.HEARTBEAT_URL or audit is None or not audit.passed or audit.at == self._told:
            return 0
        if now - audit.at > 2 * AUDIT_EVERY:
            return 0
        self._told = audit.at
        if self._beside:
            threading.Thread(target=_ping, name="heartbeat", daemon=True).start()
        else:
            _ping()
        return 0  # never a reason to go round again at once

    def stop(self) -> None:
        """A ping on the wire needs no waiting for."""


def _ping() -> None:
    """One GET. The operator set the address beside the other settings, so a private one is fine."""
    try:
        answer = outbound.get(settings.HEARTBEAT_URL, deadline=HEARTBEAT_DEADLINE, allow_private=True)
    except (Refused, outbound.Unreachable) as error:
        _log.warning("the outside heartbeat could not be reached", reason=str(error))
        return
    if not answer.ok:
        _log.warning("the outside heartbeat did not take the ping", status=answer.status)
