"""What a page says, decided once for all channels: each only lays it out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

_SUBJECT_LENGTH = 150


@dataclass(frozen=True)
class About:
    """The incident that a message is about."""

    ref: str
    title: str
    severity: str
    """As people say it: "S2"."""
    type: str
    system: str
    kind: str
    url: str
    opened_at: datetime


@dataclass(frozen=True)
class Also:
    """A further incident in a message that is about several: what a message of its own would say."""

    headline: str
    why: str
    link: str
    link_label: str
    about: About


@dataclass(frozen=True)
class Message:
    """One message to one person.

    Pages of mild incidents may travel in one message. Then its headline names all incidents, what it says beside it
    is about the first of them, and `also` has the others, each with its own link.

    Attributes:
        key: The idempotency key, the same for every attempt.
        kind: "page", "test", or "broken": one of somebody's contact points broke.
        at: When it was put into the outbox.
        to: The name of the person it is for.
        headline: The one line that a lock screen shows.
        why: Why this person gets it.
        first: What to do first, most urgent first.
        link: The one link, of the first incident; opening it changes nothing.
        link_label: What the link is for.
        about: The incident; None in a test message.
        thread: What ties the messages of one incident together; empty in a message about several.
        also: The further incidents.
    """

    key: str
    kind: str
    at: datetime
    to: str
    headline: str
    why: str
    link: str
    link_label: str
    first: tuple[str, ...] = ()
    about: About | None = None
    thread: str = ""
    also: tuple[Also, ...] = ()

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """Every link with its label, the first incident's first: one, but for a message about several."""
        return ((self.link_label, self.link), *((one.link_label, one.link) for one in self.also))

    @property
    def subject(self) -> str:
        """The headline as one line that fits a subject: whatever people typed, no line break gets through."""
        line = " ".join(self.headline.split())
        return line if len(line) <= _SUBJECT_LENGTH else f"{line[: _SUBJECT_LENGTH - 1]}…"

    def text(self) -> str:
        """Plain text, the link on a line of its own."""
        parts = [self.subject, self.why]
        if self.first:
            parts.append("\n".join(["First:", *(f"{number}. {step}" for number, step in enumerate(self.first, 1))]))
        parts.append(f"{self.link_label}:\n{self.link}")
        for one in self.also:
            parts += [one.headline, one.why, f"{one.link_label}:\n{one.link}"]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """The same as a simple HTML mail: no image, no style sheet, no script."""
        return render_to_string("paging/message.html", {"message": self})

    def data(self) -> dict[str, Any]:
        """The same for machines; documented in docs/reference/webhooks.md."""
        return {
            "to": self.to,
            "headline": self.subject,
            "why": self.why,
            "first": list(self.first),
            "link": self.link,
            "incident": self.about and _incident(self.about),
            "also": [
                {"headline": one.headline, "why": one.why, "link": one.link, "incident": _incident(one.about)}
                for one in self.also
            ],
        }


def _incident(about: About) -> dict[str, Any]:
    return {
        "ref": about.ref,
        "title": about.title,
        "severity": about.severity,
        "type": about.type,
        "system": about.system,
        "kind": about.kind,
        "url": about.url,
        "opened_at": about.opened_at.isoformat(),
    }
