"""The demo's log is generated at the rates that were measured, and changes when it says that it does."""

import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from andon.cli.demo.known_questions import JUNE, MARCH, KnownQuestions, is_prime

BEGINS = datetime(2026, 3, 2, 3, 12, tzinfo=UTC)


def rows(log):
    log.write()
    with log.file.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def right(found, since, until):
    """How many of each kind were asked between two times, and how many answered right."""
    counts = defaultdict(lambda: [0, 0])
    for row in found:
        if since <= datetime.fromisoformat(row["at"]) < until:
            counts[row["kind"] == "prime"][0] += 1
            counts[row["kind"] == "prime"][1] += row["answer"] == row["expected"]
    return counts


def near(counts, rates):
    for prime, (n, good) in counts.items():
        assert good / n == pytest.approx(rates[prime], abs=4 * (rates[prime] * (1 - rates[prime]) / n) ** 0.5 + 0.005)


def test_answers_are_right_as_often_as_was_measured_before_and_after_the_change(tmp_path):
    log = KnownQuestions(tmp_path / "log.csv", BEGINS)
    found = rows(log)
    hours = timedelta(hours=10)
    near(right(found, BEGINS - hours, log.changed_at), MARCH)
    near(right(found, log.changed_at, BEGINS + hours), JUNE)
    assert sum(MARCH.values()) / 2 == pytest.approx(0.840)
    assert sum(JUNE.values()) / 2 == pytest.approx(0.511)


def test_what_is_right_is_right(tmp_path):
    for row in rows(KnownQuestions(tmp_path / "log.csv", BEGINS))[:500]:
        number = int("".join(filter(str.isdigit, row["question"])))
        assert (row["expected"] == "yes") == is_prime(number) == (row["kind"] == "prime")


def test_it_is_the_same_every_time_but_for_what_was_rolled_back(tmp_path):
    log = KnownQuestions(tmp_path / "log.csv", BEGINS)
    before = rows(log)
    assert rows(log) == before
    log.back_at = BEGINS + timedelta(minutes=5)
    after = rows(log)
    differs = [old["at"] for old, new in zip(before, after, strict=True) if old != new]
    assert min(differs) >= log.back_at.isoformat()
    near(right(after, log.back_at, BEGINS + timedelta(hours=1)), MARCH)
