"""What people fill in about themselves, others, teams, contact points and tokens."""

import zoneinfo
from functools import cache
from typing import Any

from django import forms
from django.forms.renderers import BaseRenderer
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from andon.kit.errors import Refused
from andon.people import ways
from andon.people.api_auth import SCOPES
from andon.people.models import Invitation, Membership, Person, Team
from andon.practice.words import OrgRole


def tell(form: forms.Form, refused: Refused) -> None:
    """Put a refusal on the field that it is about, or above the form."""
    form.add_error(refused.field if refused.field in form.fields else None, refused.what)


@cache
def _names() -> frozenset[str]:
    """Every IANA name that this computer knows; finding them reads a folder of files."""
    return frozenset(zoneinfo.available_timezones())


@cache
def zones() -> list[tuple[str, str]]:
    """Time zones to choose from: UTC first, then the places (the names kept for old computers are left out)."""
    names = sorted(name for name in _names() if "/" in name and not name.startswith("Etc/"))
    return [(name, name.replace("_", " ")) for name in ("UTC", *names)]


@cache
def _zone_options(chosen: str) -> SafeString:
    """The zones as options. Django renders each option by a template of its own, which took 80 ms for all of them."""
    kept = [] if not chosen or any(name == chosen for name, _ in zones()) else [(chosen, chosen)]
    rows = ((name, mark_safe(" selected") if name == chosen else "", label) for name, label in (*kept, *zones()))
    return format_html_join("\n", '<option value="{}"{}>{}</option>', rows)


class ZoneSelect(forms.Select):
    """A select of the time zones; one that is kept already is among them, whatever its age."""

    def render(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None = None,
        renderer: BaseRenderer | None = None,  # noqa: ARG002  the base's signature
    ) -> SafeString:
        """The element, with its options put together at once."""
        widget = self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        known = value if value in _names() else ""  # so that only what there can be is remembered
        return format_html("<select{}>{}</select>", flatatt(widget), _zone_options(known))


class ZoneField(forms.ChoiceField):
    """A time zone; a name that is kept already stays choosable, whatever its age."""

    def __init__(self, **kwargs: Any) -> None:
        shown = "Times are shown in it, and shifts are read in their schedule's own."
        super().__init__(choices=zones, widget=ZoneSelect, label="Time zone", **{"help_text": shown} | kwargs)

    def valid_value(self, value: Any) -> bool:
        """Any IANA name."""
        return value in _names()


class EntranceForm(forms.Form):
    """The first administrator, or somebody invited, makes their account."""

    organisation = forms.CharField(max_length=120, label="Organisation", help_text="Its name, as people here call it.")
    name = forms.CharField(max_length=120, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(
        max_length=254,
        label="E-mail address",
        help_text="You sign in with it.",
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 12 characters. A few words that only you would put together are better than signs.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    time_zone = ZoneField(initial="UTC")

    def __init__(self, *args: Any, invitation: Invitation, zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].initial = zone
        if invitation.email:
            self.fields["email"].initial = invitation.email
            self.fields["email"].disabled = True
            self.fields["email"].help_text = "You were invited under this address; you sign in with it."
        if invitation.email or invitation.invited_by_id:
            del self.fields["organisation"]


class OneOfSeveral(forms.Form):
    """A form that stands beside others on a page, so its fields' ids begin with a word of its own."""

    word = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", f"{self.word}-%s")
        super().__init__(*args, **kwargs)


class ProfileForm(OneOfSeveral):
    """What a person says about themselves."""

    word = "you"

    name = forms.CharField(max_length=120, label="Name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = ZoneField()

    @classmethod
    def of(cls, person: Person, data: Any = None) -> "ProfileForm":
        """Filled with what holds now."""
        return cls(data, initial={"name": person.name, "time_zone": person.time_zone})


class QuietHoursForm(OneOfSeveral):
    """When pages of mild incidents are to wait."""

    word = "quiet"

    starts = forms.TimeField(required=False, label="From", widget=forms.TimeInput({"type": "time"}, "%H:%M"))
    ends = forms.TimeField(required=False, label="Until", widget=forms.TimeInput({"type": "time"}, "%H:%M"))

    @classmethod
    def of(cls, person: Person, data: Any = None) -> "QuietHoursForm":
        """Filled with what holds now."""
        return cls(data, initial={"starts": person.quiet_from, "ends": person.quiet_until})


class InviteForm(forms.Form):
    """Whom to invite, and as what."""

    email = forms.EmailField(max_length=254, label="E-mail address")
    role = forms.ChoiceField(choices=OrgRole.choices(), initial=OrgRole.RESPONDER, label="Role")
    team = forms.ModelChoiceField(
        queryset=Team.objects.all(), required=False, label="Team", empty_label="None", to_field_name="slug"
    )


class RoleForm(OneOfSeveral):
    """Another role for a person."""

    word = "role"

    role = forms.ChoiceField(choices=OrgRole.choices(), label="Role")


class TeamForm(OneOfSeveral):
    """What a team is called."""

    word = "team"

    name = forms.CharField(max_length=120, label="Name")


class MemberForm(OneOfSeveral):
    """Whom to take into a team."""

    word = "member"

    person = forms.ModelChoiceField(
        queryset=Person.objects.filter(is_active=True), label="Person", empty_label="Choose somebody"
    )
    role = forms.ChoiceField(
        choices=Membership.Role.choices,
        initial=Membership.Role.MEMBER,
        label="In the team as",
        help_text="A manager may change who is in it.",
    )


class ContactPointForm(OneOfSeveral):
    """A further way to be reached, by one of the channels that can be used."""

    word = "contact"

    kind = forms.ChoiceField(label="By")
    address = forms.CharField(
        max_length=2000,
        required=False,
        label="Address",
        help_text="What it looks like depends on the way: see below.",
    )
    label = forms.CharField(max_length=60, required=False, label="Label", help_text="What you call it: “Phone”.")
    delay_minutes = forms.IntegerField(
        min_value=0,
        max_value=1440,
        initial=0,
        label="Wait before using it (minutes)",
        help_text="0 uses it as soon as a page is due.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ways = ways.offered()
        self.waiting = ways.waiting()
        kinds = self.fields["kind"]
        assert isinstance(kinds, forms.ChoiceField)  # noqa: S101  for the type checker
        kinds.choices = [(kind.value, kind.label) for kind, way in self.ways if way.typed]


class ContactPointChangeForm(forms.Form):
    """What can be changed about a contact point."""

    label = forms.CharField(max_length=60, required=False, label="Label")
    delay_minutes = forms.IntegerField(min_value=0, max_value=1440, label="Wait before using it (minutes)")


class TokenForm(OneOfSeveral):
    """A personal token: what for, what it may, how long."""

    word = "token"

    LASTS = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Until it is revoked"))

    name = forms.CharField(max_length=80, label="What it is for", help_text="“Deploy job”, for instance.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        label="Scopes",
        help_text="It can never do more than you can. Writing an area includes reading it.",
    )
    days = forms.ChoiceField(choices=LASTS, initial="90", required=False, label="It works for")

    def lasts(self) -> int | None:
        """Days until it expires; None for until it is revoked."""
        return int(self.cleaned_data["days"]) if self.cleaned_data["days"] else None
