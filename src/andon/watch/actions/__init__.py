"""Everything that changes decision logs and watches, and what the clockwork does with them."""

from andon.watch.actions.logs import change_log, create_log, end_log
from andon.watch.actions.pushing import push, push_metric
from andon.watch.actions.running import claim, next_over, read, run_watch, settle
from andon.watch.actions.watches import (
    change_watch,
    count_as_they_come,
    create_watch,
    end_watch,
    pause_watch,
    resume_watch,
    run_soon,
    set_alarm_budget,
)

__all__ = [
    "change_log",
    "change_watch",
    "claim",
    "count_as_they_come",
    "create_log",
    "create_watch",
    "end_log",
    "end_watch",
    "next_over",
    "pause_watch",
    "push",
    "push_metric",
    "read",
    "resume_watch",
    "run_soon",
    "run_watch",
    "set_alarm_budget",
    "settle",
]
