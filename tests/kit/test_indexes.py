"""The indexes of what a storm writes: each costs every incident, so none says what another one says already."""

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

WRITTEN_IN_STORMS = [
    "incidents_incident", "incidents_timelineentry", "incidents_protocolstep", "incidents_promise", "paging_page",
    "intake_signal", "intake_delivery",
]  # fmt: skip


def indexes(table):
    """Each index as the columns that it begins with, and whether it is of all rows."""
    if connection.vendor == "sqlite":
        asked = "SELECT name, partial FROM pragma_index_list(%s)"
        with connection.cursor() as cursor:
            cursor.execute(asked, [table])
            for name, partial in cursor.fetchall():
                cursor.execute("SELECT name FROM pragma_index_info(%s) ORDER BY seqno", [name])
                yield name, [column for (column,) in cursor.fetchall()], not partial
        return
    asked = """
        SELECT i.relname, x.indpred IS NULL, (
            SELECT array_agg(a.attname::text ORDER BY k.place)
            FROM unnest(x.indkey::int[]) WITH ORDINALITY k(number, place)
            JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number)
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = %s::regclass
    """
    with connection.cursor() as cursor:
        cursor.execute(asked, [table])
        for name, whole, columns in cursor.fetchall():
            yield name, columns, whole


@pytest.mark.parametrize("table", WRITTEN_IN_STORMS)
def test_no_index_is_the_beginning_of_another_one(table):
    found = [(name, columns) for name, columns, whole in indexes(table) if whole and not name.endswith("_like")]
    assert found
    for name, columns in found:
        longer = [other for other, those in found if other != name and those[: len(columns)] == columns]
        assert not longer, f"{name} says nothing that {longer} does not say"


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("incidents_incident", "declared_by_id"),
        ("incidents_incident", "acknowledged_by_id"),
        ("incidents_timelineentry", "person_id"),
        ("incidents_protocolstep", "by_id"),
        ("incidents_promise", "kept_by_id"),
    ],
)
def test_a_key_that_the_engine_leaves_empty_is_indexed_where_there_is_one(table, column):
    assert [whole for _, columns, whole in indexes(table) if columns == [column]] == [False]
