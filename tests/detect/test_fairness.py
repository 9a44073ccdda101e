import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.detect import confidence
from andon.detect.fairness import Counts, Metric, Reference, Scores, Verdict, read, read_all, roll_up, vanished
from tests.support import peers


@st.composite
def counts(draw, largest=2_000):
    tp, fp, fn, tn, unlabelled = (draw(st.integers(0, largest)) for _ in range(5))
    selected = tp + fp + draw(st.integers(0, unlabelled))
    return Counts(tp + fp + fn + tn + unlabelled, selected, tp + fp + fn + tn, tp, fp, fn)


GROUPS = st.dictionaries(st.sampled_from("ABCDE"), counts(), min_size=2)
SHARES_LISTED = [Metric.SELECTION_RATE, Metric.TPR, Metric.FPR, Metric.PPV]
SHARES = st.sampled_from(SHARES_LISTED)


def group(n, selected):
    return Counts(decisions=n, selected=selected)


@settings(deadline=None)
@given(GROUPS, SHARES)
def test_a_gap_is_the_difference_of_rates_and_lies_in_its_interval(groups, metric):
    reading = read(groups, metric, least=1)
    by_group = {one.group: one for one in reading.rates}
    for gap in reading.gaps:
        if gap.value is None:
            assert (gap.low, gap.high, gap.verdict) == (None, None, Verdict.NOT_ENOUGH)
            assert gap.why
        else:
            assert gap.value == pytest.approx(by_group[gap.group].value - by_group[gap.reference].value)
            assert gap.low <= gap.value <= gap.high


@settings(deadline=None)
@given(GROUPS, SHARES)
def test_the_widest_gap_is_between_the_highest_and_the_lowest(groups, metric):
    reading = read(groups, metric, least=1)
    values = [one.value for one in reading.rates if one.value is not None]
    if len(values) > 1:
        assert reading.widest.value == pytest.approx(max(values) - min(values))
        assert 0 <= reading.widest.low <= reading.widest.value <= reading.widest.high
    else:
        assert reading.widest.verdict is Verdict.NOT_ENOUGH


@settings(deadline=None)
@given(GROUPS, SHARES)
def test_it_does_not_matter_in_how_many_pieces_counts_came(groups, metric):
    halves = {name: (Counts(one.decisions, one.selected), Counts(0, 0, *_labels(one))) for name, one in groups.items()}
    again = read({name: a + b for name, (a, b) in halves.items()}, metric)
    assert again == read(groups, metric)


def _labels(one):
    return one.labelled, one.true_positives, one.false_positives, one.false_negatives


def test_too_little_is_said_and_not_guessed():
    groups = {"A": group(900, 450), "B": group(41, 2)}
    reading = read(groups, Metric.SELECTION_RATE)
    (gap,) = reading.gaps
    assert (gap.value, gap.verdict) == (None, Verdict.NOT_ENOUGH)
    assert gap.why == "Not enough evidence yet: 41 of at least 100 decisions in group B."
    assert reading.rates[1].low < 2 / 41 < reading.rates[1].high  # what is known is still shown
    labelled = {"A": Counts(900, 450, 300, 90, 10, 20), "B": Counts(900, 450, 50, 20, 0, 21)}
    (gap,) = read(labelled, Metric.TPR).gaps
    assert gap.why == "Not enough evidence yet: 41 of at least 100 decisions labelled positive in group B."


def test_a_group_that_is_not_there_is_said():
    (gap,) = read({"A": group(900, 450), "B": Counts()}, Metric.SELECTION_RATE).gaps
    assert gap.why == "No decisions in group B."


def test_a_group_that_disappears_is_told_where_it_is_no_chance():
    before = {"A": group(9_000, 1), "B": group(1_000, 1), "C": group(3, 1)}
    (gone,) = vanished(before, {"A": group(2_000, 1)})
    assert gone.says == "No decisions of group B among 2,000; about 200 were to be expected."
    assert vanished(before, {"A": group(20, 1), "B": group(1, 1)}) == []
    assert vanished(before, {}) == []  # nothing is decided at all: that is for the watch on volume
    with_tuple = {(("sex", "F"), ("age", "<25")): group(500, 1), (("sex", "M"), ("age", "<25")): group(500, 1)}
    (gone,) = vanished(with_tuple, {(("sex", "M"), ("age", "<25")): group(400, 1)})
    assert "group sex=F, age=<25 among 400" in gone.says


