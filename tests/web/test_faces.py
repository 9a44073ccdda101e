"""Rules that hold for every template and sign, whatever page uses them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from django.template.loader import get_template, render_to_string

import andon
from andon.kit import clock
from andon.web import icons

SOURCE = Path(andon.__file__).parent
FACES = sorted(path for root in ("web", "response") for path in (SOURCE / root / "templates").rglob("*.html"))
NOW = datetime(2026, 5, 4, 1, 22, tzinfo=UTC)


def name_of(path):
    return str(path).split("/templates/")[1]


@pytest.mark.parametrize("path", FACES, ids=name_of)
def test_every_template_compiles(path):
    get_template(name_of(path))


@pytest.mark.parametrize("path", FACES, ids=name_of)
def test_no_template_needs_what_the_content_policy_refuses(path):
    text = re.sub(r"{%.*?%}", "", path.read_text())  # "style" is also the name of a template's variable
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", text)
    assert not re.search(r"<script(?![^>]*\s(?:src=|type=\"application/json\"))", text)  # data blocks run nothing
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text)


@pytest.mark.parametrize("name", icons.SIGNS)
def test_every_sign_is_well_formed(name):
    ET.fromstring(icons.svg(name))


def test_a_sign_without_words_beside_it_is_named_and_its_name_is_escaped():
    html = render_to_string("components/icon.html", {"name": "clock", "label": '"><b>'})
    assert 'aria-label="&quot;&gt;&lt;b&gt;"' in html


def lamps(**given):
    levels = given.get("levels", {})
    return {
        "lamps": {
            "severities": [{"level": level, "count": levels.get(level, 0)} for level in range(1, 6)],
            "clocks": given.get("clocks", {"count": 0, "over": 0, "next_at": None}),
            "uncovered": given.get("uncovered", 0),
            "overdue": given.get("overdue", 0),
        }
    }


def test_lamps_are_quiet_at_zero():
    html = render_to_string("components/lamps.html", lamps())
    assert " lit" not in html
    assert html.count("<b>0</b>") == 8


def test_a_lit_lamp_says_number_shape_and_word():
    html = render_to_string("components/lamps.html", lamps(levels={2: 3}))
    lit = re.search(r'<a class="lamp s2 lit".*?</a>', html)
    assert lit
    assert "<b>3</b> S2" in lit[0]
    assert "severe" in lit[0]
    assert icons.SIGNS["s2"] in lit[0]


def test_a_time_stands_relative_beside_absolute_with_utc_in_the_tooltip():
    with clock.use(clock.FixedClock(NOW)):
        html = render_to_string("components/time.html", {"at": NOW - timedelta(minutes=12)})
    assert "12 min ago" in html
    assert "01:10 UTC" in html
    assert 'datetime="2026-05-04T01:10:00Z"' in html
    assert 'title="2026-05-04 01:10:00 UTC"' in html


def test_a_clock_that_ran_out_says_how_far_over():
    with clock.use(clock.FixedClock(NOW)):
        html = render_to_string("components/clock.html", {"due_at": NOW - timedelta(minutes=5), "what": "By"})
    assert "5 min over" in html


def test_a_dangerous_act_works_without_script():
    html = render_to_string(
        "components/confirm.html", {"label": "Roll back to v6", "effect": "Serves v6.", "url": "/x"}
    )
    assert "<details" in html
    assert '<form class="ask" method="post" action="/x">' in html
    assert "Serves v6." in html
