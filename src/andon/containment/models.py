"""The levers of systems, who pulled which, who agreed, what came of it, and when each was last rehearsed."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.incidents.models import Incident
from andon.kit.crypto import EncryptedJSONField
from andon.kit.models import Row, one_of
from andon.people.models import Person
from andon.practice.containment import OPEN, ApprovalRule, LeverFacts, Move, PullState
from andon.practice.words import ContainmentKind, Word
from andon.registry.models import System


class Target(Word):
    """What a pull acts on."""

    REAL = "real", "the real target"
    DRILL = "drill", "the target for drills"


class Lever(Row):
    """One prepared containment action of a system."""

    number = models.PositiveBigIntegerField(unique=True)
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="levers")
    name = models.CharField(max_length=120)  # a verb: "Roll back to v6"
    kind = models.CharField(max_length=16, choices=ContainmentKind.choices())
    adapter = models.CharField(max_length=40)  # a folder of `andon.containment.adapters`
    effect = models.TextField(blank=True)  # what a customer notices of it, in words
    settings = EncryptedJSONField(default=dict)
    drill_settings = EncryptedJSONField(default=dict)  # of a target that is there for drills; empty = there is none
    probe = EncryptedJSONField(default=dict)  # see `andon.containment.probes`; empty = what the adapter sees
    approval = models.CharField(max_length=12, choices=ApprovalRule.choices(), default=ApprovalRule.ALONE)
    verify_seconds = models.PositiveIntegerField(default=120)  # from the act until it must be seen
    every_seconds = models.PositiveIntegerField(default=2)  # between two looks
    revision = models.PositiveIntegerField(default=1)  # counts changes of what is acted on and looked at
    rehearsed_at = models.DateTimeField(null=True, blank=True)
    rehearsed_revision = models.PositiveIntegerField(default=0)
    rehearsal_failed_at = models.DateTimeField(null=True, blank=True)  # until one passes again
    made_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    changed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["system", "name"], condition=Q(ended_at__isnull=True), name="lever_name_once_a_system"
            ),
            one_of("kind", ContainmentKind, "lever_kind_known"),
            one_of("approval", ApprovalRule, "lever_approval_known"),
            models.CheckConstraint(condition=Q(every_seconds__gte=1), name="lever_looks_no_more_than_once_a_second"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        """The number people say: LEVER-3."""
        return f"LEVER-{self.number}"

    @property
    def what_kind(self) -> ContainmentKind:
        """The kind as a word of the practice."""
        return ContainmentKind(self.kind)

    def facts(self, problems: tuple[str, ...]) -> LeverFacts:
        """What the rules ask about its fitness, given what is wrong with its settings."""
        return LeverFacts(
            problems=problems,
            revision=self.revision,
            rehearsed_at=self.rehearsed_at,
            rehearsed_revision=self.rehearsed_revision,
            rehearsal_failed=self.rehearsal_failed_at is not None,
            ended=self.ended_at is not None,
        )


class Rehearsal(Row):
    """A lever tried before the night it is needed: pulled, seen to take effect, undone, seen to be gone."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        PASSED = "passed", "Passed"
        FAILED = "failed", "Did not pass"

    lever = models.ForeignKey(Lever, on_delete=models.PROTECT, related_name="rehearsals")
    target = models.CharField(max_length=8, choices=Target.choices())
    revision = models.PositiveIntegerField()  # of the lever's settings
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    says = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["lever"], condition=Q(state="running"), name="one_rehearsal_of_a_lever_at_a_time"
            ),
            one_of("target", Target, "rehearsal_target_known"),
            one_of("state", ["running", "passed", "failed"], "rehearsal_state_known"),
        ]


