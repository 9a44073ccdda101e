import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.detect.estimate import Outputs, Performance, check, estimate
from andon.detect.fairness import Scores
from tests.support import peers


def binned(scores, labels, bins=20):
    at = np.minimum((scores * bins).astype(int), bins - 1)
    sums = (np.bincount(at, weights=w, minlength=bins) for w in (np.ones(len(scores)), scores, labels))
    return Scores(*(tuple(one) for one in sums))


def outputs(scores, threshold=0.42):
    nothing = np.zeros(len(scores))
    taken, rest = (binned(scores[kept], nothing[kept]) for kept in (scores >= threshold, scores < threshold))
    return Outputs(taken.n, taken.total, rest.n, rest.total)


def truth(scores, labels, threshold=0.42):
    chosen = scores >= threshold
    order = np.argsort(np.argsort(scores))
    ones = labels.sum()
    return {
        Performance.ACCURACY: (chosen == labels).mean(),
        Performance.PRECISION: labels[chosen].mean(),
        Performance.RECALL: chosen[labels].mean(),
        Performance.ROC_AUC: (order[labels].sum() - ones * (ones - 1) / 2) / (ones * (len(labels) - ones)),
    }


def drawn(rng, n, a=2.0, b=3.0, bent=lambda scores: scores):
    scores = rng.beta(a, b, n)
    return scores, rng.random(n) < bent(scores)


def bent(scores):
    """A model that is too sure of itself, in the same way all the time."""
    return 0.5 + 0.6 * (scores - 0.5)


@pytest.mark.parametrize("means", [lambda scores: scores, bent])
def test_intervals_hold_what_comes_true_though_inputs_have_moved(means):
    rng = np.random.default_rng(1)
    inside = dict.fromkeys(Performance, 0)
    for _ in range(200):
        reference = binned(*drawn(rng, 3_000, bent=means))
        scores, labels = drawn(rng, 1_000, a=3.0, b=2.5, bent=means)  # higher scores than in the reference
        actual = truth(scores, labels)
        for one in estimate(outputs(scores), reference):
            inside[one.of] += one.low <= actual[one.of] <= one.high
    assert min(inside.values()) / 200 >= 0.90


def test_the_interval_is_no_wider_than_it_has_to_be():
    rng = np.random.default_rng(2)
    errors, widths = [], []
    for _ in range(200):
        reference = binned(*drawn(rng, 3_000))
        scores, labels = drawn(rng, 1_000)
        found = estimate(outputs(scores), reference)[0]
        errors.append(found.value - truth(scores, labels)[Performance.ACCURACY])
        widths.append(found.high - found.low)
    assert np.mean(widths) < 1.35 * 2 * 1.96 * np.std(errors)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_the_value_is_what_the_labelled_counts_give_on_the_reference_itself(seed, threshold):
    rng = np.random.default_rng(seed)
    scores, labels = drawn(rng, 2_000)
    scores = np.floor(scores * 20) / 20 + 0.02  # one score in each bin, so that bins lose nothing
    found = {one.of: one for one in estimate(outputs(scores, threshold), binned(scores, labels))}
    selected, ties = scores >= threshold, scores[labels][:, None] - scores[~labels]
    assert found[Performance.ACCURACY].value == pytest.approx((selected == labels).mean())
    assert found[Performance.ROC_AUC].value == pytest.approx(((ties > 0) + (abs(ties) < 1e-9) / 2).mean())
    if selected.any():
        assert found[Performance.PRECISION].value == pytest.approx(labels[selected].mean())


def test_it_is_refused_when_late_labels_say_that_scores_mean_something_else():
    rng = np.random.default_rng(3)
    reference = binned(*drawn(rng, 5_000))
    scores, _ = drawn(rng, 1_000)
    same, other = binned(*drawn(rng, 3_000)), binned(*drawn(rng, 3_000, bent=lambda scores: 0.5 * scores))
    assert check(reference, same) == ""
    assert all(one.value is not None for one in estimate(outputs(scores), reference, same))
    for one in estimate(outputs(scores), reference, other):
        assert (one.value, one.low, one.high) == (None, None, None)
        assert one.why.startswith("The calibration does not hold: with scores from 0.")


def test_looking_at_every_late_label_refuses_no_calibration_that_holds():
    rng = np.random.default_rng(4)
    refused = 0
    for _ in range(20):
        reference = binned(*drawn(rng, 50_000))
        late = Scores()
        for _ in range(15):
            late = late + binned(*drawn(rng, 100))
            if check(reference, late):
                refused += 1
                break
    assert refused / 20 <= 0.05


def test_what_cannot_be_said_is_not_guessed():
    rng = np.random.default_rng(5)
    few = binned(*drawn(rng, 41))
    whys = {one.why for one in estimate(outputs(rng.random(100)), few)}
    assert whys == {"Not enough evidence yet: 41 of at least 500 labelled decisions."}
    enough = binned(*drawn(rng, 1_000))
    assert {one.why for one in estimate(Outputs(), enough)} == {"There are no decisions to estimate it for."}
    none_taken = {one.of: one for one in estimate(outputs(rng.random(100), threshold=2.0), enough)}
    assert none_taken[Performance.PRECISION].why == "No decision was selected, so there is no precision."
    assert none_taken[Performance.RECALL].value == 0


NANNYML = """
import nannyml, numpy as np
reference, analysis, _ = nannyml.load_synthetic_car_loan_dataset()
cbpe = nannyml.CBPE(
    y_pred_proba="y_pred_proba", y_pred="y_pred", y_true="repaid", metrics=["accuracy", "precision", "recall", "roc_auc"],
    chunk_size=5000, problem_type="classification_binary",
).fit(reference).estimate(analysis).to_df()
cbpe = cbpe[cbpe[("chunk", "period")] == "analysis"]

def bins(rows, weight):
    at = np.minimum((rows.y_pred_proba * 20).astype(int), 19)
    return np.bincount(at, weights=weight, minlength=20).tolist()

def counted(rows):
    return [bins(rows, np.ones(len(rows))), bins(rows, rows.y_pred_proba)]

result = {
    "reference": [*counted(reference), bins(reference, reference.repaid)],
    "chunks": [
        [*counted(rows[rows.y_pred == 1]), *counted(rows[rows.y_pred == 0])]
        for rows in (analysis.iloc[at:at + 5000] for at in range(0, len(analysis), 5000))
    ],
    "theirs": {name: cbpe[(name, "value")].tolist() for name in ["accuracy", "precision", "recall", "roc_auc"]},
}
"""


@pytest.mark.heavy
@pytest.mark.timeout(240)
@peers.needs("nannyml", "NannyML")
def test_from_counts_it_says_what_nannyml_says_from_rows():
    found = peers.run("nannyml", NANNYML)
    reference = Scores(*map(tuple, found["reference"]))
    for at, counts in enumerate(found["chunks"]):
        for one in estimate(Outputs(*map(tuple, counts)), reference):
            assert one.value == pytest.approx(found["theirs"][one.of][at], abs=0.01), (at, one.of)
