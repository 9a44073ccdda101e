"""What callers send is understood whole or refused."""

import pytest

from andon.api.urls import api
from andon.people.policy import Actor
from andon.response import opening

pytestmark = pytest.mark.django_db


def test_a_field_that_nobody_knows_is_refused_by_name(cast, time, signed_in):
    incident = opening.declare(title="Odd answers", system=None, by=Actor.of(cast.omar))
    answer = signed_in(cast.omar).post(
        f"/api/v1/incidents/{incident.number}/links",
        {"label": "Dashboard", "title": "Board", "url": "https://example.org"},
        content_type="application/json",
    )
    assert answer.status_code == 422
    assert "label" in answer.content.decode()
    assert not incident.links.exists()


def test_every_body_of_the_api_forbids_unknown_fields():
    document = api.get_openapi_schema(path_prefix="/api/v1/")
    loose = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if name := body.get("$ref", "").rpartition("/")[2]:
                schema = document["components"]["schemas"][name]
                if schema.get("additionalProperties") is not False:
                    loose.append(f"{method} {path}: {name}")
    assert loose == []