def test_a_gap_beyond_its_tolerance_within_it_and_open():
    groups = {"A": group(50_000, 25_000), "B": group(10_000, 4_000)}
    assert read(groups, Metric.SELECTION_RATE, tolerance=0.05).gaps[0].verdict is Verdict.BEYOND
    assert read(groups, Metric.SELECTION_RATE, tolerance=0.15).gaps[0].verdict is Verdict.WITHIN
    assert read(groups, Metric.SELECTION_RATE, tolerance=0.10).gaps[0].verdict is Verdict.OPEN


def test_the_reference_is_the_group_that_was_asked_for():
    groups = {"A": group(5_000, 2_500), "B": group(1_000, 700), "C": group(2_000, 400)}

    def references(wanted):
        return {gap.reference for gap in read(groups, Metric.SELECTION_RATE, reference=wanted).gaps}

    assert references(Reference.LARGEST) == {"A"}
    assert references(Reference.BEST) == {"B"}
    assert references("C") == {"C"}
    overall = read(groups, Metric.SELECTION_RATE, reference=Reference.OVERALL)
    assert {gap.group: round(gap.value, 6) for gap in overall.gaps} == {"A": 0.05, "B": 0.25, "C": -0.25}
    assert [one.group for one in overall.rates] == ["A", "B", "C"]
    with pytest.raises(ValueError, match="The reference group D is not among the groups: A, B, C"):
        read(groups, Metric.SELECTION_RATE, reference="D")


def test_the_best_of_false_positive_rates_is_the_lowest():
    groups = {"A": Counts(1_000, 300, 1_000, 200, 100, 100), "B": Counts(1_000, 210, 1_000, 200, 10, 100)}
    assert read(groups, Metric.FPR, reference=Reference.BEST).gaps[0].reference == "B"


def test_intersections_are_rolled_up_and_share_the_error():
    cells = {("F", "young"): group(400, 100), ("F", "old"): group(600, 300), ("M", "young"): group(500, 250)}
    groups = roll_up(cells, ["sex", "age"])
    assert groups[("sex", "F"),] == group(1_000, 400)
    assert groups[("age", "young"),] == group(900, 350)
    assert groups[("sex", "M"), ("age", "young")] == group(500, 250)
    assert len(groups) == 7
    few, many = (
        read(asked, Metric.SELECTION_RATE).rates[0]
        for asked in ({("sex", "F"): groups[("sex", "F"),], "other": group(1, 1)}, groups)
    )
    assert many.high - many.low > few.high - few.low


def test_several_metrics_share_the_error():
    groups = {"A": Counts(1_000, 300, 1_000, 200, 100, 100), "B": Counts(1_000, 210, 1_000, 200, 10, 100)}
    alone = read(groups, Metric.TPR).gaps[0]
    together = read_all(groups, [Metric.TPR, Metric.FPR])[0].gaps[0]
    assert together.value == alone.value
    assert together.high - together.low > alone.high - alone.low


def scored(scores, labels):
    at = np.minimum((scores * 20).astype(int), 19)
    n, total, positives = (np.bincount(at, weights=w, minlength=20) for w in (None, scores, labels))
    return Scores(tuple(n.astype(float)), tuple(total), tuple(positives))


def test_calibration_compares_labels_with_scores():
    rng = np.random.default_rng(3)
    scores = rng.beta(2, 3, size=(2, 20_000))
    fair, harsh = rng.random(20_000) < scores[0], rng.random(20_000) < scores[1] + 0.1
    groups = {"A": Counts(scores=scored(scores[0], fair)), "B": Counts(scores=scored(scores[1], harsh))}
    (gap,) = read(groups, Metric.CALIBRATION, reference="A", tolerance=0.05).gaps
    assert gap.value == pytest.approx((harsh - scores[1]).mean() - (fair - scores[0]).mean())
    assert gap.value == pytest.approx(0.1, abs=0.02)
    assert gap.verdict is Verdict.BEYOND
    residuals = fair - scores[0]
    exact = confidence.mean(20_000, residuals.sum(), (residuals**2).sum(), level=0.975, span=(-1, 1))
    rate = read(groups, Metric.CALIBRATION).rates[0]
    assert rate.low <= exact[0] <= exact[1] <= rate.high
    assert rate.high - rate.low < 1.15 * (exact[1] - exact[0])  # squares bounded from bins cost little


