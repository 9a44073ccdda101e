"""`andon rule`: what is in force, and what a draft in a file would have done."""

import pytest

from andon.intake.models import Signal
from andon.rules.models import Rule
from tests.response.test_routing import event, hear, monitor, route  # noqa: F401  the fixture is used by its name

pytestmark = pytest.mark.django_db
DRAFT = """
kind: silence
name: Noise
expression: signal.title == "Alert a"
comment: Tried from a file
ends_at: 2026-03-02T12:00:00Z
"""


@pytest.fixture
def draft(tmp_path):
    def write(text):
        file = tmp_path / "rule.yaml"
        file.write_text(text)
        return str(file)

    return write


def test_a_draft_is_tried_and_not_kept(monitor, time, andon, draft):  # noqa: F811  the fixture
    hear(monitor, event("a"), event("b", type_="safety"))
    route(time)
    opened = Signal.objects.get(fingerprint="a").incident
    said = andon("rule", "try", draft(DRAFT))
    assert said.code == 0
    assert "It would have changed 1 of 2 signals" in said.out
    assert f"{opened.ref} would not have opened" in said.out
    tried = andon("rule", "try", draft(DRAFT), "--json").data
    assert (tried["changed"], tried["not_opened"]) == (1, [opened.number])
    assert not Rule.objects.exists()
    assert andon("rule", "list", "--json").data == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: nothing\nname: x", "is no rule: kind"),
        ("- a", "is no rule"),
        ("a: [", "neither YAML nor JSON"),
        (DRAFT.replace("signal.title", "signal.titel"), "A signal has no titel"),
        (DRAFT + "colour: blue", "colour"),
    ],
)
def test_what_is_no_rule_is_said_in_words(cast, time, andon, draft, text, says):
    said = andon("rule", "try", draft(text))
    assert said.code != 0
    assert says in said.err
    assert andon("rule", "try", "nowhere.yaml").code != 0