class Pull(Row):
    """A lever is pulled, or a pull is undone: one approval, one act, and what was seen of it.

    `next_at` is when the engine looks at it; every open pull has one. `lease_by` names the engine that is at it.
    Settings are frozen onto it when it is asked for: a change of the lever meanwhile reaches only later pulls.
    """

    number = models.PositiveBigIntegerField(unique=True)
    lever = models.ForeignKey(Lever, on_delete=models.PROTECT, related_name="pulls")
    incident = models.ForeignKey(Incident, null=True, blank=True, on_delete=models.PROTECT, related_name="pulls")
    rehearsal = models.ForeignKey(Rehearsal, null=True, blank=True, on_delete=models.PROTECT, related_name="pulls")
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")
    target = models.CharField(max_length=8, choices=Target.choices())
    settings = EncryptedJSONField(default=dict)
    probe = EncryptedJSONField(default=dict)
    revision = models.PositiveIntegerField()
    key = models.CharField(max_length=64, unique=True)  # the idempotency key that adapters pass on
    asked_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    why = models.TextField(blank=True)
    rule = models.CharField(max_length=12, choices=ApprovalRule.choices())

    state = models.CharField(max_length=12, choices=PullState.choices(), default=PullState.ASKED)
    prior = EncryptedJSONField(default=dict)
    expected = EncryptedJSONField(default=dict)
    says = models.TextField(blank=True)  # what the plan said it would change
    outcome = models.TextField(blank=True)  # what the other side said, or why it ended as it did
    seen = models.TextField(blank=True)  # what the newest look showed
    crashed = models.BooleanField(default=False)  # it was found in `acting`: nobody knows whether it was done
    asked_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True, blank=True)
    preserved_at = models.DateTimeField(null=True, blank=True)
    prepared_at = models.DateTimeField(null=True, blank=True)
    acting_at = models.DateTimeField(null=True, blank=True)
    acted_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)  # until when it must be seen
    ended_at = models.DateTimeField(null=True, blank=True)

    # The clockwork
    next_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_by = models.CharField(max_length=64, blank=True)
    tries = models.PositiveIntegerField(default=0)  # in the present state
    faults = models.PositiveIntegerField(default=0)  # of Andon's own, in a row

    class Meta:
        ordering: ClassVar = ["-number"]
        indexes: ClassVar = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="pull_due")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["lever"],
                condition=Q(state__in=OPEN, rehearsal__isnull=True),
                name="one_open_pull_of_a_lever",
            ),
            models.UniqueConstraint(
                fields=["undoes"],
                condition=Q(undoes__isnull=False)
                & ~Q(state__in=[PullState.WITHDRAWN, PullState.FAILED, PullState.UNVERIFIED]),
                name="a_pull_is_undone_once",
            ),
            one_of("state", PullState, "pull_state_known"),
            one_of("rule", ApprovalRule, "pull_rule_known"),
            one_of("target", Target, "pull_target_known"),
            models.CheckConstraint(
                condition=Q(state__in=OPEN, next_at__isnull=False) | (~Q(state__in=OPEN) & Q(next_at__isnull=True)),
                name="pull_that_is_open_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref} {self.lever}"

    @property
    def ref(self) -> str:
        """The number people say: PULL-7."""
        return f"PULL-{self.number}"

    @property
    def phase(self) -> PullState:
        """Its state as a word of the practice."""
        return PullState(self.state)

    @property
    def is_open(self) -> bool:
        """Whether it is not at an end."""
        return self.phase in OPEN


class Approval(Row):
    """Somebody agreed to a pull, or said no."""

    pull = models.ForeignKey(Pull, on_delete=models.CASCADE, related_name="approvals")
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    agreed = models.BooleanField()
    is_lead = models.BooleanField(default=False)  # as their role was then
    reason = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["pull", "person"], name="one_word_a_person")]


class PullStep(Row):
    """One thing that was done about a pull: what, with which outcome, and how long it took.

    Looks that show the same in a row are one step, counted.
    """

    pull = models.ForeignKey(Pull, on_delete=models.CASCADE, related_name="trail")
    move = models.CharField(max_length=20, choices=Move.choices())
    ok = models.BooleanField(null=True)  # None = it could not be told
    text = models.TextField(blank=True)
    facts = EncryptedJSONField(default=dict)
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField()
    seconds = models.FloatField(default=0.0)

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]
        constraints: ClassVar = [one_of("move", Move, "pull_step_known")]
