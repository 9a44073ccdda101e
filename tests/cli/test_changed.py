"""`andon changed`: the last line of a deploy script."""

import pytest

from andon.registry.models import ChangeEvent

pytestmark = pytest.mark.django_db


def test_a_script_says_what_it_deployed(cast, andon):
    words = ["changed", "credit-scorer", "v7 in production", "--key", "17", "--url", "https://ci.example.org/17"]
    said = andon(*words, "--json")
    assert (said.code, said.data["title"], said.data["kind"]) == (0, "v7 in production", "deployed")
    assert "Noted at credit-scorer" in andon(*words).out
    assert ChangeEvent.objects.get().system == cast.credit_scorer


def test_a_time_is_taken_as_utc_and_another_kind_by_its_word(cast, andon):
    andon("changed", "credit-scorer", "New features", "--kind", "data", "--at", "2026-03-01T22:00:00")
    row = ChangeEvent.objects.get()
    assert (row.at.isoformat(), row.kind) == ("2026-03-01T22:00:00+00:00", "data")


def test_a_system_that_is_not_there_is_named(cast, andon):
    said = andon("changed", "nobody", "v7")
    assert said.code == 1
    assert "nobody" in said.err
