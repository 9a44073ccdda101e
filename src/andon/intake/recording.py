"""Many deliveries, one transaction: what was heard becomes rows, decided by `andon.practice.grouping.dedup`.

Written in SQL by hand, a handful of statements a batch whatever its size: this is the one place where Andon's own
speed decides whether a storm is survived. The ORM reads these rows everywhere else.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from andon.intake import beside
from andon.intake.events import Change, Event, Note
from andon.intake.models import Delivery, Integration
from andon.kit import clock, db, ids, wake
from andon.practice import grouping
from andon.practice.grouping import DedupAction, DedupDecision, DedupReason, SignalStatus

BODY_KEPT = 64 * 1024
"""Bytes of a request's body that are kept for a person to look at."""

PAST_EPISODES = 20


class Heard(msgspec.Struct):
    """One request that was understood (or not, and then `error` says why), to be kept."""

    delivery: UUID
    integration: UUID
    body: bytes
    content_type: str
    events: list[Event]
    error: str = ""
    changes: list[Change] = []
    notes: list[Note] = []


_FIRING, _RESOLVED = SignalStatus.FIRING.value, SignalStatus.RESOLVED.value


class _Line(msgspec.Struct):
    """A signal's row while a batch is decided. Keys are as the driver wants them."""

    id: Any
    integration: Any
    fingerprint: str
    status: str
    episode: str
    past_episodes: list[str]
    ended_before: list[str]
    title: str
    system_hint: str
    type_hint: str
    severity_hint: int | None
    count: int
    first_at: datetime | None = None  # of new rows alone
    first_delivery: Any = None  # as above
    last_delivery: Any = None
    reason: str | None = None  # None = as it was
    event: Event | None = None  # the one whose words are to be written; None = as they were
    changed: bool = False
    due: bool = False  # to be routed


class _Story(msgspec.Struct):
    """What is on record, and decided so far, about one fingerprint of an integration."""

    open: _Line | None = None
    last: _Line | None = None
    ended: set[str] = msgspec.field(default_factory=set)
    lines: list[_Line] = msgspec.field(default_factory=list)


Key = tuple[Any, str]


@dataclass(frozen=True, slots=True)
class _Driver:
    """How the database driver of this process wants its values: looked up once a batch, not once a value."""

    key: Callable[[UUID], Any]
    when: Callable[[datetime | None], Any]


def _driver() -> _Driver:
    key: Callable[[UUID], Any] = (lambda uuid: uuid.hex) if db.is_sqlite() else (lambda uuid: uuid)
    # A batch says few different times, again and again: each is put into the driver's form once.
    return _Driver(key, cache(connection.ops.adapt_datetimefield_value))


@transaction.atomic
def record(batch: Sequence[Heard]) -> bool:
    """Write a batch of deliveries and what they say; whether any signal is now due for routing.

    Nothing of it is written if it raises. Two writers on PostgreSQL take turns by integration; should they race all the
    same, the unique index on what is firing refuses the second, who decides again (see `writer`).
    """
    now, driver = clock.now(), _driver()
    _take_turns(batch)
    stories = _on_record(batch, driver)
    for heard in batch:
        brought = _Brought(driver.key(heard.integration), driver.key(heard.delivery), now, driver)
        for event in heard.events:
            _decide(stories[brought.integration, event.fingerprint], event, brought)
    _write_deliveries(batch, now, driver)
    due = _write_lines(stories, now, driver)
    for heard in batch:
        if heard.changes or heard.notes:
            beside.write(heard.integration, heard.changes, heard.notes, now)
    if due:
        wake.after_commit()
    return due


def _take_turns(batch: Sequence[Heard]) -> None:
    if not db.is_sqlite():
        senders = Integration.objects.filter(pk__in={heard.integration for heard in batch})
        list(db.lock_for_writers(senders).order_by("pk").values_list("pk"))


