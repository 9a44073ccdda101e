"""The evidence page, its API and its commands: what they give, and to whom."""

import hashlib
import io
import json
import shutil
import subprocess
import zipfile

import pytest
from django.test import Client
from django.urls import reverse

from andon.containment.evidence.models import Blob, Preservation
from andon.incidents import actions as incidents
from andon.people.policy import Actor
from tests.support.scenes import token

pytestmark = pytest.mark.django_db
API = "/api/v1/incidents"


def page(incident, name="evidence", *more):
    return reverse(name, args=[incident.number, *more])


def bytes_of(answer):
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def status_of(answer):
    bytes_of(answer)
    return answer.status_code


def test_it_is_preserved_by_hand_from_the_incident_page_and_shown(cast, incident, logged, signed_in):
    logged()
    lena = signed_in(cast.lena)
    assert page(incident) in lena.get(reverse("incident", args=[incident.number])).content.decode()
    assert "Nothing is kept yet" in lena.get(page(incident)).content.decode()
    done = lena.post(page(incident, "evidence_preserve"), follow=True).content.decode()
    row = Preservation.objects.get()
    assert row.by == cast.lena
    for said in ("By hand", "decisions-decisions.jsonl", "5 rows", row.manifest, "Take it along as one archive"):
        assert said in done


def test_what_is_missing_is_loud_and_can_be_collected(cast, incident, logged, signed_in, folder):
    logged()
    (folder / "decisions.csv").rename(folder / "away")
    lena = signed_in(cast.lena)
    shown = lena.post(page(incident, "evidence_preserve"), follow=True).content.decode()
    assert "1 could not be collected: decisions-decisions.jsonl" in shown
    (folder / "away").rename(folder / "decisions.csv")
    shown = lena.post(page(incident, "evidence_missing"), follow=True).content.decode()
    assert "could not be collected: decisions-decisions.jsonl" not in shown.split("<main")[-1].split("<h2")[0]
    assert "What could not be collected before" in shown


