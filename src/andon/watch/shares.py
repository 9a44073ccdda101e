"""One promise for all watches together: at most one false alarm in so many days.

What people can bear is so many false alarms in a month, all in all. The watches that are on share them evenly: of K
watches each may raise one in K times as many days, which is its budget in windows (`andon.detect.budget`). A watch that
asks for a larger budget of its own keeps that; one that asks for a smaller one gets its share, or the promise would not
hold. Expectations add up, so nothing is assumed about how watches depend on each other.

A budget is only where the threshold lies. When a watch is made or ended, the thresholds of the others move, and the
evidence that they have gathered stays: the statistic of a detector is below the number of its steps on average, so that
the mean time to a false alarm is at least the lowest threshold that it ever had.
"""

import math
from collections.abc import Iterable
from typing import Final

DAYS: Final = 30
"""Days between false alarms over all watches, on average and at least, unless a lead says otherwise."""
MINUTES_A_DAY: Final = 24 * 60


def share(days: float, watches: int, window_minutes: int) -> int:
    """The budget of one of so many watches, in its windows between false alarms."""
    from andon.detect.budget import AlarmBudget

    steps = days * MINUTES_A_DAY / window_minutes
    return math.ceil(AlarmBudget(1 / max(1, watches)).shares([steps])[0])


def promise(budgets: Iterable[tuple[int, int]]) -> float | None:
    """Days between false alarms of all watches together, on average and at least; None if there are none.

    Args:
        budgets: Of each watch its budget in windows, and the minutes of a window.
    """
    a_day = math.fsum(MINUTES_A_DAY / (windows * minutes) for windows, minutes in budgets)
    return 1 / a_day if a_day else None
