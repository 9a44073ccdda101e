"""Every page: why it was sent, to whom, and what became of it. The outbox of the engine."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.incidents.models import Incident
from andon.kit import clock
from andon.kit.crypto import EncryptedJSONField
from andon.kit.models import Row, one_of
from andon.people.models import ChannelKind, ContactPoint, Person
from andon.practice import pacing


class Page(Row):
    """One message to one person over one contact point, written in the transaction of the step it belongs to.

    It is sent at least once: a crash while sending leaves a lease that expires, and the page goes out again
    under the same `key`, which receivers use to drop the double.
    """

    class State(models.TextChoices):
        PENDING = "pending", "To send"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Gave up"
        CANCELLED = "cancelled", "Cancelled"

    # Both are the first column of an index below.
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="pages", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="pages", db_index=False)
    contact_point = models.ForeignKey(ContactPoint, on_delete=models.PROTECT, related_name="pages")
    channel = models.CharField(max_length=16, choices=ChannelKind.choices)
    step = models.PositiveSmallIntegerField()
    round = models.PositiveIntegerField()
    on_fallback = models.BooleanField(default=False)
    reason = models.CharField(max_length=200)  # "step 1: on call in Credit models"
    first = models.BooleanField(default=False)  # the first page of an incident goes ahead of repeats
    key = models.CharField(max_length=64, unique=True)

    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    send_after = models.DateTimeField()  # when it is due in the first place: neither a retry nor a hold moves it
    # When the engine looks at it: its time to be sent, the end of the lease while it is being sent, else nothing.
    due_at = models.DateTimeField(null=True, blank=True)
    held = models.CharField(max_length=16, blank=True)  # the last reason for which it waited, kept once it is sent
    # The key of the message in which it travels with others, written before the first attempt; else its own is used.
    bundle = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_by = models.CharField(max_length=80, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    refused = models.BooleanField(default=False)  # failed because the contact point will never take it
    provider_ref = models.CharField(max_length=200, blank=True)
    # What its provider said of an attempt before the attempt itself was written: {"ref", "outcome", "reason", …}.
    early_report = models.JSONField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)  # its link was used; it works once

    class Meta:
        ordering: ClassVar = ["created_at"]
        indexes: ClassVar = [
            models.Index(
                fields=["-first", "due_at"],
                condition=Q(due_at__isnull=False),
                name="page_due",
            ),
            models.Index(fields=["incident", "state"], name="page_of_incident"),
            models.Index(fields=["person", "sent_at"], name="page_latest_to_person"),
            models.Index(fields=["sent_at"], condition=Q(sent_at__isnull=False), name="page_sent_lately"),
            models.Index(fields=["bundle"], condition=~Q(bundle=""), name="page_of_bundle"),
        ]
        constraints: ClassVar = [
            one_of("held", ["", *pacing.HOLDS], "page_held_known"),
            one_of("state", ["pending", "sending", "sent", "failed", "cancelled"], "page_state_known"),
            models.CheckConstraint(
                condition=(
                    Q(state__in=["pending", "sending"], due_at__isnull=False)
                    | Q(state__in=["sent", "failed", "cancelled"], due_at__isnull=True)
                ),
                name="page_that_waits_has_a_time",
            ),
        ]

    others: "tuple[Page, ...]" = ()
    """On a page that was claimed: those that travel in its message."""

    @property
    def message_key(self) -> str:
        """The idempotency key of the message in which it travels."""
        return self.bundle or self.key

    @property
    def why_held(self) -> str:
        """Why it waited or waits, in words; empty if it did not."""
        return pacing.Reason(self.held).words if self.held else ""


class Mirror(Row):
    """A service that keeps an incident of its own is to be told how ours stands: at `due_at`, or nothing is due."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="mirrors")
    contact_point = models.ForeignKey(ContactPoint, on_delete=models.CASCADE, related_name="mirrors")
    due_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    leased_by = models.CharField(max_length=80, blank=True)
    last_error = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="mirror_due")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["incident", "contact_point"], name="mirror_once")]


class Provider(Row):
    """What a channel needs for the whole installation: the account, server or keys that an administrator set up."""

    kind = models.CharField(max_length=16, choices=ChannelKind.choices, unique=True)
    settings = EncryptedJSONField()
    disabled_at = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [one_of("kind", ChannelKind.values, "provider_kind_known")]

    def __str__(self) -> str:
        return str(self.get_kind_display())


class ChannelPace(Row):
    """How many messages a minute a channel takes, as an administrator set it; without a row the defaults hold."""

    channel = models.CharField(max_length=16, choices=ChannelKind.choices, unique=True)
    person_a_minute = models.PositiveIntegerField(null=True, blank=True)
    channel_a_minute = models.PositiveIntegerField(null=True, blank=True)
    changed_at = models.DateTimeField(default=clock.now)
    changed_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints: ClassVar = [
            one_of("channel", ChannelKind.values, "channel_pace_kind_known"),
            models.CheckConstraint(
                condition=(Q(person_a_minute=None) | Q(person_a_minute__gte=1))
                & (Q(channel_a_minute=None) | Q(channel_a_minute__gte=1)),
                name="channel_pace_lets_something_through",
            ),
        ]

    def __str__(self) -> str:
        return str(self.get_channel_display())
