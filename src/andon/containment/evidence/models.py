"""What was kept: bytes by their digest, and the preservations that they came from. Nothing of it is changed later."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.incidents.models import Incident
from andon.kit import clock
from andon.kit.crypto import EncryptedBytesField
from andon.kit.models import Row
from andon.people.models import Person


class Blob(models.Model):
    """Bytes under their SHA-256, once however often they were kept. Compressed, then encrypted by the field keys.

    Erasure by right empties `body`; the digest and the size stay.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    size = models.PositiveBigIntegerField()  # of the plain bytes
    body = EncryptedBytesField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    def __str__(self) -> str:
        return self.digest


class Preservation(Row):
    """One time that evidence was kept. `manifest` is the digest of its list; it and what is in it never change."""

    class Why(models.TextChoices):
        PULL = "pull", "Before a lever was pulled"
        HAND = "hand", "By hand"
        AFTERWARDS = "afterwards", "What could not be collected before"

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="preservations")
    number = models.PositiveIntegerField()  # in the incident, from 1
    why = models.CharField(max_length=12, choices=Why.choices)
    what_for = models.CharField(max_length=300, blank=True)  # the lever and its pull, in words
    key = models.CharField(max_length=80, null=True, blank=True, unique=True)  # once a pull; null = by hand
    actor = models.CharField(max_length=80)
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    since = models.DateTimeField()  # the affected window
    until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)  # null = it goes on, or its process died
    manifest = models.CharField(max_length=64, blank=True)  # digest of manifest.json; also in the timeline

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "number"], name="preservation_number_once"),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True) | ~Q(manifest=""), name="preservation_finished_with_manifest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.incident.ref}, evidence {self.number}"


class Item(Row):
    """One thing of a preservation: kept under its digest, or not, with the reason. Written once."""

    preservation = models.ForeignKey(Preservation, on_delete=models.PROTECT, related_name="items")
    kind = models.CharField(max_length=24)  # the collector
    name = models.CharField(max_length=120)  # the file's name in the archive
    source = models.CharField(max_length=300)  # from where, in words, without secrets
    digest = models.CharField(max_length=64, blank=True, db_index=True)  # empty = it could not be collected
    size = models.PositiveBigIntegerField(default=0)
    media = models.CharField(max_length=80, blank=True)
    rows = models.PositiveIntegerField(null=True, blank=True)
    notes = models.JSONField(default=list, blank=True)  # what was left out or cut, in words
    why_missing = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["preservation", "name"], name="evidence_item_once"),
            models.CheckConstraint(
                condition=(Q(digest="") & ~Q(why_missing="")) | (~Q(digest="") & Q(why_missing="")),
                name="evidence_item_kept_or_missing",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Erasure(Row):
    """Kept bytes were emptied by right. What was left when only one person's rows went is under `remainder`."""

    digest = models.CharField(max_length=64, unique=True)
    remainder = models.CharField(max_length=64, blank=True)  # empty = nothing was left
    reason = models.TextField()
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"{self.digest}: {self.reason}"
