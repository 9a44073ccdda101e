"""The lock files are in step with pyproject.toml, pinned by hash, and name no host; asked without any network."""

import json

import pytest

from tools import check

GOOD = "django==5.2.1 \\\n    --hash=sha256:aa\n    # via andon (pyproject.toml)\nuvloop==0.21 ; sys_platform != 'win32' \\\n    --hash=sha256:bb\n"


def test_the_committed_lock_files_are_in_order():
    assert list(check.locks()) == []


def test_a_good_lock_file():
    assert (
        list(check.lock_problems("x.lock", GOOD, ["Django>=5.2,<5.3", "uvloop>=0.21; sys_platform != 'win32'"])) == []
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("django==5.2.1 \\\n    --hash=sha256:aa\n", "does not hold uvloop"),
        (GOOD.replace("    --hash=sha256:bb\n", ""), "without a hash"),
        (f"--index-url https://packages.example.org/simple\n{GOOD}", "names a host"),
        (GOOD.replace("django==5.2.1", "django @ https://packages.example.org/d.whl"), "names a host"),
    ],
)
def test_what_is_wrong_with_a_lock_file_is_said(text, says):
    found = list(check.lock_problems("x.lock", text, ["django", "uvloop"]))
    assert any(says in problem for problem in found)


@pytest.mark.parametrize(
    ("package", "says"),
    [
        ({"version": "1.0.0"}, "without a hash"),
        ({"integrity": "sha512-aa", "resolved": "https://packages.example.org/a.tgz"}, "names a host"),
    ],
)
def test_what_is_wrong_with_a_lock_file_for_node_is_said(package, says):
    text = json.dumps({"packages": {"": {}, "node_modules/a": package}})
    (problem,) = check.node_lock_problems("x/package-lock.json", text)
    assert says in problem


def test_a_good_lock_file_for_node():
    text = json.dumps({"packages": {"": {}, "node_modules/a": {"version": "1.0.0", "integrity": "sha512-aa"}}})
    assert list(check.node_lock_problems("x/package-lock.json", text)) == []


def test_the_two_files_must_agree_on_a_version(tmp_path, monkeypatch):
    runtime, work = tmp_path / "requirements.lock", tmp_path / "requirements-dev.lock"
    runtime.write_text(check.RUNTIME.read_text())
    work.write_text(check.WORK.read_text().replace("\ndjango==", "\ndjango==0."))
    monkeypatch.setattr(check, "RUNTIME", runtime)
    monkeypatch.setattr(check, "WORK", work)
    assert any(problem.startswith("django is ") for problem in check.locks())
