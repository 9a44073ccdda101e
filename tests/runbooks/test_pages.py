from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from andon.incidents.models import Incident
from andon.people.policy import Actor
from andon.practice.runbook import Ask, Step
from andon.practice.words import IncidentType, Measure, RunbookPhase, StepKind, StepState
from andon.runbooks import actions, asking, queries, shelf
from andon.runbooks.models import Feedback, Proposal, Run
from tests.runbooks.conftest import KEY
from tests.support import scenes
from tests.watch.conftest import decisions

pytestmark = pytest.mark.django_db


def url(name: str, *args: object) -> str:
    return reverse(name, args=args)


def read(client: Client, where: str) -> str:
    answer = client.get(where)
    assert answer.status_code == 200, answer.content[:300]
    return answer.content.decode()


def test_a_runbook_is_begun_from_the_incident_and_gone_through_without_script(incident, cast, signed_in):
    client = signed_in(cast.lena)
    page = read(client, url("incident", incident.number))
    begin = url("run_begin", incident.number, KEY)
    assert f'action="{begin}"' in page
    assert client.post(begin).headers["Location"] == url("run", 1)
    page = read(client, url("run", 1))
    assert "Read how large the gap is" in page
    client.post(url("run_settle", 1, "read-gap"), {"state": "done", "note": "Young people."})
    page = read(client, url("run", 1))
    assert "Decide what stops the unequal decisions" in page
    client.post(url("run_settle", 1, "choose-lever"), {"outcome": "no-human-capacity"})
    client.post(url("run_settle", 1, "stop-adverse"), {"state": "failed"})
    assert "Say what happened" in read(client, url("run", 1))
    assert "Opens once the incident is contained" in read(client, url("run", 1))
    assert "Fairness violation: Read how large the gap is, and for whom" in read(
        client, url("incident", incident.number)
    )
    assert client.post(begin).headers["Location"] == url("run", 1)  # going on already


def test_after_a_run_what_was_missing_becomes_a_proposal(run, cast, signed_in):
    client = signed_in(cast.lena)
    client.post(url("run_end", run.number), {"how": "finish", "note": "Handed to the vendor."})
    assert "Did this runbook help?" in read(client, url("run", run.number))
    client.post(url("run_feedback", run.number), {"helped": "partly", "missing": "Partners keep a copy."})
    assert Feedback.objects.get().missing == "Partners keep a copy."
    form = read(client, url("run_missing", run.number))
    assert "Partners keep a copy." in form
    owner = signed_in(cast.omar)
    kept = read(owner, url("runbook", KEY))  # whoever answers for it reads it, though its writer went to bed
    assert ("Partners keep a copy." in kept, url("run_missing", run.number) in kept) == (True, True)
    assert "Partners keep a copy." in read(owner, url("run_missing", run.number))
    step = {"title": "Ask the partners", "body": "Each.", "after": "see-effect"}
    whole = client.post(url("run_missing", run.number), step).content.decode()
    assert "ask-the-partners" in whole
    text = shelf.one(KEY).text.replace("minutes: 180", "minutes: 170")
    sent = client.post(url("run_missing", run.number), {"text": text, "why": "Quicker."})
    assert sent.headers["Location"] == url("proposal", 1)
    shown = read(owner, url("proposal", 1))
    assert url("run_missing", run.number) not in read(owner, url("runbook", KEY))
    assert "Accept the change" in shown
    assert "minutes: 170" in shown
    assert "Accept the change" not in read(client, url("proposal", 1))
    signed_in(cast.omar).post(url("proposal_decide", 1), {"decision": "accept", "seen": "1"})
    assert Proposal.objects.get().state == "accepted"
    assert "Version 2" in read(client, url("runbook_history", KEY))


def test_a_query_is_drawn_from_aggregates_and_kept(run, cast, signed_in, written, connected):
    written(decisions(24 * 27, 20, lambda _: 1))
    connected(segment_columns=["region"], output_column="approved")
    client = signed_in(cast.lena)
    client.post(url("run_draw", run.number, "read-gap"))
    seen = run.steps.get(key="read-gap").seen
    assert {line["name"] for line in seen["lines"]} == {"north", "south"}
    assert all(n == 0 or n >= 5 for line in seen["lines"] for n in line["n"])
    assert "decisions.csv" in read(client, url("run", run.number))
    assert run.incident.timeline.filter(kind="run_looked").exists()


