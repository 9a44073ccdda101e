"""The wheel holds everything that runs: templates, styles, the handbook, migrations, samples; and no tests."""

import subprocess
import sys
import zipfile

import pytest

from tools import lints


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=lints.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_everything_of_the_package_is_in_it(names):
    source = {
        file.relative_to(lints.SOURCE.parent).as_posix()
        for file in lints.SOURCE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
    }
    assert sorted(source - set(names)) == []


@pytest.mark.parametrize(
    "ending",
    [
        "andon/web/templates/base.html", "andon/handbook/review.yaml", "andon/incidents/migrations/0001_initial.py",
        "andon/intake/adapters/alertmanager/samples/firing.json", ".css", "entry_points.txt", "licenses/LICENSE",
    ],
)  # fmt: skip
def test_what_would_be_missed_first_is_in_it(names, ending):
    assert any(name.endswith(ending) for name in names)


def test_nothing_else_is_in_it(names):
    assert [name for name in names if not name.startswith(("andon/", "andon-"))] == []
    assert [name for name in names if "__pycache__" in name or "/tests/" in name] == []
