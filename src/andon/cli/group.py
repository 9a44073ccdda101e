"""Groups of commands whose refusals and database troubles are sentences, and never tracebacks."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from andon.cli import say

REFUSED, UNUSABLE = 1, 2


def sentence(error: BaseException) -> tuple[str, int] | None:
    """What to say of an error and with which exit code; None for one that is a fault of Andon itself."""
    if isinstance(error, say.Trouble):
        return error.what, error.code
    if "django" not in sys.modules:
        return None
    from django.db import DatabaseError, InterfaceError

    from andon.kit.crypto import Undecryptable
    from andon.kit.errors import Refused

    if isinstance(error, Undecryptable):
        return str(error), UNUSABLE
    if isinstance(error, Refused):
        return f"{error.field}: {error.what}" if error.field else error.what, REFUSED
    if isinstance(error, DatabaseError | InterfaceError):
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        what = f"The database could not be used: {said}. "
        todo = "See that it runs and that ANDON_DATABASE_URL is right (`andon settings` shows it), then try again."
        return what + todo, UNUSABLE
    return None


class Commands(TyperGroup):
    """A group that tells people what went wrong."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error that has words for a person ends it with them."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            told = sentence(error)
            if told is None:
                raise
            say.problem(told[0])
            raise typer.Exit(told[1]) from None


def commands(help_: str, **more: Any) -> typer.Typer:
    """A group of commands in the house's manner."""
    return typer.Typer(
        cls=Commands,
        help=help_,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        **more,
    )
