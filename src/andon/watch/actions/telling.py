"""A watch speaks: an alarm becomes a signal, its end ends it, and what is found later is news for the incident.

All of it in the transaction that settles what was read. A watch that reads its history alarms for what is long over:
it speaks only when it has caught up, and then of what is not over.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from andon.incidents.models import Incident
from andon.intake import own
from andon.intake.events import Event, event
from andon.intake.models import Signal
from andon.kit import db, wake
from andon.practice.grouping import SignalStatus
from andon.practice.unfolding import Known, Told, remembered
from andon.practice.words import Criticality, IncidentType
from andon.watch import evidence, wording
from andon.watch.judging import Phase, Question
from andon.watch.kinds import KINDS
from andon.watch.models import Alarm, Watch

STALE_FROM: Final = 3
"""Failed readings in a row from which on a critical system's watch says that it is blind: some eight minutes."""
STALE_SEVERITY: Final = 3


def tell(watch: Watch, question: Question, now: datetime) -> None:
    """Say what is open and was not said, and note what is news of what was; the caller holds the watch."""
    alarm = Alarm.objects.filter(watch=watch, recovered_at=None).first()
    if alarm is None:
        return
    alarm.watch = watch
    changed = evidence.refresh(alarm, watch, question)
    if alarm.signal_id is None:
        alarm.signal = _say(alarm)
    elif not changed:
        return
    else:
        alarm.news_at = alarm.news_at or now
    alarm.save()
    wake.after_commit()


def _say(alarm: Alarm) -> Signal:
    """The signal of an alarm, in this transaction; it becomes an incident as everybody's do."""
    sender = own.say(_event(alarm), voice=own.WATCHES)
    return Signal.objects.get(integration=sender, fingerprint=_fingerprint(alarm.watch), status=Signal.Status.FIRING)


def _event(alarm: Alarm) -> Event:
    watch = alarm.watch
    kind = KINDS[watch.what_kind]
    return event(
        fingerprint=_fingerprint(watch),
        episode=alarm.ref,
        status=SignalStatus.FIRING,
        title=wording.title(watch, alarm),
        description="\n\n".join(filter(None, [wording.evidence(alarm), wording.onset(alarm), wording.drivers(alarm)])),
        labels={"watch": watch.ref, "alarm": alarm.ref, "kind": watch.kind, "direction": alarm.direction},
        system_hint=watch.system.slug,
        type_hint=kind.type,
        severity_hint=watch.severity_hint or kind.severity,
        starts_at=alarm.onset_at,
    )


def _fingerprint(watch: Watch) -> str:
    return f"watch:{watch.number}"


def end(watch: Watch, window_end: datetime, now: datetime) -> None:
    """The measure is back: the alarm is over, its signal ends, and the incident is to hear how that was seen."""
    _close(watch, window_end, now)


def give_up(watch: Watch, why: Alarm.GivenUp, now: datetime) -> None:
    """Nobody looks any more whether its alarm goes on: it is closed, and its incident is to hear why. Is it over?

    That is not known, and nobody says so. The caller holds the watch, which will see nothing more or everything anew.
    """
    _close(watch, now, now, why)


def _close(watch: Watch, at: datetime, now: datetime, given_up: Alarm.GivenUp | None = None) -> None:
    for alarm in Alarm.objects.filter(watch=watch, recovered_at=None).select_related("signal"):
        alarm.recovered_at, alarm.given_up = at, given_up or ""
        if alarm.signal_id is not None:
            alarm.news_at = now
            why = f" ({given_up.label})" if given_up else ""
            own.say(
                event(
                    fingerprint=_fingerprint(watch),
                    episode=alarm.ref,
                    status=SignalStatus.RESOLVED,
                    title=f"{wording.title(watch, alarm)}{why}",
                ),
                voice=own.WATCHES,
            )
        alarm.save(update_fields=["recovered_at", "given_up", "news_at"])


def stale(watch: Watch, why: str) -> None:
    """A watch on a critical system cannot be read for a while: that is a signal of its own. The caller holds it."""
    if watch.failures < STALE_FROM:
        return
    since = f" since {watch.stale_since:%Y-%m-%d %H:%M} UTC" if watch.stale_since else ""
    _blind(
        watch,
        "cannot be read",
        f"It could not be read{since}: {why}",
        IncidentType.TECHNICAL_FAILURE,
        watch.stale_since,
    )


