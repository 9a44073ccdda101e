"""A person's rows go from everything that is kept, the others stay and verify, and nobody writes down who it was."""

import io
import json
import zipfile

import pytest
from django.urls import reverse

from andon.containment.evidence import actions, queries, store, verifying
from andon.containment.evidence.models import Blob, Erasure
from andon.incidents import timeline
from andon.incidents.models import Incident
from andon.kit.errors import Conflict, Forbidden, Invalid, Missing
from andon.people.policy import Actor
from andon.response import opening
from tests.containment.evidence.conftest import HAND
from tests.support.scenes import token

pytestmark = pytest.mark.django_db
WHO = {"column": "customer", "value": "customer-3", "reason": "Request of a data subject"}


def decisions(row):
    return row.items.get(kind="decisions")


def customers(item):
    return [json.loads(line)["customer"] for line in store.left_of(item.digest).body.splitlines()]


def stored():
    """Every kept byte, in plain."""
    return b"".join(body for body in Blob.objects.values_list("body", flat=True) if body)


def intact(incident):
    incident.refresh_from_db()
    return timeline.verify(incident) + verifying.verify(incident) == []


def test_the_rows_of_one_person_go_and_the_others_stay_under_a_digest_of_their_own(cast, incident, logged, kept):
    logged()
    item = decisions(kept())
    made = actions.erase_rows(item, **WHO, by=Actor.of(cast.nadia))
    assert customers(item) == [f"customer-{n}" for n in (4, 2, 1, 0)]
    assert b"customer-3" not in stored()
    assert store.left_of(item.digest).digest == made.remainder != item.digest
    entry = incident.timeline.get(kind="evidence_erased")
    assert (entry.body["rows"], entry.body["left"], entry.body["remainder"]) == (1, 4, made.remainder)
    assert "customer-3" not in json.dumps(list(incident.timeline.values_list("body", flat=True)))
    assert intact(incident)


def test_a_second_person_and_then_all_of_it(cast, incident, logged, kept):
    logged()
    item, nadia = decisions(kept()), Actor.of(cast.nadia)
    actions.erase_rows(item, **WHO, by=nadia)
    actions.erase_rows(item, **(WHO | {"value": "customer-1"}), by=nadia)
    assert customers(item) == ["customer-4", "customer-2", "customer-0"]
    assert queries.erased([item.digest])[item.digest].remainder == store.left_of(item.digest).digest
    assert intact(incident)
    actions.erase(item, reason="Their log was unlawful", by=nadia)
    assert store.left_of(item.digest).erased
    assert b"customer-4" not in stored()
    assert intact(incident)
    with pytest.raises(Conflict, match="erased already"):
        actions.erase_rows(item, **WHO, by=nadia)


def test_where_every_row_is_about_them_nothing_is_left(cast, incident, logged, kept):
    logged(rows=1)
    item = decisions(kept())
    made = actions.erase_rows(item, **(WHO | {"value": "customer-0"}), by=Actor.of(cast.nadia))
    assert made.remainder == ""
    assert store.left_of(item.digest).erased
    assert intact(incident)


def test_what_is_not_there_is_said_and_changes_nothing(cast, incident, logged, kept):
    logged()
    row, nadia = kept(), Actor.of(cast.nadia)
    for item, changed, problem, words in (
        (decisions(row), {"column": "surname"}, Invalid, "no column “surname”"),
        (decisions(row), {"value": "nobody"}, Missing, "no row with this value"),
        (decisions(row), {"value": ""}, Missing, "no row with this value"),
        (decisions(row), {"reason": " "}, Invalid, "which right"),
        (row.items.get(kind="configuration"), {}, Invalid, "holds no rows"),
    ):
        with pytest.raises(problem, match=words):
            actions.erase_rows(item, **(WHO | changed), by=nadia)
    assert not Erasure.objects.exists()
    for person in (cast.omar, cast.lena, cast.vera):
        with pytest.raises(Forbidden):
            actions.erase_rows(decisions(row), **WHO, by=Actor.of(person))
        with pytest.raises(Forbidden):
            actions.forget(**WHO, by=Actor.of(person))


def test_one_is_forgotten_in_every_incident_at_once(cast, incident, logged, kept, time):
    """The same bytes in two incidents are one erasure, told in both; other bytes are one of their own."""
    logged()
    first = kept()
    other = opening.declare(title="Slow answers", system=cast.credit_scorer, by=Actor.of(cast.omar))
    other = Incident.objects.get(pk=other.pk)
    same = actions.preserve(other, why=HAND, by=Actor.of(cast.lena))
    logged(rows=4, name="More")
    third = kept()
    assert decisions(first).digest == decisions(same).digest
    held = actions.forget(**WHO, by=Actor.of(cast.nadia))
    assert {one.name for one in held} == {"decisions-decisions.jsonl", "decisions-more.jsonl"}
    assert b"customer-3" not in stored()
    assert actions.forget(**WHO, by=Actor.of(cast.nadia)) == []
    assert {row.incident_id for row in (first, third)} == {incident.pk}
    for one in (incident, other):
        assert one.timeline.filter(kind="evidence_erased").exists()
        assert intact(one)


def test_a_number_is_found_as_one_writes_it(cast, incident, logged, kept, folder):
    log = logged()
    (folder / log.table).write_text("at,customer\n" + "".join(f"{at},{n}\n" for n, at in ids(incident)))
    item = decisions(kept())
    actions.erase_rows(item, **(WHO | {"value": "12"}), by=Actor.of(cast.nadia))
    assert customers(item) == [112, 1]


def ids(incident):
    return ((n, incident.detected_at.isoformat()) for n in (112, 12, 1))


def test_what_was_left_is_verified_too(cast, incident, logged, kept):
    logged()
    item = decisions(kept())
    made = actions.erase_rows(item, **WHO, by=Actor.of(cast.nadia))
    Blob.objects.filter(pk=made.remainder).update(body=b"{}\n")
    assert "changed after it was kept" in verifying.verify(incident)[0].problem


def test_the_archive_holds_what_was_left_and_says_so(cast, incident, logged, kept, signed_in):
    logged()
    item = decisions(kept())
    nadia = signed_in(cast.nadia)
    url = reverse("evidence_erase", args=[incident.number, 1, item.name])
    assert "Erase a person" in nadia.get(reverse("evidence", args=[incident.number])).content.decode()
    shown = nadia.post(url, WHO, follow=True).content.decode()
    assert "Rows about a person were erased by right" in shown
    answer = nadia.post(reverse("evidence_archive", args=[incident.number]))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert b"customer-3" not in archive.read(f"01/{item.name}")
    assert f"NOT WHOLE: 01/{item.name}" in archive.read("README.txt").decode()
    assert f"{store.left_of(item.digest).digest}  01/{item.name}" in archive.read("SHA256SUMS").decode()


def test_the_api_and_the_command_do_it_too(cast, incident, logged, kept, client):
    logged()
    item = decisions(kept())
    url = f"/api/v1/incidents/{incident.number}/evidence"
    asked = {"data": WHO, "content_type": "application/json", "headers": token(cast.nadia, "incidents:write")}
    assert client.post(f"{url}/1/{item.name}/erase", **asked).status_code == 204
    (listed,) = client.get(url, headers=token(cast.nadia, "incidents:read")).json()
    said = next(one for one in listed["kept"] if one["name"] == item.name)
    assert said["sha256"] == item.digest
    assert said["sha256_left"] == store.left_of(item.digest).digest
    assert client.post(f"{url}/1/{item.name}/erase", **asked).status_code == 404
