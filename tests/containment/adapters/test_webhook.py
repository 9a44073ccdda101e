"""The lever by webhook against a real service on loopback."""

import pytest

from andon.containment import adapters
from andon.containment.lever import LeverFault, Plan, complaints
from andon.kit.webhooks import sign
from tests.containment.conftest import SECRET, facts


@pytest.fixture
def settings_of(service):
    return dict(facts(service).settings)


def test_what_it_tells_is_signed_by_standard_webhooks(service, settings_of):
    adapter = adapters.find("webhook")
    plan = adapter.plan(settings_of, adapter.state(settings_of))
    assert adapter.act(settings_of, plan, "key-1").facts == {"status": 200}
    heard = service.listener.heard[-1]
    timestamp = int(heard.headers["webhook-timestamp"])
    assert heard.headers["webhook-id"] == "key-1"
    assert heard.headers["webhook-signature"] == sign("key-1", timestamp, heard.body, SECRET)


def test_an_empty_state_is_refused_for_it_would_be_seen_in_anything(service, settings_of):
    adapter = adapters.find("webhook")
    assert complaints(adapter, settings_of) == []
    assert "is empty" in complaints(adapter, settings_of | {"state": " {} "})[0]


SURE = {401: True, 404: True, 307: True, 308: True, 301: False, 302: False, 303: False, 500: False, 502: False}


@pytest.mark.parametrize(("status", "sure"), SURE.items())
def test_a_refusal_is_sure_and_a_breakdown_is_not(service, settings_of, status, sure):
    service.status, service.takes = status, False
    with pytest.raises(LeverFault) as caught:
        adapters.find("webhook").act(settings_of, Plan({"model": "v6"}, ""), "key-1")
    assert caught.value.sure is sure


def test_a_service_that_is_not_there_was_surely_not_told(settings_of):
    settings_of["url"] = "http://127.0.0.1:9/levers"  # the discard port: nothing listens
    with pytest.raises(LeverFault) as caught:
        adapters.find("webhook").act(settings_of, Plan({"model": "v6"}, ""), "key-1")
    assert caught.value.sure is True


def test_without_an_address_of_the_state_nothing_is_undone_and_nothing_can_be_told(service, settings_of):
    del settings_of["state_url"]
    adapter = adapters.find("webhook")
    assert adapter.state(settings_of) == {}
    assert adapter.probe(settings_of, Plan({"model": "v6"}, "")).holds is None
    assert not adapter.undoable(settings_of)
    with pytest.raises(LeverFault, match="What held before is not known"):
        adapter.undo(settings_of, {}, "key-2")
