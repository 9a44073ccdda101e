"""Answers that are kept for a day, so that a request which is sent twice acts once."""

from typing import ClassVar

from django.db import models

from andon.kit.crypto import EncryptedTextField
from andon.kit.models import Row
from andon.people.models import Person


class KeptAnswer(Row):
    """What a request with an Idempotency-Key was answered. Without `answered_at` it is still being worked on.

    The body is encrypted, because an answer may show a secret that is kept nowhere else.
    """

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    request_digest = models.CharField(max_length=64)
    claimed_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    headers = models.JSONField(default=dict)
    body = EncryptedTextField(blank=True, default="")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["person", "key"], name="idempotency_key_once")]
        indexes: ClassVar = [models.Index(fields=["claimed_at"], name="kept_answer_age")]
