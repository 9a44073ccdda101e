"""Which side of a gap moved: a side is named only where that is sure."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from andon.detect.movers import Known, moved_more

shares = st.floats(-1, 1, allow_nan=False)
slacks = st.floats(0, 1, allow_nan=False)
known = st.tuples(shares, slacks, slacks).map(lambda one: Known.of([one[0]], [one[0] - one[1]], [one[0] + one[2]]))


@given(shares, shares)
def test_without_doubt_whoever_went_further_is_named_and_nobody_else(own, rest):
    sure = [Known.of([one], [one], [one]) for one in (own, rest)]
    assert moved_more(*sure)[0] == (abs(own) > abs(rest))


@given(known, known)
def test_never_both_and_never_one_whose_change_may_be_none(own, rest):
    assert not (moved_more(own, rest)[0] and moved_more(rest, own)[0])
    assert not moved_more(own, own)[0]
    if moved_more(own, rest)[0]:
        assert abs(own.value[0]) > abs(rest.value[0])
        assert own.sign[0] == np.sign(own.value[0])


@given(known, known, slacks)
def test_whoever_knows_less_names_no_more(own, rest, more):
    wider = Known.of(own.value, own.low - more, own.high + more)
    assert moved_more(own, rest)[0] or not moved_more(wider, rest)[0]


@given(known, known)
def test_which_way_is_up_does_not_matter(own, rest):
    assert moved_more(own, rest)[0] == moved_more(-own, -rest)[0]


@given(known, known, known)
def test_sums_and_differences_hold_their_parts(one, other, third):
    whole = one + other - third
    assert whole.low[0] <= whole.value[0] + 1e-12
    assert whole.high[0] >= whole.value[0] - 1e-12
    width = (whole.high - whole.low)[0]
    assert width >= max((part.high - part.low)[0] for part in (one, other, third)) / 2**0.5 - 1e-9
    assert width <= sum((part.high - part.low)[0] for part in (one, other, third)) + 1e-9
