"""The compiled path with a real numba, and a real river beside our detectors."""

import pytest

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
