"""Many deliveries, one transaction: what was heard becomes rows, decided by `andon.practice.grouping.dedup`.

Written in SQL by hand, a handful of statements a batch whatever its size: this is the one place where Andon's own
speed decides whether a storm is survived. The ORM reads these rows everywhere else.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from andon.intake import beside
from andon.intake.events import Change, Event, Note
from andon.intake.models import Delivery, Integration
from andon.intake.stories import FIRING, FIRST_AT, ON_RECORD, RESOLVED, Brought, Line, Story
from andon.kit import clock, db, ids, packed, wake

BODY_KEPT = 64 * 1024
"""Bytes of a request's body that are kept for a person to look at."""


class Heard(msgspec.Struct, gc=False):
    """One request to be kept, understood or not.

    Attributes:
        error: Why nothing of it was taken; empty if something was.
        left_out: What in it was not taken while the rest was, in sentences; empty if nothing.
    """

    delivery: UUID
    integration: UUID
    body: bytes
    content_type: str
    events: list[Event]
    error: str = ""
    changes: list[Change] = []
    notes: list[Note] = []
    left_out: str = ""


Key = tuple[Any, str]


class _Overtaken(Exception):  # noqa: N818  reads as what it is
    """Somebody wrote of the same fingerprints between the decision and one's turn to write."""


@dataclass(frozen=True, slots=True)
class _Driver:
    """How the database driver of this process wants its values: looked up once a batch, not once a value."""

    key: Callable[[UUID], Any]
    when: Callable[[datetime | None], Any]
    number: Callable[[int], Any]  # of 128 bits


def _driver() -> _Driver:
    # A batch says few different times, again and again: each is put into the driver's form once.
    when = cache(connection.ops.adapt_datetimefield_value)
    if db.is_sqlite():
        return _Driver(lambda uuid: uuid.hex, when, lambda number: f"{number:032x}")
    return _Driver(lambda uuid: uuid, when, lambda number: UUID(int=number))


def record(batch: Sequence[Heard]) -> bool:
    """Write a batch of deliveries and what they say; whether any signal is now due for routing.

    Nothing of it is written if it raises. On SQLite, which has one writer at a time, all is decided and prepared before
    it is this one's turn; in the turn it is only written, if the record still says what the decision was made by, and
    decided again if not (docs/adr/0023). Two writers on PostgreSQL take turns by integration; should they race all the
    same, the unique index on what is firing refuses the second, who decides again (see `writer`).
    """
    if db.is_sqlite() and not connection.in_atomic_block:
        before = _Written(batch)
        with suppress(_Overtaken), transaction.atomic():
            return before.down_if_it_holds()
    with transaction.atomic():
        _take_turns(batch)
        return _Written(batch).down()


def _take_turns(batch: Sequence[Heard]) -> None:
    if not db.is_sqlite():
        senders = Integration.objects.filter(pk__in={heard.integration for heard in batch})
        list(db.lock_for_writers(senders).order_by("pk").values_list("pk"))


