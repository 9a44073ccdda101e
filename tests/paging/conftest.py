"""Fixtures of the outbox: one incident that pages Lena."""

import pytest

from andon.incidents.models import Incident
from andon.kit.clock import FixedClock
from tests.support.cast import Cast
from tests.support.paging import Story, open_incident


@pytest.fixture
def story(time: FixedClock, cast: Cast) -> Story:
    return Story(time)


@pytest.fixture
def incident(cast: Cast, time: FixedClock) -> Incident:
    return open_incident(cast.credit_scorer, cast.vera)