_KNOWN = (
    "s.id, s.integration_id, s.fingerprint, s.status, s.episode, s.past_episodes, s.ended_before, s.title, "
    "s.system_hint, s.type_hint, s.severity_hint, s.count, s.first_at"
)
_FIRST_AT = 12  # its place in a row


def _firing_sql() -> str:
    """The firing signal of each key. CROSS JOIN keeps SQLite from reading the signals first."""
    keys = db.rows_of_json({"integration": "uuid", "fingerprint": "text"})
    return (
        f"SELECT {_KNOWN} FROM ({keys}) k CROSS JOIN intake_signal s "  # noqa: S608  names only
        "WHERE s.integration_id = k.integration AND s.fingerprint = k.fingerprint AND s.status = 'firing'"
    )


def _past_sql() -> str:
    """The newest signal of each key, and the one that went by the event's own episode."""
    keys = db.rows_of_json({"integration": "uuid", "fingerprint": "text", "episode": "text"})
    same = "FROM intake_signal x WHERE x.integration_id = k.integration AND x.fingerprint = k.fingerprint"
    return (
        f"SELECT {_KNOWN} FROM ({keys}) k JOIN intake_signal s ON s.id IN ("  # noqa: S608  names only
        f"(SELECT x.id {same} ORDER BY x.first_at DESC LIMIT 1), "
        f"(SELECT x.id {same} AND x.episode = k.episode AND k.episode <> '' LIMIT 1))"
    )


def _on_record(batch: Sequence[Heard], driver: _Driver) -> dict[Key, _Story]:
    """The story so far of every key in the batch: one read, and a second one for keys with news.

    What fires on by the same episode, as most of what is heard does, needs no more than the firing signal.
    """
    senders = {heard.integration: driver.key(heard.integration) for heard in batch}
    episodes: dict[Key, set[str]] = defaultdict(set)
    for heard in batch:
        for said in heard.events:
            episodes[senders[heard.integration], said.fingerprint].add(said.episode)
    stories = {key: _Story() for key in episodes}
    for row in _rows(_firing_sql(), list(episodes)):
        line = _line(row)
        story = stories[line.integration, line.fingerprint]
        story.lines.append(line)
        story.open = line
        story.ended.update(line.ended_before)
    unknown = [(*key, said) for key, names in episodes.items() if _has_news(stories[key], names) for said in names]
    for row in sorted(_rows(_past_sql(), unknown), key=lambda row: row[_FIRST_AT]):
        line = _line(row)
        story = stories[line.integration, line.fingerprint]
        if all(line.id != known.id for known in story.lines):
            story.lines.append(line)
            story.last = line  # rows come oldest first
            _end(story, line)
    return stories


def _has_news(story: _Story, episodes: set[str]) -> bool:
    """Whether anything is said of another episode than the one that fires."""
    return story.open is None or bool(episodes - {story.open.episode, ""})


