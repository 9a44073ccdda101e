"""What is collected, one module for each kind; each gives tasks for a case, and knows nothing of the others.

A collector reads Andon's own tables when it is asked for its tasks, and asks everybody else inside a task.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from andon.containment.evidence.case import Case
from andon.containment.evidence.collectors import alarms, changes, configuration, decisions, levers, links, signals
from andon.containment.evidence.gathering import Task

COLLECTORS: Final[Mapping[str, Callable[[Case], Iterable[Task]]]] = {
    "levers": levers.tasks,
    "configuration": configuration.tasks,
    "changes": changes.tasks,
    "decisions": decisions.tasks,
    "alarms": alarms.tasks,
    "signals": signals.tasks,
    "links": links.tasks,
}
