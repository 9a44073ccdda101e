"""What a channel needs before it can be used: of the whole installation, and of each person.

Each folder in `adapters/` has a `setup.py` that says it, as `SETUP`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from andon.kit.errors import Invalid
from andon.kit.fields import Field, Settings
from andon.people.ways import Way


@dataclass(frozen=True)
class Setup:
    """What a channel needs.

    Attributes:
        what: What the channel does, in a sentence.
        way: What a person's address is.
        fields: What it needs for the whole installation; nothing for a channel that works by itself.
        make: Given the settings, what Andon adds to them by itself (keys), where it is not there yet. A channel with
            `make` must be set up once, even if nobody types anything.
        same_as: The kind whose settings it uses instead of its own.
        missing: For a channel that is set up in the environment: what is missing, in a sentence, or nothing.
        mirrors: Its service keeps an incident of its own, which is told how ours stands (see `mirroring`).
        reports: Its provider says later whether a message that it took did arrive (see `outcomes.came_back`).
    """

    what: str
    way: Way
    fields: tuple[Field, ...] = ()
    make: Callable[[Settings], Settings] | None = None
    same_as: str = ""
    missing: Callable[[], str] = str
    mirrors: bool = False
    reports: bool = False

    @property
    def typed(self) -> tuple[Field, ...]:
        """The fields that an administrator fills in."""
        return tuple(field for field in self.fields if not field.made)

    @property
    def is_set_up_here(self) -> bool:
        """Whether an administrator sets it up in Andon before it can be used."""
        return bool(self.make or self.same_as) or any(field.required for field in self.fields)


def web_address(value: str) -> str:
    """An http(s) address without a password, a query or a slash at its end: what other paths are appended to."""
    value = value.strip().rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
        usable = usable and not parts.query and not parts.fragment and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise Invalid("It looks like https://example.org, without a password and without a question mark.")
    return value