class _Written:
    """A batch as the rows that it makes and changes, by what is on record when it is made; nothing is written yet.

    Attributes:
        due: Whether any signal is due for routing.
    """

    def __init__(self, batch: Sequence[Heard]) -> None:
        now, driver = clock.now(), _driver()
        at = driver.when(now)
        self._batch, self._now = batch, now
        senders = {heard.integration: driver.key(heard.integration) for heard in batch}
        brought = [Brought(senders[heard.integration], driver.key(heard.delivery), now) for heard in batch]
        self._deliveries = [_delivery_row(heard, one, at) for heard, one in zip(batch, brought, strict=True)]
        stories: dict[Key, Story] = {}
        said = [
            (stories.setdefault((one.integration, event.fingerprint), Story()), event, one)
            for heard, one in zip(batch, brought, strict=True)
            for event in heard.events
        ]
        self._record = _Record(stories, said)
        for story, event, one in said:
            story.hear(event, one)
        self._well = [(heard.integration, event) for heard in batch for event in heard.events if event.passing]
        self._new: dict[tuple[Any, ...], tuple[dict[str, Any], list[tuple[Any, ...]]]] = {}
        self._changed: list[tuple[Any, ...]] = []
        self._repeats: list[tuple[Any, ...]] = []
        self._echoes: list[tuple[Any, ...]] = []
        self.due = False
        self._sort_out(stories, at, driver)

    def _sort_out(self, stories: dict[Key, Story], at: Any, driver: _Driver) -> None:
        """The rows of all stories: what is new, what ended or changed, what only repeats, what heard echoes."""
        fresh: list[Line] = []
        for story in stories.values():
            for line in story.lines:
                if line.first_at is not None:
                    fresh.append(line)
                    continue
                if line.echoes:
                    self._echoes.append(_echo_row(line.id, line, at))
                if line.changed:
                    self.due = self.due or line.due
                    self._changed.append(_changed_row(line, at, driver))
                elif line.last_delivery is not None:
                    self._repeats.append((line.id, line.was, line.count, at, line.last_delivery))
        self.due = self.due or bool(fresh)
        numbers = ids.numbers(len(fresh)) if fresh else range(0)
        for number, line in zip(numbers, fresh, strict=True):
            alike = (
                line.first_at, line.status, line.count, line.reason, line.ends_at, (*line.past_episodes,),
                (*line.ended_before,),
            )  # fmt: skip
            if (group := self._new.get(alike)) is None:
                group = self._new[alike] = _shared(line, at, driver), []
            key = driver.number(number)
            group[1].append(_new_row(key, line, driver))
            if line.echoes:
                self._echoes.append(_echo_row(key, line, at))

    def down_if_it_holds(self) -> bool:
        """Write it, in one's turn; raises `_Overtaken` if the record says something else by now: nothing may stay."""
        if not self._record.holds():
            raise _Overtaken
        return self.down()

    def down(self) -> bool:
        """Write it, in the transaction in which it was made; whether any signal is due.

        Ends go first, so that a new firing row finds the place of its fingerprint free. Echoes go last, for new rows
        may have heard some; they are rare, so no other statement has a column for them.
        """
        db.insert_many("intake_delivery", _DELIVERY, self._deliveries)
        if self._changed:
            _change(_CHANGE_SIGNAL, _CHANGED, self._changed)
        if self._repeats:
            _change(_COUNT_REPEATS, _REPEATED, self._repeats)
        for shared, rows in self._new.values():
            db.insert_many("intake_signal", _SIGNAL, rows, shared=shared)
        if self._echoes:
            db.update_from("intake_signal", _NOTE_ECHOES, _ECHOED, self._echoes, where="intake_signal.id = v.id")
        for heard in self._batch:
            if heard.changes or heard.notes:
                beside.write(heard.integration, heard.changes, heard.notes, self._now)
        if self._well:
            beside.tell_all_well(self._well, self._now)
        if self.due:
            wake.after_commit()
        return self.due


Said = tuple[Story, Event, Brought]


class _Record:
    """What is on record about fingerprints, told to their stories: two looks, and a third one for what has a past.

    What fires on by the same episode, as most of what is heard does, needs no more than the firing signal.
    """

    def __init__(self, stories: dict[Key, Story], said: Sequence[Said]) -> None:
        for row in _rows(_firing(), db.lists_as_json(_by_sender(stories))) if stories else []:
            line = Line.known(row)
            stories[line.integration, line.fingerprint].knows_open(line)
        news = dict.fromkeys(
            (one.integration, event.fingerprint, event.episode)
            for story, event, one in said
            if story.open is None or event.episode not in ("", story.open.episode)
        )
        self._keys = _by_sender((sender, fingerprint) for sender, fingerprint, _ in news)
        self._heard_before = self._look()
        known = set(map(tuple, self._heard_before))
        self._asked = [ask for ask in news if ask[:2] in known]
        self._past = self._look_back()
        for row in sorted(self._past, key=lambda row: row[FIRST_AT]):
            line = Line.known(row)
            stories[line.integration, line.fingerprint].knows_past(line)

    def holds(self) -> bool:
        """Whether it still says the same of what is not guarded by `_AS_READ`: of all that may open something."""
        return self._look() == self._heard_before and self._look_back() == self._past

    def _look(self) -> list[Sequence[Any]]:
        return (
            db.rows_at_once("k.integration, k.fingerprint", _heard(), [db.lists_as_json(self._keys)])
            if self._keys
            else []
        )

    def _look_back(self) -> list[Sequence[Any]]:
        return _rows(_newest(), msgspec.json.encode(self._asked).decode()) if self._asked else []


