"""Which incidents there would have been, had some signals counted as something else.

The signals that were heard are gone through once more, oldest first, by the rules by which signals find their incident
(`practice.grouping`, `practice.onsets`). What counts as before goes where it went, as long as that was there; so
without any change everything stays as it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush

from andon.practice.grouping import RouteAction, RouteReason, route
from andon.practice.onsets import Interval, Standing, place
from andon.practice.severity import Severity
from andon.practice.words import IncidentType


@dataclass(frozen=True, slots=True)
class Known:
    """An incident that there was.

    Attributes:
        key: What the caller knows it by.
        group: The key under which signals join it.
        began: When it opened.
        until: When it was resolved; None if it is open.
        stands: Whether it was there whatever became of these signals: people opened it, or an older signal.
        type: Its type.
        system: What the caller knows its system by; None without one, and where alarms may not join it.
        onsets: When what is in it began, beside what these signals say of that.
        longer: Whether it would have stayed open after `until`: then its signals would have resolved it.
        later: Until when, by its own signals; None = it would be open still.
    """

    key: Hashable
    group: str
    began: datetime
    until: datetime | None
    stands: bool
    type: IncidentType
    system: Hashable | None = None
    onsets: tuple[Interval, ...] = ()
    longer: bool = False
    later: datetime | None = None

    @property
    def ends(self) -> datetime | None:
        """When it would have been resolved; None = it would be open."""
        return self.later if self.longer else self.until


@dataclass(frozen=True, slots=True)
class Count:
    """A threshold of different signals: with fewer than `needed` of its key within a time, none opens an incident."""

    key: Hashable
    needed: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted under one key: when each was first heard, oldest first, and what makes two the same thing."""

    times: Sequence[datetime]
    things: Sequence[Hashable]

    def seen(self, at: datetime, within: timedelta) -> int:
        """How many different things were heard in so long a time until then."""
        return len(set(self.things[bisect_right(self.times, at - within) : bisect_right(self.times, at)]))

    def after(self, at: datetime) -> datetime | None:
        """When the next one was heard after that."""
        place_ = bisect_right(self.times, at)
        return self.times[place_] if place_ < len(self.times) else None


@dataclass(frozen=True, slots=True)
class Heard:
    """A signal, as it would have counted.

    Attributes:
        key: What the caller knows it by.
        at: When it was to find its incident.
        group: The key of the incident that it would have belonged to.
        severity: As it would have counted; None = nobody says.
        type: As it would have counted.
        system: What the caller knows its system by; None if it belongs to none.
        until: Until when an incident of its own would have been open; None = it still would be.
        home: The incident that it is in; None = none.
        opened: Whether it opened that one.
        changed: Whether it would have counted as something else than it did.
        regrouped: Whether its group would have been another.
        waits: Whether a rule kept it waiting: it joins what is open, and opens nothing.
        apart: Whether it is a sign of life, and part of no incident.
        over: Whether it had ended before it was heard to fire.
        alarm: Whether it speaks of a watch's alarm, which joins by when it began.
        onset: When that began; None if nobody knows.
        ended_at: When it ended; None if it fires.
        counted: The thresholds that are asked before it opens an incident, in their order.
    """

    key: Hashable
    at: datetime
    group: str
    severity: Severity | None
    type: IncidentType
    system: Hashable | None = None
    until: datetime | None = None
    home: Hashable | None = None
    opened: bool = False
    changed: bool = False
    regrouped: bool = False
    waits: bool = False
    apart: bool = False
    over: bool = False
    alarm: bool = False
    onset: Interval | None = None
    ended_at: datetime | None = None
    counted: tuple[Count, ...] = ()


@dataclass(slots=True, eq=False)
class Course:
    """An incident that there would have been.

    Attributes:
        group: The key under which signals join it.
        began: When it would have opened.
        until: When it would have been resolved, as far as one can tell; None = it would be open.
        known: The incident that it is, if there was one; None = it is another.
        opener: The signal that would have opened it; None = it stood.
        members: The signals that would have been in it, in their order.
    """

    group: str
    began: datetime
    until: datetime | None
    type: IncidentType
    system: Hashable | None
    known: Known | None = None
    opener: Hashable | None = None
    members: list[Hashable] = field(default_factory=list)
    onsets: list[Interval] = field(default_factory=list)

    def open_at(self, at: datetime) -> bool:
        """Whether signals could have joined it."""
        return self.began <= at and (self.until is None or at < self.until)


