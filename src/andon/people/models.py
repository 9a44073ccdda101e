"""Who: the organisation, its people, how to reach them, their teams, and the keys they hold."""

from datetime import time
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from andon.kit import clock
from andon.kit.crypto import EncryptedTextField, readable
from andon.kit.models import Row, one_of
from andon.practice.pacing import QuietHours
from andon.practice.words import OrgRole


class Organisation(models.Model):
    """The one organisation that this installation serves."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="one_organisation")]

    def __str__(self) -> str:
        return self.name


class KeyCheck(models.Model):
    """A known word as the keys of this database encrypt it: who cannot read it has other keys (see `keys`)."""

    id = models.SmallIntegerField(primary_key=True, default=1, editable=False)
    sealed = models.TextField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="one_key_check")]

    def __str__(self) -> str:
        return "the keys of this database"


class PersonManager(BaseUserManager["Person"]):
    """How Django and allauth find a person."""

    def get_by_natural_key(self, username: str | None) -> "Person":
        """By e-mail address, whatever its case."""
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "Person":
        """A new person; without a password they sign in by other means."""
        person = self.model(email=self.normalize_email(email).lower(), **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser, Row):
    """Someone who uses Andon. The role is the organisation's; an incident gives further roles for its own time."""

    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=120)
    role = models.CharField(max_length=16, choices=OrgRole.choices(), default=OrgRole.RESPONDER)
    time_zone = models.CharField(max_length=64, default="UTC")
    # Wall time in their zone, both or neither: pages of mild incidents wait for its end.
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    calendar_token_digest = models.CharField(max_length=64, blank=True, db_index=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    sessions_ended_at = models.DateTimeField(null=True, blank=True)  # sessions from before it are over

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects: ClassVar[PersonManager] = PersonManager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="person_email_once"),
            one_of("role", OrgRole, "person_role_known"),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until")),
                name="person_quiet_hours_begin_and_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def quiet_words(self) -> str:
        """Their quiet hours in words; empty without any."""
        hours = self.quiet_hours
        return f"{hours.starts:%H:%M} to {hours.ends:%H:%M}, {hours.zone}" if hours else ""

    @property
    def quiet_hours(self) -> QuietHours | None:
        """Their quiet hours, if they have any."""
        return quiet_hours(self.quiet_from, self.quiet_until, self.time_zone)

    @property
    def org_role(self) -> OrgRole:
        """The role in the organisation, as a word of the practice."""
        return OrgRole(self.role)

    @property
    def reach(self) -> str:
        """How pages reach them, in words; empty when no contact point works."""
        working = [point for point in self.contact_points.all() if point.works]
        return ", ".join(dict.fromkeys(str(ChannelKind(point.kind).label) for point in working))

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """What a session must hold to be this person's: a new password or `sessions_ended_at` ends the earlier ones."""
        ended = self.sessions_ended_at.isoformat() if self.sessions_ended_at else ""
        return salted_hmac(
            "andon.people.Person.session", f"{self.password}\n{ended}", secret=secret, algorithm="sha256"
        ).hexdigest()


def quiet_hours(starts: time | None, ends: time | None, zone: str) -> QuietHours | None:
    """Quiet hours as the practice knows them; None without any, or where they cannot be read: nobody is silenced then.

    The columns hold what was checked when it was written; what a zone is can change with the computer's database.
    """
    if starts is None or ends is None:
        return None
    try:
        return QuietHours(starts, ends, zone)
    except ValueError:
        return None


class ChannelKind(models.TextChoices):
    """How a page can travel."""

    EMAIL = "email", "E-mail"
    PUSH = "push", "Browser push"
    SMS = "sms", "Text message"
    VOICE = "voice", "Phone call"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    NTFY = "ntfy", "ntfy"
    PAGERDUTY = "pagerduty", "PagerDuty"
    APPRISE = "apprise", "Apprise (other services)"
    WEBHOOK = "webhook", "Webhook"
    LOG = "log", "Log (for trying out)"

    @property
    def address_is_secret(self) -> bool:
        """Whether who holds the address can send there: then it is shown in part only."""
        return self in {ChannelKind.PUSH, ChannelKind.TEAMS, ChannelKind.PAGERDUTY, ChannelKind.APPRISE}


class ContactPoint(Row):
    """One way to reach a person, tried `delay_minutes` after a page is due."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="contact_points")
    kind = models.CharField(max_length=16, choices=ChannelKind.choices)
    address = EncryptedTextField()
    secret = EncryptedTextField(blank=True, default="")
    label = models.CharField(max_length=60, blank=True)
    delay_minutes = models.PositiveSmallIntegerField(default=0)
    verified_at = models.DateTimeField(null=True, blank=True)
    proved_at = models.DateTimeField(null=True, blank=True)  # when a message last got out over it, to the day
    broken_at = models.DateTimeField(null=True, blank=True)
    broken_reason = models.CharField(max_length=300, blank=True)
    # When the engine tells its owner and the administrators that it broke; nothing once they have been told.
    tell_at = models.DateTimeField(null=True, blank=True)
    told_by = models.CharField(max_length=80, blank=True)  # who is telling them, under a lease
    tellings = models.PositiveSmallIntegerField(default=0)  # attempts at telling
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["delay_minutes", "created_at"]
        indexes: ClassVar = [
            models.Index(fields=["tell_at"], condition=Q(tell_at__isnull=False), name="contact_point_to_tell"),
        ]
        constraints: ClassVar = [one_of("kind", ChannelKind.values, "contact_point_kind_known")]

    def __str__(self) -> str:
        return self.label or f"{self.get_kind_display()} {self.shown_address}"

    @property
    def shown_address(self) -> str:
        """The address as people see it: one that is a credential, only so far that they recognise it."""
        if not readable(self.address):
            return "cannot be read: its key is missing"
        if not ChannelKind(self.kind).address_is_secret:
            return self.address
        scheme, found, _ = self.address.partition("://")
        return f"{scheme}://…{self.address[-4:]}" if found else f"…{self.address[-4:]}"

    @property
    def works(self) -> bool:
        """Whether a page sent here can be expected to arrive: verified, not broken, not removed."""
        return bool(self.verified_at) and not self.broken_at and not self.removed_at


class Team(Row):
    """People who answer for something together."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    members: "models.ManyToManyField[Person, Membership]" = models.ManyToManyField(
        Person, through="Membership", related_name="teams"
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(Row):
    """A person's place in a team."""

    class Role(models.TextChoices):
        MEMBER = "member", "Member"
        MANAGER = "manager", "Manager"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "person"], name="membership_once")]


class Invitation(Row):
    """A one-time link that makes an account. The first start makes one for the first administrator, with no address."""

    email = models.EmailField(max_length=254, blank=True)
    role = models.CharField(max_length=16, choices=OrgRole.choices(), default=OrgRole.RESPONDER)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.SET_NULL)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="invitations_made"
    )
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="invitation_taken"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    @property
    def open(self) -> bool:
        """Whether the link still works."""
        return not self.accepted_at and not self.withdrawn_at and self.expires_at > clock.now()


class ApiToken(Row):
    """A personal token. It can do at most what its person can, narrowed by its scopes."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return self.name
