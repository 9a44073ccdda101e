"""`andon rule`: what is in force, and what a draft in a file would have done."""

from datetime import timedelta

import pytest

from andon.intake.models import Signal
from andon.rules import clockwork
from andon.rules.models import Rule
from tests.response.test_routing import event, hear, monitor, route  # noqa: F401  the fixture is used by its name
from tests.rules.conftest import rule as rule  # noqa: PLC0414

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


def test_a_change_is_tried_in_the_place_of_its_rule(cast, monitor, rule, time, andon, draft):  # noqa: F811
    monitor.resolves_incidents = True
    monitor.save()
    standing = rule("auto_close", hours=1)
    hear(monitor, event("a", system="credit-scorer"))
    route(time)
    time.forward(timedelta(hours=2))
    clockwork.quiet_due(time.now(), 100)
    route(time)
    changed = f"kind: auto_close\nexpression: 'false'\nsettings: {{hours: 1}}\ninstead_of: {standing.number}"
    said = andon("rule", "try", draft(changed))
    assert "Incidents open for longer: 1 (INC-1)." in said.out
    assert "INC-1 would be open still" in said.out
    assert andon("rule", "try", draft(changed), "--json").data["open_longer"] == [1]
    nowhere = andon("rule", "try", draft(changed.replace("instead_of: ", "instead_of: 99")))
    assert nowhere.code != 0
    assert "There is no rule" in nowhere.err


def test_what_is_not_answered_for_is_said(cast, monitor, rule, time, andon, draft):  # noqa: F811  the fixture
    made = rule("inhibition", "signal.severity == 3", source='signal.title == "down"')
    hear(monitor, event("a", severity=4))
    route(time)
    text = "kind: mapping\nexpression: 'true'\nsettings: {severity: 3, set_system: credit-scorer}"
    said = andon("rule", "try", draft(text))
    assert "Not answered for: 1." in said.out
    assert f"whether {made.ref}" in " ".join(said.out.split())
    assert andon("rule", "try", draft(text), "--json").data["unanswered"][0]["title"] == "Alert a"


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
