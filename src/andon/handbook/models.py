"""Handbooks as they were applied: texts that never change, and the row that says which are in force."""

from typing import ClassVar

from django.db import models

from andon.kit.models import Row
from andon.people.models import Person


class Edition(Row):
    """The texts of one handbook. The same texts are the same edition, whoever applies them and however often."""

    digest = models.CharField(max_length=64, unique=True)
    texts = models.JSONField()  # by path, as they lay in the folder

    def __str__(self) -> str:
        return self.digest[:12]


class Application(Row):
    """An edition came into force: who put it there, when, from where. The newest is in force; none is ever changed."""

    number = models.PositiveIntegerField(unique=True)
    edition = models.ForeignKey(Edition, on_delete=models.PROTECT, related_name="applications")
    actor = models.CharField(max_length=80)  # as on a timeline: "person:<id>", "operator:<account>"
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    note = models.CharField(max_length=200, blank=True)  # the commit it comes from, or what it is for
    changes = models.JSONField(default=list)  # in words, against what was in force before

    class Meta:
        ordering: ClassVar = ["-number"]

    def __str__(self) -> str:
        return f"handbook {self.number}"

    @property
    def who(self) -> str:
        """Who applied it, as it is read: a person's name, or the operator with their account on that machine."""
        return str(self.by) if self.by else self.actor.partition("person:")[0].replace(":", " ") or "somebody"
