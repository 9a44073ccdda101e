"""Andon: AI incident response made executable."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from andon.sdk.guard import guard as guard

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`andon.guard`, the kill switch, loaded when it is asked for: `import andon` stays as quick as it was."""
    if name == "guard":
        from andon.sdk.guard import guard

        return guard
    raise AttributeError(f"module 'andon' has no attribute {name!r}")
