"""What is prescribed, version by version, and what was done, step by step.

A runbook that comes with Andon has a row once something is known of it here: a run, an owner, a proposal.
"""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.incidents.models import Incident
from andon.kit.models import Row, one_of
from andon.people.models import Person
from andon.practice.words import RunbookPhase, StepKind, StepState


class Runbook(Row):
    """A runbook by its key, and who answers for it here."""

    key = models.SlugField(max_length=60, unique=True)
    own = models.BooleanField(default=False)  # written or changed here; a file of the handbook goes before it
    owner = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="runbooks_owned")
    reviewed_on = models.DateField(
        null=True, blank=True
    )  # read through here and found right; the file has its own date
    reviewed_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["key"]

    def __str__(self) -> str:
        return self.key


class Version(Row):
    """One text of a runbook, never changed: a run keeps the one that it began with."""

    class Source(models.TextChoices):
        SHIPPED = "shipped", "Comes with Andon"
        FILE = "file", "From the handbook's files"
        OWN = "own", "Written here"

    runbook = models.ForeignKey(Runbook, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    text = models.TextField()
    digest = models.CharField(max_length=64)  # SHA-256 of the text
    source = models.CharField(max_length=8, choices=Source.choices)
    why = models.CharField(max_length=500, blank=True)
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["runbook", "number"], name="runbook_version_once"),
            one_of("source", ["shipped", "file", "own"], "runbook_version_source_known"),
        ]

    def __str__(self) -> str:
        return f"{self.title}, version {self.number}"


class Run(Row):
    """One execution of a runbook on an incident."""

    class State(models.TextChoices):
        GOING = "going", "Going on"
        FINISHED = "finished", "Finished"
        STOPPED = "stopped", "Stopped"

    number = models.PositiveBigIntegerField(unique=True)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="runs")
    runbook = models.ForeignKey(Runbook, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="runs")
    state = models.CharField(max_length=8, choices=State.choices, default=State.GOING)
    begun_by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    ended_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    end_note = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["incident", "runbook"], condition=Q(state="going"), name="one_run_of_a_runbook_at_a_time"
            ),
            one_of("state", ["going", "finished", "stopped"], "run_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.ref} {self.version.title}"

    @property
    def ref(self) -> str:
        """The number people say: RUN-7."""
        return f"RUN-{self.number}"


class RunStep(Row):
    """A step of a run, and what became of it. A decision that leads back makes a further turn; the earlier stays."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=60)
    turn = models.PositiveSmallIntegerField(default=1)
    phase = models.CharField(max_length=12, choices=RunbookPhase.choices())
    kind = models.CharField(max_length=12, choices=StepKind.choices())
    title = models.CharField(max_length=120)
    state = models.CharField(max_length=8, choices=StepState.choices(), default=StepState.TODO)
    begun_at = models.DateTimeField(null=True, blank=True)  # when it was its turn; null = it was done out of turn
    at = models.DateTimeField(null=True, blank=True)  # when it was settled
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    outcome = models.CharField(max_length=60, blank=True)  # of a decision
    note = models.TextField(blank=True)  # what was seen or done, or why not
    seen = models.JSONField(null=True, blank=True)  # of a query: the aggregates that were looked at, see `asking`

    class Meta:
        ordering: ClassVar = ["position", "turn"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "key", "turn"], name="run_step_once_a_turn"),
            one_of("state", StepState, "run_step_state_known"),
            one_of("phase", RunbookPhase, "run_step_phase_known"),
            one_of("kind", StepKind, "run_step_kind_known"),
        ]

    def __str__(self) -> str:
        return self.title


class Feedback(Row):
    """What somebody thought of a run: did the runbook help, and what was missing."""

    class Helped(models.TextChoices):
        YES = "yes", "Yes"
        PARTLY = "partly", "Partly"
        NO = "no", "No"

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="feedback")
    by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    helped = models.CharField(max_length=8, choices=Helped.choices)
    missing = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "by"], name="run_feedback_once"),
            one_of("helped", ["yes", "partly", "no"], "run_helped_known"),
        ]


class Proposal(Row):
    """Another text for a runbook: a diff that its owner accepts, or declines with a reason."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"

    number = models.PositiveBigIntegerField(unique=True)
    runbook = models.ForeignKey(Runbook, on_delete=models.CASCADE, related_name="proposals")
    base = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="+")  # what its writer began from
    text = models.TextField()
    why = models.CharField(max_length=500)
    by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="proposals")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    decided_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    made = models.ForeignKey(Version, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering: ClassVar = ["-number"]
        constraints: ClassVar = [one_of("state", ["open", "accepted", "declined"], "proposal_state_known")]

    def __str__(self) -> str:
        return f"Proposal {self.number} for {self.runbook}"