def _by_sender(keys: Iterable[Key]) -> dict[Any, list[str]]:
    """Fingerprints by the integration that they are of; each once."""
    told: dict[Any, dict[str, None]] = {}
    for sender, fingerprint in keys:
        told.setdefault(sender, {})[fingerprint] = None
    return {sender: list(fingerprints) for sender, fingerprints in told.items()}


def _rows(statement: str, keys: str) -> list[Sequence[Any]]:
    """The signals that a statement finds for keys, which are JSON."""
    return db.rows_at_once(ON_RECORD, statement, [keys])


@cache
def _firing() -> str:
    """The firing signal of each key, looked up key by key.

    CROSS JOIN keeps SQLite from reading the signals first. PostgreSQL would read them all for each batch as long as it
    has no statistics of the table, which a storm fills before it can have any: LIMIT keeps it from that.
    """
    keys = db.lists_of_json("integration", "uuid", "fingerprint")
    firing = "s.integration_id = k.integration AND s.fingerprint = k.fingerprint AND s.status = 'firing'"
    if db.is_sqlite():
        return f"FROM ({keys}) k CROSS JOIN intake_signal s WHERE {firing}"
    return f"FROM ({keys}) k CROSS JOIN LATERAL (SELECT * FROM intake_signal s WHERE {firing} LIMIT 1) s"  # noqa: S608  names only


@cache
def _heard() -> str:
    """The keys that have any signal at all, looked up key by key: EXISTS would let PostgreSQL read all signals."""
    keys = db.lists_of_json("integration", "uuid", "fingerprint")
    return (
        f"FROM ({keys}) k WHERE (SELECT TRUE FROM intake_signal x "  # noqa: S608  names only
        "WHERE x.integration_id = k.integration AND x.fingerprint = k.fingerprint LIMIT 1)"
    )


@cache
def _newest() -> str:
    """The newest signal of each key, and the one that went by the event's own episode."""
    keys = db.rows_of_json({"integration": "uuid", "fingerprint": "text", "episode": "text"})
    same = "FROM intake_signal x WHERE x.integration_id = k.integration AND x.fingerprint = k.fingerprint"
    return (
        f"FROM ({keys}) k JOIN intake_signal s ON s.id IN ("
        f"(SELECT x.id {same} ORDER BY x.first_at DESC LIMIT 1), "
        f"(SELECT x.id {same} AND x.episode = k.episode AND k.episode <> '' LIMIT 1))"
    )


_DELIVERY = ("id", "created_at", "integration_id", "body", "content_type", "outcome", "error", "signals")
_ACCEPTED, _PARTLY, _REJECTED = (
    outcome.value for outcome in (Delivery.Outcome.ACCEPTED, Delivery.Outcome.PARTLY, Delivery.Outcome.REJECTED)
)


def _delivery_row(heard: Heard, brought: Brought, at: Any) -> tuple[Any, ...]:
    return (
        brought.delivery, at, brought.integration, packed.pack(heard.body[:BODY_KEPT]), heard.content_type[:100],
        _REJECTED if heard.error else _PARTLY if heard.left_out else _ACCEPTED,
        _told(heard), len(heard.events),
    )  # fmt: skip


def _told(heard: Heard) -> str:
    """What is said of it; it may quote the sender, and PostgreSQL's text cannot hold a NUL."""
    return (heard.error or heard.left_out)[:500].replace("\x00", "\ufffd")


