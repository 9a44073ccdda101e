"""Replicas with different keys for what is encrypted find each other out when they start."""

import pytest
from cryptography.fernet import Fernet

from andon.cli import house
from andon.cli.say import Trouble
from andon.people.actions import keys
from andon.people.models import ContactPoint, KeyCheck

pytestmark = pytest.mark.django_db
A, B, C = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture
def process(settings):
    """Act as a process with such keys."""

    def with_keys(*those):
        settings.FIELD_KEYS = list(those)
        return keys.match()

    return with_keys


def test_whoever_comes_first_says_which_keys_hold_and_another_one_is_refused_in_words(process):
    assert process(A)
    assert process(A)
    assert not process(B)
    with pytest.raises(Trouble, match="the same ANDON_FIELD_KEYS"):
        house.match_keys()
    assert process(A)


def test_a_key_is_rotated_by_putting_the_new_one_in_front_and_who_lacks_it_is_found_out(process):
    assert process(A)
    assert process(B, A)
    assert not process(A)
    assert process(B, A)
    assert process(B)


def test_to_know_a_further_key_changes_nothing(process):
    assert process(A)
    sealed = KeyCheck.objects.get().sealed
    assert process(A, C)
    assert KeyCheck.objects.get().sealed == sealed


def test_a_database_of_an_older_version_is_known_by_what_it_holds(process, cast, settings):
    own = settings.FIELD_KEYS[:]
    assert ContactPoint.objects.exists()
    assert not process(B)
    assert not KeyCheck.objects.exists()
    assert process(*own)
    assert KeyCheck.objects.exists()


def test_where_there_are_no_keys_none_are_made_to_find_out_whether_they_fit(process, monkeypatch, tmp_path):
    with monkeypatch.context() as elsewhere:
        elsewhere.delenv("ANDON_FIELD_KEYS", raising=False)
        elsewhere.setenv("ANDON_DATA_DIR", str(tmp_path / "nowhere"))
        house.match_keys()
        assert not KeyCheck.objects.exists()
        assert process(A)
        with pytest.raises(Trouble, match="the same ANDON_FIELD_KEYS"):
            house.match_keys()
        with pytest.raises(Trouble, match="the same ANDON_FIELD_KEYS"):
            house.match_keys(to_run=True)
    assert list(tmp_path.iterdir()) == []
