"""Whether a system is ready for production: is there, at any moment, somebody who would hear of an incident?

Ready needs a named owner who is still there; a chain whose every step reaches at least one person with a
working contact point; a lever that was rehearsed within 90 days; no gap in the chain's schedules within the
next 30 days; and nobody whom a step or a schedule names without a working contact point, or with one that
broke: what somebody counted on is gone, and the next page is a bad moment to find out. Every finding says what
fails, when, and what to do about it.

Advice is what does not stand against readiness and is worth doing: a contact point that waits to be confirmed
beside a working one, or over which nothing has been sent for 90 days, or somebody's only one when that is Andon's
own log, as while one tries things out: nobody is woken by it. Not having been paged is no fault, and a
system must not become unready by being quiet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from andon.practice.words import Word

HORIZON = timedelta(days=30)
UNTRIED = timedelta(days=90)
"""A contact point over which nothing got out for longer is worth a test."""


@dataclass(frozen=True, slots=True)
class PointFacts:
    """What is known of one contact point.

    Attributes:
        channel: As people know it: "E-mail".
        verified: Whether somebody confirmed that a message arrived.
        broken_at: When it broke; None while it works.
        why_broken: What the other side said, in a sentence or less.
        unusable: Why nothing can be sent over the channel in this installation; empty if it can.
        proved_at: When a message last got out over it, or was confirmed; None if that is not known.
        wakes: Whether what is sent over the channel may wake somebody; not so for Andon's own log.
    """

    channel: str
    verified: bool = True
    broken_at: datetime | None = None
    why_broken: str = ""
    unusable: str = ""
    proved_at: datetime | None = None
    wakes: bool = True

    @property
    def works(self) -> bool:
        """Whether a page sent there can be expected to arrive."""
        return self.verified and self.broken_at is None and not self.unusable


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Somebody whom a target reaches within the horizon, and how; `named` unless only as one of a team."""

    name: str
    points: tuple[PointFacts, ...] = ()
    named: bool = True


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What is known of one target of a step.

    Attributes:
        label: As people know it: a person's name, "schedule Credit models", "team Risk".
        working_contact_points: How many verified, unbroken contact points it reaches: a person's own, a
            team's together, and for a schedule the *fewest* that anybody has who is on call in it within the
            horizon (one participant without any is a step that reaches nobody, on some night).
        gaps: For a schedule, the times (from, until) within the horizon in which nobody is on call.
        unreached: For a schedule, the shifts (who, from, until) within the horizon of people who have no
            working contact point.
        people: Everybody active whom it reaches within the horizon.
    """

    label: str
    working_contact_points: int
    gaps: tuple[tuple[datetime, datetime], ...] = ()
    unreached: tuple[tuple[str, datetime, datetime], ...] = ()
    people: tuple[PersonFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step of the chain, by its number as people say it, and whom it is to reach."""

    position: int
    targets: tuple[TargetFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class LeverFacts:
    """How many levers a system has, and whether one of them is `fit`: complete, rehearsed within 90 days as it is.

    `doubts` says in sentences what stands against each of the others.
    """

    count: int
    fit: bool
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What readiness depends on.

    Attributes:
        owner: Name of the on-call owner; None if nobody is named.
        owner_active: Whether the owner can still sign in.
        steps: The steps of the chain; None if the system has no chain.
        zone: The zone that times in findings are written in.
        levers: The levers that would stop its harm; None where nobody can say.
    """

    owner: str | None
    owner_active: bool
    steps: tuple[StepFacts, ...] | None
    zone: tzinfo = UTC
    levers: LeverFacts | None = None


class FindingCode(Word):
    """What fails."""

    NO_OWNER = "no_owner", "no owner"
    OWNER_INACTIVE = "owner_inactive", "owner has left"
    NO_CHAIN = "no_chain", "no escalation chain"
    CHAIN_EMPTY = "chain_empty", "chain without steps"
    STEP_EMPTY = "step_empty", "step without targets"
    STEP_UNREACHABLE = "step_unreachable", "step reaches nobody"
    SCHEDULE_GAP = "schedule_gap", "gap in a schedule"
    SHIFT_UNREACHABLE = "shift_unreachable", "shift reaches nobody"
    NO_LEVER = "no_lever", "no lever"
    LEVER_UNREHEARSED = "lever_unrehearsed", "no lever is rehearsed"
    CONTACT_BROKEN = "contact_broken", "contact point is broken"
    PERSON_UNREACHABLE = "person_unreachable", "person cannot be paged"
    CONTACT_UNCONFIRMED = "contact_unconfirmed", "contact point is not confirmed"
    CONTACT_UNTRIED = "contact_untried", "contact point is untried"
    WAKES_NOBODY = "wakes_nobody", "contact point wakes nobody"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that fails: in words, and where it is a time, from when until when."""

    code: FindingCode
    text: str
    at: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """The verdict, and everything that stands against it. Ready if and only if nothing does; advice does not."""

    ready: bool
    findings: tuple[Finding, ...]
    advice: tuple[Finding, ...] = ()


def check(facts: Facts, now: datetime) -> Readiness:
    """Whether the system is ready, and everything that fails, not only the first thing.

    Raises ValueError if ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"{now.isoformat()} has no time zone, so the next 30 days cannot be looked at.")
    people = _people(facts)
    findings = (
        *_owner(facts),
        *_chain(facts),
        *_gaps(facts, now),
        *_unreached(facts, now),
        *_levers(facts),
        *(finding for person in people for finding in _out_of_reach(person, facts.zone)),
    )
    advice = tuple(finding for person in people for finding in _advice(person, now))
    return Readiness(ready=not findings, findings=findings, advice=advice)


def _owner(facts: Facts) -> Iterator[Finding]:
    if facts.owner is None or not facts.owner.strip():
        yield Finding(FindingCode.NO_OWNER, "Nobody is named as owner. Name the person who answers for this system.")
    elif not facts.owner_active:
        yield Finding(
            FindingCode.OWNER_INACTIVE,
            f"{facts.owner} is named as owner, but is no longer active. Name another owner.",
        )


def _chain(facts: Facts) -> Iterator[Finding]:
    if facts.steps is None:
        yield Finding(
            FindingCode.NO_CHAIN,
            "There is no escalation chain, so an incident would page only the organisation's fallback. Choose one.",
        )
        return
    if not facts.steps:
        yield Finding(
            FindingCode.CHAIN_EMPTY,
            "The escalation chain has no steps, so it pages nobody. Add a step to it.",
        )
    for step in facts.steps:
        if not step.targets:
            yield Finding(
                FindingCode.STEP_EMPTY,
                f"Step {step.position} of the chain names nobody. Add a person, a schedule or a team to it.",
            )
        elif all(target.working_contact_points < 1 for target in step.targets):
            names = ", ".join(target.label for target in step.targets)
            yield Finding(
                FindingCode.STEP_UNREACHABLE,
                f"Step {step.position} of the chain may reach nobody: no working contact point for {names} "
                "(in a schedule, for somebody in it). Add one and verify it, or put somebody else there.",
            )


def _levers(facts: Facts) -> Iterator[Finding]:
    """Whether something is prepared that stops the harm, and was tried lately."""
    if facts.levers is None or facts.levers.fit:
        return
    if not facts.levers.count:
        yield Finding(
            FindingCode.NO_LEVER,
            "No lever is prepared, so nobody could stop its harm in seconds. Prepare one, and rehearse it.",
        )
        return
    yield Finding(
        FindingCode.LEVER_UNREHEARSED,
        " ".join(
            [
                "None of its levers was rehearsed in the last 90 days as it is now.",
                *dict.fromkeys(facts.levers.doubts),
                "Rehearse one, so that it works at night.",
            ]
        ),
    )


def _gaps(facts: Facts, now: datetime) -> Iterator[Finding]:
    """Gaps within the horizon, cut to it; a schedule that stands in several steps is named once."""
    horizon = now + HORIZON
    seen = set()
    for target in (target for step in facts.steps or () for target in step.targets):
        for start, end in target.gaps:
            at, until = max(start, now), min(end, horizon)
            if at >= until or (target.label, at, until) in seen:
                continue
            seen.add((target.label, at, until))
            yield Finding(FindingCode.SCHEDULE_GAP, _gap_text(target.label, at, until, facts.zone), at, until)


def _unreached(facts: Facts, now: datetime) -> Iterator[Finding]:
    """Shifts of people who cannot be paged, each person's first; not where the step always reaches somebody else."""
    seen = set()
    for step in facts.steps or ():
        reached = [target for target in step.targets if target.working_contact_points > 0]
        if not reached or any(not target.gaps and not target.unreached for target in reached):
            continue
        for target in step.targets:
            for who, at, until in sorted(target.unreached, key=lambda shift: shift[1]):
                if until <= now or at >= now + HORIZON or (target.label, who) in seen:
                    continue
                seen.add((target.label, who))
                when = f"from {_written(at, facts.zone)} to {_written(until, facts.zone)}"
                yield Finding(
                    FindingCode.SHIFT_UNREACHABLE,
                    f"{who} is on call in {target.label} {when} and has no working contact point. "
                    "Add one and verify it, or let somebody else take over.",
                    at,
                    until,
                )


def _people(facts: Facts) -> list[PersonFacts]:
    """Everybody whom the chain reaches, once; named if they are so anywhere."""
    found: dict[tuple[str, tuple[PointFacts, ...]], PersonFacts] = {}
    for step in facts.steps or ():
        for target in step.targets:
            for person in target.people:
                known = found.get((person.name, person.points))
                if known is None or person.named:
                    found[person.name, person.points] = person
    return list(found.values())


def _out_of_reach(person: PersonFacts, zone: tzinfo) -> Iterator[Finding]:
    """What broke of theirs; and if they are named and nothing works, what is missing."""
    left = [point.channel for point in person.points if point.works]
    otherwise = f"Pages still go by {' and '.join(dict.fromkeys(left))}." if left else "No page reaches them."
    broken = [point for point in person.points if point.broken_at is not None]
    for point in broken:
        since = f" since {_written(point.broken_at, zone)}" if point.broken_at else ""
        why = f": {point.why_broken.rstrip('.')}" if point.why_broken else ""
        yield Finding(
            FindingCode.CONTACT_BROKEN,
            f"{point.channel} of {person.name} has been broken{since}{why}. {otherwise} "
            f"{person.name} sends a test from their account page and confirms it, or removes it.",
            point.broken_at,
        )
    if left or broken or not person.named:
        return
    yield Finding(FindingCode.PERSON_UNREACHABLE, _unreachable_text(person))


def _unreachable_text(person: PersonFacts) -> str:
    """Why nobody can page somebody of whom nothing broke, and what to do."""
    cannot = f"{person.name} cannot be paged"
    unusable = [point for point in person.points if point.verified and point.unusable]
    if unusable:
        return f"{cannot} by {unusable[0].channel}: {unusable[0].unusable}"
    if person.points:
        channels = " and ".join(dict.fromkeys(point.channel for point in person.points))
        return f"{cannot}: {channels} waits to be confirmed. {person.name} opens the link in a test message."
    return f"{cannot}: there is no contact point. {person.name} adds one on their account page and confirms it."


def _advice(person: PersonFacts, now: datetime) -> Iterator[Finding]:
    """What is worth doing for somebody who can be paged."""
    works = [point for point in person.points if point.works]
    if not works:
        return
    if not any(point.wakes for point in works):
        yield Finding(
            FindingCode.WAKES_NOBODY,
            f"{person.name} is paged by {works[0].channel} alone, and nobody is woken by that. "
            f"{person.name} adds another contact point on their account page and confirms it.",
        )
    for point in person.points:
        if not point.verified:
            yield Finding(
                FindingCode.CONTACT_UNCONFIRMED,
                f"{point.channel} of {person.name} waits to be confirmed, so no page goes there. "
                f"{person.name} opens the link in a test message.",
            )
        elif point.works and point.proved_at is not None and now - point.proved_at > UNTRIED:
            days = (now - point.proved_at).days
            yield Finding(
                FindingCode.CONTACT_UNTRIED,
                f"Nothing has been sent to {point.channel} of {person.name} for {days} days. "
                f"{person.name} sends a test to see that it still arrives.",
                point.proved_at,
            )


def _gap_text(label: str, at: datetime, until: datetime, zone: tzinfo) -> str:
    """From when until when nobody is on call, in the zone, and for how long."""
    span = until - at
    whole = span >= HORIZON
    when = "in the next 30 days" if whole else f"from {_written(at, zone)} to {_written(until, zone)} ({_long(span)})"
    return f"Nobody is on call in {label} {when}. Extend a rotation over it, or add an override."


def _written(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%a %d %b %Y %H:%M %Z")


def _long(span: timedelta) -> str:
    """A span to the minute, in its largest two units, never "0 min"."""
    minutes = max(1, round(span / timedelta(minutes=1)))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{number} {unit}" for number, unit in [part for part in parts if part[0]][:2])
