"""The switch of a system, its revisions, the tokens of its processes, and what these have said."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.incidents.models import Incident
from andon.kit.crypto import EncryptedTextField
from andon.kit.models import Row, one_of
from andon.people.models import Person
from andon.practice.switching import STALE_MODES, Wanted
from andon.practice.words import SwitchMode
from andon.registry.models import System
from andon.sdk.guard.words import Limit


class Says(Row):
    """What a switch says: to its row, as it stands now, and to each revision."""

    number = models.PositiveBigIntegerField()
    mark = models.CharField(max_length=16)  # tells revisions of one number apart, as after a restored backup
    mode = models.CharField(max_length=8, choices=SwitchMode.choices())
    share = models.FloatField(null=True, blank=True)  # of a limited system: which part of its requests it decides
    per_second = models.FloatField(null=True, blank=True)  # or how many a second, in each process
    max_stale_seconds = models.PositiveIntegerField()
    on_stale = models.CharField(max_length=8, choices=[(mode.value, mode.label) for mode in STALE_MODES])

    class Meta:
        abstract = True

    @property
    def what_mode(self) -> SwitchMode:
        """The mode as a word of the practice."""
        return SwitchMode(self.mode)

    @property
    def limit(self) -> Limit | None:
        """How much it decides; None unless the mode is `limit`."""
        if self.mode != SwitchMode.LIMIT:
            return None
        return Limit(share=self.share) if self.share is not None else Limit(per_second=self.per_second)

    @property
    def max_stale(self) -> timedelta:
        """After how long a process that hears nothing is no longer sure."""
        return timedelta(seconds=self.max_stale_seconds)

    @property
    def wanted(self) -> Wanted:
        """What replicas are compared with."""
        return Wanted(self.number, self.mark, self.what_mode)


class Switch(Says):
    """A system's switch as it stands: what its newest revision says. `number` only grows."""

    system = models.OneToOneField(System, on_delete=models.PROTECT, related_name="switch")
    seen = models.PositiveBigIntegerField(default=0)  # the latest revision that a replica has said to have heard
    changed_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["system__name"]
        constraints: ClassVar = [
            one_of("mode", SwitchMode, "switch_mode_known"),
            one_of("on_stale", STALE_MODES, "switch_on_stale_known"),
        ]

    def __str__(self) -> str:
        return f"Switch of {self.system}"


class Revision(Says):
    """One setting of a switch: who, why, until what. Never changed, never deleted: the database refuses it."""

    switch = models.ForeignKey(Switch, on_delete=models.PROTECT, related_name="revisions")
    actor = models.CharField(max_length=120)
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.TextField()
    until = models.CharField(max_length=300, blank=True)  # what must be so before it is switched back, in words
    incident = models.ForeignKey(Incident, null=True, blank=True, on_delete=models.PROTECT, related_name="revisions")
    key = models.CharField(max_length=200, blank=True)  # of who may ask twice for one setting

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["switch", "number"], name="revision_number_once"),
            models.UniqueConstraint(fields=["switch", "key"], condition=~Q(key=""), name="revision_key_once"),
            one_of("mode", SwitchMode, "revision_mode_known"),
        ]

    def __str__(self) -> str:
        return f"Revision {self.number}: {self.mode}"


class GuardToken(Row):
    """What the processes of one system say who they are by, and what Andon seals its word to them with."""

    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="guard_tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True)  # of the part that is sent
    key = EncryptedTextField()  # the part that never is
    made_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class Replica(Row):
    """A process of a guarded system, and what it last said. `created_at` is when it was first heard."""

    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="replicas")
    token = models.ForeignKey(GuardToken, on_delete=models.PROTECT, related_name="replicas")
    instance = models.CharField(max_length=120)
    host = models.CharField(max_length=200)
    version = models.CharField(max_length=80, blank=True)
    runtime = models.CharField(max_length=80, blank=True)
    revision = models.PositiveBigIntegerField()
    mark = models.CharField(max_length=16, blank=True)
    mode = models.CharField(max_length=8)
    state = models.CharField(max_length=8)
    applied_at = models.DateTimeField()  # by Andon's clock: the replica says how long ago
    heard_at = models.DateTimeField()
    refused = models.PositiveBigIntegerField(null=True, blank=True)  # a revision of ours that it refuses
    ended_at = models.DateTimeField(null=True, blank=True)  # it said so, or a person did

    class Meta:
        ordering: ClassVar = ["host", "instance"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["system", "instance"], name="replica_once")]
        indexes: ClassVar = [models.Index(fields=["system", "heard_at"], name="replica_heard")]

    def __str__(self) -> str:
        return f"{self.host} {self.instance}"


class Acknowledgement(Row):
    """A replica applied a revision for the first time; `created_at` is when Andon heard of it."""

    replica = models.ForeignKey(Replica, on_delete=models.CASCADE, related_name="acknowledgements")
    number = models.PositiveBigIntegerField()
    mark = models.CharField(max_length=16)
    applied_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["replica", "number", "mark"], name="acknowledged_once"),
        ]
