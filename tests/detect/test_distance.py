import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from andon.detect import distance as distances
from andon.detect.distance import Distance, chance, distance, p_value

HISTOGRAMS = st.lists(st.integers(0, 5_000), min_size=5, max_size=20).filter(sum)


@st.composite
def pairs(draw):
    one = draw(HISTOGRAMS)
    other = draw(st.lists(st.integers(0, 5_000), min_size=len(one), max_size=len(one)).filter(sum))
    return np.array(one), np.array(other)


@settings(deadline=None)
@given(pairs())
def test_distances_are_those_of_scipy(pair):
    one, other = pair
    at = np.linspace(0, 1, len(one))
    assert distance(one, other, Distance.JS) == pytest.approx(jensenshannon(one, other, base=2), abs=1e-7)
    assert distance(one, other, Distance.WASSERSTEIN) == pytest.approx(stats.wasserstein_distance(at, at, one, other))
    rows = [np.repeat(at, counts) for counts in pair]
    assert distance(one, other, Distance.KS) == pytest.approx(stats.ks_2samp(*rows, method="asymp").statistic)


@settings(deadline=None)
@given(pairs())
def test_the_stability_index_is_kl_both_ways(pair):
    one, other = ((counts + 0.5) / (counts + 0.5).sum() for counts in pair)
    both = stats.entropy(one, other) + stats.entropy(other, one)
    assert distance(*pair, Distance.PSI) == pytest.approx(both)


@settings(deadline=None)
@given(pairs(), st.sampled_from(Distance), st.integers(2, 50))
def test_a_distance_is_zero_to_itself_symmetric_and_of_shares(pair, kind, times):
    one, other = pair
    assert distance(one, one, kind) == pytest.approx(0, abs=1e-9)
    assert distance(one, other, kind) == pytest.approx(distance(other, one, kind))
    if kind is not Distance.PSI:  # half a row counts for less among more
        assert distance(one, other * times, kind) == pytest.approx(distance(one, other, kind), abs=1e-9)


def test_the_positions_of_bins_are_what_wasserstein_goes_by():
    at = [0, 0.1, 1]
    found = distance([10, 10, 10], [10, 0, 20], Distance.WASSERSTEIN, at)
    assert found == pytest.approx(stats.wasserstein_distance(at, at, [10, 10, 10], [10, 0, 20]))
    with pytest.raises(ValueError, match="Positions of 3 bins grow from 0 to 1"):
        distance([10, 10, 10], [10, 0, 20], Distance.WASSERSTEIN, [0, 2, 1])


def test_many_windows_at_once():
    windows = np.array([[10, 20, 30], [30, 20, 10]])
    found = distance([20, 20, 20], windows, Distance.JS)
    assert found == pytest.approx([float(distance([20, 20, 20], one, Distance.JS)) for one in windows])


@pytest.mark.parametrize("kind", Distance)
def test_chance_is_what_clean_windows_show(kind):
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(20, 3))
    references, windows = rng.multinomial(5_000, shares, 400), rng.multinomial(300, shares, 400)
    expected = chance(references[0], 300, kind, level=0.95)
    seen = np.array([distance(one, other, kind) for one, other in zip(references, windows, strict=True)])
    assert 0.02 < (seen > expected.high).mean() < 0.09
    assert 0.4 < (seen > expected.typical).mean() < 0.6
    small = np.mean(
        [p_value(one, other, kind) <= 0.05 for one, other in zip(references[:40], windows[:40], strict=True)]
    )
    assert small <= 0.15


def test_what_is_often_taken_for_an_alarm_is_chance_in_a_small_window():
    even = np.full(20, 500)
    assert chance(even, 200, Distance.JS).typical > 0.1
    assert chance(even, 20_000, Distance.JS).high < 0.1


def test_the_same_question_has_the_same_answer():
    assert chance([10, 20, 30], 50, Distance.KS) == chance(np.array([10.0, 20, 30]), 50, Distance.KS)


@pytest.mark.parametrize(
    ("reference", "window", "says"),
    [
        ([1, 2], [1, 2, 3], "The reference has 2 bins and a window has 3"),
        ([0, 0], [1, 2], "one row at least"),
        ([1, 2], [0, 0], "one row at least"),
        ([1, 2], [-1, 2], "counts of 0 or more"),
    ],
)
def test_histograms_that_cannot_be_are_refused(reference, window, says):
    with pytest.raises(ValueError, match=says):
        distance(reference, window, Distance.JS)


def test_a_window_of_no_rows_has_no_distance():
    with pytest.raises(ValueError, match="no rows"):
        chance([1, 2], 0, Distance.JS)


@pytest.mark.parametrize("kind", list(Distance))
def test_large_windows_show_the_same_chance_however_it_is_drawn(kind, monkeypatch):
    counts = [40_000.0, 25_000.0, 20_000.0, 9_000.0, 6_000.0]
    near = chance(counts, 30_000, kind)
    monkeypatch.setattr("andon.detect.distance.PLENTY", float("inf"))
    distances._samples.cache_clear()
    drawn = chance(counts, 30_000, kind)
    distances._samples.cache_clear()
    assert (near.typical, near.high) == (pytest.approx(drawn.typical, rel=0.06), pytest.approx(drawn.high, rel=0.1))
