"""What is written about Slack: jobs with their cause, claims, what came of them, and notes that came from there."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Case, F, Q, Value, When

from andon.incidents.actions import add_link, add_note
from andon.incidents.models import Incident, TimelineEntry
from andon.incidents.timeline import hold, record
from andon.kit import clock, db, fence, wake
from andon.kit.errors import Conflict
from andon.paging.models import Page
from andon.people.models import ChannelKind
from andon.people.policy import Actor
from andon.practice.severity import Severity
from andon.slack.models import Job, Noted
from andon.slack.planning import Verdict, room_for

LEASE: Final = timedelta(seconds=30)
"""Longer than a call takes; how long a job may wait that a crash has cut off."""
BACKOFF: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 15, 60, 120, 300, 600, 600, 1200, 1800, 3600))
"""Waits between tries of one job; after the last it is given up until what it shows changes again."""
ANSWER_ATTEMPTS: Final = 3
"""Tries of an answer to somebody who clicked: it is of use for a minute or two."""
SHOWN: Final = frozenset(
    {
        "opened", "paged", "acknowledged", "contained", "containment_ended", "containment_waived", "resolved",
        "reopened", "closed", "severity_raised", "severity_lowered", "restricted", "unrestricted", "role_assigned",
    }
)  # fmt: skip
"""Kinds of timeline entries after which something in Slack looks different, or somebody else belongs there."""
_WELL: Final[dict[str, Any]] = {"attempts": 0, "last_error": "", "gave_up_at": None}
_ERROR_LENGTH: Final = 300
_log = structlog.get_logger(__name__)


# With its cause.


def follow(entries: Sequence[TimelineEntry], settings: Mapping[str, str]) -> None:
    """Write down what is owed to Slack after these entries, in the transaction that writes them.

    A fault in this must not undo what it follows: an acknowledgement counts, whatever Slack then shows of it.
    """
    try:
        with transaction.atomic():
            _follow(entries, settings)
    except (OperationalError, InterfaceError):
        raise  # the database is away, and what it follows is undone with it
    except Exception:  # noqa: BLE001  as the docstring says
        _log.exception("what is owed to Slack could not be written down", incidents=len(entries))


def _follow(entries: Iterable[TimelineEntry], settings: Mapping[str, str]) -> None:
    shown = {entry.incident_id: entry.incident for entry in entries if entry.kind in SHOWN}
    sent = [entry.body["page"] for entry in entries if entry.body and _went_to_slack(entry)]
    if sent:
        _follow_pages(sent)
    if shown:
        _make_due(Job.objects.filter(incident__in=shown))
        _make(shown.values(), settings)
    if sent or shown:
        wake.after_commit()


def _went_to_slack(entry: TimelineEntry) -> bool:
    return entry.kind == "page_sent" and (entry.body or {}).get("channel") == ChannelKind.SLACK


def _follow_pages(keys: Sequence[str]) -> None:
    """From now on the messages of these pages are kept up to date. Where each is, its provider's mark says."""
    now = clock.now()
    for page in Page.objects.filter(pk__in=keys):
        channel, _, ts = page.provider_ref.partition(":")
        if channel and ts:
            facts = {"incident_id": page.incident_id, "kind": Job.Kind.PAGE, "channel": channel, "due_at": now}
            Job.objects.update_or_create(page=page, defaults={**facts, "known": {"ts": ts}})


def _make_due(jobs: Any) -> None:
    """What they show has changed. One that is being worked on stays its worker's, and is due again after it."""
    jobs.update(
        wanted=F("wanted") + 1,
        attempts=0,
        due_at=Case(When(leased_by="", then=Value(clock.now())), default=F("due_at")),
    )


def _make(incidents: Iterable[Incident], settings: Mapping[str, str]) -> None:
    """The channel and the announcement of incidents that are to have one, where they are not there yet."""
    now = clock.now()
    jobs = [
        Job(kind=kind, incident=incident, due_at=now) for incident in incidents for kind in _kinds(incident, settings)
    ]
    if jobs:
        Job.objects.bulk_create(jobs, ignore_conflicts=True)


def _kinds(incident: Incident, settings: Mapping[str, str]) -> list[Job.Kind]:
    verdict = room_for(
        Severity(incident.severity), restricted=incident.restricted, channels_from=settings["channels_from"]
    )
    kinds = [Job.Kind.ROOM] if verdict in {Verdict.PUBLIC, Verdict.PRIVATE} else []
    return [*kinds, Job.Kind.ANNOUNCEMENT] if settings["announce"] and not incident.restricted else kinds


@transaction.atomic
def answer(words: str, *, to: Mapping[str, Any]) -> None:
    """Say something to one person, soon. `to` is where: `{"url": …}` of a click, or `{"channel": …, "user": …}`."""
    text = {"text": words, "response_type": "ephemeral", "replace_original": False}
    if "url" not in to:
        text = {"text": words}
    Job.objects.create(kind=Job.Kind.ANSWER, words=json.dumps({**to, "say": text}), due_at=clock.now())
    wake.after_commit()


