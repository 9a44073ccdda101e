"""A real fairlearn and a real aif360 beside our counts: the same rates and gaps, of whatever decisions there are."""

import numpy as np
import pytest

from andon.detect.fairness import Counts, Metric, read, roll_up
from tests.support import peers

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300), peers.needs("fairness", "fairlearn and aif360")]

COLUMNS = ("sex", "origin", "output", "label")
METRICS = (Metric.SELECTION_RATE, Metric.TPR, Metric.FPR, Metric.PPV)

FAIRLEARN = """
import numpy as np, pandas as pd
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import precision_score

metrics = {
    "selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate,
    "ppv": lambda truth, said: precision_score(truth, said, zero_division=0),
}
result = []
for rows in tables:
    rows = pd.DataFrame(rows, columns=["sex", "origin", "output", "label"])
    frame = MetricFrame(
        metrics=metrics, y_true=rows["label"], y_pred=rows["output"], sensitive_features=rows[["sex", "origin"]]
    )
    found = {name: {f"{a},{b}": value for (a, b), value in frame.by_group[name].items()} for name in metrics}
    result.append({"groups": found, "widest": frame.difference().to_dict(), "overall": frame.overall.to_dict()})
"""

AIF360 = """
import pandas as pd
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import ClassificationMetric

result = []
for rows in tables:
    rows = pd.DataFrame(rows, columns=["sex", "origin", "output", "label"])
    own = rows[["sex", "label"]].astype(float)
    truth = BinaryLabelDataset(df=own, label_names=["label"], protected_attribute_names=["sex"])
    said = truth.copy()
    said.labels = rows[["output"]].to_numpy(dtype=float)
    metric = ClassificationMetric(truth, said, unprivileged_groups=[{"sex": 1}], privileged_groups=[{"sex": 0}])
    result.append({
        "selection_rate": metric.statistical_parity_difference(), "tpr": metric.equal_opportunity_difference(),
        "fpr": metric.false_positive_rate_difference(),
        "ppv": metric.precision(privileged=False) - metric.precision(privileged=True),
    })
"""


def tables():
    """Decisions of many shapes: few and many, rare and frequent, groups of very different sizes."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(200, 4000))
        sex = rng.random(n) < rng.uniform(0.05, 0.5)
        origin = rng.integers(0, 4, n)
        label = rng.random(n) < rng.uniform(0.05, 0.9)
        output = rng.random(n) < np.clip(rng.uniform(0.1, 0.8) + 0.3 * label - 0.1 * sex * (origin > 1), 0, 1)
        yield np.column_stack([sex, origin, output, label]).astype(int).tolist()


def counts(rows):
    """By (sex, origin)."""
    found = {}
    for sex, origin, output, label in rows:
        one = Counts(1, output, 1, output & label, output & ~label & 1, (1 - output) & label)
        found[sex, origin] = found.get((sex, origin), Counts()) + one
    return found


def test_rates_widest_gaps_and_the_whole_are_those_of_fairlearn():
    given = list(tables())
    for rows, theirs in zip(given, peers.run("fairness", FAIRLEARN, tables=given), strict=True):
        cells = counts(rows)
        for metric in METRICS:
            ours = read(cells, metric, least=1)
            (whole,) = read({"all": sum(cells.values(), Counts())}, metric, least=1).rates
            assert whole.value == pytest.approx(theirs["overall"][metric.value])
            known = {one.group: one.value for one in ours.rates}
            counted = {f"{sex},{origin}": value for (sex, origin), value in known.items() if value is not None}
            expected = theirs["groups"][metric.value]
            assert counted == pytest.approx({name: expected[name] for name in counted})
            if len(counted) == len(expected):  # where a group has nothing that counts, they say 0 and we say nothing
                assert ours.widest.value == pytest.approx(theirs["widest"][metric.value])


def test_gaps_of_two_groups_are_those_of_aif360():
    given = list(tables())
    for rows, theirs in zip(given, peers.run("fairness", AIF360, tables=given), strict=True):
        by_sex = {key: one for key, one in roll_up(counts(rows), ("sex", "origin")).items() if len(key) == 1}
        by_sex = {key[0][1]: one for key, one in by_sex.items() if key[0][0] == "sex"}
        for metric in METRICS:
            (gap,) = (one for one in read(by_sex, metric, reference=0, least=1).gaps if one.group == 1)
            if gap.value is not None:
                assert gap.value == pytest.approx(theirs[metric.value]), metric
                assert gap.low <= gap.value <= gap.high
