"""A draft of an auto-close, tried: what would have counted as ended."""

from collections.abc import Sequence
from datetime import datetime

from andon.kit.spans import span
from andon.practice import rules as practice
from andon.rules.book import Read, Standing
from andon.rules.trial import Trial


def try_auto_close(trial: Trial, draft: Standing, met: Sequence[Read], now: datetime) -> None:
    """Say of each signal that fires whether it would count as ended."""
    for read in met:
        if read.fires and practice.quiet_since(now, read.signal.last_at, draft.settings.after) is None:
            trial.add(read.signal, f"would count as ended: nothing was heard for {span(now - read.signal.last_at)}")
