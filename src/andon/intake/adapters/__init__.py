"""One folder for each kind of sender, found by its name: copy a folder, and there is another intake.

A folder holds `adapter.py` with a class `Adapter` (see `andon.intake.events.Sender`), `help.md` with what to paste
on the sender's side (`{{address}}`, `{{base}}`, `{{slug}}` and `{{token}}` are filled in), and `samples/` with real
payloads: for the tests, and for the test signal that a person sends. Headers that belong to one stand beside it, in
a file of the same name that ends in `.headers`, one a line. The test signal is the first sample by name that fires.
"""

import pkgutil
from functools import cache
from importlib import import_module, resources
from typing import cast
from urllib.parse import urlsplit

from andon.intake.events import Request, Sender


@cache
def adapters() -> dict[str, Sender]:
    """Every adapter by its kind, in order of their titles."""
    found = [
        cast("Sender", import_module(f"{__name__}.{folder.name}.adapter").Adapter())
        for folder in pkgutil.iter_modules(__path__)
        if folder.ispkg
    ]
    return {adapter.kind: adapter for adapter in sorted(found, key=lambda adapter: adapter.title.lower())}


def samples(kind: str) -> dict[str, Request]:
    """The sample requests of a kind by their file's name."""
    files = {file.name: file for file in (resources.files(__name__) / kind / "samples").iterdir()}
    found = {}
    for name in sorted(files):
        if name.endswith(".headers"):
            continue
        beside = files.get(f"{name}.headers")
        lines = beside.read_text(encoding="utf-8").splitlines() if beside else []
        headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        found[name] = Request(files[name].read_bytes(), headers)
    return found


def help_text(kind: str, *, address: str, token: str) -> str:
    """The Markdown that says what to paste on the sender's side, with the real address and token in it."""
    text = (resources.files(__name__) / kind / "help.md").read_text(encoding="utf-8")
    parts = urlsplit(address)
    values = {
        "address": address,
        "base": f"{parts.scheme}://{parts.netloc}",
        "slug": address.rpartition("/")[2],
        "token": token,
    }
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text
