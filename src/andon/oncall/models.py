"""Who is on call when, and in which order people are asked.

History is never rewritten: editing a layer ends its present version (`effective_until`) and begins a new row,
so that who was on call at any past instant stays answerable.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.kit.models import Row
from andon.kit.walltime import WallTimeField
from andon.people.models import Person, Team
from andon.practice.rotation import Cadence


class Schedule(Row):
    """Who is on call when: layers, of which later ones win, and overrides, which win over all layers."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="schedules")
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Layer(Row):
    """One version of one layer: a rotation in local wall time, or fixed shifts of an imported calendar."""

    class Kind(models.TextChoices):
        ROTATION = "rotation", "Rotation"
        CALENDAR = "calendar", "Imported calendar"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="layers")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80, blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.ROTATION)
    time_zone = models.CharField(max_length=64)
    start_date = models.DateField(null=True, blank=True)
    handover = models.TimeField(null=True, blank=True)
    cadence = models.CharField(max_length=16, choices=[(c.value, c.value.capitalize()) for c in Cadence], blank=True)
    every = models.PositiveSmallIntegerField(default=1)
    weekdays = models.JSONField(default=list)  # 0 = Monday; empty means every day
    window_from = models.TimeField(null=True, blank=True)
    window_until = models.TimeField(null=True, blank=True)
    skip_inactive = models.BooleanField(default=False)
    effective_from = models.DateTimeField(null=True, blank=True)
    effective_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["position", "effective_from"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(kind="calendar") | Q(start_date__isnull=False, handover__isnull=False),
                name="rotation_has_a_start",
            ),
            models.UniqueConstraint(
                fields=["schedule", "position"],
                condition=Q(effective_until__isnull=True),
                name="one_present_version_a_layer",
            ),
        ]


class LayerParticipant(Row):
    """A person's turn in a rotation."""

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="participants")
    position = models.PositiveSmallIntegerField()
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["layer", "position"], name="one_turn_a_place")]


class WallTimeShift(Row):
    """A fixed shift in local wall time, to the minute."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    starts_local = WallTimeField()
    ends_local = WallTimeField()
    time_zone = models.CharField(max_length=64)

    class Meta:
        abstract = True


class CalendarShift(WallTimeShift):
    """A shift read from an imported calendar."""

    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, related_name="shifts")
    uid = models.CharField(max_length=255)

    class Meta:
        ordering: ClassVar = ["starts_local"]


class Override(WallTimeShift):
    """Someone takes over for a while. Cancelling keeps the row."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="overrides")
    made_by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["created_at"]


class Chain(Row):
    """An escalation chain: whom to ask, how long to wait, how often to go round."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    repeats = models.PositiveSmallIntegerField(default=2)
    is_fallback = models.BooleanField(default=False)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["is_fallback"], condition=Q(is_fallback=True), name="one_fallback_chain")
        ]

    def __str__(self) -> str:
        return self.name


class ChainStep(Row):
    """One step: everyone it reaches is paged, then the next step waits for `wait_minutes`."""

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    wait_minutes = models.PositiveSmallIntegerField(default=5)

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["chain", "position"], name="one_step_a_place"),
            models.CheckConstraint(condition=Q(wait_minutes__gte=1), name="step_waits_a_minute"),
        ]


class StepTarget(Row):
    """Whom a step reaches: a person, whoever is on call in a schedule, or everyone in a team."""

    step = models.ForeignKey(ChainStep, on_delete=models.CASCADE, related_name="targets")
    person = models.ForeignKey(Person, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    schedule = models.ForeignKey(Schedule, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=(
                    Q(person__isnull=False, schedule__isnull=True, team__isnull=True)
                    | Q(person__isnull=True, schedule__isnull=False, team__isnull=True)
                    | Q(person__isnull=True, schedule__isnull=True, team__isnull=False)
                ),
                name="step_target_is_one_thing",
            )
        ]

    def __str__(self) -> str:
        return str(self.person or self.schedule or self.team)
