"""The incident and its story. The timeline is append-only: the database itself refuses changes (see the migration)."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.handbook.models import Edition
from andon.kit.models import Row, of_some, one_of
from andon.people.models import Person
from andon.practice.lifecycle import State
from andon.practice.promises import PromiseKind
from andon.practice.severity import Severity
from andon.practice.words import ClockEvent, ContainmentKind, HarmDimension, IncidentKind, IncidentType, Phase
from andon.registry.models import System


class Sequence(models.Model):
    """Short readable numbers, one sequence an organisation."""

    name = models.CharField(max_length=20, primary_key=True)
    value = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class Incident(Row):
    """Something went wrong, or may have, with an AI system."""

    number = models.PositiveBigIntegerField(unique=True)
    kind = models.CharField(max_length=8, choices=IncidentKind.choices(), default=IncidentKind.REAL)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    system = models.ForeignKey(System, null=True, blank=True, on_delete=models.PROTECT, related_name="incidents")
    type = models.CharField(max_length=32, choices=IncidentType.choices())
    secondary_types = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=16, choices=State.choices(), default=State.OPEN)
    group_key = models.CharField(max_length=160)  # signals with this key join while the incident is unresolved
    restricted = models.BooleanField(default=False)
    declared_by = models.ForeignKey(  # indexed below, for rows that have one: the engine opens without
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="incidents_declared", db_index=False
    )

    # Severity: the level, and the sentence that says why. The scores behind it are HarmScore rows.
    severity = models.PositiveSmallIntegerField(choices=[(s.value, s.name) for s in Severity])
    severity_reason = models.TextField()
    technical = models.PositiveSmallIntegerField(null=True, blank=True)  # T0-T4; null = not assessed

    # The five times. Onset is an estimate with an interval.
    onset_low = models.DateTimeField(null=True, blank=True)
    onset = models.DateTimeField(null=True, blank=True)
    onset_high = models.DateTimeField(null=True, blank=True)
    detected_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(  # as above
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="incidents_acknowledged", db_index=False
    )
    contained_at = models.DateTimeField(null=True, blank=True)
    containment_kind = models.CharField(max_length=16, choices=ContainmentKind.choices(), blank=True)
    containment_note = models.TextField(blank=True)
    containment_waived_at = models.DateTimeField(null=True, blank=True)
    containment_waived_reason = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    # The chain and protocol as they stood when the incident opened; later edits do not reach it.
    chain = models.JSONField()
    protocol_slug = models.CharField(max_length=60)
    protocol_version = models.CharField(max_length=20)
    # The whole handbook of that day: a change of type or severity goes by it too. Null = opened before there were any.
    edition = models.ForeignKey(Edition, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    # Escalation: where we are in the chain, and when the next page is due. Null = nothing is to be paged.
    chain_step = models.PositiveSmallIntegerField(default=0)
    chain_round = models.PositiveIntegerField(default=0)
    on_fallback = models.BooleanField(default=False)
    next_page_at = models.DateTimeField(null=True, blank=True)

    # Held open after its last signal has ended, for it may come again; null = nothing is to be resolved by rule.
    resolve_at = models.DateTimeField(null=True, blank=True)

    # Head of the hash chain: what a deleted tail cannot fake.
    timeline_count = models.PositiveIntegerField(default=0)
    timeline_head = models.CharField(max_length=64, blank=True)
    changed_at = models.DateTimeField(db_index=True)

    LONG: ClassVar = ("chain", "description", "severity_reason")
    """What is long and seldom looked at: where many incidents are read at once it stays in the database."""

    class Meta:
        ordering: ClassVar = ["-number"]
        indexes: ClassVar = [
            models.Index(
                fields=["next_page_at"],
                condition=Q(next_page_at__isnull=False),
                name="incident_page_due",
            ),
            models.Index(fields=["resolve_at"], condition=Q(resolve_at__isnull=False), name="incident_resolve_due"),
            models.Index(fields=["state", "severity"], name="incident_board"),
            models.Index(
                fields=["state"],
                condition=Q(acknowledged_at__isnull=True, next_page_at__isnull=True),
                name="incident_silent",  # what the auditor asks for every minute
            ),
            models.Index(fields=["state"], condition=Q(edition__isnull=True), name="incident_unfrozen"),  # as above
            of_some("declared_by", "incident_declared_by"),
            of_some("acknowledged_by", "incident_acknowledged_by"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["group_key"],
                condition=Q(state__in=[State.OPEN, State.ACKNOWLEDGED, State.CONTAINED]),
                name="one_unresolved_incident_a_group",
            ),
            one_of("type", IncidentType, "incident_type_known"),
            one_of("kind", IncidentKind, "incident_kind_known"),
            one_of("state", State, "incident_state_known"),
            one_of("severity", [s.value for s in Severity], "incident_severity_known"),
        ]

    def __str__(self) -> str:
        return f"{self.ref} {self.title}"

    @property
    def ref(self) -> str:
        """The number people say: INC-42."""
        return f"INC-{self.number}"

    @property
    def because(self) -> str:
        """What decided the severity, without its name, for where that stands already."""
        return self.severity_reason.removeprefix(f"{self.level.name} because: ")

    @property
    def level(self) -> Severity:
        """The severity as a word of the practice."""
        return Severity(self.severity)

    @property
    def incident_type(self) -> IncidentType:
        """The primary type as a word of the practice."""
        return IncidentType(self.type)

    @property
    def held(self) -> datetime | None:
        """When containment was done or waived: from then on diagnosis unfolds."""
        return self.contained_at or self.containment_waived_at


class HarmScore(Row):
    """One assessment of one harm dimension; the newest of a dimension counts, earlier ones stay."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="harm_scores")
    dimension = models.CharField(max_length=20, choices=HarmDimension.choices())
    value = models.PositiveSmallIntegerField(null=True)  # H0-H4; null = back to not assessed
    evidence = models.TextField(blank=True)
    by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [one_of("dimension", HarmDimension, "harm_dimension_known")]


