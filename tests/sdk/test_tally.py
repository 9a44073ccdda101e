"""Sums by window and segment, against counting by hand."""

import json
import math
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from andon.sdk.tally import OTHER, Series, Tally, batch, named

observations = st.lists(
    st.tuples(
        st.sampled_from(["error", "latency"]),
        st.sampled_from([(), (("region", "EU"),), (("region", "US"),), (("segment", "x"),)]),
        st.floats(0, 600),
        st.sampled_from([0.0, 1.0, 0.25, -3.5]),
    ),
    max_size=60,
)


@given(observations, st.floats(0, 700))
def test_what_is_sealed_and_what_is_left_add_up_to_what_was_counted(seen, before):
    tally = Tally(seconds=60, most_series=1000)
    by_hand = defaultdict(lambda: [0, 0.0, 0.0])
    for metric, segment, at, value in seen:
        tally.add("credit-scorer", metric, segment, at, value)
        sums = by_hand[Series("credit-scorer", metric, int(at // 60) * 60, segment)]
        sums[0] += 1
        sums[1] += value
        sums[2] += value**2
    over = [one for some in tally.seal(before).values() for one in some]
    rest = [one for some in tally.seal(math.inf).values() for one in some]
    assert all(series.window + 60 <= before for series, _ in over)
    assert not any(series.window + 60 <= before for series, _ in rest)
    assert {s: [sums.n, sums.total, sums.squares] for s, sums in over + rest} == dict(by_hand)
    assert tally.seal(math.inf) == {}


@given(observations)
def test_when_there_is_no_room_segments_fold_and_the_sums_over_them_stay(seen):
    tally = Tally(seconds=60, most_series=1)
    kept = 0
    for metric, segment, _, value in seen:
        tally.add("s", metric, segment, 5.0, value)
        kept += 1
    taken = [one for some in tally.seal(math.inf).values() for one in some]
    assert len(taken) <= 2
    assert sum(sums.n for _, sums in taken) + tally.refused == kept
    folded = [sums.n for series, sums in taken if any(value == OTHER for _, value in series.segment)]
    assert sum(folded) <= tally.folded


def test_a_batch_says_its_key_and_its_sums():
    tally = Tally(seconds=60, most_series=10)
    tally.add("s", "error", named({"region": "EU"}), 61.0, 1.0)
    tally.add("s", "error", named({"region": "EU"}), 119.0, 0.0)
    (((system, metric), series),) = tally.seal(120.0).items()
    one = batch(system, metric, series, instance="a:1", sequence=7, seconds=60)
    assert (one.points, one.observations) == (1, 2)
    assert json.loads(one.body) == {
        "metric": "error",
        "instance": "a:1",
        "sequence": 7,
        "seconds": 60,
        "points": [
            {
                "at": "1970-01-01T00:01:00+00:00",
                "segment": {"region": "EU"},
                "n": 2,
                "total": 1.0,
                "squares": 1.0,
            }
        ],
    }


def test_a_segment_is_a_text_or_names_with_values_and_bounded():
    assert named(None) == ()
    assert named("EU") == (("segment", "EU"),)
    assert named({"b": 2, "a": True}) == (("a", "True"), ("b", "2"))
    assert len(named("x" * 1000)[0][1]) == 200
