"""Short names in addresses."""

import re

from django.db.models import Model
from django.utils.text import slugify

from andon.kit.errors import Invalid

_WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST = 60
_OURS = frozenset({"new", "import", "export"})  # pages stand at these addresses


def free(model: type[Model], name: str, slug: str = "") -> str:
    """The slug to use in a table: the one asked for, or one made of the name.

    Raises:
        Invalid: it is not made of letters, digits and hyphens, has another meaning in addresses, or is taken.
    """
    field = "slug" if slug else "name"
    made = slug or slugify(name)[:_LONGEST].strip("-")
    if not _WORD.fullmatch(made) or len(made) > _LONGEST:
        raise Invalid(
            f"{slug or name!r} gives no short name for addresses. Use up to {_LONGEST} of the letters "
            "a to z, digits and hyphens between them.",
            field=field,
        )
    if made in _OURS:
        raise Invalid(f"{made!r} is the address of a page. Choose another name.", field=field)
    if model._default_manager.filter(slug=made).exists():  # noqa: SLF001  Django's documented name for it
        raise Invalid(f"The short name {made!r} is taken. Choose another.", field=field)
    return made
