"""Which runbooks are offered, and in which order."""

from hypothesis import given
from hypothesis import strategies as st

from andon.handbook.book import shipped_handbook
from andon.practice.severity import Severity
from andon.practice.shelf import ASKED, Case, suggest
from andon.practice.words import IncidentType, SystemKind
from andon.runbooks.shelf import parsed, shipped_texts

BOOKS = [parsed(text) for text in shipped_texts().values()]
KEYS = [book.key for book in BOOKS]
cases = st.builds(
    Case,
    type=st.sampled_from(IncidentType),
    system=st.none() | st.sampled_from(SystemKind),
    text=st.sampled_from(["", "gap for young people", "vendor down", "prompt injection in a mail"]),
    watches=st.sampled_from([frozenset(), frozenset({"fairness_gap"}), frozenset({"input_drift"})]),
)


@given(cases, st.lists(st.sampled_from(KEYS), unique=True), st.integers(1, 20))
def test_what_the_protocol_asks_for_comes_first_but_what_is_for_another_kind_of_system(case, asked, most):
    found = suggest(BOOKS, case, most=most, asked=asked)
    named = [one.runbook.key for one in found if one.reasons[0] == ASKED]
    assert [one.runbook.key for one in found][: len(named)] == named
    fitting = {
        book.key
        for book in BOOKS
        if book.key in asked and (not case.system or not book.systems or case.system in book.systems)
    }
    assert len(named) == min(most, len(fitting))
    assert set(named) <= fitting
    points = [one.points for one in found if one.runbook.key in named]
    assert points == sorted(points, reverse=True)


@given(cases, st.integers(1, 20))
def test_without_a_protocol_only_what_fits_is_offered(case, most):
    assert all(one.points > 0 for one in suggest(BOOKS, case, most=most))


def test_every_protocol_that_ships_names_runbooks_for_its_type_and_each_is_named_somewhere():
    book, named = shipped_handbook(), set()
    for type_ in IncidentType:
        for severity in Severity:
            keys = book.prescription(type_, severity).asks.runbooks
            assert keys, (type_, severity)
            named.update(keys)
            if severity is Severity.S1:
                own = {one.key for one in BOOKS if type_ in one.types}
                assert own & set(keys)
    assert named == set(KEYS)