def _rows(statement: str, keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What a statement finds for a list of keys."""
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement, [msgspec.json.encode(keys).decode()])
        return list(cursor.fetchall())


def _line(row: Sequence[Any]) -> _Line:
    line = _Line(*row[:_FIRST_AT])
    line.past_episodes, line.ended_before = _listed(line.past_episodes), _listed(line.ended_before)
    return line


def _listed(stored: Any) -> list[str]:
    """A JSON list as the driver gives it: text, or decoded already; mostly empty."""
    if stored == "[]":
        return []
    return msgspec.json.decode(stored, type=list[str]) if isinstance(stored, str) else list(stored)


def _end(story: _Story, line: _Line) -> None:
    story.ended.update(name for name in (line.episode, *line.past_episodes, *line.ended_before) if name)


class _Brought(msgspec.Struct):
    """What the events of one delivery share; keys as the driver wants them."""

    integration: Any
    delivery: Any
    at: datetime
    driver: _Driver


def _decide(story: _Story, event: Event, brought: _Brought) -> None:
    """Fold one event into its story."""
    decision = grouping.dedup(story.open, story.last, event, ended_episodes=story.ended)
    if decision.keep and not event.passing:
        _begin(story, event, decision, brought)
    elif story.open is not None and decision.action is DedupAction.REPEAT:
        _repeat(story.open, event, decision, brought)
    elif story.open is not None and decision.action is DedupAction.RESOLVE:
        _resolve(story, story.open, decision, brought)


def _begin(story: _Story, event: Event, decision: DedupDecision, brought: _Brought) -> None:
    """A new row: something fires, or has ended before it was heard to fire."""
    fires = decision.action is DedupAction.NEW
    fresh = sum(line.first_at is not None for line in story.lines) if story.lines else 0
    before = [*story.last.ended_before, *story.last.past_episodes][-PAST_EPISODES:] if story.last else []
    line = _Line(
        id=None,  # given when it is written
        integration=brought.integration,
        fingerprint=event.fingerprint,
        status=_FIRING if fires else _RESOLVED,
        episode=decision.episode,
        past_episodes=[],
        ended_before=before,
        title=event.title,
        system_hint=event.system_hint,
        type_hint=event.type_hint,
        severity_hint=event.severity_hint,
        count=int(fires),
        first_at=brought.at + timedelta(microseconds=fresh)
        if fresh
        else brought.at,  # several in one batch keep their order
        first_delivery=brought.delivery,
        last_delivery=brought.delivery,
        reason=decision.reason.value,
        event=event,
        due=True,
    )
    story.lines.append(line)
    if fires:
        story.open = line
    else:
        story.last = line
        _end(story, line)


def _repeat(line: _Line, event: Event, decision: DedupDecision, brought: _Brought) -> None:
    """The same again: counted; what the sender now says otherwise is taken over, and a worse severity never undone."""
    line.count += 1
    line.last_delivery = brought.delivery
    if decision.reason is DedupReason.SENDER_RESTARTED:
        _rename(line, decision.episode)
        line.reason = decision.reason.value
        line.changed = True
    if event.title != line.title:
        line.title, line.event, line.changed = event.title, event, True
    said = [level for level in (line.severity_hint, event.severity_hint) if level is not None]
    hints = (event.system_hint or line.system_hint, event.type_hint or line.type_hint, min(said, default=None))
    if hints != (line.system_hint, line.type_hint, line.severity_hint):
        line.system_hint, line.type_hint, line.severity_hint = hints
        line.event, line.changed, line.due = event, True, True


def _resolve(story: _Story, line: _Line, decision: DedupDecision, brought: _Brought) -> None:
    line.status = _RESOLVED
    _rename(line, decision.episode)
    line.last_delivery = brought.delivery
    line.reason = decision.reason.value
    line.changed = line.due = True
    story.open, story.last = None, line
    _end(story, line)


def _rename(line: _Line, episode: str) -> None:
    """Go by another episode; the name before is remembered, so that its late doubles are known."""
    if episode != line.episode:
        if line.episode:
            line.past_episodes = [*line.past_episodes, line.episode][-PAST_EPISODES:]
        line.episode = episode


_DELIVERY = ("id", "created_at", "integration_id", "body", "content_type", "outcome", "error", "signals")


def _write_deliveries(batch: Sequence[Heard], now: datetime, driver: _Driver) -> None:
    at, accepted, rejected = driver.when(now), Delivery.Outcome.ACCEPTED.value, Delivery.Outcome.REJECTED.value
    db.insert_many(
        "intake_delivery",
        _DELIVERY,
        [
            (
                driver.key(heard.delivery),
                at,
                driver.key(heard.integration),
                heard.body[:BODY_KEPT],
                heard.content_type[:100],
                rejected if heard.error else accepted,
                heard.error[:500],
                len(heard.events),
            )
            for heard in batch
        ],
    )


_SIGNAL = (
    "id", "created_at", "integration_id", "fingerprint", "episode", "past_episodes", "ended_before",
    "status", "title", "description", "url", "labels", "system_hint", "type_hint", "severity_hint", "count",
    "starts_at", "first_at", "last_at", "resolved_at", "dedup_reason", "first_delivery", "last_delivery", "route_at",
    "reason_joined",
)  # fmt: skip
# A rule may wait for a signal to be heard so often (`look_at_count`): then it is due for routing at once.
_COUNT_REPEATS = (
    "UPDATE intake_signal SET count = %s, last_at = %s, last_delivery = %s, "
    "route_at = CASE WHEN look_at_count <= %s THEN %s ELSE route_at END WHERE id = %s"
)
_CHANGE_SIGNAL = (
    "UPDATE intake_signal SET status = %s, episode = %s, past_episodes = %s, title = %s, system_hint = %s, "
    "type_hint = %s, severity_hint = %s, count = %s, last_at = %s, last_delivery = %s, "
    "description = COALESCE(%s, description), url = COALESCE(%s, url), labels = COALESCE(%s, labels), "
    "resolved_at = COALESCE(%s, resolved_at), dedup_reason = COALESCE(%s, dedup_reason), "
    "route_at = COALESCE(%s, CASE WHEN look_at_count <= %s THEN %s ELSE route_at END) WHERE id = %s"
)


def _write_lines(stories: Mapping[Key, _Story], now: datetime, driver: _Driver) -> bool:
    """At most three statements: what came to an end or changed, what only repeats, what is new; whether any is due.

    Ends go first, so that a new firing row finds the place of its fingerprint free.
    """
    at = driver.when(now)
    changed, repeats, new = [], [], []
    due = False
    for story in stories.values():
        for line in story.lines:
            due = due or line.due
            if line.first_at is not None:
                new.append(line)
            elif line.changed:
                changed.append(_changed_row(line, at))
            elif line.last_delivery is not None:
                repeats.append((line.count, at, line.last_delivery, line.count, at, line.id))
    for statement, rows in ((_CHANGE_SIGNAL, changed), (_COUNT_REPEATS, repeats)):
        if rows:
            db.execute_many(statement, rows)
    if new:
        keys = map(driver.key, ids.several(len(new)))
        db.insert_many(
            "intake_signal", _SIGNAL, [_new_row(key, line, at, driver) for key, line in zip(keys, new, strict=True)]
        )
    return due


def _changed_row(line: _Line, at: Any) -> tuple[Any, ...]:
    said = line.event
    return (
        line.status, line.episode, _json(line.past_episodes), line.title, line.system_hint,
        line.type_hint, line.severity_hint, line.count, at, line.last_delivery,
        said.description if said else None, said.url if said else None, _json(said.labels) if said else None,
        at if line.status == _RESOLVED else None, line.reason,
        at if line.due else None, line.count, at, line.id,
    )  # fmt: skip


def _new_row(key: Any, line: _Line, at: Any, driver: _Driver) -> tuple[Any, ...]:
    said = line.event
    if said is None:
        raise AssertionError("A new signal has the event that it was made of.")
    first_at = driver.when(line.first_at)
    return (
        key, first_at, line.integration, line.fingerprint, line.episode,
        _json(line.past_episodes), _json(line.ended_before), line.status, line.title, said.description, said.url,
        _json(said.labels), line.system_hint, line.type_hint, line.severity_hint, line.count,
        driver.when(said.starts_at), first_at, first_at, at if line.status == _RESOLVED else None,
        line.reason, line.first_delivery, line.last_delivery, at, "",
    )  # fmt: skip


def _json(value: Any) -> str:
    """JSON without the one character that PostgreSQL's jsonb refuses."""
    if not value:
        return "[]" if isinstance(value, list) else "{}"
    return msgspec.json.encode(value).decode().replace("\\u0000", "\\ufffd")