@transaction.atomic
def note_once(incident: Incident, *, key: str, text: str, by: Actor, at: datetime | None = None) -> None:
    """Put something said in Slack on the timeline, once; raises `Conflict` when `key` is there already."""
    try:
        with transaction.atomic():
            Noted.objects.create(key=key[:120], incident=incident)
    except IntegrityError:
        raise Conflict("This is on the timeline already.", code="noted") from None
    add_note(incident, text=text, by=by, at=at if at is None or at <= clock.now() else None)


# The work.


def claim(now: datetime, limit: int, name: str) -> list[Job]:
    """Take up to `limit` due jobs for the worker `name`, on disk; nobody else does them until the lease ends."""
    answers_first = Case(When(kind=Job.Kind.ANSWER, then=0), default=1)
    due = Job.objects.filter(due_at__lte=now).order_by(answers_first, "due_at", "pk")
    keys = list(due.values_list("pk", flat=True)[:limit])
    return _take(keys, now, name) if keys else []


@transaction.atomic
def _take(keys: Sequence[uuid.UUID], now: datetime, name: str) -> list[Job]:
    """Lease those of the jobs that are still due and that no other replica is taking at this moment."""
    fence.hold()
    rows = db.lock_free(Job.objects.filter(pk__in=keys, due_at__lte=now))
    taken = {job.pk: job for job in rows.select_related("incident__system", "incident__acknowledged_by", "page")}
    lease = f"{name[:40]}/{uuid.uuid4().hex}"
    for job in taken.values():
        job.leased_by, job.due_at = lease, now + LEASE
    db.update_rows(list(taken.values()), ["leased_by", "due_at"])
    return [taken[key] for key in keys if key in taken]


def let_go(now: datetime) -> int:
    """Make due what a clock that was set back, or a crash under it, left waiting for longer than any lease."""
    far = Job.objects.filter(due_at__gt=now + BACKOFF[-1] + LEASE)
    return far.update(due_at=now, leased_by="") + Job.objects.exclude(leased_by="").filter(
        due_at__gt=now + 3 * LEASE
    ).update(due_at=now, leased_by="")


@transaction.atomic
def note_before(job: Job, known: Mapping[str, Any]) -> bool:
    """Keep, before a call leaves, that it is about to; False when the job is no longer this worker's."""
    if known == job.known:
        return True
    fence.hold()
    job.known = dict(known)
    return bool(_mine(job).update(known=job.known))


@transaction.atomic
def finish(job: Job) -> None:
    """Everything is as it should be; due again only if something changed since it was looked at."""
    fence.hold()
    rested = _mine(job).filter(wanted=job.wanted)
    if not rested.update(due_at=None, leased_by="", **_WELL):
        _mine(job).update(due_at=clock.now(), leased_by="")


@transaction.atomic
def drop(job: Job) -> None:
    """An answer that is out, or that is of no use any more, leaves nothing behind."""
    fence.hold()
    _mine(job).delete()


@transaction.atomic
def wait(job: Job, until: datetime) -> None:
    """Not now: Slack asked for a pause."""
    fence.hold()
    _mine(job).update(due_at=until, leased_by="")


@transaction.atomic
def learn(job: Job, known: Mapping[str, Any], *, team: str) -> None:
    """Keep what a call taught, and look again at once for the next one. A channel that is there gets its link."""
    fence.hold()
    channel = str(known.get("channel", "")) if job.kind == Job.Kind.ROOM else job.channel
    is_new = job.kind == Job.Kind.ROOM and bool(channel) and channel != job.channel
    incident = hold(job.incident_id) if is_new and job.incident_id else None
    kept = {"known": dict(known), "channel": channel, "leased_by": "", **_WELL}
    if _mine(job).update(**kept, due_at=clock.now()) and incident is not None:
        url = f"https://slack.com/app_redirect?team={team}&channel={channel}"
        add_link(incident, title=f"Slack: #{known.get('name', '')}", url=url, by=Actor.engine())


@transaction.atomic
def fail(job: Job, known: Mapping[str, Any], error: str, *, passing: bool, asked: timedelta) -> None:
    """Try again later, or give it up until something changes, and say so where people look: on the timeline."""
    fence.hold()
    attempts = job.attempts + 1
    error = error[:_ERROR_LENGTH]
    now = clock.now()
    kept = {"known": dict(known), "attempts": attempts, "last_error": error, "leased_by": ""}
    if passing and attempts <= len(BACKOFF):
        _log.warning("a call to Slack will be tried again", job=str(job.pk), kind=job.kind, error=error)
        _mine(job).update(**kept, due_at=now + max(BACKOFF[attempts - 1], asked))
        return
    _log.error("a job for Slack was given up", job=str(job.pk), kind=job.kind, error=error)
    said_before = job.gave_up_at is not None and job.last_error == error
    incident = hold(job.incident_id) if job.incident_id else None
    if _mine(job).update(**kept, due_at=None, gave_up_at=now) and incident is not None and not said_before:
        record(incident, "slack_failed", {"what": job.kind, "reason": error}, by=Actor.engine())


def _mine(job: Job) -> Any:
    """The job, if this claim still holds it."""
    return Job.objects.filter(Q(pk=job.pk), leased_by=job.leased_by)
