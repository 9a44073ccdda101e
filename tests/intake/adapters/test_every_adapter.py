"""What every folder of intake/adapters must have: copy one, and these hold it too."""

import re
from contextlib import suppress
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.intake.adapters import adapters, help_text, samples
from andon.intake.events import Malformed, Request, Sender, Unsigned

KINDS = sorted(adapters())


@pytest.mark.parametrize("kind", KINDS)
def test_its_folder_is_its_kind_and_it_has_a_title(kind):
    adapter = adapters()[kind]
    assert type(adapter).__module__ == f"andon.intake.adapters.{kind}.adapter"
    assert adapter.kind == kind
    assert adapter.title


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_is_for_the_list_of_kinds(kind):
    adapter = adapters()[kind]
    assert isinstance(adapter, Sender)
    assert adapter.line.endswith(".")
    assert len(adapter.line) <= 120


@pytest.mark.parametrize("kind", KINDS)
def test_its_samples_are_understood(kind):
    found = samples(kind)
    assert found
    for request in found.values():
        said = adapters()[kind].parse(request, {})
        assert said.events or said.changes or said.notes or said.confirm
        assert all(event.fingerprint and event.title for event in said.events)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if adapters()[kind].signed_by])
def test_without_a_signature_that_fits_it_is_refused(kind):
    for request in samples(kind).values():
        for headers in ({}, dict.fromkeys(request.headers, "x"), dict.fromkeys(request.headers, "\xff")):
            with pytest.raises(Unsigned):
                adapters()[kind].verify(Request(request.body, headers), "a secret that nobody has")


@pytest.mark.parametrize("kind", KINDS)
def test_its_help_names_the_real_address_and_token(kind):
    text = help_text(kind, address="https://andon.example.org/intake/x/y", token="andon_in_secret")
    places = ["https://andon.example.org/intake/x/y"]
    places += [f"https://andon.example.org{address}" for address in adapters()[kind].addresses]
    assert any(place in text for place in places)
    assert "andon_in_secret" in text
    assert not re.search(r"\{\{\w", text), "what stands in double braces without a space is ours to fill in"
    assert "\n```" in text, "there is something to paste on the sender's side"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


TAKEN = {"name", "kind", "slug", "system", "type", "resolves_incidents", "secret", "unsigned"}


@pytest.mark.parametrize("kind", KINDS)
def test_its_own_settings_take_no_name_that_every_integration_has(kind):
    assert not TAKEN & {field.name for field in adapters()[kind].fields}


def test_no_two_kinds_share_an_address():
    places = [address for adapter in adapters().values() for address in adapter.addresses]
    assert len(places) == len(set(places))
    assert all(place.startswith("/v2/") for place in places), "what the router brings to the intake"