class SeverityLowering(Row):
    """A request to lower the severity: it takes effect when a named approver, not the one asking, agrees."""

    class State(models.TextChoices):
        ASKED = "asked", "Asked"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="lowerings")
    to = models.PositiveSmallIntegerField()
    reason = models.TextField()
    asked_by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    approver = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="lowerings_to_decide")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["incident"], condition=Q(state="asked"), name="one_lowering_asked_at_a_time"
            )
        ]


class RoleAssignment(Row):
    """Who holds which role in an incident, and until when."""

    class Role(models.TextChoices):
        LEAD = "lead", "Incident lead"
        RESPONDER = "responder", "Responder"
        COMMUNICATIONS = "communications", "Communications"
        HARM = "harm", "Harm and fairness"
        SCRIBE = "scribe", "Scribe"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=20, choices=Role.choices)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="incident_roles")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["incident", "role", "person"],
                condition=Q(ended_at__isnull=True),
                name="role_held_once",
            ),
            models.UniqueConstraint(
                fields=["incident"],
                condition=Q(ended_at__isnull=True, role="lead"),
                name="one_incident_lead",
            ),
        ]


class TimelineEntry(Row):
    """One thing that happened. `hash` covers every field, the entry before it, and the digest of `body`.

    The body alone may be emptied (erasure of a person); its digest stays, so the chain still verifies.
    """

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="timeline", db_index=False)
    seq = models.PositiveIntegerField()
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    actor = models.CharField(max_length=80)  # "person:<id>", "engine", "integration:<slug>"
    person = models.ForeignKey(Person, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=40)
    body = models.JSONField(null=True)
    body_digest = models.CharField(max_length=64)
    prev_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar = ["seq"]
        indexes: ClassVar = [of_some("person", "timeline_of_person")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["incident", "seq"], name="timeline_seq_once")]


class Promise(Row):
    """Something that the protocol of an incident promises by a time, as it was frozen onto it; what became of it.

    It is the organisation's own promise: whether a law asks for it is for a person to decide.
    """

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="promises", db_index=False)
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=160)  # "contain", "first_word:executives", "duty:gdpr-33"
    kind = models.CharField(max_length=12, choices=PromiseKind.choices())
    what = models.CharField(max_length=200)  # "Tell executives"
    clock = models.CharField(max_length=24, choices=ClockEvent.choices())
    within = models.CharField(max_length=20, blank=True)  # as the handbook writes it; empty = without a time
    applies = models.BooleanField(default=True)  # whether the type and severity of now ask for it
    since = models.DateTimeField(null=True, blank=True)  # when its clock began anew; null = with its event
    due_at = models.DateTimeField(null=True, blank=True)  # null = without a time, or its clock has not begun
    # When the engine looks whether it was missed: `due_at` as long as that is to be seen, else nothing.
    look_at = models.DateTimeField(null=True, blank=True)
    kept_at = models.DateTimeField(null=True, blank=True)
    kept_by = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    missed_at = models.DateTimeField(null=True, blank=True)  # when the next in the chain was paged for it, once
    not_owed = models.TextField(blank=True)  # why it does not apply; then kept_at and kept_by say who decided when

    class Meta:
        ordering: ClassVar = ["position"]
        indexes: ClassVar = [
            models.Index(fields=["look_at"], condition=Q(look_at__isnull=False), name="promise_due"),
            models.Index(
                fields=["incident"],
                condition=Q(
                    applies=True,
                    kept_at__isnull=True,
                    missed_at__isnull=True,
                    look_at__isnull=True,
                    due_at__isnull=False,
                ),
                name="promise_unwatched",  # what the auditor asks for every minute
            ),
            of_some("kept_by", "promise_kept_by"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["incident", "key"], name="promised_once"),
            one_of("kind", PromiseKind, "promise_kind_known"),
            one_of("clock", ClockEvent, "promise_clock_known"),
            models.CheckConstraint(
                condition=Q(look_at__isnull=True)
                | Q(applies=True, kept_at__isnull=True, missed_at__isnull=True, due_at__isnull=False),
                name="promise_looked_at_while_it_can_be_missed",
            ),
        ]


class ProtocolStep(Row):
    """A step of the protocol that was frozen onto the incident, and what became of it."""

    class State(models.TextChoices):
        TODO = "todo", "To do"
        DONE = "done", "Done"
        WAIVED = "waived", "Waived"
        NOT_ASKED = "not_asked", "No longer asked for"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="steps", db_index=False)
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=60)
    phase = models.CharField(max_length=12, choices=Phase.choices())
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    optional = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.TODO)
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False)
    at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["position"]
        indexes: ClassVar = [of_some("by", "protocol_step_by")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["incident", "key"], name="protocol_step_once")]


class Link(Row):
    """Something elsewhere that belongs to the incident: a dashboard, a call, a ticket, the sender's alert."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="links")
    title = models.CharField(max_length=200)
    url = models.URLField(max_length=2000)
    by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["created_at"]
