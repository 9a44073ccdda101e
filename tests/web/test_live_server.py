"""The streams in a real server: it stops at once, whoever is watching."""

import time

import httpx
import pytest

from tests.support.processes import running_andon

pytestmark = [pytest.mark.heavy]

_A_SESSION = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from andon.people.models import Person

person = Person.objects.create_user("vera@example.org", None, name="Vera", role="viewer")
session = SessionStore()
session[SESSION_KEY] = str(person.pk)
session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
session[HASH_SESSION_KEY] = person.get_session_auth_hash()
session.save()
result = session.session_key
"""


def test_a_server_with_open_streams_ends_in_order_and_soon(tmp_path):
    with running_andon(tmp_path, engine=False) as andon:
        key = andon.python(_A_SESSION)
        with (
            httpx.Client(base_url=andon.base_url, cookies={"sessionid": key}, timeout=20) as browser,
            browser.stream("GET", "/live/") as one,
            browser.stream("GET", "/live/") as other,
        ):
            assert (one.status_code, other.status_code) == (200, 200)
            pieces = one.iter_text()
            assert "retry:" in next(pieces)
            began = time.monotonic()
            process = andon.server
            process.terminate()
            assert "".join(pieces) == ""  # the response ends as it should: no error, nothing more
            process.wait(8)  # well below the ten seconds after which uvicorn would cut the streams off
            assert time.monotonic() - began < 8
        log = andon.log("server")
        assert "Traceback" not in log
        assert "Cancel" not in log
        andon.server = None
