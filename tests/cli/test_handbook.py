"""`andon handbook`: a folder is written, checked, compared, put in force and written out again."""

import json
from getpass import getuser

import pytest

from andon.handbook.models import Application
from andon.handbook.queries import in_force
from andon.practice.severity import Severity

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(andon, tmp_path):
    path = tmp_path / "practice"
    assert andon("handbook", "init", str(path)).code == 0
    return path


def change(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_what_is_written_to_start_from_can_be_applied_and_changes_nothing(andon, folder):
    assert andon("handbook", "check", str(folder)).code == 0
    assert andon("handbook", "diff", str(folder), "--json").data["changes"] == []


def test_init_adds_what_is_missing_and_leaves_the_rest(andon, folder):
    change(folder, "severity.yaml", "acknowledge: 15 min", "acknowledge: 5 min")
    (folder / "review.yaml").unlink()
    assert andon("handbook", "init", str(folder), "--json").data["written"] == ["review.yaml"]
    assert "acknowledge: 5 min" in (folder / "severity.yaml").read_text(encoding="utf-8")


def test_a_mistake_is_named_with_file_line_key_and_what_to_do(andon, folder):
    change(folder, "protocols/safety.yaml", "    phase: contain", "    phase: contane")
    said = andon("handbook", "check", str(folder))
    assert said.code == 1
    lines = (folder / "protocols/safety.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "contane" in text)
    assert (
        f"safety.yaml:{line}: steps[stop-acting].phase: 'contane' is no word that is known here. Use one of: preserve"
        in said.out
    )
    (found,) = andon("handbook", "check", str(folder), "--json").data["mistakes"]
    assert (found["file"], found["line"], found["place"]) == ("protocols/safety.yaml", line, "steps[stop-acting].phase")
    for command in ("diff", "apply"):
        assert andon("handbook", command, str(folder)).code == 1
    assert not Application.objects.exists()


def test_it_is_told_what_changes_then_put_in_force_once(andon, folder):
    change(folder, "severity.yaml", "acknowledge: 15 min", "acknowledge: 5 min")
    assert "targets.S1.acknowledge “15 min” becomes “5 min”." in andon("handbook", "diff", str(folder)).out
    assert not Application.objects.exists()
    first = andon("handbook", "apply", str(folder), "--note", "commit 1f2e", "--json").data
    assert (first["number"], first["new"], len(first["changes"])) == (1, True, 1)
    again = andon("handbook", "apply", str(folder), "--json").data
    assert (again["number"], again["new"], again["changes"]) == (1, False, [])
    row = Application.objects.get()
    assert (row.actor, row.note, row.edition.digest) == (f"operator:{getuser()}", "commit 1f2e", first["digest"])
    assert first["by"] == f"operator {getuser()}"
    assert in_force().severity.targets[Severity.S1].acknowledge.text == "5 min"


def test_whoever_is_named_applies_if_they_may(andon, folder, cast):
    change(folder, "severity.yaml", "acknowledge: 15 min", "acknowledge: 5 min")
    assert andon("handbook", "apply", str(folder), "--as", cast.omar.email).code == 1
    assert andon("handbook", "apply", str(folder), "--as", "nobody@example.org").code == 1
    assert not Application.objects.exists()
    assert andon("handbook", "apply", str(folder), "--as", cast.nadia.email, "--json").data["by"] == "Nadia"
    assert Application.objects.get().by == cast.nadia


def test_what_is_in_force_comes_out_as_it_went_in(andon, folder, tmp_path):
    change(folder, "handbook.yaml", "title: Andon's own handbook", "title: Ours # a comment")
    andon("handbook", "apply", str(folder))
    out = tmp_path / "out"
    assert andon("handbook", "export", str(out)).code == 0
    for path in folder.rglob("*.*"):
        if path.is_file():
            assert (out / path.relative_to(folder)).read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
    assert andon("handbook", "check", str(out)).code == 0
    assert andon("handbook", "diff", str(out), "--json").data["changes"] == []
    assert andon("handbook", "export", str(out)).code == 2


def test_a_folder_that_is_not_there_is_said(andon, tmp_path):
    for command in ("check", "diff", "apply"):
        said = andon("handbook", command, str(tmp_path / "nowhere"))
        assert said.code == 2
        assert "andon handbook init" in said.err


def test_the_schema_is_printed_and_lies_beside_the_files(andon, folder):
    printed = andon("handbook", "schema", "protocol")
    assert json.loads(printed.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads((folder / ".schema/protocol.json").read_text(encoding="utf-8")) == json.loads(printed.out)
    assert andon("handbook", "schema", "nothing").code == 2