def sight(watch: Watch, *, was_stale: bool, caught_up: bool) -> None:
    """Its log was read: does it see what it looks for? The caller holds it.

    An estimate whose scores labels contradict gives no verdict any more. Nothing else would say so, and it may mean
    that the system got worse in the very way that its scores hide; so on a critical system that is a signal too, as
    not being read is. A watch that never had a verdict to give has lost none: its page says what it lacks.
    """
    if watch.detector.get("phase") != Phase.REFUSED:
        if was_stale:
            sees(watch)
    elif caught_up:
        since = watch.detector.get("refused_at")
        _blind(
            watch,
            "gives no verdict",
            watch.detector["refused"],
            KINDS[watch.what_kind].type,
            None if since is None else datetime.fromisoformat(since),
        )


def _blind(watch: Watch, what: str, why: str, kind: IncidentType, since: datetime | None) -> None:
    """Say of a watch on a critical system that nothing is known of what it looks for; said again, it is one signal.

    Said by Andon itself and not by its watches: that a log was read is proof that it can be, so no person need resolve
    it.
    """
    if watch.system.criticality != Criticality.CRITICAL:
        return
    own.say(
        event(
            fingerprint=f"stale:{watch.number}",
            episode="",
            status=SignalStatus.FIRING,
            title=f"Blind: {watch.ref} {watch.name} {what}",
            description=f"{why} Nothing is known of what it looks for meanwhile.",
            labels={"watch": watch.ref, "kind": watch.kind},
            system_hint=watch.system.slug,
            type_hint=kind,
            severity_hint=STALE_SEVERITY,
            starts_at=since,
        ),
        voice=own.ITSELF,
    )


def sees(watch: Watch) -> None:
    """It is blind no more, or nobody expects it to see: ends what was said of that, if something was."""
    own.say(
        event(
            fingerprint=f"stale:{watch.number}",
            episode="",
            status=SignalStatus.RESOLVED,
            title=f"{watch.ref} {watch.name} is blind no more",
            passing=True,
        ),
        voice=own.ITSELF,
    )


def joined(signals: list[UUID], now: datetime) -> None:
    """These signals have come to an incident, which is to hear of their alarms."""
    Alarm.objects.filter(signal__in=signals).update(news_at=now)


def hold_news(key: UUID, now: datetime) -> Alarm | None:
    """An alarm with news, held; None if they were told meanwhile."""
    rows = Alarm.objects.filter(pk=key, news_at__lte=now).select_related("watch__system", "signal")
    return db.lock(rows).first()


def told(alarm: Alarm, incident: Incident | None, said: Collection[Told]) -> None:
    """This was said of an alarm, or there is nobody to tell; compare-and-set by the time at which it was due."""
    kept = alarm.told
    if incident is not None:
        kept = {"incident": str(incident.pk), **_kept(remembered(known_before(alarm, incident), known(alarm), said))}
    Alarm.objects.filter(pk=alarm.pk, news_at=alarm.news_at).update(news_at=None, told=kept)


def rest(key: UUID, until: datetime) -> None:
    """Leave alone for a while what could not be told; it stays due."""
    Alarm.objects.filter(pk=key, news_at__isnull=False).update(news_at=until)


def known(alarm: Alarm) -> Known:
    """What is known of an alarm now."""
    low, at, high = alarm.onset_low, alarm.onset_at, alarm.onset_high
    return Known(
        onset=(low or at, at, high or at) if at is not None else None,
        affected=alarm.affected,
        drivers=tuple(wording.segment_name(one["segment"]) for one in alarm.drivers),
        recovered=alarm.recovered_at is not None and not alarm.given_up,
        given_up=bool(alarm.given_up),
    )


def known_before(alarm: Alarm, incident: Incident) -> Known | None:
    """What this incident was told of an alarm last; None if nothing."""
    said = alarm.told
    if not said or said["incident"] != str(incident.pk):
        return None
    onset = said["onset"]
    return Known(
        onset=tuple(datetime.fromisoformat(at) for at in onset) if onset else None,  # type: ignore[arg-type]
        affected=said["affected"],
        drivers=tuple(said["drivers"]),
        recovered=said["recovered"],
        given_up=said.get("given_up", False),
    )


def _kept(one: Known) -> dict[str, object]:
    return {
        "onset": [at.isoformat() for at in one.onset] if one.onset else None,
        "affected": one.affected,
        "drivers": list(one.drivers),
        "recovered": one.recovered,
        "given_up": one.given_up,
    }
