"""What was learned, and what is done about it."""

from typing import ClassVar

from django.db import models

from andon.incidents.models import Incident
from andon.kit.models import Row, one_of
from andon.people.models import Person
from andon.practice.words import IncidentRole


class Review(Row):
    """The blameless review of an incident; its draft is filled from the timeline."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        IN_REVIEW = "in_review", "In review"
        PUBLISHED = "published", "Published"

    incident = models.OneToOneField(Incident, on_delete=models.PROTECT, related_name="review")
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    owner = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="reviews_owned")
    due_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"Review of {self.incident.ref}"


class SectionVersion(Row):
    """One version of one section; the newest of a key is what the review says, earlier ones stay readable."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="section_versions")
    key = models.CharField(max_length=40)
    title = models.CharField(max_length=120)
    prompt = models.TextField(blank=True)
    position = models.PositiveSmallIntegerField()
    version = models.PositiveIntegerField()
    body = models.TextField(blank=True)
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["position", "version"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["review", "key", "version"], name="section_version_once")
        ]


class Signature(Row):
    """Somebody who holds a role in the incident stands by the review as it is; what is rewritten is signed anew."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="signatures")
    role = models.CharField(max_length=20, choices=IncidentRole.choices())
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="+")
    text = models.CharField(max_length=64)  # SHA-256 of the sections as they were signed, see `queries.text_of`

    class Meta:
        ordering: ClassVar = ["created_at"]
        constraints: ClassVar = [one_of("role", IncidentRole, "signature_role_known")]

    def __str__(self) -> str:
        return f"{self.person} signs the {self.review} as {self.role}"


class Action(Row):
    """An improvement action: owned, dated, verifiable."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        DONE = "done", "Done"
        VERIFIED = "verified", "Verified"
        DROPPED = "dropped", "Dropped"

    number = models.PositiveBigIntegerField(unique=True)
    review = models.ForeignKey(Review, on_delete=models.PROTECT, related_name="actions")
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    verification = models.TextField(blank=True)  # how somebody else can see that it worked
    owner = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="actions_owned")
    due_on = models.DateField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    state_reason = models.TextField(blank=True)
    state_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    state_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["due_on"]
        indexes: ClassVar = [models.Index(fields=["state", "due_on"], name="action_due")]

    def __str__(self) -> str:
        return f"{self.ref} {self.title}"

    @property
    def ref(self) -> str:
        """The number people say: ACT-7."""
        return f"ACT-{self.number}"
