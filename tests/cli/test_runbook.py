"""`andon runbook`: the library, files that are checked, and a run from its beginning to its end."""

import pytest

from andon.runbooks import shelf
from andon.runbooks.models import Run
from tests.handbook.test_runbooks import GOOD
from tests.support import scenes

pytestmark = pytest.mark.django_db
KEY = "fairness-violation"


def test_the_library_and_one_runbook(andon, cast):
    listed = andon("runbook", "list", "--json").data
    assert {one["key"] for one in listed} == set(shelf.shipped_texts())
    assert "Fairness violation" in andon("runbook", "list").out
    assert andon("runbook", "list", "--off", "--json").data == []
    shown = andon("runbook", "show", KEY)
    assert "read-gap" in shown.out
    assert andon("runbook", "show", KEY, "--text").out.strip() == shelf.one(KEY).text.strip()
    assert andon("runbook", "show", KEY, "--json").data["steps"][0]["key"] == "read-gap"
    missing = andon("runbook", "show", "nothing")
    assert (missing.code, "There is no runbook" in missing.err) == (1, True)


def test_a_broken_step_is_refused_with_file_and_line(andon, tmp_path):
    file = tmp_path / "good.md"
    file.write_text(GOOD)
    assert andon("runbook", "check", str(file)).code == 0
    broken = GOOD.replace("## Verify", "## Varify").replace("minutes: 5", "minutes: soon")
    file.write_text(broken)
    said = andon("runbook", "check", str(file))
    line = next(n for n, text in enumerate(broken.split("\n"), start=1) if "Varify" in text)
    assert (said.code, f"good.md:{line}: " in said.out) == (1, True)
    found = andon("runbook", "check", str(file), "--json").data["mistakes"]
    assert line in [one["line"] for one in found]
    assert andon("runbook", "check", str(tmp_path / "nowhere.md")).code == 2


def test_a_run_from_its_beginning_to_its_end(andon, cast, time):
    incident = scenes.acknowledged(cast)
    me = ("--as", cast.lena.email)
    begun = andon("runbook", "begin", incident.ref, KEY, *me)
    assert (begun.code, "RUN-1" in begun.out, "Now: read-gap" in begun.out) == (0, True, True)
    assert andon("runbook", "begin", incident.ref, KEY, *me).code == 1
    done = andon("runbook", "step", "RUN-1", "read-gap", "--note", "Age 18 to 25 fell.", *me, "--json").data
    assert (done["steps"][0]["state"], done["steps"][0]["by"]["name"]) == ("done", "Lena")
    assert andon("runbook", "step", "1", "choose-lever", *me).code == 1  # a decision names its outcome
    assert andon("runbook", "step", "1", "choose-lever", "--outcome", "recent-change", *me).code == 0
    assert andon("runbook", "step", "1", "roll-back", "--state", "gone", *me).code == 2
    refused = andon("runbook", "step", "1", "roll-back", "--state", "skipped", *me)
    assert (refused.code, "with a reason" in refused.err) == (1, True)
    for person in (cast.vera, cast.rui):
        assert andon("runbook", "end", "1", "--stop", "--note", "x", "--as", person.email).code == 1
    assert "Age 18 to 25 fell." in andon("runbook", "run", "RUN-1").out
    assert andon("runbook", "end", "RUN-1", *me).code == 1  # steps are still to do
    assert andon("runbook", "end", "RUN-1", "--stop", "--note", "Handed over.", *me).code == 0
    assert Run.objects.get().end_note == "Handed over."
    assert [one["state"] for one in andon("runbook", "runs", "--incident", incident.ref, "--json").data] == ["stopped"]
    assert andon("runbook", "runs", "--runbook", "feature-skew", "--json").data == []
    assert andon("runbook", "run", "seven").code == 2
