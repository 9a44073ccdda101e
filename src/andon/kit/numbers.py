"""Numbers that arrive as text in an address."""

from typing import Final

MOST_DIGITS: Final = 18
"""What fits the databases' integers; Python itself refuses to read some thousands of digits."""


def whole(text: str) -> int | None:
    """The whole number that `text` writes in plain digits; None for anything else, a number too long included."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None
