import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from andon.practice.timeline import (
    GENESIS,
    Entry,
    ProblemCode,
    body_digest,
    canonical,
    entry_hash,
    verify,
)

AT = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
numbers = st.integers() | st.floats(allow_nan=False, min_value=-1e15, max_value=1e15)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
bodies = st.dictionaries(texts, json_values, max_size=3)
instants = st.integers(0, 10**9).map(lambda micros: AT + timedelta(microseconds=micros))


def written(raw, incident_id="inc-1"):
    """A timeline as the house writes it, from (at, recorded_at, actor, kind, body)."""
    entries, previous = [], GENESIS
    for seq, (at, recorded_at, actor, kind, body) in enumerate(raw, 1):
        fields = {
            "incident_id": incident_id,
            "seq": seq,
            "at": at,
            "recorded_at": recorded_at,
            "actor": actor,
            "kind": kind,
            "body_digest": body_digest(body),
            "prev_hash": previous,
        }
        entries.append(Entry(**fields, body=body, hash=entry_hash(**fields)))
        previous = entries[-1].hash
    return entries


raws = st.tuples(instants, instants, texts, texts, bodies)
timelines = st.lists(raws, min_size=1, max_size=4).map(written)


def problems(entries, original):
    return verify(entries, original[-1].hash, len(original))


def codes(found):
    return {problem.code for problem in found}


@given(timelines)
def test_what_nobody_touched_verifies(timeline):
    assert problems(timeline, timeline) == []


def test_an_empty_timeline_verifies_and_a_missing_one_does_not():
    assert verify([], GENESIS, 0) == []
    assert codes(verify([], "a" * 64, 3)) == {ProblemCode.COUNT_WRONG, ProblemCode.HEAD_WRONG}


changes = {
    "incident_id": texts,
    "seq": st.integers(-3, 9),
    "at": instants,
    "recorded_at": instants,
    "actor": texts,
    "kind": texts,
    "body": bodies | json_values.filter(lambda value: value is not None),
    "body_digest": bodies.map(body_digest) | texts,
    "prev_hash": bodies.map(body_digest) | texts,
    "hash": bodies.map(body_digest) | texts,
}


@pytest.mark.parametrize("field", changes)
@settings(max_examples=40)
@given(data=st.data())
def test_a_change_of_any_field_of_any_entry_is_found(field, data):
    timeline = data.draw(timelines)
    index = data.draw(st.integers(0, len(timeline) - 1))
    value = data.draw(changes[field])
    before = getattr(timeline[index], field)
    assume(canonical(value) != canonical(before) if field == "body" else value != before)
    changed = [*timeline]
    changed[index] = replace(timeline[index], **{field: value})
    assert problems(changed, timeline)


@given(timelines, st.data())
def test_a_body_that_was_rewritten_with_its_digest_and_hash_still_breaks_the_chain(timeline, data):
    index = data.draw(st.integers(0, len(timeline) - 1))
    entry = timeline[index]
    body = {**entry.body, "forged": True}
    assume(body != entry.body)
    fields = {name: getattr(entry, name) for name in ("incident_id", "seq", "at", "recorded_at", "actor", "kind")}
    fields |= {"body_digest": body_digest(body), "prev_hash": entry.prev_hash}
    forged = [*timeline]
    forged[index] = Entry(**fields, body=body, hash=entry_hash(**fields))
    assert codes(problems(forged, timeline)) & {ProblemCode.CHAIN_BROKEN, ProblemCode.HEAD_WRONG}


@given(timelines, st.data())
def test_a_deletion_is_found_wherever_it_is(timeline, data):
    index = data.draw(st.integers(0, len(timeline) - 1))
    assert ProblemCode.COUNT_WRONG in codes(problems([*timeline[:index], *timeline[index + 1 :]], timeline))


@given(timelines, st.data())
def test_a_tail_cut_off_is_found_even_if_the_count_is_made_to_fit(timeline, data):
    left = timeline[: data.draw(st.integers(0, len(timeline) - 1))]
    assert codes(verify(left, timeline[-1].hash, len(left))) == {ProblemCode.HEAD_WRONG}


