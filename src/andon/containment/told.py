"""What higher floors hear of pulls: the incident is contained, somebody must agree, somebody must come."""

from typing import Final

from django.dispatch import Signal

moved: Final = Signal()
"""Sent with `pull` and `incident` (held) in the transaction in which a pull was asked for, asks again, or ended.

Rehearsals are not told: they belong to no incident.
"""
stranded: Final = Signal()
"""Sent with `pull`, the undo of a rehearsal on the real target that was not seen to hold, as it ends; or the pull
itself, where there is none, for nobody can read by which settings.

A system in production may still be as the rehearsal left it, and nobody is paged for a rehearsal by itself.
"""
