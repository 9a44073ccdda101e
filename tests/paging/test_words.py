"""What goes onto the timeline names no address: it outlives the person."""

import pytest

from andon.paging.sending import _without_address


@pytest.mark.parametrize(
    ("reason", "address"),
    [
        ("550 5.1.1 <Lena@Example.org>: user unknown", "lena@example.org"),
        ("https://hooks.example.org/lena answered 500", "https://hooks.example.org/lena"),
        ("could not connect to hooks.example.org", "https://hooks.example.org/lena"),
    ],
)
def test_the_address_is_left_out_of_the_reason(reason, address):
    shown = _without_address(reason, address)
    assert "example.org" not in shown.lower()
    assert "[address]" in shown


def test_a_reason_without_an_address_stays_as_it_is():
    assert _without_address("451 try again later", "lena") == "451 try again later"
