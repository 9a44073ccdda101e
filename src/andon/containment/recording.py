"""What other sides say, made fit to be kept and shown: text that every database holds, without the secrets of a lever.

Whoever is asked may repeat what it was sent ("invalid token …"), or answer with bytes that are no text. What they say
stands in timelines, in pages and in sealed evidence, so it goes through here first.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

from andon.containment import probes
from andon.containment.lever import LeverAdapter
from andon.kit.fields import Field, Settings

LONGEST: Final = 2_000
"""Characters of one text."""
_SHORTEST: Final = 4
"""Characters of a secret: what is shorter is no secret, and would be found in every other word."""
_HIDDEN: Final = "…"


def one_line(said: str) -> str:
    """A text in one line, as every database holds it: without a NUL, half a character, or any other sign unseen."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())


@dataclass(frozen=True)
class Record:
    """Takes the secrets of one lever out of what is said."""

    hidden: tuple[str, ...]

    @classmethod
    def of(cls, adapter: LeverAdapter | None, settings: Settings, probe: Settings | None = None) -> Self:
        """For what is said to a lever with these settings, and this probe of its own."""
        found = {*_secrets(adapter.fields if adapter else (), settings), *_secrets(probes.FIELDS, probe or {})}
        return cls(tuple(sorted(found, key=lambda one: (-len(one), one))))

    def text(self, said: str) -> str:
        """A text in one line."""
        return self._hide(one_line(self._hide(said)))[:LONGEST]  # again: what was taken out may have stood in a secret

    def _hide(self, said: str) -> str:
        for secret in self.hidden:
            said = said.replace(secret, _HIDDEN)
        return said

    def facts(self, found: Any) -> Any:
        """A value of JSON, with all the texts in it."""
        if isinstance(found, str):
            return self.text(found)
        if isinstance(found, Mapping):
            return {self.text(str(name)): self.facts(value) for name, value in found.items()}
        return [self.facts(one) for one in found] if isinstance(found, list | tuple) else found


def _secrets(fields: Iterable[Field], settings: Settings) -> Iterator[str]:
    """Every form in which a secret may come back: as it is, without its scheme, in an address, as HTTP Basic."""
    for one in fields:
        if not one.secret or not settings.get(one.name):
            continue
        for line in settings[one.name].splitlines():
            value = line.partition(": ")[2] or line
            for form in (line.strip(), value.strip(), value.split()[-1] if value.split() else ""):
                if len(form) >= _SHORTEST:
                    yield form
                    yield quote(form, safe="")
                    yield b64encode(f"{settings.get('user', '')}:{form}".encode()).decode()
