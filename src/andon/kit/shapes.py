"""What the bodies of API requests share."""

from django.db.models import TextChoices
from ninja import Schema
from pydantic import WithJsonSchema


class Given(Schema):
    """A body that a caller sends. A field nobody knows is refused by name: a misspelt one must not vanish silently."""

    model_config = {"extra": "forbid", "from_attributes": True}


def its_values(choices: type[TextChoices]) -> WithJsonSchema:
    """Of a field: the document says its values in place, for the class of these choices shares its name with others."""
    return WithJsonSchema({"type": "string", "enum": list(choices.values)})