_SIGNAL = (
    "id", "integration_id", "fingerprint", "episode", "title", "description", "url", "labels", "system_hint",
    "type_hint", "severity_hint", "starts_at", "first_delivery", "last_delivery",
)  # fmt: skip
_AS_READ = "intake_signal.id = v.id AND intake_signal.status || '' = 'firing' AND intake_signal.count = v.was"
"""A signal that fires counts whatever is said of it, so by its count one knows whether anybody was quicker.

Its status is compared as no index has it: before PostgreSQL has statistics of the table it takes few for firing, and
would read all that fire to find some by their key.
"""
_REPEATED = {"id": "uuid", "was": "integer", "heard": "integer", "at": "timestamptz", "delivery": "uuid"}
# A rule may wait for a signal to be heard so often (`look_at_count`): then it is due for routing at once.
_COUNT_REPEATS = (
    "count = v.heard, last_at = v.at, last_delivery = v.delivery, "
    "route_at = CASE WHEN look_at_count <= v.heard THEN v.at ELSE route_at END"
)
_CHANGED = _REPEATED | {
    "becomes": "text", "named": "text", "past": "jsonb", "said": "text", "system": "text", "kind": "text",
    "severity": "smallint", "words": "text", "link": "text", "marks": "jsonb", "over_at": "timestamptz",
    "why": "text", "due_at": "timestamptz", "ended": "timestamptz",
}  # fmt: skip
_CHANGE_SIGNAL = (
    "status = v.becomes, episode = v.named, past_episodes = v.past, title = v.said, system_hint = v.system, "
    "type_hint = v.kind, severity_hint = v.severity, count = v.heard, last_at = v.at, last_delivery = v.delivery, "
    "description = COALESCE(v.words, description), url = COALESCE(v.link, url), labels = COALESCE(v.marks, labels), "
    "resolved_at = COALESCE(v.over_at, resolved_at), ends_at = COALESCE(v.ended, ends_at), "
    "dedup_reason = COALESCE(v.why, dedup_reason), "
    "route_at = COALESCE(v.due_at, CASE WHEN look_at_count <= v.heard THEN v.at ELSE route_at END)"
)
_ECHOED = {"id": "uuid", "more": "integer", "at": "timestamptz", "why": "text", "delivery": "uuid"}
# Added to what stands there, whoever wrote it, so none is lost; and nothing else, so nobody is woken or overtaken.
_NOTE_ECHOES = (
    "echo_count = COALESCE(echo_count, 0) + v.more, echo_at = v.at, echo_reason = v.why, echo_delivery = v.delivery"
)


def _change(setting: str, columns: dict[str, str], rows: list[tuple[Any, ...]]) -> None:
    if db.update_from("intake_signal", setting, columns, rows, where=_AS_READ) != len(rows):
        raise _Overtaken


def _echo_row(key: Any, line: Line, at: Any) -> tuple[Any, ...]:
    return key, line.echoes, at, line.echo_reason, line.echo_delivery


def _changed_row(line: Line, at: Any, driver: _Driver) -> tuple[Any, ...]:
    said = line.event
    return (
        line.id, line.was, line.count, at, line.last_delivery,
        line.status, line.episode, _json(line.past_episodes), line.title, line.system_hint, line.type_hint,
        line.severity_hint, said.description if said else None, said.url if said else None,
        _json(said.labels) if said else None, at if line.status == RESOLVED else None,
        line.reason, at if line.due else None, driver.when(line.ends_at),
    )  # fmt: skip


def _shared(line: Line, at: Any, driver: _Driver) -> dict[str, Any]:
    """What most new signals of a batch have in common."""
    first_at = driver.when(line.first_at)
    # Named only where there is one: null costs no row anything.
    ended = {} if line.ends_at is None else {"ends_at": driver.when(line.ends_at)}
    return ended | {
        "created_at": first_at, "first_at": first_at, "last_at": first_at, "route_at": at, "status": line.status,
        "resolved_at": None if line.status == FIRING else at, "count": line.count, "dedup_reason": line.reason,
        "past_episodes": _json(line.past_episodes), "ended_before": _json(line.ended_before), "reason_joined": "",
    }  # fmt: skip


def _new_row(key: Any, line: Line, driver: _Driver) -> tuple[Any, ...]:
    said = line.event
    if said is None:
        raise AssertionError("A new signal has the event that it was made of.")
    return (
        key, line.integration, line.fingerprint, line.episode, line.title, said.description, said.url,
        _json(said.labels), line.system_hint, line.type_hint, line.severity_hint, driver.when(said.starts_at),
        line.first_delivery, line.last_delivery,
    )  # fmt: skip


def _json(value: Any) -> str:
    """JSON without the one character that PostgreSQL's jsonb refuses."""
    if not value:
        return "[]" if isinstance(value, list) else "{}"
    return msgspec.json.encode(value).decode().replace("\\u0000", "\\ufffd")