def test_gaps_hold_at_every_look_whoever_is_the_reference():
    rng = np.random.default_rng(8)
    rates, sizes = np.array([0.3, 0.32, 0.25, 0.3]), np.array([400, 60, 30, 10])
    missed = 0
    for _ in range(40):
        selected = rng.binomial(sizes, rates, size=(25, 4)).cumsum(axis=0)
        missed += any(
            not gap.low <= rates["ABCD".index(gap.group)] - rates["ABCD".index(gap.reference)] <= gap.high
            for look, row in enumerate(selected, 1)
            for gap in read(
                {name: group(int(n) * look, int(k)) for name, n, k in zip("ABCD", sizes, row, strict=True)},
                Metric.SELECTION_RATE, reference=Reference.BEST, least=1, level=0.9,
            ).gaps
        )  # fmt: skip
    assert missed / 40 <= 0.1


def test_counts_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="contradict each other"):
        read({"A": Counts(10, 11), "B": Counts(10, 1)}, Metric.SELECTION_RATE)


FAIRLEARN = """
import pandas as pd
from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate
from sklearn.metrics import precision_score
rows = pd.DataFrame(rows)
frame = MetricFrame(
    metrics={"selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate,
             "ppv": precision_score},
    y_true=rows.label, y_pred=rows.output, sensitive_features=rows[["sex", "age"]],
)
result = {
    "rates": [[list(map(int, key)), values] for key, values in frame.by_group.to_dict("index").items()],
    "widest": frame.difference(method="between_groups").to_dict(),
    "to_overall": frame.difference(method="to_overall").to_dict(),
}
"""
AIF360 = """
import warnings; warnings.filterwarnings("ignore")
import pandas as pd
from aif360.datasets import BinaryLabelDataset
from aif360.metrics import ClassificationMetric
own = pd.DataFrame(rows)[["sex", "label"]].astype(float)
truth = BinaryLabelDataset(df=own, label_names=["label"], protected_attribute_names=["sex"])
said = truth.copy()
said.labels = pd.DataFrame(rows)[["output"]].to_numpy(dtype=float)
metric = ClassificationMetric(truth, said, unprivileged_groups=[{"sex": 1}], privileged_groups=[{"sex": 0}])
result = {
    "selection_rate": metric.statistical_parity_difference(), "tpr": metric.equal_opportunity_difference(),
    "fpr": metric.false_positive_rate_difference(),
    "ppv": metric.precision(privileged=False) - metric.precision(privileged=True),
}
"""


def people(n):
    rng = np.random.default_rng(12)
    sex, age, label = rng.integers(0, 2, n), rng.integers(0, 3, n), rng.random(n) < 0.3
    output = rng.random(n) < 0.2 + 0.5 * label + 0.05 * sex * age
    return {"sex": sex, "age": age, "output": output.astype(int), "label": label.astype(int)}


def counted(rows, *columns):
    """What a query by these columns counts."""
    found = {}
    for *key, output, label in zip(*(rows[name] for name in columns), rows["output"], rows["label"], strict=True):
        one = Counts(1, int(output), 1, int(output & label), int(output & 1 - label), int(1 - output & label))
        found[tuple(map(int, key))] = found.get(tuple(map(int, key)), Counts()) + one
    return found


@pytest.mark.heavy
@peers.needs("fairness", "fairlearn")
def test_rates_and_gaps_are_those_of_fairlearn():
    rows = people(3_000)
    theirs = peers.run("fairness", FAIRLEARN, rows={name: column.tolist() for name, column in rows.items()})
    cells = counted(rows, "sex", "age")
    for metric in SHARES_LISTED:
        reading = read(cells, metric)
        rates = {one.group: one.value for one in reading.rates}
        assert rates == pytest.approx({tuple(key): values[metric] for key, values in theirs["rates"]})
        assert reading.widest.value == pytest.approx(theirs["widest"][metric])
        overall = read(cells, metric, reference=Reference.OVERALL)
        assert max(abs(gap.value) for gap in overall.gaps) == pytest.approx(theirs["to_overall"][metric])


@pytest.mark.heavy
@peers.needs("fairness", "aif360")
def test_gaps_between_two_groups_are_those_of_aif360():
    rows = people(3_000)
    theirs = peers.run("fairness", AIF360, rows={name: column.tolist() for name, column in rows.items()})
    for metric in SHARES_LISTED:
        (gap,) = read(counted(rows, "sex"), metric, reference=(0,)).gaps
        assert gap.value == pytest.approx(theirs[metric])
