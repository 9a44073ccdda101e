"""Evidence is kept, bounded, sealed in the timeline, and no log, lever or faulty collector delays or prevents it."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from andon.containment.evidence import actions, collectors, queries, store, verifying
from andon.containment.evidence.gathering import Piece, Task
from andon.containment.evidence.models import Blob, Erasure, Item, Preservation
from andon.incidents import timeline
from andon.incidents.actions import add_link
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.words import ChangeKind
from andon.registry.models import ChangeEvent, Component, Dependency
from andon.watch.models import Log
from andon.watch.reading.rows import LONGEST_TEXT
from tests.containment.evidence.conftest import HAND, PULL

pytestmark = pytest.mark.django_db


def said(row, name):
    """What a kept thing says, as JSON."""
    return json.loads(store.get(row.items.get(name=name).digest).body)


def decisions(row, name="decisions-decisions.jsonl"):
    body = store.get(row.items.get(name=name).digest).body
    return [json.loads(line) for line in body.splitlines()]


def test_what_a_lever_would_destroy_is_kept_with_digests_and_sealed_in_the_timeline(cast, incident, logged, kept):
    logged()
    vendor = Component.objects.create(slug="bureau", name="Bureau feed", kind="data", version="2026.2")
    Dependency.objects.create(system=cast.credit_scorer, component=vendor, purpose="limits")
    at = incident.detected_at - timedelta(hours=2)
    ChangeEvent.objects.create(system=cast.credit_scorer, kind=ChangeKind.DEPLOYED, title="v7", at=at, source="ci")
    ChangeEvent.objects.create(system=None, system_hint="bureau", title="Bureau feed 2026.2", at=at, source="ci")
    ChangeEvent.objects.create(system=None, system_hint="elsewhere", title="Not of it", at=at, source="ci")
    add_link(incident, title="Dashboard", url="https://grafana.example.org/d/1", by=Actor.of(cast.lena))

    row = kept()

    assert {one.name for one in queries.of_row(row).kept} == {
        "configuration.json", "changes.json", "decisions-decisions.jsonl", "links.json",
    }  # fmt: skip
    assert said(row, "configuration.json")["components"][0]["version"] == "2026.2"
    assert [one["title"] for one in said(row, "changes.json")] == ["Bureau feed 2026.2", "v7"]
    assert said(row, "links.json")[0]["url"] == "https://grafana.example.org/d/1"
    assert [one["customer"] for one in decisions(row)] == [f"customer-{n}" for n in (4, 3, 2, 1, 0)]
    entry = incident.timeline.get(kind="evidence_kept")
    assert entry.body["manifest"] == row.manifest
    assert entry.body["missing"] == []
    assert {one.sha256 for one in queries.manifest_of(row).kept} == set(
        row.items.exclude(digest="").values_list("digest", flat=True)
    )
    incident.refresh_from_db()
    assert timeline.verify(incident) + verifying.verify(incident) == []


def test_nothing_of_it_lies_readable_in_the_database(incident, logged, kept):
    logged(text="a word that nobody else writes")
    row = kept()
    stored = b"".join(_raw_bodies())
    assert b"a word that nobody else writes" not in stored
    assert b"customer-1" not in stored
    assert b"a word that nobody else writes" in store.get(row.items.get(kind="decisions").digest).body


def _raw_bodies():
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM evidence_blob")
        return [bytes(body) for (body,) in cursor.fetchall()]


def test_a_new_key_in_front_reads_what_an_old_key_wrote_and_a_lost_key_is_told(settings, incident, kept):
    from cryptography.fernet import Fernet

    row = kept()
    old = list(settings.FIELD_KEYS)
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), *old]
    assert verifying.verify(incident) == []
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    found = store.get(row.manifest)
    assert found.body is None
    assert "ANDON_FIELD_KEYS" in found.problem


def test_the_same_bytes_are_stored_once_however_often_they_are_kept(incident, logged, kept):
    logged()
    first, second = kept(), kept()
    assert (first.number, second.number) == (1, 2)
    same = {row.items.get(kind="configuration").digest for row in (first, second)}
    assert len(same) == 1
    assert Blob.objects.filter(pk__in=same).count() == 1


def test_rows_and_texts_are_bounded_and_the_list_says_so(incident, logged, kept, monkeypatch):
    monkeypatch.setattr(collectors.decisions, "MOST_ROWS", 10)
    logged(rows=30, text="x" * (LONGEST_TEXT + 500))
    item = kept().items.get(kind="decisions")
    assert item.rows == 10
    assert {len(one["note"]) for one in decisions(item.preservation)} == {LONGEST_TEXT}
    assert "more" in " ".join(item.notes)
    assert "cut" in " ".join(item.notes)


def test_bytes_are_bounded_too(incident, logged, kept, monkeypatch):
    monkeypatch.setattr(collectors.decisions, "MOST_BYTES", 3_000)
    logged(rows=30, text="x" * 1_000)
    item = kept().items.get(kind="decisions")
    assert item.rows == 2
    assert item.size <= 3_000


def test_only_the_affected_window_is_read(incident, logged, kept):
    """Nobody has estimated the onset: the window begins an hour before it was seen."""
    logged(rows=100)
    assert kept().items.get(kind="decisions").rows == 61


def test_the_owner_of_a_log_leaves_columns_out_or_switches_rows_off(incident, logged, kept):
    logged(evidence_without=["customer"])
    logged(name="Secret", evidence_rows=False)
    row = kept()
    assert "customer" not in decisions(row)[0]
    assert "customer" in " ".join(row.items.get(name="decisions-decisions.jsonl").notes)
    off = row.items.get(name="decisions-secret.jsonl")
    assert off.digest == ""
    assert "settings of this log" in off.why_missing


def test_a_column_that_is_to_be_left_out_must_exist(logged):
    with pytest.raises(Invalid, match="no column “surname”"):
        logged(evidence_without=["surname"])


def test_a_log_that_is_away_is_listed_in_words_and_the_rest_is_kept(incident, logged, kept, folder):
    logged()
    (folder / "decisions.csv").unlink()
    row = kept()
    missing = row.items.get(kind="decisions")
    assert missing.digest == ""
    assert "Decisions" in missing.why_missing
    assert row.items.filter(kind="configuration").exclude(digest="").exists()
    assert incident.timeline.get(kind="evidence_kept").body["missing"] == ["decisions-decisions.jsonl"]


def test_a_warehouse_that_is_down_does_not_show_its_password(cast, incident, kept, settings):
    settings.ALLOW_PRIVATE_TARGETS = True
    Log.objects.create(
        system=cast.credit_scorer, name="Far", engine="postgresql", table="decisions", time_column="at",
        source="postgresql://reader:hunter2secret@127.0.0.1:9/warehouse",
    )  # fmt: skip
    missing = kept().items.get(kind="decisions")
    assert missing.why_missing
    assert "hunter2secret" not in missing.why_missing + missing.source


def test_what_was_missing_is_collected_afterwards(cast, incident, logged, kept, folder):
    logged()
    away = folder / "decisions.csv"
    away.rename(folder / "moved")
    kept()
    assert queries.still_missing(incident) == ["decisions-decisions.jsonl"]
    (folder / "moved").rename(away)
    row = actions.collect_missing(incident, by=Actor.of(cast.lena))
    assert [one.name for one in row.items.all()] == ["decisions-decisions.jsonl"]
    assert queries.still_missing(incident) == []
    with pytest.raises(Conflict, match="Nothing is missing"):
        actions.collect_missing(incident, by=Actor.of(cast.lena))


def test_a_collector_that_breaks_is_named_and_the_others_go_on(incident, kept, collects):
    def more(_case):
        return [
            Task("levers", "breaks.json", "a lever that breaks", lambda _left: 1 / 0),
            Task("levers", "works.json", "a lever that works", lambda _left: Piece(b"{}\n")),
        ]

    collects(more)
    row = kept()
    why = dict(row.items.values_list("name", "why_missing"))
    assert "division" in why["breaks.json"]
    assert why["works.json"] == ""


def test_one_that_hangs_is_cut_off_and_named_and_the_list_is_sealed_without_it(incident, kept, collects):
    release = threading.Event()
    try:
        collects(lambda _case: [Task("levers", "hangs.json", "l", lambda _left: _wait(release))])
        row = kept(seconds=0.05)
    finally:
        release.set()
    assert "did not answer" in row.items.get(name="hangs.json").why_missing
    assert row.items.get(kind="configuration").digest
    assert row.finished_at is not None


def _wait(release):
    release.wait(60)
    return Piece(b"too late")


def test_a_collector_that_cannot_even_ask_is_listed_by_its_name(incident, kept, collects):
    def more(_case):
        raise RuntimeError("no such table")

    collects(more)
    row = kept()
    assert "no such table" in row.items.get(name="levers").why_missing
    assert row.items.filter(kind="configuration").exclude(digest="").exists()


def test_what_is_too_large_is_not_kept_and_said(incident, kept, monkeypatch, collects):
    monkeypatch.setattr(actions, "LARGEST", 10)
    collects(lambda _case: [Task("levers", "huge.bin", "a lever", lambda _left: Piece(b"x" * 11))])
    row = kept()
    assert "larger than may be kept" in row.items.get(name="huge.bin").why_missing


def test_of_one_pull_it_is_kept_once(cast, incident, kept):
    first = kept(key="pull:1", why=PULL, what_for="Roll back")
    again = kept(key="pull:1", why=PULL, what_for="Roll back")
    assert first.pk == again.pk
    assert incident.timeline.filter(kind="evidence_kept").count() == 1


def test_after_a_crash_it_goes_on_with_what_was_kept(incident, kept, monkeypatch, collects):
    """The process dies before the list is sealed: what was kept stays, and nothing is asked twice."""
    asked = []

    def more(_case):
        def run(_left):
            asked.append(1)
            return Piece(b'{"version": 7}\n')

        return [Task("levers", "model.json", "a lever", run)]

    collects(more)

    class Died(BaseException):
        pass

    def die(*_, **__):
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(actions, "_seal", die)
        with pytest.raises(Died):
            kept(key="pull:1")
    assert Preservation.objects.get().finished_at is None
    row = kept(key="pull:1")
    assert row.finished_at is not None
    assert len(asked) == 1
    assert verifying.verify(incident) == []


def test_after_a_crash_nobody_waits_for_the_outside_beyond_the_ten_seconds(time, incident, kept, monkeypatch, collects):
    class Died(BaseException):
        pass

    def die(*_, **__):
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(actions, "gather", die)
        with pytest.raises(Died):
            kept(key="pull:1")
    collects(lambda _case: [Task("levers", "m.json", "a lever", lambda _left: Piece(b"{}"))])
    time.set(time.now() + timedelta(seconds=45))
    row = kept(key="pull:1")
    assert "no time left" in row.items.get(name="m.json").why_missing
    assert row.items.get(kind="configuration").digest


def test_every_change_of_what_was_kept_is_found(cast, incident, logged, kept):
    logged()
    row = kept()
    item = row.items.get(kind="decisions")
    Blob.objects.filter(pk=item.digest).update(body=b"others")
    assert "changed" in verifying.verify(incident)[0].problem
    Blob.objects.filter(pk=item.digest).update(body=None)
    assert "nobody erased" in verifying.verify(incident)[0].problem
    Blob.objects.filter(pk=row.manifest).update(body=b"{}")
    assert "manifest" in verifying.verify(incident)[0].problem


def test_a_preservation_that_the_timeline_does_not_name_is_found(incident, kept):
    row = kept()
    Preservation.objects.create(
        incident=incident, number=9, why=HAND, actor="engine", since=row.since, until=row.until,
        finished_at=row.finished_at, manifest="0" * 64,
    )  # fmt: skip
    assert "no entry of the timeline names" in verifying.verify(incident)[0].problem


def test_a_byte_that_was_stored_otherwise_is_found(incident, kept):
    row = kept()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE evidence_blob SET body = %s WHERE digest = %s", [b"no token of ours", row.manifest])
    assert "cannot be read" in verifying.verify(incident)[0].problem


def test_the_database_refuses_to_change_what_was_kept(incident, kept):
    row = kept()
    for model, fields in (
        (Item, {"digest": "0" * 64}),
        (Item, {"source": "elsewhere"}),
        (Blob, {"size": 1}),
        (Preservation, {"until": row.since}),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            model.objects.update(**fields)


def test_erasure_by_right_empties_the_bytes_and_leaves_the_digests(cast, incident, logged, kept):
    logged()
    row = kept()
    item = row.items.get(kind="decisions")
    actions.erase(item, reason="Request of a data subject", by=Actor.of(cast.nadia))
    found = store.get(item.digest)
    assert (found.body, found.erased) == (None, True)
    assert Blob.objects.get(pk=item.digest).size == item.size
    incident.refresh_from_db()
    assert timeline.verify(incident) + verifying.verify(incident) == []
    with pytest.raises(Conflict, match="erased already"):
        actions.erase(item, reason="Again", by=Actor.of(cast.nadia))
    again = kept()
    assert store.get(again.items.get(kind="decisions").digest).erased, "the same bytes do not come back"


def test_an_erasure_that_only_the_table_knows_is_found(incident, logged, kept):
    logged()
    item = kept().items.get(kind="decisions")
    Blob.objects.filter(pk=item.digest).update(body=None)
    Erasure.objects.create(digest=item.digest, reason="forged")
    assert len(verifying.verify(incident)) == 1


def test_only_an_administrator_erases_and_says_why(cast, incident, kept):
    item = kept().items.get(kind="configuration")
    for person in (cast.omar, cast.lena, cast.vera):
        with pytest.raises(Forbidden):
            actions.erase(item, reason="why", by=Actor.of(person))
    with pytest.raises(Invalid, match="which right"):
        actions.erase(item, reason=" ", by=Actor.of(cast.nadia))


def test_viewers_and_reporters_keep_nothing(cast, incident, kept):
    for person in (cast.vera, cast.rui):
        with pytest.raises(Forbidden):
            kept(by=Actor.of(person))
    assert not Preservation.objects.exists()


def test_no_name_of_a_person_of_ours_is_in_it(cast, incident, kept):
    row = kept()
    together = b"".join(store.get(item.digest).body for item in row.items.all()) + store.get(row.manifest).body
    for person in (cast.omar, cast.lena):
        assert person.email.encode() not in together
        assert person.name.encode() not in together


def test_what_was_slipped_into_a_sealed_list_is_found(incident, kept):
    row = kept()
    Item.objects.create(preservation=row, kind="levers", name="slipped-in.json", source="nobody", why_missing="None.")
    assert "what is listed of slipped-in.json" in verifying.verify(incident)[0].problem


@pytest.mark.parametrize(
    ("column", "forged"),
    [("what_for", "another lever"), ("why", Preservation.Why.PULL), ("actor", "engine"), ("by", None)],
)
def test_a_list_with_another_head_than_its_manifest_is_found(cast, incident, kept, column, forged):
    row = kept()
    head = {"why": row.why, "what_for": row.what_for, "actor": row.actor, "by": row.by} | {column: forged or cast.sam}
    Preservation.objects.create(
        incident=incident, number=9, since=row.since, until=row.until, finished_at=row.finished_at,
        manifest=row.manifest, **head,
    )  # fmt: skip
    said = [one.problem for one in verifying.verify(incident)]
    assert f"Evidence 9: what is listed as “{column}” is not what its manifest says." in said


def test_a_person_who_was_erased_since_is_no_change_of_what_was_kept(incident, kept):
    row = kept()
    Preservation.objects.filter(pk=row.pk).update(by=None)
    assert verifying.verify(incident) == []


def test_a_list_that_was_taken_out_is_found(incident, kept):
    row = kept()
    Preservation.objects.filter(pk=row.pk).update(finished_at=None, manifest="")
    assert "it is in the list no more" in verifying.verify(incident)[0].problem
