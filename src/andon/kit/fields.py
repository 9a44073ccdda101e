"""Settings that an adapter asks people for: what each is called, how it is checked, kept and hidden.

Levers (`andon.containment.lever`) and channels (`andon.paging.setup`) list theirs as `Field`s; `andon.kit.forms` makes
inputs of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from andon.kit.errors import Invalid

Settings = Mapping[str, str]
"""What somebody filled in, by the names of the fields; what is empty is not in it."""
LONGEST: Final = 20_000
"""Characters of one setting."""


@dataclass(frozen=True)
class Field:
    """One setting.

    Attributes:
        name: What it is called in the API and in the kept settings; it is for ever.
        label: What people read.
        help: Where one finds it.
        secret: It is written and never shown again.
        required: Nothing works without it.
        default: What holds when it is left empty.
        check: Gives the value as it is kept; raises `Invalid` with what is wrong with it.
        target: It names where secrets are sent to: whoever changes it gives the secrets again.
        choices: The values that it may have, with their labels; empty for free text.
        long: It may have several lines.
        made: Andon makes it (see `andon.paging.setup.Setup.make`); nobody types it.
    """

    name: str
    label: str
    help: str = ""
    secret: bool = False
    required: bool = True
    default: str = ""
    check: Callable[[str], str] = str.strip
    target: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    long: bool = False
    made: bool = False


def checked(one: Field, value: Any) -> str:
    """A setting as it is kept, empty where nothing was given. Raises `Invalid` naming the field."""
    if not isinstance(value, str) or len(value) > LONGEST:
        raise Invalid(f"{one.label} is a text of at most {LONGEST:,} characters.", field=one.name)
    value = value if one.secret else value.strip()
    if value and one.choices and value not in dict(one.choices):
        raise Invalid(f"{one.label} is one of: {', '.join(key for key, _ in one.choices)}.", field=one.name)
    try:
        return one.check(value) if value.strip() else ""
    except Invalid as error:
        raise Invalid(error.what, field=one.name) from error


def secrets_stay(fields: Sequence[Field], before: Settings, after: Settings, given: Settings) -> None:
    """Raise `Invalid` where a kept secret would from now on be sent to another target.

    Whoever changes where secrets go gives them again, so that nobody can have one that they cannot read sent to a
    server of theirs.
    """

    def moved(one: Field) -> bool:
        return one.target and (before.get(one.name) or one.default) != (after.get(one.name) or one.default)

    target = next((one for one in fields if moved(one)), None)
    if target is None:
        return
    for one in fields:
        if one.secret and not one.made and before.get(one.name) and after.get(one.name) and not given.get(one.name):
            raise Invalid(
                f"Give “{one.label}” again: “{target.label}” changes, and it would be sent there.", field=one.name
            )
