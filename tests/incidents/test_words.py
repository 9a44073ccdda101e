"""Timeline entries read as sentences."""

from datetime import timedelta

import pytest

from andon.incidents.describe import describe
from andon.people.policy import Actor
from andon.response import acknowledging, escalating, opening


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("steps", "said"), [(1, "A waiting page was cancelled"), (2, "2 waiting pages were cancelled")]
)
def test_cancelled_pages_are_counted_in_words(cast, time, steps, said):
    incident = opening.declare(title="Odd answers", system=cast.credit_scorer, by=Actor.of(cast.omar))
    for _ in range(steps):
        escalating.escalate_due(time.now(), 10)
        time.forward(timedelta(minutes=5))
    acknowledging.acknowledge(incident, by=Actor.of(cast.lena), via="page")
    (line,) = describe(incident.timeline.filter(kind="page_cancelled"))
    assert line.text == f"{said}: acknowledged"
