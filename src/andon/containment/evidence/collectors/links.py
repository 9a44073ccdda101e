"""Where more can be seen: dashboards, calls, tickets, and the addresses that signals and changes came with."""

from collections.abc import Iterator

from andon.containment.evidence.case import Case, at_hand
from andon.containment.evidence.gathering import Task
from andon.intake.models import Signal


def tasks(case: Case) -> Iterator[Task]:
    """One file, where there is any link."""
    said = [
        {"title": one.title, "url": one.url, "since": one.created_at}
        for one in case.incident.links.filter(removed_at__isnull=True)
    ]
    rows = Signal.objects.filter(incident=case.incident).exclude(url="").order_by("pk").values_list("title", "url")
    said += [{"title": title, "url": url, "since": None} for title, url in dict.fromkeys(rows[:200])]
    if said:
        yield at_hand("links", "links.json", "links of the incident and its signals", said)
