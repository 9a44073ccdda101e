"""What was heard, and why it went where it went."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from andon.incidents.models import Incident
from andon.kit.crypto import EncryptedTextField
from andon.kit.models import Row, of_some, one_of
from andon.kit.packed import PackedBytesField
from andon.practice.words import IncidentType
from andon.registry.models import System


class Integration(Row):
    """One sender of signals: its address is `/intake/<kind>/<slug>`, its key a token shown once."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=32)  # the name of a folder in intake/adapters
    token_digest = models.CharField(max_length=64, unique=True)  # the compatible addresses know a sender by it alone
    secret = EncryptedTextField(blank=True, default="")
    system = models.ForeignKey(System, null=True, blank=True, on_delete=models.PROTECT, related_name="integrations")
    settings = models.JSONField(default=dict, blank=True)
    resolves_incidents = models.BooleanField(default=False)  # the rule: all signals resolved resolves the incident
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Delivery(Row):
    """One request as it came, taken wholly, in part, or not. Bounded; kept so that nothing heard is lost."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        PARTLY = "partly", "Taken in part"  # something was not understood, or not sent: `error` says what
        REJECTED = "rejected", "Rejected"

    integration = models.ForeignKey(  # found by the indexes below; one more would only slow the intake down
        Integration, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    body = PackedBytesField()
    content_type = models.CharField(max_length=100, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    error = models.CharField(max_length=500, blank=True)
    signals = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            # The newest of each outcome, and the counts of hours: whatever reads by it names the outcomes it wants.
            models.Index(fields=["integration", "outcome", "-created_at"], name="delivery_by_outcome"),
        ]


class Signal(Row):
    """Something observed, deduplicated: at most one is firing for an integration and fingerprint."""

    class Status(models.TextChoices):
        FIRING = "firing", "Firing"
        RESOLVED = "resolved", "Resolved"

    integration = models.ForeignKey(  # found by the indexes below; one more would only slow the intake down
        Integration, on_delete=models.PROTECT, related_name="signals", db_index=False
    )
    fingerprint = models.CharField(max_length=255)
    episode = models.CharField(max_length=64, blank=True)  # the sender's own mark of one firing, as its start time
    past_episodes = models.JSONField(default=list)  # names it went by before, the newest few
    ended_before = models.JSONField(default=list)  # such names of the signals before it: late doubles are known by them
    status = models.CharField(max_length=10, choices=Status.choices)
    title = models.CharField(max_length=300)
    description = models.TextField(blank=True)
    url = models.URLField(max_length=2000, blank=True)
    labels = models.JSONField(default=dict)
    system_hint = models.CharField(max_length=120, blank=True)
    type_hint = models.CharField(max_length=32, choices=IncidentType.choices(), blank=True)
    severity_hint = models.PositiveSmallIntegerField(null=True, blank=True)
    count = models.PositiveIntegerField(default=1)  # firing events heard; 0 = an end whose beginning never came
    starts_at = models.DateTimeField(null=True, blank=True)  # by the sender's clock
    # Of what has ended: when the newest end of this fingerprint came about by the sender's clock, if that is sure. What
    # began before it has been overtaken. Null = the sender does not say, or it was written before this was asked.
    ends_at = models.DateTimeField(null=True, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    let_go_at = models.DateTimeField(null=True, blank=True)  # while it fired, a person resolved its incident
    dedup_reason = models.CharField(max_length=40)
    # Deliveries are pruned long before signals are; these name them without holding on to them.
    first_delivery = models.UUIDField(null=True, blank=True)
    last_delivery = models.UUIDField(null=True, blank=True)
    # What was heard and changed nothing: late doubles, second ends, ends of older episodes. Null = none came: the
    # intake names these columns only if some did, and null costs no row anything.
    echo_at = models.DateTimeField(null=True, blank=True)  # when the newest came
    echo_reason = models.CharField(max_length=40, null=True, blank=True)  # noqa: DJ001  as above
    echo_count = models.PositiveIntegerField(null=True, blank=True)
    echo_delivery = models.UUIDField(null=True, blank=True)  # which brought the newest

    # Routing: due until the engine has decided, and then what it decided and why.
    route_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    system = models.ForeignKey(  # indexed below, for rows that have one: the intake writes none
        System, null=True, blank=True, on_delete=models.SET_NULL, related_name="signals", db_index=False
    )
    incident = models.ForeignKey(  # as above
        Incident, null=True, blank=True, on_delete=models.SET_NULL, related_name="signals", db_index=False
    )
    reason_joined = models.CharField(max_length=60, blank=True)
    # What rules did to it. A held signal keeps its `route_at`: the time at which it is looked at again.
    rules = models.JSONField(null=True, blank=True)  # which rule, in which version, did what; null = none did anything
    held_by = models.CharField(max_length=60, null=True, blank=True)  # noqa: DJ001  null = not held, and not indexed
    look_at_count = models.PositiveIntegerField(null=True, blank=True)  # heard this often: looked at again at once
    close_at = models.DateTimeField(null=True, blank=True)  # when to ask whether it has gone quiet; null = never

    class Meta:
        ordering: ClassVar = ["-pk"]  # newest first heard first; last_at has no index, for it changes with each repeat
        indexes: ClassVar = [
            models.Index(fields=["route_at"], condition=Q(route_at__isnull=False), name="signal_route_due"),
            of_some("system", "signal_of_system"),
            of_some("incident", "signal_of_incident"),
            models.Index(fields=["held_by"], condition=Q(held_by__isnull=False), name="signal_held"),
            models.Index(fields=["close_at"], condition=Q(close_at__isnull=False), name="signal_close_due"),
            # Read by newest, and by episode among those of one fingerprint: a second index would cost each new signal.
            models.Index(fields=["integration", "fingerprint", "-first_at", "episode"], name="signal_history"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["integration", "fingerprint"],
                condition=Q(status="firing"),
                name="one_firing_signal_a_fingerprint",
            ),
            one_of("status", ["firing", "resolved"], "signal_status_known"),
        ]

    def __str__(self) -> str:
        return self.title


class SignalNote(Row):
    """What its sender says of a signal beside that it fires: acknowledged over there, a remark. It stops no page."""

    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, related_name="notes")
    by = models.CharField(max_length=120, blank=True)  # as the sender names them; nobody of ours
    text = models.CharField(max_length=1000)

    class Meta:
        ordering: ClassVar = ["created_at", "pk"]

    def __str__(self) -> str:
        return self.text