def test_a_query_of_some_rows_keeps_no_window_that_tells_of_single_people(run, cast, written, connected):
    written(decisions(24 * 27, 20, lambda _: 1))
    log = connected(segment_columns=["region"], output_column="approved")
    ask = Ask(measure=Measure.COUNT, only="region = 'north'", window_minutes=60)
    step = Step(key="how-many", phase=RunbookPhase.DIAGNOSE, kind=StepKind.QUERY, title="How many", ask=ask)

    def seen(only):
        return asking.look(step, asking.Asked(log, {"": ""}, only, ""), run.incident)

    of_region, of_one, of_all = seen("region = 'north'"), seen("failed = 1"), seen("")
    assert any(n >= 5 for n in of_region["lines"][0]["n"])
    assert not any(sum(line["n"]) + sum(line["total"]) for line in of_one["lines"])
    assert any(n > 0 for n in of_all["lines"][0]["n"])
    zone = ZoneInfo("Europe/Berlin")
    told = asking.picture("How many", of_one, run.incident, zone=zone)
    assert (told.title, "fewer than 5 rows" in told.note) == ("No row to show was found in that time", True)
    assert "fewer than 5 rows" in asking.picture("How many", of_region, run.incident, zone=zone).note
    assert asking.picture("How many", of_all, run.incident, zone=zone).note == ""


def test_a_query_without_a_log_says_what_to_do(run, cast, signed_in):
    assert "No decision log is connected" in read(signed_in(cast.lena), url("run", run.number))
    signed_in(cast.lena).post(url("run_draw", run.number, "read-gap"))
    assert run.steps.get(key="read-gap").seen is None


def test_a_notice_is_drafted_from_the_incident(run, cast, signed_in):
    page = read(signed_in(cast.lena), url("run", run.number))
    assert f"your reference is {run.incident.ref}" in page
    assert "[contained]" in page  # what is not known stays marked


def test_the_library_says_what_is_used_and_kept_right(run, cast, signed_in):
    client = signed_in(cast.vera)
    page = read(client, url("runbooks"))
    assert "Fairness violation" in page
    assert "Write a runbook" not in page
    assert "No runbook is like that" in read(client, url("runbooks") + "?state=proposed")
    assert run.incident.title in read(client, url("runbook", KEY))


def test_a_runbook_of_ones_own_is_written_and_a_mistake_named_by_its_line(cast, signed_in):
    client = signed_in(cast.omar)
    blank = client.get(url("runbook_write")).context["form"].initial["text"]
    broken = client.post(url("runbook_write"), {"text": blank.replace("## Verify", "## Virify")})
    assert (broken.status_code, "is no phase" in broken.content.decode()) == (422, True)
    assert client.post(url("runbook_write"), {"text": blank}).headers["Location"] == url(
        "runbook", "short-name-for-ever"
    )


def test_what_is_wrong_in_the_text_is_said_together_with_the_other_fields(cast, signed_in):
    client, where = signed_in(cast.lena), url("runbook_propose", KEY)
    text = shelf.one(KEY).text.replace("minutes: 180", "minutes: long").replace("## Verify", "## Virify")
    answer = client.post(where, {"text": text, "why": ""})
    assert (answer.status_code, set(answer.context["form"].errors)) == (422, {"why", "text"})
    wrong = [text.splitlines().index(line) + 1 for line in ("minutes: long", "## Virify")]
    assert [said.split(":")[0] for said in answer.context["form"].errors["text"]] == [f"Line {at}" for at in wrong]
    assert not Proposal.objects.exists()


def test_the_act_of_the_step_to_do_now_stands_before_what_it_says_and_under_the_thumb(run, cast, signed_in):
    client = signed_in(cast.lena)
    page = read(client, url("run", run.number))
    assert '<button class="button primary large" form="settle-read-gap" name="state" value="done">' in page
    client.post(url("run_settle", run.number, "read-gap"), {"state": "done"})
    page = read(client, url("run", run.number))
    answer = 'form="settle-choose-lever" name="outcome" value="no-human-capacity"'
    assert page.index(answer) < page.index("which decisions hurt?")
    client.post(url("run_settle", run.number, "choose-lever"), {"outcome": "no-human-capacity"})
    assert "No lever that can disable is prepared here" in read(client, url("run", run.number))
    assert 'class="thumb"' not in read(signed_in(cast.vera), url("run", run.number))


