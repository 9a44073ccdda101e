"""What is owed to Slack is done: claimed under a lease, one call at a time outside any transaction, settled.

It runs beside the pages and never before them: its threads are its own, and the loop only claims and settles here.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError

from andon.incidents.models import Incident
from andon.kit import clock, wake
from andon.paging.adapters.slack import web
from andon.paging.adapters.slack.web import Fault, Said
from andon.slack import actions, drawing, planning, queries
from andon.slack.models import Job
from andon.slack.planning import Call

WORKERS: Final = 4
"""Calls on the wire at once, in one process."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ready:
    """A job with its next call: all that a thread needs, so that it asks no database."""

    job: Job
    call: Call
    settings: Mapping[str, str]
    name: str = ""


class SlackWork:
    """The engine's module. With `workers=0` each call is made in the caller's thread: for tests and simulations."""

    name = "slack"

    def __init__(self, engine: str, *, workers: int = WORKERS) -> None:
        self._engine = engine
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="slack") if workers else None
        self._on_the_wire = 0
        self._heard: SimpleQueue[tuple[Ready, Said]] = SimpleQueue()
        self._pauses: dict[str, datetime] = {}

    def run_once(self, now: datetime, limit: int) -> int:
        """Settle what has come back, claim what is due, and make the next call of each."""
        settled = self._settle()
        settings = queries.settings()
        if settings is None:
            return settled
        room = min(limit, self._workers - self._on_the_wire) if self._pool else limit
        jobs = actions.claim(now, room, self._engine) if room > 0 else []
        for job in jobs:
            self._dispatch(job, settings, now)
        return settled + len(jobs)

    def stop(self) -> None:
        """Wait for the calls on the wire, which their deadline bounds, and write what came of them."""
        if self._pool:
            self._pool.shutdown(wait=True)
        self._settle()

    def _dispatch(self, job: Job, settings: Mapping[str, str], now: datetime) -> None:
        ready = self._prepare(job, settings)
        if ready is None:
            return
        if self._pauses.get(ready.call.method, now) > now:
            actions.wait(job, self._pauses[ready.call.method])
            return
        if not actions.note_before(job, planning.before(ready.call, job.known)):
            return
        self._on_the_wire += 1
        if self._pool:
            self._pool.submit(self._call_beside, ready)
        else:
            self._heard.put((ready, _call(ready)))
            self._settle()

    def _prepare(self, job: Job, settings: Mapping[str, str]) -> Ready | None:
        """The next call of a job; a fault of ours in one job is its outcome, and must not hold up the others."""
        try:
            return prepare(job, settings)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001  as the docstring says
            _log.exception("a job for Slack could not be prepared", job=str(job.pk))
            words = f"Andon's own fault: {type(error).__name__}. The log has details."
            actions.fail(job, job.known, words, passing=True, asked=timedelta(0))
            return None

    def _call_beside(self, ready: Ready) -> None:
        try:
            self._heard.put((ready, _call(ready)))
        finally:
            wake.engine.set()

    def _settle(self) -> int:
        done = 0
        while not self._heard.empty():
            ready, said = self._heard.get()
            self._on_the_wire -= 1
            done += 1
            if said.wait:
                self._pauses[ready.call.method] = clock.now() + said.wait
            settle(ready, said)
        return done


def prepare(job: Job, settings: Mapping[str, str]) -> Ready | None:
    """The next call of a claimed job. None when there is none; then that is written."""
    if job.kind == Job.Kind.ANSWER:
        told = json.loads(job.words)
        method = "chat.postEphemeral" if "url" not in told else ""
        where = {name: told[name] for name in ("channel", "user") if name in told}
        return Ready(job, Call(method or told["url"], {**where, **told["say"]}), settings)
    incident = job.incident
    if incident is None:
        actions.drop(job)
        return None
    ready = _for_incident(job, incident, settings)
    if ready is None:
        actions.finish(job)
    return ready


def _for_incident(job: Job, incident: Incident, settings: Mapping[str, str]) -> Ready | None:
    key = job.pk.hex
    if job.kind == Job.Kind.ROOM:
        room = drawing.room(incident, queries.members_of(incident))
        call = planning.next_for_room(room, job.known, key=key)
        return Ready(job, call, settings, planning.name_of(room, job.known)) if call else None
    if job.kind == Job.Kind.PAGE:
        drawn = drawing.incidents_message(queries.incidents_in_message(job, incident))
        call = planning.next_for_message(drawn, job.known, channel=job.channel, key=key)
        return Ready(job, call, settings) if call else None
    channel = job.channel or settings["announce"]
    drawn = planning.RESTRICTED if incident.restricted else drawing.incident_message(incident)
    nothing_yet = not job.known.get("ts") and not job.known.get("posting")
    if not channel or (nothing_yet and (incident.restricted or drawing.is_over(incident))):
        return None
    job.channel = channel
    call = planning.next_for_message(drawn, job.known, channel=channel, key=key)
    return Ready(job, call, settings) if call else None


def _call(ready: Ready) -> Said:
    """One call; whatever goes wrong in it is an answer. Touches no database."""
    try:
        if "://" in ready.call.method:
            return web.answer(ready.call.method, ready.call.arguments)
        return web.call(ready.settings, ready.call.method, ready.call.arguments)
    except Exception as error:  # noqa: BLE001  a fault of ours is an outcome: the job is tried again
        _log.exception("a call to Slack failed", method=ready.call.method.partition("://")[0])
        return Said(Fault.PASSING, f"Andon's own fault: {type(error).__name__}. The log has details.")


def settle(ready: Ready, said: Said) -> None:
    """Write what a call taught."""
    job = ready.job
    if job.kind == Job.Kind.ANSWER:
        _settle_answer(job, said)
        return
    learned = _learn(ready, said)
    if learned.trouble:
        passing = said.fault in {Fault.PASSING, Fault.NONE}
        actions.fail(job, learned.known, _words(ready.call, learned.trouble), passing=passing, asked=said.wait)
    else:
        actions.learn(job, learned.known, team=ready.settings["team"])


def _learn(ready: Ready, said: Said) -> planning.Learned:
    """What the answer teaches. One that is not what Slack documents is a trouble of this job alone."""
    try:
        return planning.after(ready.call, said, ready.job.known, name=ready.name, key=ready.job.pk.hex)
    except (KeyError, TypeError, ValueError):
        _log.exception("an answer of Slack could not be read", method=ready.call.method)
        return planning.Learned(dict(ready.job.known), "an answer that Andon cannot read")


def _settle_answer(job: Job, said: Said) -> None:
    """An answer is of use for some minutes: it is tried again while that holds, and then dropped."""
    if said.fault is Fault.PASSING and job.attempts < actions.ANSWER_ATTEMPTS:
        actions.fail(job, job.known, said.error, passing=True, asked=said.wait)
        return
    if not said.ok:
        _log.warning("an answer in Slack did not get out", job=str(job.pk), error=said.error)
    actions.drop(job)


def _words(call: Call, trouble: str) -> str:
    return f"{call.method}: {trouble}"
