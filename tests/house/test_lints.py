"""Each lint of the house with a bad example that it finds and a good one that it leaves alone."""

import textwrap

import pytest

from andon.site.environment import SETTINGS
from tools import lints

LISTED = {setting.name for setting in SETTINGS}

CLOCK_BAD = [
    "from datetime import datetime\ndatetime.now()",
    "import datetime as dt\ndt.datetime.utcnow()",
    "from datetime import date\nstart = date.today()",
    "from django.utils import timezone\nfield = Field(default=timezone.now)",
    "from django.utils.timezone import now\nnow()",
    "import time\ntime.time()",
    "from django.utils import timezone\ntimezone.localdate()",
    "from time import monotonic as ticks\nticks()",
    "from django.db.models.functions import Now\nrows.update(at=Now())",
]
CLOCK_GOOD = [
    "from andon.kit import clock\nclock.now()",
    "from datetime import datetime\ndatetime.fromtimestamp(5, tz=zone)",
    "import time\ntime.sleep(1)",
    "from django.utils import timezone\ntimezone.localdate(clock.now())",
    "now = row.now\nnow()",
]


@pytest.mark.parametrize("source", CLOCK_BAD)
def test_another_clock_is_found(source):
    assert list(lints.other_clocks("slice/queries.py", source))


@pytest.mark.parametrize("source", CLOCK_GOOD)
def test_the_house_clock_is_left_alone(source):
    assert not list(lints.other_clocks("slice/queries.py", source))


def test_the_house_clock_itself_may_ask_the_machine():
    assert not list(lints.other_clocks("kit/clock.py", CLOCK_BAD[0]))


WRITE_BAD = [
    "Incident.objects.create(title='x')",
    "Incident.objects.filter(pk=1).update(state='closed')",
    "models.Page.objects.filter(a=1).exclude(b=2).delete()",
]
WRITE_GOOD = ["Incident.objects.filter(pk=1).first()", "found.update({1: 2})", "requests.delete('x')"]


@pytest.mark.parametrize("source", WRITE_BAD)
def test_a_write_in_a_face_is_found(source):
    assert list(lints.writes_outside_actions("incidents/pages.py", source))


@pytest.mark.parametrize("source", WRITE_GOOD)
def test_a_read_in_a_face_is_left_alone(source):
    assert not list(lints.writes_outside_actions("incidents/pages.py", source))


@pytest.mark.parametrize("path", ["incidents/actions.py", "people/actions/teams.py", "response/opening.py"])
def test_actions_write(path):
    assert not list(lints.writes_outside_actions(path, WRITE_BAD[0]))


SILENT_BAD = [
    """
    try:
        act()
    except ValueError:
        pass
    """,
    """
    try:
        act()
    except Exception:
        ...
    """,
    """
    with contextlib.suppress(Exception):
        act()
    """,
]
SILENT_GOOD = [
    """
    try:
        act()
    except ValueError:
        found = None
    """,
    """
    with suppress(FileNotFoundError):
        path.unlink()
    """,
]


@pytest.mark.parametrize("source", SILENT_BAD)
def test_a_silent_except_is_found(source):
    assert list(lints.silent_excepts("x.py", textwrap.dedent(source)))


@pytest.mark.parametrize("source", SILENT_GOOD)
def test_an_except_that_says_what_it_does_is_left_alone(source):
    assert not list(lints.silent_excepts("x.py", textwrap.dedent(source)))


def test_a_file_of_more_than_500_lines_is_found():
    assert list(lints.too_long("slice/actions.py", "x = 1\n" * 501))
    assert not list(lints.too_long("slice/actions.py", "x = 1\n" * 500))
    assert not list(lints.too_long("slice/migrations/0001_initial.py", "x = 1\n" * 900))


def test_a_setting_that_is_not_listed_is_found():
    assert list(lints.unlisted_settings("x.py", 'os.environ["ANDON_SECRET_OPTION"]', LISTED))
    assert not list(lints.unlisted_settings("x.py", 'os.environ["ANDON_DATA_DIR"]', LISTED))


@pytest.mark.parametrize(
    "line",
    [
        "open('" + "/ro" + "ot/x')",
        "cd /ho" + "me/somebody",
        "see /wo" + "rk/notes",
        "--index https://py" + "pi.org/simple",
    ],
)
def test_what_is_true_of_one_machine_is_found(line):
    assert list(lints.machine_paths("x.md", line))


@pytest.mark.parametrize(
    "line", ["https://example.org/home/page", "tests/root/x", "~/.local/share/andon", "GET /api/v1/work"]
)
def test_other_paths_are_left_alone(line):
    assert not list(lints.machine_paths("x.md", line))


def test_a_template_asks_no_mapping_for_its_items():
    assert list(lints.asked_for_items("x.html", "{% for name, value in signal.labels.items %}"))
    assert not list(lints.asked_for_items("x.html", "{% for name, value in signal.labels|pairs %}{{ page.items }}"))


def test_the_house_passes_its_own_lints():
    assert [str(finding) for finding in lints.over_the_house(LISTED)] == []