READS = {
    "runbooks": (), "runbook": (KEY,), "runbook_history": (KEY,), "runbook_propose": (KEY,),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_viewers_and_up_read_runbooks(cast, signed_in, name):
    where = url(name, *READS[name])
    for someone in (cast.nadia, cast.omar, cast.lena, cast.sam, cast.vera):
        assert signed_in(someone).get(where).status_code == 200
    assert signed_in(cast.rui).get(where).status_code == 403
    assert Client().get(where).status_code == 302


def test_only_who_may_changes_what_stands_on_the_shelf(run, cast, signed_in):
    acts = [
        (url("runbook_write"), {"text": shelf.one(KEY).text.replace(f"key: {KEY}", "key: another")}),
        (url("runbook_owner", KEY), {"owner": str(cast.lena.pk)}),
        (url("runbook_act", KEY, "retire"), {}),
        (url("runbook_act", KEY, "reviewed"), {}),
    ]
    for where, given in acts:
        for someone in (cast.vera, cast.rui, cast.sam):
            assert signed_in(someone).post(where, given).status_code in {403, 422}
        assert Client().post(where, given).status_code == 302
    row = run.runbook
    row.refresh_from_db()
    assert (row.owner, row.retired_at, row.reviewed_on) == (None, None, None)
    assert set(shelf.shelf()) == set(shelf.shipped_texts())


@pytest.mark.parametrize("restricted", [False, True])
def test_who_may_see_the_incident_sees_its_run_and_nobody_else(run, cast, signed_in, restricted):
    Incident.objects.filter(pk=run.incident_id).update(restricted=restricted)
    where = url("run", run.number)
    inside = (cast.nadia, cast.omar, cast.lena)
    outside = (cast.sam, cast.vera)
    assert all(signed_in(one).get(where).status_code == 200 for one in inside)
    assert {signed_in(one).get(where).status_code for one in outside} == {404 if restricted else 200}
    assert signed_in(cast.rui).get(where).status_code == 404
    assert Client().get(where).status_code == 302
    listed = signed_in(cast.vera).get(url("runbook", KEY)).content.decode()
    assert (run.incident.title in listed) == (not restricted)


@pytest.mark.parametrize(
    "act", ["run_settle", "run_again", "run_draw", "run_end", "run_feedback", "run_missing", "run_begin"]
)
def test_nobody_outside_acts_on_a_run(run, cast, signed_in, act):
    Incident.objects.filter(pk=run.incident_id).update(restricted=True)
    args = {"run_begin": (run.incident.number, KEY)}.get(act, (run.number,))
    if act in {"run_settle", "run_again", "run_draw"}:
        args = (run.number, "read-gap")
    given = {"state": "done", "note": "x", "helped": "yes"}
    before = (Run.objects.count(), run.incident.timeline.count())
    for someone in (cast.sam, cast.vera, cast.rui):
        assert signed_in(someone).post(url(act, *args), given).status_code == 404
    Incident.objects.filter(pk=run.incident_id).update(restricted=False)
    assert signed_in(cast.vera).post(url(act, *args), given).status_code == 403
    assert Client().post(url(act, *args), given).status_code == 302
    assert (Run.objects.count(), run.incident.timeline.count()) == before


def test_a_proposal_does_not_tell_of_a_restricted_incident(run, cast, signed_in):
    text = shelf.one(KEY).text.replace("minutes: 180", "minutes: 90")
    made = actions.propose(KEY, text=text, why="Quicker.", by=Actor.of(cast.lena), run=run)
    actions.give_feedback(run, helped=Feedback.Helped.NO, missing="The name.", by=Actor.of(cast.lena))
    Incident.objects.filter(pk=run.incident_id).update(restricted=True)
    page = read(signed_in(cast.vera), url("proposal", made.number))
    assert run.ref not in page
    assert "The name." not in read(signed_in(cast.vera), url("runbook", KEY))
    assert run.ref in read(signed_in(cast.omar), url("proposal", made.number))


@pytest.mark.parametrize("key", sorted(shelf.shipped_texts()))
def test_a_run_of_every_shipped_runbook_comes_to_its_end(cast, time, signed_in, key):
    by = Actor.of(cast.lena)
    incident = scenes.contained(cast, type_=IncidentType.SAFETY)
    run = actions.begin(incident, key=key, by=by)
    book = shelf.parsed(run.version.text)
    while (row := next((one for one in queries.latest(run) if one.state == "todo"), None)) is not None:
        step = book.step(row.key)
        onward = [one for one in step.outcomes if not one.to or book.place(one.to) > book.place(step.key)]
        actions.settle(run, key=row.key, state=StepState.DONE, outcome=onward[0].key if onward else "", by=by)
    assert "Every step is settled" in read(signed_in(cast.lena), url("run", run.number))
    assert actions.end(run, finished=True, by=by).state == "finished"
