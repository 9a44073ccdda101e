"""An older `andon` on a database that a newer one runs on."""

import pytest

from andon.engine import locks
from andon.incidents.models import Incident

pytestmark = pytest.mark.django_db


def test_a_command_of_an_older_version_does_nothing_and_says_so(cast, time, andon):
    locks.take({**locks.RULES, "escalation": locks.RULES["escalation"] + 1}, "an engine of tomorrow")
    said = andon("incident", "declare", "Approvals fail", "--system", "credit-scorer", "--as", "lena@example.org")
    assert said.code == 2
    assert "A newer version of Andon runs on this database" in said.err
    assert "escalation" in said.err
    assert "Nothing was done" in said.err
    assert not Incident.objects.exists()
