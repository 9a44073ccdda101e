"""What somebody means who answers a text message. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Wish(StrEnum):
    """What the answer asks for."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    STATUS = "status"
    HELP = "help"


@dataclass(frozen=True)
class Reply:
    """An answer as it was understood.

    Attributes:
        wish: What is asked for; help when it was not understood.
        number: The incident that it names; None when it names none.
        words: What was written besides, such as how a resolution was verified.
    """

    wish: Wish
    number: int | None = None
    words: str = ""


_WISHES = {
    "4": Wish.ACKNOWLEDGE, "ack": Wish.ACKNOWLEDGE, "acknowledge": Wish.ACKNOWLEDGE,
    "resolve": Wish.RESOLVE, "resolved": Wish.RESOLVE,
    "status": Wish.STATUS,
}  # fmt: skip
_FORM = re.compile(
    r"(?P<wish>\w+)(?:[ :,.#-]+(?:inc[ -]*)?(?P<number>[0-9]{1,9})\b)?[ :,.!-]*(?P<words>.*)", re.IGNORECASE
)
_QUOTES = "\"'“”‘’ "


def read(text: str) -> Reply:
    """Understand an answer: a wish, perhaps an incident's number, perhaps words; in any case of letters."""
    found = _FORM.fullmatch(" ".join(text.split()).strip(_QUOTES))
    wish = _WISHES.get(found["wish"].lower()) if found else None
    if found is None or wish is None:
        return Reply(Wish.HELP)
    return Reply(wish, int(found["number"]) if found["number"] else None, found["words"])