@given(timelines, raws, st.data())
def test_an_insertion_is_found_even_if_it_is_numbered_and_chained_by_the_book(timeline, raw, data):
    index = data.draw(st.integers(0, len(timeline)))
    kept = [(e.at, e.recorded_at, e.actor, e.kind, e.body) for e in timeline]
    inserted = written([*kept[:index], raw, *kept[index:]])
    assert verify(inserted, timeline[-1].hash, len(timeline))


@given(st.lists(raws, min_size=2, max_size=4).map(written), st.randoms())
def test_another_order_is_found(timeline, random):
    shuffled = [*timeline]
    random.shuffle(shuffled)
    assume(shuffled != timeline)
    assert ProblemCode.OUT_OF_SEQUENCE in codes(problems(shuffled, timeline))


@given(timelines)
def test_an_erased_body_still_verifies_for_its_digest_is_kept(timeline):
    assert problems([replace(entry, body=None) for entry in timeline], timeline) == []


def test_an_entry_of_another_incident_is_named():
    own = written([(AT, AT, "a", "k", {})] * 2)
    other = written([(AT, AT, "a", "k", {})] * 2, incident_id="inc-2")
    found = problems([own[0], other[1]], own)
    assert ProblemCode.FOREIGN in codes(found)
    assert all(problem.text.endswith(".") for problem in found)


def test_a_field_that_cannot_be_hashed_is_a_finding_not_a_crash():
    [entry] = written([(AT, AT, "a", "k", {})])
    for broken in (
        {"at": AT.replace(tzinfo=None)},
        {"at": None},
        {"actor": object()},
        {"body": {"a": object()}},
    ):
        assert problems([replace(entry, **broken)], [entry])


def test_times_count_by_their_instant_not_their_zone():
    [entry] = written([(AT, AT, "a", "k", {})])
    elsewhere = replace(entry, at=AT.astimezone(ZoneInfo("Asia/Tokyo")))
    assert problems([elsewhere], [entry]) == []


@given(json_values)
def test_the_digest_survives_any_json_round_trip(value):
    assert body_digest(json.loads(json.dumps(value))) == body_digest(value)
    assert body_digest(json.loads(canonical(value))) == body_digest(value)


@given(st.dictionaries(texts, json_values, min_size=2, max_size=4))
def test_the_order_of_keys_does_not_count(body):
    assert body_digest(dict(reversed(body.items()))) == body_digest(body)


def test_different_bodies_have_different_digests_and_equal_numbers_equal_ones():
    different = [{}, {"a": 1}, {"a": "1"}, {"a": True}, {"a": None}, {"a": [1]}, {"a": 1.5}, {"b": 1}]
    digests = [body_digest(body) for body in different]
    assert all(one != other for one, other in pairwise(sorted(digests)))
    assert body_digest({"a": 1.0}) == body_digest({"a": 1})
    assert canonical({"b": -0.0, "a": "ö\n"}) == '{"a":"ö\\n","b":0}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        {1: "a"},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 1e300},
        {"a": AT},
        {"a": b"x"},
        {"a": [{"b": {1, 2}}]},
        {"a": "\ud800"},
    ],
)
def test_what_no_store_gives_back_unchanged_is_refused(body):
    with pytest.raises((TypeError, ValueError), match=r"body|surrogates"):
        body_digest(body)


def test_the_format_is_fixed_for_ever():
    """Stored chains must verify in every later version: these digests may never change."""
    [entry] = written([(AT, AT, "person:1", "note", {"text": "Grüße", "n": [1, 2.5, None, True]})])
    assert (entry.body_digest, entry.hash) == (
        "6d0885ca14f79b5b9df0dfffe0be33256c79967ce1adec84c5b3d05cfdc0c4ed",
        "21881d9c0438e5f59d37ebd445e992c0b8418d2acdea5c69568fa76a60b4128e",
    )
