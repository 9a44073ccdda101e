"""What every table shares."""

from collections.abc import Iterable

from django.db import models
from django.db.models import Q

from andon.kit import clock, ids


class Row(models.Model):
    """A row with a UUIDv7 key and the time it was written."""

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        abstract = True


def one_of(column: str, values: Iterable[str | int], name: str) -> models.CheckConstraint:
    """A check that a column holds one of an enumeration's values: the database refuses what code should not write."""
    return models.CheckConstraint(condition=Q(**{f"{column}__in": list(values)}), name=name)


def of_some(field: str, name: str) -> models.Index:
    """An index of a foreign key that is mostly null, for rows that have one: each row without would cost an entry."""
    return models.Index(fields=[field], condition=Q(**{f"{field}__isnull": False}), name=name)
