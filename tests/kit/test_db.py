"""Many rows at once: written as they are, bounded by the same constraints, and read and changed in few steps."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from andon.intake.models import Delivery, Integration
from andon.kit import db, ids

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 2, 3, 0, 0, 123456, tzinfo=UTC)
SIZES = [0, 1, 3, 7, 8, 9, 63, 64, 300, 700]
"""On both sides of where the way changes in which rows are written."""


def sender(slug="prometheus"):
    return Integration(
        id=ids.new(), created_at=AT, slug=slug, name="Nacht \t\\ 'n' \"q\" \n é", kind="generic", token_digest=slug,
        secret="not for anybody's eyes", settings={"odd": "tab \t, quote ', \\N, ü"}, disabled_at=None,
    )  # fmt: skip


def deliveries(of, count):
    return [
        Delivery(
            id=ids.new(), created_at=AT, integration=of, body=bytes(range(256)) + str(number).encode(),
            content_type="text/plain\t\\.", outcome="accepted", error="", signals=number,
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("count", SIZES)
def test_rows_are_inserted_as_they_are(count):
    of = sender()
    db.insert_rows([of])
    rows = deliveries(of, count)
    db.insert_rows(rows)
    found = {row.pk: row for row in Delivery.objects.all()}
    assert len(found) == count
    for row in rows:
        kept = found[row.pk]
        assert (bytes(kept.body), kept.content_type, kept.signals, kept.created_at) == (
            row.body, row.content_type, row.signals, AT,
        )  # fmt: skip
        assert not row._state.adding


@pytest.mark.parametrize("count", [1, 20])
def test_every_kind_of_value_comes_back(count):
    db.insert_rows([sender(f"sender-{number}") for number in range(count)])
    for kept in Integration.objects.all():
        assert kept.name == "Nacht \t\\ 'n' \"q\" \n é"
        assert kept.settings == {"odd": "tab \t, quote ', \\N, ü"}
        assert kept.secret == "not for anybody's eyes"
        assert (kept.disabled_at, kept.resolves_incidents, kept.system) == (None, False, None)


@pytest.mark.parametrize("count", [1, 20])
def test_a_row_that_breaks_a_constraint_is_refused_with_all_others(count):
    rows = [sender(f"sender-{number}") for number in range(count)]
    rows.append(sender("sender-0"))
    with pytest.raises(IntegrityError), transaction.atomic():
        db.insert_rows(rows)
    assert not Integration.objects.exists()


def test_a_text_that_postgresql_cannot_hold_is_its_row_s_trouble():
    if db.is_sqlite():
        pytest.skip("SQLite holds any text")
    rows = [sender(f"sender-{number}") for number in range(10)]
    rows[3].name = "nul \x00 here"
    with pytest.raises((DataError, ValueError)), transaction.atomic():
        db.insert_rows(rows)
    assert not Integration.objects.exists()


@pytest.mark.parametrize("count", SIZES[1:])
def test_what_rows_share_is_written_into_each(count):
    columns = ["id", "slug", "token_digest"]
    shared = {
        "created_at": connection.ops.adapt_datetimefield_value(AT), "name": "Shared", "kind": "generic", "secret": "",
        "settings": "{}", "resolves_incidents": False, "disabled_at": None, "system_id": None,
    }  # fmt: skip
    key = (lambda uuid: uuid.hex) if db.is_sqlite() else (lambda uuid: uuid)
    db.insert_many(
        "intake_integration", columns, [(key(ids.new()), f"s-{n}", f"d-{n}") for n in range(count)], shared=shared
    )
    assert Integration.objects.filter(name="Shared", created_at=AT).count() == count
    assert set(Integration.objects.values_list("slug", "token_digest")) == {(f"s-{n}", f"d-{n}") for n in range(count)}


@pytest.mark.parametrize("count", SIZES[1:])
def test_rows_are_changed_by_values_of_their_own_where_they_are_as_they_were_read(count):
    of = sender()
    db.insert_rows([of])
    rows = deliveries(of, count)
    db.insert_rows(rows)
    Delivery.objects.filter(pk=rows[-1].pk).update(signals=10_000)  # somebody was quicker
    key = (lambda uuid: uuid.hex) if db.is_sqlite() else (lambda uuid: uuid)
    changed = db.update_from(
        "intake_delivery",
        "signals = signals + v.more, error = v.said",
        {"id": "uuid", "was": "integer", "more": "integer", "said": "text"},
        [(key(row.pk), row.signals, 5, f"said {row.signals}") for row in rows],
        where="intake_delivery.id = v.id AND intake_delivery.signals = v.was",
    )
    assert changed == count - 1
    kept = dict(Delivery.objects.values_list("signals", "error"))
    assert kept == {10_000: ""} | {row.signals + 5: f"said {row.signals}" for row in rows[:-1]}


def test_lists_are_read_as_rows_and_rows_at_once():
    one, other = ids.new(), ids.new()
    told = {str(one): ["a", "b \" ' \\ ü"], str(other): ["a"]}
    rest = f"FROM ({db.lists_of_json('sender', 'uuid', 'word')}) k ORDER BY k.word, k.sender"
    found = db.rows_at_once("k.sender, k.word", rest, [db.lists_as_json(told)])
    assert {(str(sender), word) for sender, word in found} == {
        (sender, word) for sender, words in told.items() for word in words
    }
    assert db.rows_at_once("k.sender, k.word", rest, [db.lists_as_json({})]) == []


@pytest.mark.parametrize("count", SIZES)
def test_each_row_is_given_values_of_its_own_of_every_kind(count):
    db.insert_rows([sender(f"sender-{number}") for number in range(count)])
    before = list(Integration.objects.order_by("slug"))
    told = {
        one.pk: (
            f"Renamed {number} '\"\\{{}}, é",
            {"n": number, "odd": ["{", None]},
            not number % 2,
            AT if number % 3 else None,
        )
        for number, one in enumerate(before)
    }
    fields = ["name", "settings", "resolves_incidents", "disabled_at"]
    rows = [
        (*values, pk, "sender-0" if pk == before[-1].pk and count > 1 else one)
        for (pk, values), one in zip(told.items(), [row.slug for row in before], strict=True)
    ]
    assert db.update_each(Integration, fields, rows, where=["id", "slug"]) == (count - 1 if count > 1 else count)
    for kept in Integration.objects.exclude(pk=before[-1].pk if count > 1 else None):
        assert (kept.name, kept.settings, kept.resolves_incidents, kept.disabled_at) == told[kept.pk]
    if count > 1:
        assert Integration.objects.get(pk=before[-1].pk).name == before[-1].name, "it was not as it had been read"


def test_of_several_values_for_one_row_the_last_counts():
    rows = [sender("one"), sender("other")]
    db.insert_rows(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # by its statistics PostgreSQL chooses which of several it takes
    one, other = rows
    assert db.update_each(Integration, ["name"], [("first", one.pk), ("kept", other.pk), ("last", one.pk)]) == 2
    names = dict(Integration.objects.values_list("pk", "name"))
    assert (names[one.pk], names[other.pk]) == ("last", "kept")


@pytest.mark.parametrize("count", SIZES)
def test_rows_are_written_as_they_stand_and_of_them_what_is_said(count):
    db.update_rows([], ["name"])
    kinds, of = [sender("of"), sender("other")], {}
    db.insert_rows(kinds)
    rows = deliveries(kinds[0], count)
    db.insert_rows(rows)
    for number, row in enumerate(rows):
        row.integration, row.body, row.error = kinds[number % 2], b"\x00" * number, f"é {number}"
        row.outcome = "never"
        of[row.pk] = (kinds[number % 2].pk, b"\x00" * number, f"é {number}")
    db.update_rows(rows, ["integration", "body", "error"])
    for kept in Delivery.objects.all():
        assert (kept.integration_id, bytes(kept.body), kept.error) == of[kept.pk]
        assert kept.outcome != "never"


def test_a_value_that_is_too_long_is_refused_and_not_cut():
    if db.is_sqlite():
        pytest.skip("SQLite holds any length")
    of = sender()
    db.insert_rows([of])
    with pytest.raises(DataError), transaction.atomic():
        db.update_each(Integration, ["slug"], [("long" * 100, of.pk)])
    assert Integration.objects.get().slug == of.slug


def test_only_what_rows_share_has_a_numbered_place():
    """SQLite takes time with the square of how many numbered places a statement has: 150 ms for 10,000 of them."""
    statement = db._insertion("some_table", ("kept", "id", "said"), 1, 3)
    assert statement == 'INSERT INTO "some_table" ("kept", "id", "said") VALUES (?1, ?, ?), (?1, ?, ?), (?1, ?, ?)'
