"""The cast's system is ready here: it has a lever that was rehearsed."""

import pytest

from tests.support import levers
from tests.support.cast import Cast


@pytest.fixture
def cast(cast: Cast) -> Cast:
    levers.rehearsed(cast.credit_scorer)
    return cast