words = st.text(max_size=30)
headers = st.dictionaries(
    st.sampled_from(["content-type", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time"]),
    words | st.sampled_from(["1.0", "application/cloudevents+json", "application/json", "2026-03-02T03:00:00Z"]),
)
paths = words | st.sampled_from(
    ["v2/enqueue", "v2/change/enqueue", "v2/alerts", "v2/alerts/a/close", "v2/alerts/YQ/notes"]
)
queries = st.dictionaries(st.sampled_from(["identifierType", "token"]), words | st.sampled_from(["alias", "id"]))


@pytest.mark.parametrize("kind", KINDS)
@given(body=st.binary(max_size=100), headers=headers, query=queries, path=paths)
@settings(max_examples=40)
def test_any_request_is_understood_or_refused_in_words_and_then_answered(kind, body, headers, query, path):
    adapter = adapters()[kind]
    delivery = UUID(int=7)
    bodies = [body, *(request.body for request in samples(kind).values())]
    for one in bodies:
        said = None
        with suppress(Malformed, Unsigned):
            said = adapter.parse(Request(one, headers, query, path, delivery=delivery), {})
        if said is not None:
            status, answer = adapter.answer(said, delivery)
            assert 200 <= status < 300
            assert msgspec.json.encode(answer)
    assert adapter.refuse({"title": "t", "status": 400, "detail": "d", "field": "f"})["detail"] == "d"
    assert isinstance(adapter.token_in(body), str)


@pytest.mark.parametrize("kind", KINDS)
@given(body=st.binary(max_size=200) | json_values.map(msgspec.json.encode))
def test_any_body_is_understood_or_refused_in_words(kind, body):
    with suppress(Malformed, Unsigned):
        said = adapters()[kind].parse(Request(body), {})
        assert all(0 < len(event.fingerprint) <= 255 for event in said.events)


@pytest.mark.parametrize(
    ("kind", "options", "field"),
    [
        ("otel", {"limits": "relevance is low"}, "limits"),
        ("mlflow", {"systems": "credit-model"}, "systems"),
        ("mlflow", {"systems": "a = b, = c"}, "systems"),
        ("mlflow", {"pages": "mlflow.example.org"}, "pages"),
        ("sns", {"topic": "andon"}, "topic"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_when_it_is_written(kind, options, field):
    with pytest.raises(Malformed) as refused:
        adapters()[kind].check(options)
    assert refused.value.field == field


@pytest.mark.parametrize("kind", KINDS)
def test_without_settings_there_is_nothing_to_complain_of(kind):
    adapters()[kind].check({field.name: "" for field in adapters()[kind].fields})


IDENTITIES = {
    "azure": ("data", "essentials", "alertId"), "gcp": ("incident", "incident_id"), "langsmith": ("alert_rule_id",),
    "langfuse": ("payload", "monitorId"), "sns": ("AlarmName",), "datadog": ("cycle_key",),
    "sentry": ("data", "event", "issue_id"),
}  # fmt: skip


@pytest.mark.parametrize("kind", IDENTITIES)
def test_an_empty_identity_is_refused_for_it_would_be_the_same_as_any_other(kind):
    request = next(iter(samples(kind).values()))
    body = put(msgspec.json.decode(request.body), IDENTITIES[kind], "")
    with pytest.raises(Malformed) as refused:
        adapters()[kind].parse(Request(msgspec.json.encode(body), request.headers), {})
    assert refused.value.field.endswith(IDENTITIES[kind][-1])


def places(value, path=()):
    """Every place in a JSON value, as the path to it."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from places(below, (*path, key))


def put(value, path, new):
    """The value with another in that place; `...` takes it out."""
    if not path:
        return None if new is ... else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if new is ... and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


ODD = st.sampled_from([
    ..., None, "", " ", 0, -1, 1.5, 1e308, 2**70, True, [], {}, [None], {"": None}, "\x00", "\ud7ff", "9" * 400, "x" * 5_000, "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "andon_system: \x00", "javascript:alert(1)", "https://[", [[]], {"a": {"b": []}},
])  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=150)
def test_a_sample_with_one_part_replaced_is_understood_or_refused_in_words(kind, data):
    """Bodies that are nearly right reach further into an adapter than random ones."""
    request = data.draw(st.sampled_from(list(samples(kind).values())))
    try:
        body = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        return  # a sender that does not speak JSON
    for _ in range(data.draw(st.integers(1, 2))):
        body = put(body, data.draw(st.sampled_from(list(places(body)))), data.draw(ODD | json_values))
    said = None
    with suppress(Malformed, Unsigned):
        said = adapters()[kind].parse(Request(msgspec.json.encode(body), request.headers), {})
    for event in said.events if said else ():
        assert 0 < len(event.fingerprint) <= 255
        texts = [text for text in msgspec.structs.astuple(event) if isinstance(text, str)]
        assert not any("\x00" in text for text in (*texts, *event.labels, *event.labels.values()))
        assert event.severity_hint in {None, 1, 2, 3, 4, 5}
        assert event.title
        assert not event.url or event.url.startswith(("http://", "https://"))
    for change in said.changes if said else ():
        assert change.title
        assert len(change.key) <= 255
