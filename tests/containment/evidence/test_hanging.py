"""A source that hangs delays no containment: it is left behind, the lever is pulled, and every face says what is missing.

The warehouse is one that takes a connection and never says a word, behind the real collector, for as long as the test
runs. Of the ten seconds that containment waits a tenth of one is left: the clock has moved on since the pull was agreed to.
"""

import io
import json
import socket
import zipfile
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.urls import reverse

from andon.containment import actions
from andon.containment.evidence.models import Preservation
from andon.people.policy import Actor
from andon.practice.containment import EVIDENCE_WITHIN, PullState
from andon.watch.models import Log

pytestmark = pytest.mark.django_db
NAME = "decisions-far.jsonl"


@contextmanager
def silence():
    """The port of something that takes connections, and says nothing for as long as the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def pull(cast, time, service, lever, incident, settings):
    """Pulled and seen to the end while the warehouse of its system is silent."""
    settings.ALLOW_PRIVATE_TARGETS = True
    with silence() as port:
        Log.objects.create(
            system=cast.credit_scorer, name="Far", engine="postgresql", table="decisions", time_column="at",
            source=f"postgresql://reader:hunter2secret@127.0.0.1:{port}/warehouse",
        )  # fmt: skip
        asked = actions.pull(lever, incident, by=Actor.of(cast.lena))
        time.forward(EVIDENCE_WITHIN - timedelta(seconds=1.1))
        yield actions.run_pull(asked)


def test_the_lever_is_pulled_in_time_and_the_evidence_lists_what_could_not_be_collected(pull, service, incident):
    assert pull.phase is PullState.VERIFIED
    assert service.state == {"model": "v6"}
    assert pull.acting_at - pull.approved_at < EVIDENCE_WITHIN
    row = Preservation.objects.get()
    missing = row.items.get(name=NAME)
    assert (missing.kind, missing.digest) == ("decisions", "")
    assert "did not answer within 0.1 s, and containment does not wait longer" in missing.why_missing
    assert row.items.get(name="configuration.json").digest, "what Andon knows itself is kept all the same"
    entry = incident.timeline.get(kind="evidence_kept")
    assert NAME in entry.body["missing"]
    assert entry.seq < incident.timeline.get(kind="lever_acting").seq


def test_the_pages_and_the_archive_say_what_is_missing_and_why(pull, cast, incident, signed_in):
    lena = signed_in(cast.lena)
    page = lena.get(reverse("evidence", args=[incident.number])).content.decode()
    said = page.split("could not be collected:", 1)[1]
    assert NAME in said.split("</strong>", 1)[0]
    assert "did not answer within" in said
    assert NAME in lena.get(reverse("pull", args=[pull.number])).content.decode()
    answer = lena.post(reverse("evidence_archive", args=[incident.number]))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    entries = {one["name"]: one for one in json.loads(archive.read("01/manifest.json"))["entries"]}
    assert entries[NAME]["sha256"] == ""
    assert "did not answer within" in entries[NAME]["why_missing"]
    assert f"NOT COLLECTED  {NAME}" in archive.read("README.txt").decode()
    assert f"01/{NAME}" not in archive.namelist()
    assert not [name for name in archive.namelist() if b"hunter2secret" in archive.read(name)]
