"""Reads of what was heard."""

from andon.intake.doors import Door
from andon.intake.models import Integration


def find_door(slug: str) -> Door | None:
    """What intake needs to know of an enabled integration, or None."""
    row = (
        Integration.objects.filter(slug=slug, disabled_at__isnull=True)
        .values_list("id", "kind", "token_digest", "settings")
        .first()
    )
    return Door(*row) if row else None
