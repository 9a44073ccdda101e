"""Packed bytes come out as they went in, whatever they are, and take less room where that pays."""

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from andon.intake.models import Delivery, Integration
from andon.kit import packed

ANY = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=50).map(lambda some: some * 200),
    st.binary(max_size=200).map(lambda some: packed.MARK + some),
    st.binary(max_size=200).map(lambda some: packed.MARK + some * 50),
)


@given(ANY)
def test_what_is_packed_comes_out_as_it_went_in(plain: bytes) -> None:
    """Also twice packed, as what a sender made to look like it."""
    kept = packed.pack(plain)
    assert packed.unpack(kept) == plain
    assert packed.unpack(packed.pack(kept)) == kept


@given(ANY)
def test_nothing_takes_much_more_room(plain: bytes) -> None:
    """What does not get shorter lies as it is, but for what looks packed."""
    room = len(packed.pack(plain))
    assert room <= len(plain) or plain.startswith(packed.MARK)


def test_a_long_body_takes_a_fraction() -> None:
    """As ten alerts that have their labels in common."""
    body = b'{"labels": {"alertname": "ErrorsRise", "severity": "critical"}, "fingerprint": "%d"}'
    plain = b",".join(body % n for n in range(100))
    assert len(packed.pack(plain)) < len(plain) / 8


@pytest.mark.parametrize("before", [b"", b"{}", b"x" * 5_000, packed.MARK + b"no such thing"])
def test_rows_from_before_are_read_as_they_lie(before: bytes) -> None:
    """Nothing was packed then."""
    assert packed.unpack(before) == before


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"short", b"long " * 2_000, packed.MARK])
def test_a_column_of_them_is_plain_in_python(body: bytes) -> None:
    """Written, found by its value and read by the ORM; the table holds it packed."""
    sender = Integration.objects.create(slug="prometheus", name="Prometheus", kind="generic", token_digest="x")
    Delivery.objects.create(integration=sender, body=body, outcome="accepted")
    assert Delivery.objects.get(body=body).body == body
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM intake_delivery")
        assert bytes(cursor.fetchone()[0]) == packed.pack(body)
