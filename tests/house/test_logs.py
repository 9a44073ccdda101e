"""Secrets never reach the log."""

import pytest
from django.test import RequestFactory

from andon.site.logs import hide_secrets


@pytest.mark.parametrize(
    ("event", "secret"),
    [
        ({"token": "abc"}, "abc"),
        ({"Authorization": "Bearer abc"}, "abc"),
        ({"event": "Internal Server Error: /a/eyJwIjoi:1vN0:abcdefgh"}, "eyJwIjoi"),
        ({"request": RequestFactory().get("/setup/andon_in_0123456789abcdef")}, "0123456789"),
        ({"exception": "bad url http://testserver/ical/Zm9vYmFyYmF6.ics"}, "Zm9vYmFy"),
        ({"event": "GET /intake/generic/x?token=andon_in_0123456789"}, "0123456789"),
        ({"event": "Internal Server Error: /phone/call/page/eyJwIjoi.abcdefgh"}, "eyJwIjoi"),
        ({"event": "https://prod.example.org/workflows/x?api=1&sig=eyJwIjoiabc did not answer"}, "eyJwIjoi"),
        ({"event": "caller sent andon_pat_0123456789abcdef"}, "0123456789"),
    ],
)
def test_a_secret_is_hidden_and_said_to_be(event, secret):
    shown = str(hide_secrets(None, "", event))
    assert secret not in shown
    assert "[hidden]" in shown


def test_what_is_no_secret_stays():
    event = {"event": "a page was given up", "incident": "INC-7", "count": 3}
    assert hide_secrets(None, "", event) == event
