"""Watches are made, changed, paused and ended by people."""

from typing import Any, Final

from django.db import transaction

from andon.incidents.actions import next_number
from andon.kit import clock, db, wake
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.watch.actions import telling
from andon.watch.facts import WatchFacts, waits_for_what_is_dated
from andon.watch.judging import Phase
from andon.watch.models import Alarm, AlarmBudget, Watch, WindowState
from andon.watch.policy import must_manage, must_run

MOST_DAYS: Final = 36_500
READS_ANEW: Final = frozenset(
    {"log", "measure", "what", "only", "truth", "metric", "window_minutes", "segments", "low", "high", "by_arrival"}
)
"""What changes what is counted: everything is read again from the start."""
_JUDGES_ANEW: Final = frozenset(
    {"baseline", "reference_from", "reference_to", "direction", "tolerance", "budget", "weekly"}
)
"""What changes how it is judged: the windows stay, and the detector goes through them again."""


@transaction.atomic
def create_watch(facts: WatchFacts, *, by: Actor) -> Watch:
    """A new watch, which runs at once."""
    must_manage(by, "make a watch")
    said = facts.columns()
    _stands(said)
    watch = Watch(number=next_number("watch"), made_by=by.person, next_run_at=clock.now(), **said)
    watch.save(force_insert=True)
    wake.after_commit()
    return watch


@transaction.atomic
def change_watch(watch: Watch, facts: WatchFacts, *, by: Actor, seen_version: int | None = None) -> Watch:
    """Let a watch say something else, as its next version.

    What changes what is counted lets it read everything again; what changes how it is judged lets the detector go
    through the windows again. Alarms stay what they were; one that goes on is given up, and raised anew if need be.

    Raises:
        Conflict: It was changed since `seen_version`, or has ended.
    """
    must_manage(by, "change this watch")
    said = facts.columns()
    _stands(said)
    held = _hold(watch)
    if seen_version is not None and seen_version != held.version:
        raise Conflict(f"{held.ref} was changed meanwhile, to version {held.version}. Look at it and decide again.")
    if said["system"].pk != held.system_id or said["kind"] != held.kind:
        raise Conflict("A watch stays of its system and kind. End this one and make another.")
    changed = {name for name, value in said.items() if getattr(held, name) != value}
    for name, value in said.items():
        setattr(held, name, value)
    held.version += 1
    if changed & READS_ANEW:
        _read_anew(held)
    if changed & (READS_ANEW | _JUDGES_ANEW):
        _judge_anew(held)
    held.save()
    wake.after_commit()
    return held


@transaction.atomic
def count_as_they_come(watch: Watch, *, by: Actor) -> Watch:
    """Let a watch that waits for labels count them as they come, as its next version; it reads everything again.

    Raises:
        Conflict: It does so already, its log does not say when labels came, or it has ended.
    """
    must_manage(by, "change this watch")
    held = _hold(watch)
    if not waits_for_what_is_dated(held):
        raise Conflict(f"{held.ref} counts labels as they come already, or cannot: look at what it goes by.")
    held.by_arrival = True
    held.version += 1
    _read_anew(held)
    _judge_anew(held)
    held.save()
    wake.after_commit()
    return held


@transaction.atomic
def pause_watch(watch: Watch, *, by: Actor) -> Watch:
    """Run it no more until it is resumed. What was missed meanwhile is read then."""
    must_run(by, watch.system, "pause this watch")
    held = _hold(watch)
    if not held.enabled:
        raise Conflict(f"{held.ref} is paused already.")
    held.enabled, held.next_run_at = False, None
    _let_go(held)
    held.save()
    return held


@transaction.atomic
def resume_watch(watch: Watch, *, by: Actor) -> Watch:
    """Run it again, from where it stopped."""
    must_run(by, watch.system, "resume this watch")
    held = _hold(watch)
    if held.enabled:
        raise Conflict(f"{held.ref} runs already.")
    held.enabled, held.next_run_at = True, clock.now()
    held.save()
    wake.after_commit()
    return held


@transaction.atomic
def run_soon(watch: Watch, *, by: Actor) -> Watch:
    """Run it at once instead of when its next window is over: after a warehouse came back, say."""
    must_run(by, watch.system, "run this watch")
    held = _hold(watch)
    if not held.enabled:
        raise Conflict(f"{held.ref} is paused. Resume it first.")
    held.next_run_at = clock.now()
    held.save(update_fields=["next_run_at"])
    wake.after_commit()
    return held


@transaction.atomic
def end_watch(watch: Watch, *, by: Actor) -> Watch:
    """Stop it for good. Its windows and alarms stay."""
    must_manage(by, "end this watch")
    held = _hold(watch)
    held.ended_at, held.enabled, held.next_run_at = clock.now(), False, None
    _let_go(held)
    telling.sees(held)
    telling.give_up(held, Alarm.GivenUp.ENDED, held.ended_at)
    held.save()
    return held


def _hold(watch: Watch) -> Watch:
    held = db.lock(Watch.objects.filter(pk=watch.pk).select_related("system", "log")).get()
    if held.ended_at is not None:
        raise Conflict(f"{held.ref} was ended. Make a new one.")
    return held


def _let_go(held: Watch) -> None:
    """Whoever reads it just now will find that it is no longer theirs, and write nothing."""
    held.lease_by, held.lease_until = "", None


def _read_anew(held: Watch) -> None:
    WindowState.objects.filter(watch=held).delete()
    held.began_at = held.read_until = held.bins = None


def _judge_anew(held: Watch) -> None:
    if held.detector.get("phase") == Phase.REFUSED:
        telling.sees(held)
    telling.give_up(held, Alarm.GivenUp.CHANGED, clock.now())
    held.judged_until, held.detector = None, {}
    held.next_run_at = clock.now() if held.enabled else None
    held.failures, held.error, held.notes = 0, "", []
    _let_go(held)


def _stands(said: dict[str, Any]) -> None:
    log = said["log"]
    if log is not None and log.ended_at is not None:
        raise Conflict(f"The log “{log.name}” was let go. Choose another.")


def set_alarm_budget(days: float, *, by: Actor) -> AlarmBudget:
    """Promise at most one false alarm in so many days, on average over all watches. What they have seen stays."""
    must_manage(by, "set the budget of false alarms")
    if not 0 < days <= MOST_DAYS:
        raise Invalid(f"Say in how many days one false alarm may come, at most {MOST_DAYS:,}.", field="days")
    row, _ = AlarmBudget.objects.update_or_create(
        pk=1, defaults={"days": days, "set_at": clock.now(), "set_by": by.person}
    )
    return row
