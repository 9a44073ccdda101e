"""What an administrator fills in about paging."""

from typing import Any

from django import forms

from andon.paging.actions import MOST_A_MINUTE
from andon.practice.pacing import Pace


class PaceForm(forms.Form):
    """How many messages a minute a channel takes; an empty answer is without limit."""

    person_a_minute = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_A_MINUTE, label="Messages a minute to one person"
    )
    channel_a_minute = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_A_MINUTE,
        label="Messages a minute in all",
        help_text="What the provider takes. Empty is without limit.",
    )

    @classmethod
    def of(cls, pace: Pace, data: Any = None) -> "PaceForm":
        """Filled with what holds now."""
        initial = {"person_a_minute": pace.person, "channel_a_minute": pace.channel}
        return cls(data, initial=initial, auto_id="pace-%s")
