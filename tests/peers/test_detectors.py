"""The compiled path with a real numba, and a real river beside our detectors."""

import numpy as np
import pytest

from andon.detect import sequential
from andon.detect.sequential import Baseline, Plan
from tests.support import peers

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("detectors", "numba and river")]

COMPILED = """
import numpy as np
from andon.detect import sequential, sweep
from andon.detect.sequential import Baseline, Plan

result = []
rng = np.random.default_rng(9)
for measure, p0, budget in (("rate", 0.05, 1000), ("rate", 0.9, 300), ("mean", 0.3, 1000)):
    values = (rng.random(60_000) < p0).astype(float) if measure == "rate" else rng.beta(3, 7, 60_000)
    values[20_000:22_000] = 1 - values[20_000:22_000]
    plan = Plan(measure, Baseline(p0), budget)
    lines = sequential._table(plan).lines()
    by_numpy, left = sweep.vectorised(lines, plan.threshold, np.zeros(16), values)
    by_numba, rest = sweep.compiled(lines, plan.threshold, np.zeros(16), values)
    assert np.allclose(rest, left, rtol=1e-6), (rest, left)
    sweep.WORTH_COMPILING = 10
    chosen, _ = sequential.alarms(plan, values)
    result.append([[hit.index for hit in found] for found in (by_numpy, by_numba, chosen)])
"""


def test_compiled_alarms_are_those_of_numpy():
    for by_numpy, by_numba, chosen in peers.run("detectors", COMPILED):
        assert by_numpy
        assert by_numpy == by_numba == chosen


RIVER = """
from river.drift import ADWIN, PageHinkley

result = []
for values in streams:
    found = {}
    for name, detector in (("adwin", ADWIN()), ("page-hinkley", PageHinkley(threshold=20))):
        found[name] = None
        for at, value in enumerate(values):
            detector.update(value)
            if detector.drift_detected:
                found[name] = at
                break
    result.append(found)
"""
CHANGE = 2_000
SOON = 20
"""Observations by which Page-Hinkley, set for this rate and with no bound on false alarms, may be ahead."""


def streams(after):
    """Streams of 0 and 1 at 5% that go to another rate after 2,000 observations."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        yield [*(rng.random(CHANGE) < 0.05).astype(int).tolist(), *(rng.random(4_000) < after).astype(int).tolist()]


def first(values):
    found, _ = sequential.alarms(Plan("rate", Baseline(0.05), 100_000), np.array(values, dtype=float))
    return found[0].index if found else None


def test_where_river_sees_a_change_so_do_we_about_as_soon():
    given = list(streams(0.2))
    for values, theirs in zip(given, peers.run("detectors", RIVER, streams=given), strict=True):
        ours = first(values)
        assert ours is not None
        assert ours >= CHANGE
        for name, at in theirs.items():
            assert at is None or at < CHANGE or ours <= at + SOON, name


def test_where_nothing_changes_we_are_silent_beside_river():
    given = list(streams(0.05))
    theirs = peers.run("detectors", RIVER, streams=given)
    assert sum(first(values) is not None for values in given) <= 1  # in 48,000 observations, half of the budget
    assert len(theirs) == len(given)
