"""The channels. Each is a folder named as its kind of contact point.

A folder holds `adapter.py` with a class `Adapter` (see `andon.paging.channel.Channel`), `setup.py` with what the
channel needs as `SETUP` (see `andon.paging.setup`), and `help.md` with how to set it up, for administrators. To add
one: copy a folder and give `ChannelKind` its name; nothing else lists them.
"""

import pkgutil
from functools import cache
from importlib import import_module, resources
from importlib.util import find_spec
from typing import cast

from andon.paging.channel import Channel
from andon.paging.setup import Setup


@cache
def find(kind: str) -> Channel:
    """The channel of a kind of contact point. Raises LookupError when Andon has no such folder."""
    channel: Channel = import_module(f"{_folder(kind)}.adapter").Adapter()
    return channel


@cache
def setup(kind: str) -> Setup:
    """What the channel of a kind needs. Raises LookupError when Andon has no such folder."""
    return cast("Setup", import_module(f"{_folder(kind)}.setup").SETUP)


@cache
def kinds() -> frozenset[str]:
    """The kinds that have a folder."""
    return frozenset(folder.name for folder in pkgutil.iter_modules(__path__) if folder.ispkg)


def help_text(kind: str, **addresses: str) -> str:
    """The Markdown that says how to set a channel up, with this Andon's addresses in place of `{{name}}`."""
    text = (resources.files(__name__) / kind / "help.md").read_text(encoding="utf-8")
    for name, address in addresses.items():
        text = text.replace("{{" + name + "}}", address)
    return text


def _folder(kind: str) -> str:
    name = f"{__name__}.{kind}"
    if not kind.isidentifier() or find_spec(name) is None:
        raise LookupError(f"Andon has no channel {kind!r}; it would be the folder {name.replace('.', '/')}.")
    return name
