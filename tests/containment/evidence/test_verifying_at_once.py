"""Evidence is verified while others keep and erase: what went by right meanwhile was not tampered with."""

import pytest

from andon.containment.evidence import actions, verifying
from andon.incidents.models import TimelineEntry
from andon.people.policy import Actor
from tests.support.meanwhile import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)


def test_evidence_that_is_erased_by_right_or_kept_between_two_looks_is_intact(cast, incident, logged, kept):
    logged()
    row = kept()
    first, second = row.items.get(kind="decisions"), row.items.get(kind="configuration")
    nadia = Actor.of(cast.nadia)

    def erase():
        actions.erase_rows(first, column="customer", value="customer-3", reason="Request of a data subject", by=nadia)
        actions.erase(second, reason="It held a secret.", by=nadia)

    with meanwhile(TimelineEntry, erase):
        assert verifying.verify(incident) == []
    with meanwhile(TimelineEntry, kept):
        assert verifying.verify(incident) == []
    assert verifying.verify(incident) == []