def test_the_archive_verifies_without_andon_and_the_timeline_says_who_took_it(
    cast, incident, logged, kept, signed_in, tmp_path
):
    logged(text="Grüße, “quoted”")
    kept()
    kept()
    answer = signed_in(cast.lena).post(page(incident, "evidence_archive"))
    assert answer["Content-Disposition"] == 'attachment; filename="INC-1-evidence.zip"'
    archive = zipfile.ZipFile(io.BytesIO(bytes_of(answer)))
    assert archive.testzip() is None
    archive.extractall(tmp_path / "out")
    names = set(archive.namelist())
    assert {"README.txt", "SHA256SUMS", "01/manifest.json", "02/manifest.json"} <= names
    for line in archive.read("SHA256SUMS").decode().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256(archive.read(name)).hexdigest() == digest
    row = Preservation.objects.first()
    assert hashlib.sha256(archive.read("01/manifest.json")).hexdigest() == row.manifest
    assert incident.timeline.get(kind="evidence_kept", body__evidence=1).body["manifest"] == row.manifest
    entry = incident.timeline.get(kind="evidence_exported")
    assert entry.person == cast.lena
    if tool := shutil.which("sha256sum"):
        subprocess.run([tool, "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=True, capture_output=True)


def test_the_same_evidence_makes_the_same_archive(cast, incident, kept, signed_in):
    kept()
    first, second = (bytes_of(signed_in(cast.lena).post(page(incident, "evidence_archive"))) for _ in range(2))
    assert first == second


def test_an_archive_names_what_was_erased_and_what_was_never_collected(cast, incident, logged, kept, signed_in, folder):
    logged()
    (folder / "decisions.csv").unlink()
    row = kept()
    item = row.items.get(kind="configuration")
    nadia = signed_in(cast.nadia)
    nadia.post(page(incident, "evidence_erase", 1, item.name), {"reason": "Request of a data subject"})
    assert Blob.objects.get(pk=item.digest).body is None
    assert "Erased by right" in nadia.get(page(incident)).content.decode()
    archive = zipfile.ZipFile(io.BytesIO(bytes_of(nadia.post(page(incident, "evidence_archive")))))
    readme = archive.read("README.txt").decode()
    assert "NOT IN THIS ARCHIVE: 01/configuration.json: it was erased by right" in readme
    assert "NOT COLLECTED  decisions-decisions.jsonl" in readme
    assert "01/configuration.json" not in archive.namelist()


def test_one_thing_is_taken_along_and_the_timeline_says_which(cast, incident, kept, signed_in):
    kept()
    answer = signed_in(cast.lena).post(page(incident, "evidence_item", 1, "configuration.json"))
    assert json.loads(answer.content)["system"]["slug"] == "credit-scorer"
    assert answer["Content-Type"] == "application/octet-stream"
    assert incident.timeline.get(kind="evidence_exported").body["item"] == "configuration.json"


def test_damaged_bytes_are_not_given_out(cast, incident, kept, signed_in):
    row = kept()
    Blob.objects.filter(pk=row.items.get(kind="configuration").digest).update(body=b"other")
    shown = signed_in(cast.lena).post(page(incident, "evidence_item", 1, "configuration.json"), follow=True)
    assert "changed after it was kept" in shown.content.decode()


GETS = {"nadia": 200, "omar": 200, "lena": 200, "sam": 200, "vera": 200, "rui": 404, None: 302}
TAKES = {"nadia": 200, "omar": 200, "lena": 200, "sam": 200, "vera": 403, "rui": 404, None: 302}
RESTRICTED = {"nadia": 200, "omar": 200, "lena": 404, "sam": 404, "vera": 404, "rui": 404, None: 302}


def client(cast, signed_in, who):
    return signed_in(getattr(cast, who)) if who else Client()


@pytest.mark.parametrize(("who", "status"), GETS.items())
def test_who_sees_the_list(cast, incident, kept, signed_in, who, status):
    kept()
    assert client(cast, signed_in, who).get(page(incident)).status_code == status


@pytest.mark.parametrize(("who", "status"), TAKES.items())
def test_who_takes_it_along(cast, incident, kept, signed_in, who, status):
    kept()
    browser = client(cast, signed_in, who)
    assert status_of(browser.post(page(incident, "evidence_archive"))) == status
    assert status_of(browser.post(page(incident, "evidence_item", 1, "configuration.json"))) == status
    written = incident.timeline.filter(kind="evidence_exported").count()
    assert written == (2 if status == 200 else 0)


@pytest.mark.parametrize(("who", "status"), RESTRICTED.items())
def test_a_restricted_incidents_evidence_reaches_nobody_without_the_right(cast, incident, kept, signed_in, who, status):
    kept()
    incidents.restrict(incident, restricted=True, by=Actor.of(cast.nadia))
    browser = client(cast, signed_in, who)
    assert browser.get(page(incident)).status_code == status
    for name, *more in (
        ("evidence_archive",),
        ("evidence_item", 1, "configuration.json"),
    ):
        assert status_of(browser.post(page(incident, name, *more))) == status
    if who:
        headers = token(getattr(cast, who), "incidents:write")
        for method, path in (
            ("get", ""),
            ("get", "/verify"),
            ("post", "/archive"),
            ("post", "/1/configuration.json"),
        ):
            answer = getattr(Client(), method)(f"{API}/{incident.number}/evidence{path}", headers=headers)
            assert status_of(answer) == status, path


@pytest.mark.parametrize("who", ["vera", "rui"])
def test_who_may_not_keep_or_erase(cast, incident, kept, signed_in, who):
    kept()
    browser = client(cast, signed_in, who)
    for name, *more in (
        ("evidence_preserve",),
        ("evidence_missing",),
        ("evidence_erase", 1, "configuration.json"),
    ):
        assert browser.post(page(incident, name, *more), {"reason": "x"}).status_code in {403, 404}
    assert Preservation.objects.count() == 1


def test_the_api_does_all_of_it(cast, incident, logged):
    logged()
    url, lena = f"{API}/{incident.number}/evidence", token(cast.lena, "incidents:write")
    made = Client().post(url, headers=lena)
    assert made.status_code == 201
    assert made.json()["why"] == "hand"
    (listed,) = Client().get(url, headers=lena).json()
    assert {one["name"] for one in listed["kept"]} >= {"configuration.json", "decisions-decisions.jsonl"}
    assert Client().get(f"{url}/verify", headers=lena).json() == {"intact": True, "problems": []}
    taken = Client().post(f"{url}/1/configuration.json", headers=lena)
    assert hashlib.sha256(taken.content).hexdigest() == next(
        one["sha256"] for one in listed["kept"] if one["name"] == "configuration.json"
    )
    archive = Client().post(f"{url}/archive", headers=lena)
    assert zipfile.ZipFile(io.BytesIO(bytes_of(archive))).testzip() is None
    assert Client().post(f"{url}/missing", headers=lena).status_code == 409
    erase = f"{url}/1/configuration.json/erase"
    body = {"data": {"reason": "by right"}, "content_type": "application/json"}
    assert Client().post(erase, headers=lena, **body).status_code == 403
    assert Client().post(erase, headers=token(cast.nadia, "incidents:write"), **body).status_code == 204
    assert Client().get(f"{url}/verify", headers=lena).json()["intact"]
    assert Client().post(f"{url}/1/configuration.json", headers=lena).status_code == 409


def test_a_token_for_reading_takes_nothing_along(cast, incident, kept):
    kept()
    url, reads = f"{API}/{incident.number}/evidence", token(cast.lena, "incidents:read")
    assert Client().get(url, headers=reads).status_code == 200
    assert Client().post(f"{url}/archive", headers=reads).status_code == 403
    assert Client().post(url, headers=reads).status_code == 403


def test_whoever_contains_by_hand_is_told_to_keep_evidence_first(cast, incident, logged, signed_in):
    """Article 73(6): no lever does it for them, so the form offers it, until something is kept."""
    lena, form = signed_in(cast.lena), reverse("incident_contain", args=[incident.number])
    shown = lena.get(form).content.decode()
    assert "No evidence is kept yet" in shown
    assert f'action="{page(incident, "evidence_preserve")}"' in shown
    lena.post(page(incident, "evidence_preserve"))
    assert "No evidence is kept yet" not in lena.get(form).content.decode()
    assert "No evidence" not in lena.get(reverse("incident_waive", args=[incident.number])).content.decode()
