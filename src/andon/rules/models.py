"""Rules about signals, every version of what they said, and what the clockwork remembers for them."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.intake.models import Signal
from andon.kit.models import Row, one_of
from andon.people.models import Person
from andon.practice.rules import RuleKind
from andon.practice.windows import Span
from andon.registry.models import System


class Rule(Row):
    """One rule as it says now. Rules of a kind are asked by position, from the lowest."""

    number = models.PositiveBigIntegerField(unique=True)
    kind = models.CharField(max_length=16, choices=RuleKind.choices())
    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField(default=0)
    expression = models.TextField(blank=True)  # CEL; empty = every signal (of its system)
    system = models.ForeignKey(System, null=True, blank=True, on_delete=models.PROTECT, related_name="rules")
    settings = models.JSONField(default=dict, blank=True)  # what its kind needs beside that: see `facts`
    starts_at = models.DateTimeField(null=True, blank=True)  # before it a rule does nothing; null = at once
    ends_at = models.DateTimeField(null=True, blank=True)  # from then on it does nothing; null = until it is ended
    comment = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)
    made_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="rules_made")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["kind", "position", "number"]
        indexes: ClassVar = [
            models.Index(fields=["kind", "position"], condition=Q(ended_at__isnull=True), name="rule_in_force"),
        ]
        constraints: ClassVar = [one_of("kind", RuleKind, "rule_kind_known")]

    def __str__(self) -> str:
        return f"{self.ref} {self.name}"

    @property
    def ref(self) -> str:
        """The number people say: RULE-7."""
        return f"RULE-{self.number}"

    @property
    def what(self) -> RuleKind:
        """The kind as a word of the practice."""
        return RuleKind(self.kind)

    def runs(self, now: datetime) -> bool:
        """Whether it does anything at that instant (a weekly window may be closed all the same)."""
        return self.ended_at is None and Span(self.starts_at, self.ends_at).holds(now)


class RuleVersion(Row):
    """What a rule said from then on, until the next version. Written once, never changed."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="versions")
    version = models.PositiveIntegerField()
    facts = models.JSONField()
    by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["-version"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["rule", "version"], name="rule_version_once")]


class Match(Row):
    """A signal that a rule goes by: one that explains others, a heartbeat, one of several that are counted."""

    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, related_name="matches", db_index=False)
    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=64)  # digest of what has to be equal, or of what is counted together

    class Meta:
        indexes: ClassVar = [models.Index(fields=["rule", "key"], name="rule_match")]
        constraints: ClassVar = [models.UniqueConstraint(fields=["rule", "signal"], name="rule_matches_once")]


class Heartbeat(models.Model):
    """How an expected heartbeat stands. Looked at when it is due, and when nobody has looked for a while."""

    rule = models.OneToOneField(Rule, on_delete=models.CASCADE, primary_key=True, related_name="heartbeat")
    expected_since = models.DateTimeField()
    heard_at = models.DateTimeField(null=True, blank=True)
    missing_since = models.DateTimeField(null=True, blank=True)
    spared_at = models.DateTimeField(null=True, blank=True)
    next_due_at = models.DateTimeField(db_index=True)
    looked_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Heartbeat of {self.rule}"
