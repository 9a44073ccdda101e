"""What the bodies of API requests share."""

from ninja import Schema


class Given(Schema):
    """A body that a caller sends. A field nobody knows is refused by name: a misspelt one must not vanish silently."""

    model_config = {"extra": "forbid", "from_attributes": True}
