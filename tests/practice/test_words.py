import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.practice import words
from andon.practice.words import HarmDimension, IncidentType, OrgRole, Phase, RankedWord, Word

EVERY_ENUM = sorted(
    (
        thing
        for thing in vars(words).values()
        if isinstance(thing, type) and issubclass(thing, Word) and thing not in {Word, RankedWord}
    ),
    key=lambda enum: enum.__name__,
)


@pytest.mark.parametrize("enum", EVERY_ENUM, ids=lambda enum: enum.__name__)
def test_every_word_is_its_stored_value_and_reads_plainly(enum):
    assert [value for value, _ in enum.choices()] == [str(member) for member in enum]
    for value, label in enum.choices():
        assert enum(value) == value
        assert json.loads(json.dumps(enum(value))) == value
        assert label == enum(value).label
        assert "_" not in label
        assert label[0].isupper()
    labels = [label for _, label in enum.choices()]
    assert len(set(labels)) == len(labels)


def test_an_unknown_word_is_refused():
    with pytest.raises(ValueError, match="catastrophe"):
        IncidentType("catastrophe")


def test_labels_stand_alone_and_words_stand_in_a_sentence():
    assert IncidentType.FAIRNESS_VIOLATION.label == "Fairness violation"
    assert HarmDimension.RIGHTS.words == "rights and legal effect"


def test_roles_rank_from_reporter_to_admin_not_by_their_letters():
    assert [role.value for role in OrgRole] == ["reporter", "viewer", "responder", "lead", "admin"]
    assert OrgRole.ADMIN.at_least(OrgRole.VIEWER)
    assert not OrgRole.REPORTER.at_least(OrgRole.VIEWER)


@given(st.sampled_from(OrgRole), st.sampled_from(OrgRole))
def test_ranking_is_total(one, other):
    assert one.at_least(other) or other.at_least(one)
    assert (one.at_least(other) and other.at_least(one)) == (one is other)


def test_containment_comes_before_diagnosis():
    assert Phase.DIAGNOSE.at_least(Phase.CONTAIN)
    assert [phase.value for phase in Phase][:2] == ["preserve", "contain"]
