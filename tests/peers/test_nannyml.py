"""A real NannyML watches its own example data, and `andon.sdk.report` tells a real Andon."""

import pytest

from tests.support import peers

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(240), peers.needs("nannyml", "NannyML")]

REPORT = """
import nannyml
from andon.sdk import report

reference, analysis, _ = nannyml.load_synthetic_car_loan_dataset()
if early:
    analysis = analysis.head(15_000)  # before the drift that the data set has
drift = nannyml.UnivariateDriftCalculator(
    column_names=["car_value", "salary_range"], timestamp_column_name="timestamp", chunk_size=5000,
    continuous_methods=["wasserstein"], categorical_methods=["jensen_shannon"],
).fit(reference).calculate(analysis)
performance = nannyml.CBPE(
    y_pred_proba="y_pred_proba", y_pred="y_pred", y_true="repaid", timestamp_column_name="timestamp",
    metrics=["roc_auc"], chunk_size=5000, problem_type="classification_binary",
).fit(reference).estimate(analysis)
said = [report(found, system="credit-scorer", url=url, token=token, raising=True) for found in (drift, performance)]
result = [[one.signals, one.failing] for one in said]
"""

SIGNALS = "SELECT title, status, episode, description FROM intake_signal ORDER BY title"


def test_the_last_chunk_decides_and_an_earlier_end_of_the_data_ends_nothing(andon):
    sender = andon.integration("generic", "pipelines")
    where = {"url": sender.url, "token": sender.token}

    assert peers.run("nannyml", REPORT, early=True, **where) == [[2, 0], [1, 0]]
    assert andon.sql(SIGNALS) == []

    assert peers.run("nannyml", REPORT, early=False, **where) == [[2, 2], [1, 1]]
    fired = andon.sql(SIGNALS)
    assert [row[:2] for row in fired] == [
        ("car_value_wasserstein is beyond its threshold", "firing"),
        ("roc_auc is beyond its threshold", "firing"),
        ("salary_range_jensen_shannon is beyond its threshold", "firing"),
    ]
    assert {row[2] for row in fired} == {"2019-08-29T11:51:16.848000+00:00"}, "the end of the last chunk"
    assert "7 of 10 chunks alert" in fired[0][3]

    peers.run("nannyml", REPORT, early=True, **where)
    assert {row[1] for row in andon.sql(SIGNALS)} == {"firing"}, "older data are no proof that it is over"
