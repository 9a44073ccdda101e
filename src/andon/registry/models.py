"""What runs, who answers for it, what it stands on."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.kit.models import Row, one_of
from andon.oncall.models import Chain
from andon.people.models import Person, Team
from andon.practice.words import ChangeKind, Criticality, RiskClass, Stage, SystemKind


class Component(Row):
    """A third-party model, API or data source that systems depend on."""

    class Kind(models.TextChoices):
        MODEL = "model", "Model"
        API = "api", "API"
        DATA = "data", "Data source"
        INFRASTRUCTURE = "infrastructure", "Infrastructure"

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    vendor = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=120, blank=True)
    version = models.CharField(max_length=80, blank=True)
    region = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class System(Row):
    """An AI system in the register."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    purpose = models.TextField(blank=True)
    kind = models.CharField(max_length=16, choices=SystemKind.choices(), default=SystemKind.OTHER)
    stage = models.CharField(max_length=16, choices=Stage.choices(), default=Stage.DEVELOPMENT)
    criticality = models.CharField(max_length=16, choices=Criticality.choices(), default=Criticality.MODERATE)
    risk_class = models.CharField(max_length=20, choices=RiskClass.choices(), default=RiskClass.UNASSESSED)
    jurisdictions = models.JSONField(default=list, blank=True)  # ISO 3166 codes, "EU" included
    owner = models.ForeignKey(Person, null=True, blank=True, on_delete=models.PROTECT, related_name="systems_owned")
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="systems")
    chain = models.ForeignKey(Chain, null=True, blank=True, on_delete=models.PROTECT, related_name="systems")
    groups = models.JSONField(default=list, blank=True)  # names of the groups whose outcomes are compared
    decision_log = models.CharField(max_length=500, blank=True)  # where it lies: a path, table or URL
    components: "models.ManyToManyField[Component, Dependency]" = models.ManyToManyField(
        Component, through="Dependency", related_name="systems"
    )

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            one_of("kind", SystemKind, "system_kind_known"),
            one_of("stage", Stage, "system_stage_known"),
            one_of("criticality", Criticality, "system_criticality_known"),
            one_of("risk_class", RiskClass, "system_risk_class_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Dependency(Row):
    """A system stands on a component."""

    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="dependencies")
    component = models.ForeignKey(Component, on_delete=models.PROTECT, related_name="dependencies")
    purpose = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["system", "component"], name="dependency_once")]


class StageChange(Row):
    """A move from one lifecycle stage to another, with the findings that were overridden and why, kept for good."""

    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="stage_changes")
    before = models.CharField(max_length=16, choices=Stage.choices())
    after = models.CharField(max_length=16, choices=Stage.choices())
    by = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    override_reason = models.TextField(blank=True)
    findings = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-created_at"]


class ChangeEvent(Row):
    """Something about a system changed: a deploy, another model version. Kept for diagnosis; it alarms nobody."""

    BY_API = "api"  # the source of what scripts and people say themselves

    # Null where the sender names a system that is not in the register; `system_hint` then holds the name.
    system = models.ForeignKey(System, null=True, on_delete=models.CASCADE, related_name="change_events")
    system_hint = models.CharField(max_length=120, blank=True)
    kind = models.CharField(max_length=20, choices=ChangeKind.choices(), default=ChangeKind.OTHER)
    title = models.CharField(max_length=300)
    url = models.URLField(max_length=2000, blank=True)
    labels = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()  # when it changed, as the source says
    source = models.CharField(max_length=60)  # the integration's short name, or BY_API
    # The source's own mark, by which a double is known; over the API it begins with the system's short name.
    key = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering: ClassVar = ["-at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["system", "-at"], name="change_event_of_system")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "key"], condition=~Q(key=""), name="change_event_once"),
            one_of("kind", ChangeKind, "change_event_kind_known"),
        ]

    def __str__(self) -> str:
        return self.title
