"""What every process may know of the engines that run: one row each, written by its owner alone."""

from typing import ClassVar

from django.db import models


class EngineBeat(models.Model):
    """One running engine: when it last went round, and what its last audit found."""

    name = models.CharField(max_length=80, primary_key=True)  # host, process and a random part
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField(db_index=True)
    audited_at = models.DateTimeField(null=True, blank=True)
    audit_passed = models.BooleanField(null=True)
    findings = models.JSONField(default=list)  # [{"check", "says", "count", "repaired"}]
    modules = models.JSONField(
        default=dict
    )  # name -> {"failures", "error"}, or {"version", "newer"}: left to a newer engine

    class Meta:
        ordering: ClassVar = ["-beat_at"]

    def __str__(self) -> str:
        return self.name


class ModuleLock(models.Model):
    """By which version of a module's rules the rows of this database are to be read and written."""

    module = models.CharField(max_length=40, primary_key=True)
    version = models.PositiveIntegerField()
    taken_at = models.DateTimeField()
    taken_by = models.CharField(max_length=80)  # the engine that brought this version

    def __str__(self) -> str:
        return f"{self.module} {self.version}"
