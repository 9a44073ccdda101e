"""MLflow's webhooks. A real server sends them in tests/peers/."""

import hashlib
import hmac
import json
from base64 import b64encode

import pytest

from andon.intake.adapters import adapters, samples
from andon.intake.events import Malformed, Request, Unsigned
from andon.kit import clock
from andon.practice.words import ChangeKind

SECRET = "registry secret"


def parse(entity, action, data, settings=None, headers=None):
    body = {"entity": entity, "action": action, "timestamp": "2026-03-02T01:58:12+00:00", "data": data}
    return adapters()["mlflow"].parse(Request(json.dumps(body).encode(), headers or {}), settings or {})


def signed(body, *, at=None, delivery="d1"):
    stamp = str(int(clock.now().timestamp()) if at is None else at)
    mac = hmac.new(SECRET.encode(), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "x-mlflow-delivery-id": delivery,
        "x-mlflow-timestamp": stamp,
        "x-mlflow-signature": f"v1,{b64encode(mac).decode()}",
    }


@pytest.mark.parametrize(
    ("entity", "action", "data", "title", "kind"),
    [
        ("registered_model", "created", {"name": "m"}, "Model m was created", ChangeKind.OTHER),
        ("model_version", "created", {"name": "m", "version": "8"}, "Model m, version 8, was created", ChangeKind.VERSION_CREATED),
        ("model_version_alias", "created", {"name": "m", "alias": "champion", "version": "8"},
         "Model m: alias champion now points to version 8", ChangeKind.ALIAS_MOVED),
        ("model_version_alias", "deleted", {"name": "m", "alias": "champion"}, "Model m: alias champion was removed", ChangeKind.ALIAS_MOVED),
        ("model_version_tag", "set", {"name": "m", "version": "8", "key": "k", "value": "v"},
         "Model m, version 8, tag k was set to v", ChangeKind.CONFIG),
        ("model_version_tag", "deleted", {"name": "m", "version": "8", "key": "k"}, "Model m, version 8, tag k was deleted", ChangeKind.CONFIG),
        ("prompt", "created", {"name": "p"}, "Prompt p was created", ChangeKind.OTHER),
        ("prompt_version", "created", {"name": "p", "version": "2", "template": "…"}, "Prompt p, version 2, was created", ChangeKind.VERSION_CREATED),
        ("prompt_alias", "created", {"name": "p", "alias": "live", "version": "2"}, "Prompt p: alias live now points to version 2", ChangeKind.ALIAS_MOVED),
        ("prompt_tag", "set", {"name": "p", "key": "k", "value": "v"}, "Prompt p tag k was set to v", ChangeKind.CONFIG),
        ("prompt_version_tag", "deleted", {"name": "p", "version": "2", "key": "k"}, "Prompt p, version 2, tag k was deleted", ChangeKind.CONFIG),
    ],
)  # fmt: skip
def test_each_event_is_a_change_in_a_sentence(entity, action, data, title, kind):
    said = parse(entity, action, data)
    (change,) = said.changes
    assert (change.title, change.kind) == (title, kind)
    assert said.events == []


def test_the_delivery_is_the_key_and_without_one_the_body_is():
    one, again, other = (
        parse("prompt", "created", {"name": "p"}, headers={"x-mlflow-delivery-id": key}).changes[0].key
        for key in ("a", "a", "b")
    )
    assert one == again != other
    assert (
        parse("prompt", "created", {"name": "p"}).changes[0].key
        == parse("prompt", "created", {"name": "p"}).changes[0].key
    )


def test_systems_by_the_setting_and_by_tag():
    moved = {"name": "credit-model", "alias": "champion", "version": "8"}
    settings = {"systems": "other = x\ncredit-model = credit-scorer\nnonsense"}
    assert parse("model_version_alias", "created", moved, settings).changes[0].system_hint == "credit-scorer"
    assert parse("model_version_alias", "created", moved).changes[0].system_hint == ""
    tagged = {"name": "m", "version": "1", "tags": {"andon_system": "credit-scorer"}}
    assert parse("model_version", "created", tagged).changes[0].system_hint == "credit-scorer"


def test_a_link_where_the_address_of_mlflow_is_known():
    (change,) = parse(
        "model_version", "created", {"name": "a/b", "version": "3"}, {"pages": "https://mlflow.example.org/"}
    ).changes
    assert change.url == "https://mlflow.example.org/#/models/a%2Fb/versions/3"


def test_a_budget_that_is_used_up_is_a_signal():
    said = adapters()["mlflow"].parse(samples("mlflow")["budget.json"], {})
    (event,) = said.events
    assert said.changes == []
    assert (event.status, event.severity_hint, event.fingerprint) == ("firing", 4, "budget:bp-abc123")
    assert event.title == "Budget of 100 USD is used up for endpoint support-assistant"
    assert event.episode == "2026-03-01T00:00:00+00:00"


def test_the_signature_over_delivery_time_and_body():
    adapters()["mlflow"].verify(Request(b"{}", signed(b"{}")), SECRET)


@pytest.mark.parametrize(
    "change", [{"x-mlflow-delivery-id": "d2"}, {"x-mlflow-timestamp": "1"}, {"x-mlflow-signature": "v2,AAAA"}]
)
def test_what_the_signature_covers_cannot_be_changed(change):
    with pytest.raises(Unsigned):
        adapters()["mlflow"].verify(Request(b"{}", signed(b"{}") | change), SECRET)


def test_an_old_delivery_is_refused():
    at = clock.now().replace(microsecond=0)
    with clock.use(clock.FixedClock(at)):
        old = signed(b"{}", at=int(at.timestamp()) - 301)
        with pytest.raises(Unsigned, match="301 s away"):
            adapters()["mlflow"].verify(Request(b"{}", old), SECRET)


@pytest.mark.parametrize(
    ("entity", "data", "field"),
    [
        ("model_version", {}, "data.name"),
        ("model_version", {"name": ""}, "data.name"),
        ("budget_policy", {}, "data.budget_policy_id"),
    ],
)
def test_what_is_wrong_is_named(entity, data, field):
    with pytest.raises(Malformed) as refused:
        parse(entity, "created", data)
    assert refused.value.field == field
