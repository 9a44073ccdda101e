"""What watches saw: the alarms in the incident, and the windows from before it began until now. Aggregates only."""

from collections.abc import Iterator
from typing import Any, Final

from andon.containment.evidence.case import Case, at_hand
from andon.containment.evidence.gathering import Task
from andon.watch.models import EVERYTHING, Alarm, WindowState

MOST_WINDOWS: Final = 1_000
_ALARM = (
    "number", "raised_at", "window_start", "window_end", "direction", "statistic", "threshold", "baseline", "observed",
    "onset_low", "onset_at", "onset_high", "onset_shape", "affected", "drivers", "plan", "figures",
)  # fmt: skip


def tasks(case: Case) -> Iterator[Task]:
    """One file, where an alarm is in the incident."""
    found = list(Alarm.objects.filter(signal__incident=case.incident).select_related("watch").order_by("number"))
    if found:
        said = [_alarm(one) for one in found]
        yield at_hand("alarms", "alarms.json", "the watches of Andon", said)


def _alarm(alarm: Alarm) -> dict[str, Any]:
    windows = (
        WindowState.objects.filter(watch=alarm.watch, segment=EVERYTHING)
        .order_by("-window_start")
        .values("window_start", "n", "total", "squares", "invalid", "read_at")[:MOST_WINDOWS]
    )
    return {name: getattr(alarm, name) for name in _ALARM} | {
        "watch": {"number": alarm.watch.number, "name": alarm.watch.name, "version": alarm.watch.version},
        "windows": list(windows),
    }
