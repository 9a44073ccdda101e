"""What was promised, on the incident's page and over the API: who sees it, who says that it was done."""

import pytest
from django.test import Client

from tests.support import scenes

pytestmark = pytest.mark.django_db
KEY = "first_word:executives"


def test_the_page_shows_the_clock_and_takes_that_it_was_done(cast, time, signed_in):
    incident = scenes.declared(cast)
    page, address = f"/incidents/{incident.number}", f"/incidents/{incident.number}/promises/{KEY}"
    assert address in signed_in(cast.lena).get(page).content.decode()
    assert address not in signed_in(cast.vera).get(page).content.decode()
    assert "Tell executives" in signed_in(cast.lena).get(address).content.decode()
    assert signed_in(cast.lena).post(address, {"note": "by phone"}).status_code == 302
    assert incident.promises.get(key=KEY).kept_by == cast.lena
    assert address not in signed_in(cast.lena).get(page).content.decode()
    assert signed_in(cast.lena).post(address, {"note": "again"}).status_code == 422
    assert signed_in(cast.lena).get(f"/incidents/{incident.number}/promises/contain").status_code == 404


def test_who_may_say_that_it_was_done(cast, time, signed_in):
    incident = scenes.declared(cast)
    address = f"/incidents/{incident.number}/promises/{KEY}"
    for person, status in ((cast.vera, 403), (cast.rui, 404)):
        assert signed_in(person).post(address, {}).status_code == status
    assert Client().post(address, {}).status_code == 302
    assert incident.promises.get(key=KEY).kept_at is None


def test_a_restricted_incident_shows_its_promises_to_nobody_outside(cast, time, signed_in, client):
    incident = scenes.declared(cast, restricted=True)
    address = f"/incidents/{incident.number}/promises/{KEY}"
    api = f"/api/v1/incidents/{incident.number}/promises"
    assert signed_in(cast.sam).get(address).status_code == 404
    assert client.get(api, headers=scenes.token(cast.sam, "incidents:read")).status_code == 404
    assert client.get(api, headers=scenes.token(cast.lena, "incidents:read")).status_code == 200


def test_the_api_lists_them_and_takes_that_one_was_done(cast, time, client):
    incident = scenes.declared(cast)
    api = f"/api/v1/incidents/{incident.number}/promises"
    listed = client.get(api, headers=scenes.token(cast.vera, "incidents:read")).json()
    assert {"acknowledge", "contain", KEY, "review"} <= {one["key"] for one in listed}
    assert {one["standing"] for one in listed} == {"open"}
    said = {"path": f"{api}/{KEY}/keep", "data": {"note": "by phone"}, "content_type": "application/json"}
    assert client.post(**said, headers=scenes.token(cast.vera, "incidents:write")).status_code == 403
    done = client.post(**said, headers=scenes.token(cast.lena, "incidents:write"))
    assert done.status_code == 200
    assert next(one for one in done.json() if one["key"] == KEY)["standing"] == "kept"
    assert client.post(**said, headers=scenes.token(cast.lena, "incidents:write")).status_code == 409
