"""`andon evidence`: kept, listed, taken along and verified from a shell."""

import stat
import zipfile

import pytest

from andon.containment.evidence.models import Blob, Preservation
from andon.people.policy import Actor
from andon.response.opening import declare

pytestmark = pytest.mark.django_db
LENA = ("--as", "lena@example.org")


@pytest.fixture
def incident(cast, time):
    return declare(title="Errors", system=cast.credit_scorer, by=Actor.of(cast.omar))


def test_from_keeping_to_the_archive(incident, andon, tmp_path):
    made = andon("evidence", "preserve", "INC-1", *LENA, "--json")
    assert made.code == 0
    listed = andon("evidence", "list", "INC-1", "--json")
    assert [one["name"] for one in listed.data[0]["kept"]] == ["configuration.json", "changes.json"]
    file = tmp_path / "out.zip"
    assert andon("evidence", "export", "INC-1", str(file), *LENA).code == 0
    assert zipfile.ZipFile(file).testzip() is None
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = andon("evidence", "export", "INC-1", str(file), *LENA)
    assert again.code == 1
    assert "--force" in again.err
    assert "Intact: 2 kept things" in andon("evidence", "verify", "INC-1").out


def test_nothing_is_exported_where_nothing_is_kept(incident, andon, tmp_path):
    said = andon("evidence", "export", "INC-1", str(tmp_path / "out.zip"), *LENA)
    assert said.code == 1
    assert "Preserve evidence first" in said.err
    assert not (tmp_path / "out.zip").exists()


def test_both_verifying_commands_find_a_change(incident, andon):
    andon("evidence", "preserve", "INC-1", *LENA)
    item = Preservation.objects.get().items.get(kind="configuration")
    Blob.objects.filter(pk=item.digest).update(body=b"something else")
    for words in (("evidence", "verify", "INC-1"), ("verify",), ("verify", "INC-1")):
        said = andon(*words)
        assert said.code == 1
        assert "configuration.json" in said.out
        assert "NOT INTACT" in said.out


def test_a_viewer_takes_nothing_along(incident, andon, tmp_path):
    andon("evidence", "preserve", "INC-1", *LENA)
    said = andon("evidence", "export", "INC-1", str(tmp_path / "out.zip"), "--as", "vera@example.org")
    assert said.code == 1
    assert not (tmp_path / "out.zip").exists()
