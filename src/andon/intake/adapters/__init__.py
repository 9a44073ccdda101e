"""One folder for each kind of sender, found by its name: copy a folder, and there is another intake.

A folder holds `adapter.py` with a class `Adapter` (see `andon.intake.events.Adapter`), `help.md` with what to paste
on the sender's side (`{{address}}` and `{{token}}` are filled in), and `samples/` with real payloads for the tests.
"""

import pkgutil
from functools import cache
from importlib import import_module, resources
from typing import cast

from andon.intake.events import Adapter


@cache
def adapters() -> dict[str, Adapter]:
    """Every adapter by its kind, in order of their titles."""
    found = [
        cast("Adapter", import_module(f"{__name__}.{folder.name}.adapter").Adapter())
        for folder in pkgutil.iter_modules(__path__)
        if folder.ispkg
    ]
    return {adapter.kind: adapter for adapter in sorted(found, key=lambda adapter: adapter.title)}


def help_text(kind: str, *, address: str, token: str) -> str:
    """The Markdown that says what to paste on the sender's side, with the real address and token in it."""
    text = (resources.files(__name__) / kind / "help.md").read_text(encoding="utf-8")
    return text.replace("{{address}}", address).replace("{{token}}", token)
