"""What a load balancer asks."""

import pytest
from django.db import DatabaseError, OperationalError

from andon.engine import beats


@pytest.mark.django_db
def test_a_process_with_its_database_is_ready_and_says_how_the_engine_is(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["engine"]["healthy"] is False  # none has run yet
    assert ready.json()["engine"]["says"]


def test_without_its_database_it_is_not_ready(client, monkeypatch):
    def gone(_now):
        raise DatabaseError

    monkeypatch.setattr(beats, "status", gone)
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_a_page_whose_database_is_gone_says_so_and_asks_to_come_again(client, monkeypatch):
    def gone(*_args, **_kwargs):
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr("andon.web.middleware.ViewersZone.__call__", gone)
    client.raise_request_exception = False
    answer = client.get("/incidents")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert "cannot reach its database" in answer.content.decode()
