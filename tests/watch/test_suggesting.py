"""Recipes are fitted to the columns that a log has, and what is missing is said."""

from hypothesis import given
from hypothesis import strategies as st

from andon.handbook.book import shipped_handbook
from andon.practice.words import SystemKind, WatchKind
from andon.watch.kinds import KINDS
from andon.watch.reading.expressions import columns as columns_in
from andon.watch.reading.expressions import parse
from andon.watch.suggesting import columns_of, propose

CREDIT = {
    "decided_at": "timestamp(6)",
    "application_id": "string",
    "customerId": "!int64",
    "income": "float64",
    "employment_type": "string",
    "price": "float64",
    "probability": "float64",
    "approved": "boolean",
    "defaulted": "boolean",
    "latency_ms": "int64",
    "sex": "string",
    "ageBand": "string",
}


def proposed(found, kind=SystemKind.SCORER, **said):
    book = shipped_handbook().recipes_for(kind)
    counted = {one: row.what for one, row in KINDS.items()}
    return propose(book, columns_of(found, said, shipped_handbook().roles, book), counted)


def test_a_scorer_s_log_is_recognised_by_names_and_types():
    book = shipped_handbook().recipes_for(SystemKind.SCORER)
    columns = columns_of(CREDIT, {}, shipped_handbook().roles, book)
    assert columns.roles == {
        "time": ("decided_at",),
        "subject": ("customerId",),
        "score": ("probability",),
        "label": ("defaulted",),
        "latency": ("latency_ms",),
        "output": ("approved",),
        "group": ("sex", "ageBand"),
        "input": ("income", "employment_type", "price"),  # a price is no cost of a scorer's
    }


def test_what_a_scorer_s_log_allows_is_proposed_with_reasons():
    found, lacking = proposed(CREDIT)
    by_key = {one.recipe: one for one in found}
    assert by_key["missing-inputs"].what == '"income" IS NULL OR "employment_type" IS NULL OR "price" IS NULL'
    assert by_key["calibration"].what.startswith('CASE WHEN "defaulted" THEN 1')  # a label that is true or false
    assert (by_key["calibration"].low, by_key["calibration"].high) == (-1, 1)
    assert by_key["wrong"].what == '"approved" <> "defaulted"'  # as its kind counts
    assert by_key["wrong"].segments == by_key["selection-gap"].segments == ("sex", "ageBand")
    assert by_key["output-drift"].columns == ("probability",)
    drifts = [one for one in found if one.kind is WatchKind.INPUT_DRIFT]
    assert [one.name for one in drifts] == ["Spread of income", "Spread of employment_type", "Spread of price"]
    assert all(one.why for one in found)
    assert [(one.recipe, one.roles) for one in lacking] == [("failed", ("failed",))]


def test_what_a_log_says_of_itself_goes_before_what_is_recognised():
    found, _ = proposed(CREDIT, score=["income"], group=["employment_type"])
    by_key = {one.recipe: one for one in found}
    assert by_key["output-drift"].columns == ("income",)
    assert by_key["selection-gap"].segments == ("employment_type",)
    assert '"probability" IS NULL' in by_key["missing-inputs"].what  # no score any more: an input


def test_what_a_log_calls_its_output_may_be_what_a_recipe_counts():
    """A ranker's output is whether it was clicked: a recipe said that no column is clicked."""
    found, lacking = proposed(
        {"at": "timestamp", "clicked": "int64", "surface": "string"},
        SystemKind.RECOMMENDER,
        output=["clicked"],
        group=["surface"],
    )
    by_key = {one.recipe: one for one in found}
    assert (by_key["taken-up"].what, by_key["taken-up"].segments) == ('"clicked"', ("surface",))
    assert "exposure-gap" in by_key
    assert not {"missing-inputs", "input-drift"} & set(by_key)  # and it is no input
    assert "taken-up" not in {one.recipe for one in lacking}


def test_an_alarm_of_whatever_adds_up_names_the_groups_that_drive_it():
    """Of the watches that were proposed, those of errors, missing inputs and waiting time named nobody."""
    for kind in (
        SystemKind.SCORER,
        SystemKind.GENERATIVE,
        SystemKind.AGENT,
        SystemKind.RECOMMENDER,
        SystemKind.FORECASTING,
    ):
        for recipe in shipped_handbook().recipes_for(kind).watches:
            drift = recipe.kind in {WatchKind.INPUT_DRIFT, WatchKind.OUTPUT_DRIFT}
            gap = recipe.kind is WatchKind.FAIRNESS_GAP
            assert recipe.by_group or drift or gap or recipe.kind is WatchKind.VOLUME, recipe.key


def test_a_status_is_counted_as_failed_from_500_on():
    found, _ = proposed({"at": "timestamp", "http_status": "int64", "answer": "string"}, SystemKind.GENERATIVE)
    by_key = {one.recipe: one for one in found}
    assert by_key["failed"].what == '"http_status" >= 500'
    assert by_key["answer-length"].what == 'LENGTH("answer")'


def test_a_log_of_times_alone_still_has_its_volume_watched():
    found, lacking = proposed({"at": "timestamp"})
    assert [one.kind for one in found] == [WatchKind.VOLUME]
    assert len(lacking) == len(shipped_handbook().recipes_for(SystemKind.SCORER).watches) - 1


names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
) | st.sampled_from(["score", "label", "approved", "sex", "latency_ms", "failed", "cost", "answer", "clicked"])
types = st.sampled_from(["int64", "!float64", "string", "boolean", "timestamp('UTC')", "array<int64>", "decimal(9, 2)"])


@given(st.dictionaries(names, types, max_size=20), st.sampled_from(list(SystemKind)))
def test_whatever_columns_are_called_proposals_speak_of_them_alone_and_can_be_read(found, kind):
    proposals, lacking = proposed(found, kind)
    for one in proposals:
        assert set(one.columns) | set(one.segments) <= set(found)
        assert not set(one.columns) & set(one.segments)
        if one.what:
            parse(one.what)
            assert set(columns_in(one.what)) <= set(found)
    assert all(one.roles for one in lacking)
    keys = [recipe.key for recipe in shipped_handbook().recipes_for(kind).watches]
    assert {one.recipe for one in proposals} | {one.recipe for one in lacking} == set(keys)
