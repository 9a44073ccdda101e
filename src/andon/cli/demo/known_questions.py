"""The decision log of the demo: questions with known answers, asked of the hosted language model all the time.

**What is generated from what.** The rows are made by chance, from a seed; what they are made from is measured. Chen,
Zaharia and Zou asked two versions of GPT-4 whether 500 primes and 500 other numbers are prime (“How Is ChatGPT's
Behavior Changing over Time?”, arXiv 2307.09009; their data, LLMDrift, are published under the Apache License 2.0).
Right were

| version | of 500 primes | of 500 others | of all |
|---|---|---|---|
| March 2023 | 488 | 352 | 84.0% |
| June 2023 | 12 | 499 | 51.1% |

These four counts are the rates at which the rows here are right, before a silent change of the model and after it. The
numbers asked about, the order and the times are the demo's own; no answer of theirs is copied.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from andon.cli.demo.seed import World

MARCH: Final = {True: 488 / 500, False: 352 / 500}
"""How often the version of March 2023 was right, of primes and of other numbers."""
JUNE: Final = {True: 12 / 500, False: 499 / 500}
"""The same of the version of June 2023."""
EVERY: Final = timedelta(seconds=1.2)
"""Between two questions."""
WINDOW_MINUTES: Final = 2
HISTORY: Final = timedelta(hours=3)
CHANGED_AGO: Final = timedelta(minutes=7)
"""How long before the demo begins the model changes, and nobody says so."""
AHEAD: Final = timedelta(minutes=45)
"""Rows are written for a while to come, so that the log need not be written while the clock runs fast; what reads it
takes only windows that are over."""
NUMBERS: Final = range(1_000, 20_000)
FILE: Final = "known-questions.csv"
SEED: Final = 20230613


@dataclass
class KnownQuestions:
    """The log: rows by the model's version of the moment. `back_at` is when the version of before is back."""

    file: Path
    begins_at: datetime
    back_at: datetime | None = None

    @property
    def changed_at(self) -> datetime:
        """When the model changed."""
        return self.begins_at - CHANGED_AGO

    def write(self) -> None:
        """Write the whole log anew, in one step: who reads it sees the one before or this one."""
        fresh = self.file.with_suffix(".new")
        with fresh.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines)
            writer.writerow(("at", "question", "kind", "answer", "expected"))
            writer.writerows(self._rows())
        fresh.replace(self.file)

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        chance = random.Random(SEED)  # noqa: S311  a demo's rows, the same in every run
        at = self.begins_at - HISTORY
        while at < self.begins_at + AHEAD:
            prime = chance.random() < 1 / 2
            number = _near(chance.choice(NUMBERS), prime=prime)
            changed = self.changed_at <= at and (self.back_at is None or at < self.back_at)
            right = chance.random() < (JUNE if changed else MARCH)[prime]
            expected = "yes" if prime else "no"
            answer = expected if right else "no" if prime else "yes"
            yield (
                at.isoformat(),
                f"Is {number} a prime number?",
                "prime" if prime else "composite",
                answer,
                expected,
            )
            at += EVERY


def is_prime(number: int) -> bool:
    """Whether nothing divides it."""
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _near(number: int, *, prime: bool) -> int:
    """The next number that is a prime, or that is none."""
    while is_prime(number) != prime:
        number += 1
    return number


def watch_them(world: "World", folder: Path, begins_at: datetime) -> KnownQuestions:
    """Write the log below a log folder, connect it to the support assistant, and make the watch on it."""
    from andon.people.policy import Actor
    from andon.practice.words import WatchKind
    from andon.registry.policy import access_system
    from andon.watch.actions import create_log, create_watch
    from andon.watch.facts import LogFacts, WatchFacts

    folder.mkdir(parents=True, exist_ok=True)
    log = KnownQuestions(folder / FILE, begins_at)
    log.write()
    by = Actor.of(world.people["vera"])
    system = access_system(by, "support-assistant")
    connected = create_log(
        LogFacts(
            system=system, name="Known questions", table=FILE, time_column="at", output_column="answer",
            label_column="expected",
        ),
        by=by,
    )  # fmt: skip
    facts = WatchFacts(
        system=system, name="Known questions answered wrong", kind=WatchKind.ACCURACY, log=connected,
        window_minutes=WINDOW_MINUTES, label_delay_minutes=0, segments=["kind"],
    )  # fmt: skip
    create_watch(facts, by=by)
    return log
