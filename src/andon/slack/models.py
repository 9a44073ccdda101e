"""What is owed to Slack, and what of it is there already."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.incidents.models import Incident
from andon.kit.crypto import EncryptedTextField
from andon.kit.models import Row, one_of
from andon.paging.models import Page


class Job(Row):
    """One thing in Slack that is to be made or kept up to date; due again whenever what it shows has changed.

    What is wanted is read from the incident when it is worked on, and `known` says what is there already; so a job
    that is worked on twice, late, or after a crash ends in the same place. Written in the transaction of its cause.
    """

    class Kind(models.TextChoices):
        PAGE = "page", "The message of a page"
        ANNOUNCEMENT = "announcement", "The announcement of an incident"
        ROOM = "room", "The channel of an incident"
        ANSWER = "answer", "An answer to somebody"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    incident = models.ForeignKey(Incident, null=True, blank=True, on_delete=models.CASCADE, related_name="slack_jobs")
    page = models.OneToOneField(Page, null=True, blank=True, on_delete=models.CASCADE, related_name="slack_job")
    channel = models.CharField(max_length=32, blank=True)  # Slack's ID of where it is
    known = models.JSONField(default=dict)  # what Slack has of it; see planning.py
    words = EncryptedTextField(blank=True, default="")  # an answer's, with where it goes
    wanted = models.PositiveIntegerField(default=1)  # counts up with every change of what is wanted

    due_at = models.DateTimeField(null=True, blank=True)
    leased_by = models.CharField(max_length=80, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)  # without success, in a row
    last_error = models.CharField(max_length=300, blank=True)
    gave_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="slack_job_due"),
            models.Index(fields=["channel"], condition=~Q(channel=""), name="slack_job_place"),
        ]
        constraints: ClassVar = [
            one_of("kind", ["page", "announcement", "room", "answer"], "slack_job_kind_known"),
            models.UniqueConstraint(
                fields=["incident", "kind"], condition=Q(kind__in=["room", "announcement"]), name="slack_one_of_a_kind"
            ),
        ]


class Noted(Row):
    """A message or form of Slack that is on a timeline already: Slack sends again what was not answered in time."""

    key = models.CharField(max_length=120, unique=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="+")
