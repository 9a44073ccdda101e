"""Monitors that send signals: they repeat, retry after every error, and deliver late, twice and out of order.

What a monitor knows is the truth that Andon's tables are compared with: see `oracle`.
"""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.simulation.world import BEAT, BEATING, RULED, SYSTEMS, Sender

TYPES = ("technical_failure", "fairness_violation", "safety")
SEVERITIES = ("S1", "S2", "S2", "S3", "S3", "S4", "S5", "")
ABOUT = (*SYSTEMS, *SYSTEMS, *RULED, *RULED, *RULED, "nobody-knows")
BEATS = 0.15
"""How often it is the heartbeat that is sent."""
EPISODES = 8
"""At most as many firings of one alert in a run: far fewer than the names of past ones that a signal keeps."""


@dataclass(frozen=True)
class Saying:
    """What one alert says once. The episode is when this firing began, by the monitor's clock."""

    alert: "Alert"
    episode: str
    status: str
    severity: str

    @property
    def key(self) -> tuple[str, str]:
        return self.alert.sender.key, self.alert.fingerprint


@dataclass
class Alert:
    """One thing that a monitor watches; number 0 is the heartbeat."""

    sender: Sender
    number: int
    system: str
    type: str
    fires: bool = False
    episodes: list[str] = field(default_factory=list)
    heard: int = 0
    """The number of the newest request about it that was answered with 2xx."""
    ended: set[str] = field(default_factory=set)
    """Episodes whose end was said, whether or not anybody has heard it yet."""

    @property
    def fingerprint(self) -> str:
        return f"alert-{self.number}" if self.number else BEAT

    @property
    def newest(self) -> str:
        return self.episodes[-1] if self.episodes else ""

    def next(self, rng: random.Random, now: datetime) -> Saying | None:
        """What it says next: that it fires, still fires, or has ended."""
        if self.fires and rng.random() < (0.4 if self.number else 0.1):
            self.fires = False
            self.ended.add(self.newest)
            return Saying(self, self.newest, "resolved", "")
        if self.fires:
            return Saying(self, self.newest, "firing", rng.choice(SEVERITIES))
        if len(self.episodes) >= EPISODES:
            return None
        after = datetime.fromisoformat(self.newest) + timedelta(seconds=1) if self.episodes else now
        self.episodes.append(max(now, after).isoformat())  # its own clock does not go back
        self.fires = True
        return Saying(self, self.newest, "firing", rng.choice(SEVERITIES))


@dataclass
class Post:
    """One request, until it was answered with 2xx and no copy of it is left on the way."""

    number: int
    sender: Sender
    sayings: tuple[Saying, ...]
    copies: int = 1
    tries: int = 0
    taken: bool = False
    """Whether any copy was answered with 2xx."""

    @property
    def body(self) -> bytes:
        if self.sender.kind == "alertmanager":
            return json.dumps({"version": "4", "alerts": [_as_alertmanager(one) for one in self.sayings]}).encode()
        return json.dumps([_as_generic(one) for one in self.sayings]).encode()


class Monitors:
    """All senders, and everything that they have on the way."""

    def __init__(self, rng: random.Random, senders: tuple[Sender, ...], alerts: int) -> None:
        self._rng = rng
        self.alerts = [
            Alert(rng.choice(senders), number, rng.choice(ABOUT), rng.choice(TYPES)) for number in range(1, alerts + 1)
        ]
        self.alerts.append(Alert(rng.choice(senders), 0, BEATING, TYPES[0]))
        self.on_the_way: list[Post] = []
        self._posts = 0

    def speak(self, now: datetime) -> Post | None:
        """One or several alerts of one sender say something, in one request."""
        first = self.alerts[-1] if self._rng.random() < BEATS else self._rng.choice(self.alerts)
        many = self._rng.choice((1, 1, 3, 10, 40))
        same = [alert for alert in self.alerts if alert.sender is first.sender and alert is not first]
        group = [first, *self._rng.sample(same, min(many - 1, len(same)))]
        sayings = tuple(said for alert in group if (said := alert.next(self._rng, now)))
        if not sayings:
            return None
        self._posts += 1
        post = Post(self._posts, first.sender, sayings)
        self.on_the_way.append(post)
        return post

    def take(self, most: int) -> list[Post]:
        """Some of what is on the way, in any order, to be delivered now."""
        count = self._rng.randint(1, most)
        if self._rng.random() < 0.6:
            return self.on_the_way[:count]
        return self._rng.sample(self.on_the_way, min(count, len(self.on_the_way)))

    def answered(self, post: Post, status: int | None, *, again: bool) -> bool:
        """One copy was answered; None = the line broke. Anything but 2xx is sent again, `again` a 2xx as well.

        Returns whether it was heard out of order: something newer about one of its alerts had been taken before it.
        """
        post.tries += 1
        overtaken = False
        if status is not None and 200 <= status < 300:
            alerts = [said.alert for said in post.sayings]
            overtaken = not post.taken and any(alert.heard > post.number for alert in alerts)
            for alert in alerts:
                alert.heard = max(alert.heard, post.number)
            post.taken = True
            if not again and post in self.on_the_way:
                self.on_the_way.remove(post)
        return overtaken


def _as_alertmanager(said: Saying) -> dict[str, object]:
    alert = said.alert
    labels = {"alertname": alert.fingerprint, "andon_system": alert.system, "andon_type": alert.type}
    return {
        "status": said.status,
        "labels": labels | ({"severity": said.severity} if said.severity else {}),
        "annotations": {"summary": f"{alert.fingerprint} of {alert.system}"},
        "startsAt": said.episode,
        "endsAt": datetime(1, 1, 1, tzinfo=UTC).isoformat(),
        "fingerprint": alert.fingerprint,
    }


def _as_generic(said: Saying) -> dict[str, object]:
    alert = said.alert
    return {
        "id": alert.fingerprint,
        "title": f"{alert.fingerprint} of {alert.system}",
        "status": said.status,
        "severity": said.severity or None,
        "system": alert.system,
        "type": alert.type,
        "starts_at": said.episode,
    }