def regroup(
    heard: Iterable[Heard],
    known: Iterable[Known],
    tallies: Mapping[Hashable, Tally] | None = None,
    now: datetime | None = None,
) -> list[Course]:
    """The incidents that there would have been: those that stood, then the others as they would have opened.

    Args:
        heard: The signals.
        known: The incidents that there were.
        tallies: By key of a threshold, what it would have counted.
        now: The present instant: what waits for a threshold is looked at until then; None = for ever.
    """
    world = _World(known, tallies or {}, now)
    for one in heard:
        world.look_at(one, one.at)
    world.go()
    return world.courses


def _began_apart(one: Heard, course: Course) -> bool:
    """Whether an alarm does not join what is open for longer than it was, for it began at another time."""
    longer = course.known is not None and course.known.longer
    return one.alarm and longer and place(one.onset, one.type, [_standing(0, course)]).key is None


def _standing(key: Hashable, course: Course) -> Standing:
    return Standing(key, course.type, tuple(course.onsets))


class _World:
    """The incidents as they would be by now, while signals are gone through."""

    def __init__(self, known: Iterable[Known], tallies: Mapping[Hashable, Tally], now: datetime | None) -> None:
        self._tallies, self._now = tallies, now
        self._due: list[tuple[datetime, bool, int, Heard]] = []
        self._looks = 0
        self._waiting: dict[Hashable, tuple[Heard, Count, int]] = {}  # by signal: for what, and which look is its next
        self._waited: set[Hashable] = set()
        self._known: Mapping[Hashable, Known] = {one.key: one for one in known}
        self._begun: dict[Hashable, Course] = {}
        self._by_group: dict[str, list[Course]] = defaultdict(list)
        self._by_system: dict[Hashable, list[Course]] = defaultdict(list)
        self.courses: list[Course] = []
        for one in sorted(self._known.values(), key=lambda one: one.began):
            if one.stands:
                self._begin(one.group, one.began, one.ends, one.type, one.system, one)

    def look_at(self, one: Heard, at: datetime) -> int:
        """Look at a signal at a time; the number of that look."""
        self._looks += 1
        # Of what came at one time, what did open an incident goes first: nothing else is moved by the order then.
        heappush(self._due, (at, not one.opened, self._looks, one))
        return self._looks

    def go(self) -> None:
        """Look at all of them, oldest first, and at those that wait whenever their time has come."""
        while self._due:
            at, _, look, one = heappop(self._due)
            if one.key in self._waited:
                if one.key not in self._waiting or self._waiting[one.key][2] != look:
                    continue  # it was let go meanwhile, and was looked at, or is about to be
                del self._waiting[one.key]
                one = replace(one, at=at, over=one.over or (one.ended_at is not None and one.ended_at <= at))
            self._take(one)

    def _take(self, one: Heard) -> None:
        """Let a signal find its incident."""
        home = self._known.get(one.home) if one.home is not None else None
        course = self._course(one, home)
        if course is None:
            return
        course.members.append(one.key)
        if one.alarm and one.onset is not None:
            course.onsets.append(one.onset)
        lasts = course.known is None or (course.known.longer and course.known is not home)
        if lasts and course.until is not None:
            course.until = None if one.until is None else max(course.until, one.until)

    def _course(self, one: Heard, home: Known | None) -> Course | None:
        if one.changed:
            return self._anew(one, home)
        if home is None:
            return None if one.apart else self._only_now(one.group, one.at)
        if course := self._begun.get(home.key):
            return course
        # Its incident is not there: what opened it has gone elsewhere, or what came before has opened another.
        course = (self._only_now if one.opened else self._open)(home.group, one.at)
        if course is not None and not _began_apart(one, course):
            if course.known is None:  # which is this one then, only that it opened by another signal
                self._becomes(course, home)
            return course
        if one.opened:
            self._let_go_by(one)
        return self._opened(one, home) if one.opened or self._opens(one, None) else None

    def _anew(self, one: Heard, home: Known | None) -> Course | None:
        """What counts as something else finds its incident by what it counts as."""
        if one.apart:
            return None
        stays = home is not None and not one.regrouped
        group = home.group if home is not None and stays else one.group
        by_onset: RouteReason | None = None
        if stays and home is not None and home.key in self._begun:
            return self._begun[home.key]
        if one.alarm and one.system is not None and not stays:
            course, by_onset = self._by_onset(one)
            if course is None and self._open(group, one.at) is not None:
                group = f"{group}:{one.key}"
        else:
            course = self._open(group, one.at)
        if course is not None:
            return course
        if not self._opens(one, by_onset):
            return None
        if home is not None and home.group == group and home.key not in self._begun:
            return self._opened(one, home)
        return self._begin(group, one.at, one.until, one.type, one.system, None, one.key, ())

    def _by_onset(self, one: Heard) -> tuple[Course | None, RouteReason]:
        courses = [course for course in self._by_system[one.system] if course.open_at(one.at)]
        standing = [_standing(number, course) for number, course in enumerate(courses)]
        joined = place(one.onset, one.type, standing)
        return (courses[joined.key] if isinstance(joined.key, int) else None), joined.reason

    def _opens(self, one: Heard, by_onset: RouteReason | None) -> bool:
        """Whether a signal would open an incident now; where it takes more of them it waits."""
        decision = route(one.severity, one.system is not None, None, resolved=one.over, by_onset=by_onset)
        if one.waits or decision.action is not RouteAction.OPEN:
            return False
        for count in one.counted:
            if self._tallies[count.key].seen(one.at, count.within) < count.needed:
                self._wait(one, count)
                return False
        self._let_go_by(one)
        return True

    def _wait(self, one: Heard, count: Count) -> None:
        """It is looked at again when it ends, or after the time of its threshold, if there can be enough by then."""
        again = one.ended_at if one.ended_at is not None and one.ended_at > one.at else None
        coming = self._tallies[count.key].after(one.at)
        if coming is not None:
            turns = max(1, -((one.at - coming) // count.within))
            looked = one.at + turns * count.within
            if self._now is None or looked <= self._now:
                again = looked if again is None else min(again, looked)
        self._waited.add(one.key)
        self._waiting[one.key] = (one, count, self.look_at(one, again) if again is not None else 0)

    def _let_go_by(self, one: Heard) -> None:
        """What waits for thresholds that a signal fills is looked at at once."""
        filled = {
            count.key for count in one.counted if self._tallies[count.key].seen(one.at, count.within) >= count.needed
        }
        if filled:
            self._let_go(one.at, [held for held, count, _ in self._waiting.values() if count.key in filled])

    def _let_go(self, at: datetime, waiting: Sequence[Heard]) -> None:
        for held in waiting:
            _, count, _ = self._waiting[held.key]
            self._waiting[held.key] = (held, count, self.look_at(held, at))

    def _open(self, group: str, at: datetime) -> Course | None:
        return next((course for course in self._by_group[group] if course.open_at(at)), None)

    def _only_now(self, group: str, at: datetime) -> Course | None:
        """The incident that would be open, and at that time was not."""
        for course in self._by_group[group]:
            was = course.known
            there = was is not None and was.began <= at and (was.until is None or at < was.until)
            if course.open_at(at) and not there:
                return course
        return None

    def _opened(self, one: Heard, home: Known) -> Course:
        began = max(one.at, home.began) if one.opened else one.at
        return self._begin(home.group, began, home.ends, home.type, home.system, home, one.key)

    def _becomes(self, course: Course, home: Known) -> None:
        """A later signal that opened an incident joins this one: it is that incident, opened earlier."""
        course.known = home
        self._begun[home.key] = course
        if course.until is not None:
            course.until = None if home.ends is None else max(course.until, home.ends)

    def _begin(
        self,
        group: str,
        began: datetime,
        until: datetime | None,
        type_: IncidentType,
        system: Hashable | None,
        known: Known | None,
        opener: Hashable | None = None,
        onsets: Sequence[Interval] | None = None,
    ) -> Course:
        if onsets is None:
            onsets = known.onsets if known is not None else ()
        course = Course(group, began, until, type_, system, known, opener, onsets=[*onsets])
        self.courses.append(course)
        self._by_group[group].append(course)
        if system is not None:
            self._by_system[system].append(course)
        if known is not None:
            self._begun[known.key] = course
        # What waits joins what is open, sooner or later.
        self._let_go(began, [held for held, _, _ in self._waiting.values() if group in (held.group, self._home(held))])
        return course

    def _home(self, one: Heard) -> str | None:
        return self._known[one.home].group if one.home in self._known else None
