"""The channels. Each is a folder named as its kind of contact point; its `adapter.py` has a class `Adapter`.

To add one: copy a folder and give `ChannelKind` its name; nothing else lists them.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from andon.paging.channel import Channel


@cache
def find(kind: str) -> Channel:
    """The channel of a kind of contact point. Raises LookupError when Andon has no such folder."""
    name = f"{__name__}.{kind}"
    if not kind.isidentifier() or find_spec(name) is None:
        raise LookupError(f"Andon has no channel {kind!r}; it would be the folder {name.replace('.', '/')}.")
    channel: Channel = import_module(f"{name}.adapter").Adapter()
    return channel
