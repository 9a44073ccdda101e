"""What processes of a guarded system say, without the processes."""

from andon.people.policy import Actor
from andon.switch import actions
from andon.switch.actions import Heard
from andon.switch.models import GuardToken, Switch


def token_of(system):
    """The system's first guard token, made if there is none; its switch is there then too."""
    found = GuardToken.objects.filter(system=system).first()
    return found or actions.make_token(system, name="production", by=Actor.operator()).row


def says(system, instance="one", **given):
    """A process says what it applies: the newest revision, unless something else is given."""
    token = token_of(system)
    switch = Switch.objects.get(system=system)
    facts = {
        "host": f"{instance}.example.org", "version": "v7", "runtime": "python 3.11", "revision": switch.number,
        "mark": switch.mark, "mode": switch.mode, "state": "live", "applied_ago": 0.2,
    } | given  # fmt: skip
    actions.hear([Heard(system=system.pk, token=token.pk, instance=instance, **facts)])
